package imds

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

var node = Instance{ID: "i-us-east-1-1", Zone: "us-east-1a", Region: "us-east-1", Private: "127.9.1.1", Public: "127.9.101.1"}

// ask makes one request of h, with headers given as name, value, name, value.
func ask(h http.Handler, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func newToken(t *testing.T, h http.Handler, ttl int) string {
	t.Helper()
	r := ask(h, http.MethodPut, "/latest/api/token", ttlHeader, strconv.Itoa(ttl))
	if r.StatusCode != http.StatusOK || r.Header.Get(ttlHeader) != strconv.Itoa(ttl) {
		t.Fatalf("a token for %d seconds: %s, %v", ttl, r.Status, r.Header)
	}
	return body(t, r)
}

func TestValues(t *testing.T) {
	h := Handler(node)
	token := newToken(t, h, 60)
	for path, want := range map[string]string{
		"placement/availability-zone": "us-east-1a",
		"placement/region":            "us-east-1",
		"public-ipv4":                 "127.9.101.1",
		"local-ipv4":                  "127.9.1.1",
		"instance-id":                 "i-us-east-1-1",
	} {
		for version, headers := range map[string][]string{"1": nil, "2": {tokenHeader, token}} {
			r := ask(h, http.MethodGet, "/latest/meta-data/"+path, headers...)
			if got := body(t, r); r.StatusCode != http.StatusOK || got != want {
				t.Errorf("version %s of %s: %s %q, want %q", version, path, r.Status, got, want)
			}
			if got := r.Header.Get("Content-Length"); got != strconv.Itoa(len(want)) || r.Header.Get("Content-Type") != "text/plain" {
				t.Errorf("version %s of %s: headers %v", version, path, r.Header)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	h := Handler(node)
	const zone, tokens = "/latest/meta-data/placement/availability-zone", "/latest/api/token"
	for _, tt := range []struct {
		method, path string
		headers      []string
		want         int
	}{
		{http.MethodGet, "/latest/meta-data/ami-id", nil, http.StatusNotFound},
		{http.MethodGet, "/", nil, http.StatusNotFound},
		{http.MethodPost, zone, nil, http.StatusMethodNotAllowed},
		{http.MethodPut, zone, nil, http.StatusMethodNotAllowed},
		{http.MethodGet, zone, []string{tokenHeader, "made up"}, http.StatusUnauthorized},
		{http.MethodGet, tokens, []string{ttlHeader, "60"}, http.StatusMethodNotAllowed},
		{http.MethodPut, tokens, nil, http.StatusBadRequest},
		{http.MethodPut, tokens, []string{ttlHeader, "0"}, http.StatusBadRequest},
		{http.MethodPut, tokens, []string{ttlHeader, "-1"}, http.StatusBadRequest},
		{http.MethodPut, tokens, []string{ttlHeader, "21601"}, http.StatusBadRequest},
		{http.MethodPut, tokens, []string{ttlHeader, "an hour"}, http.StatusBadRequest},
		{http.MethodPut, tokens, []string{ttlHeader, "1"}, http.StatusOK},
		{http.MethodPut, tokens, []string{ttlHeader, "21600"}, http.StatusOK},
	} {
		if r := ask(h, tt.method, tt.path, tt.headers...); r.StatusCode != tt.want {
			t.Errorf("%s %s with %v: %s, want %d", tt.method, tt.path, tt.headers, r.Status, tt.want)
		}
	}
}

func TestTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // with a clock that this test moves
		h := Handler(node)
		short, long := newToken(t, h, 10), newToken(t, h, maxTTL)
		if short == long || len(short) < 40 {
			t.Errorf("tokens %q and %q", short, long)
		}
		status := func(token string) int {
			return ask(h, http.MethodGet, "/latest/meta-data/local-ipv4", tokenHeader, token).StatusCode
		}
		for _, tt := range []struct {
			after       time.Duration
			short, long int
		}{
			{0, 200, 200},
			{10*time.Second - 1, 200, 200},
			{1, 401, 200},
			{maxTTL * time.Second, 401, 401},
		} {
			time.Sleep(tt.after)
			if s, l := status(short), status(long); s != tt.short || l != tt.long {
				t.Errorf("after another %s: %d and %d, want %d and %d", tt.after, s, l, tt.short, tt.long)
			}
		}
		// Tokens that have ended are forgotten, or a node that asks often would fill
		// the keeper's memory.
		newToken(t, h, 10)
		if n := len(h.tokens); n != 1 {
			t.Errorf("%d tokens are kept, want 1", n)
		}
	})
}

// A JVM that has this as its proxy sends the whole address in the request line.
func TestRequestsAsAProxyGetsThem(t *testing.T) {
	srv := httptest.NewServer(Handler(node))
	defer srv.Close()
	for _, line := range []string{
		"GET http://169.254.169.254/latest/meta-data/public-ipv4 HTTP/1.1",
		"GET /latest/meta-data/public-ipv4 HTTP/1.1",
	} {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "%s\r\nHost: 169.254.169.254\r\nProxy-Connection: keep-alive\r\n\r\n", line); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, r); r.StatusCode != http.StatusOK || got != node.Public || r.ContentLength != int64(len(got)) || len(r.TransferEncoding) > 0 {
			t.Errorf("%s: %s %q, length %d, %v", line, r.Status, got, r.ContentLength, r.TransferEncoding)
		}
	}
}

func TestTokenRequired(t *testing.T) {
	in := node
	in.TokenRequired, in.Public = true, ""
	in.More = map[string]string{"/latest/user-data": "#!/bin/sh"}
	h := Handler(in)
	token := newToken(t, h, 60)
	if r := ask(h, http.MethodGet, "/latest/user-data"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", r.Status)
	}
	if r := ask(h, http.MethodGet, "/latest/user-data", tokenHeader, token); r.StatusCode != http.StatusOK || body(t, r) != "#!/bin/sh" {
		t.Errorf("with a token: %s", r.Status)
	}
	if r := ask(h, http.MethodGet, "/latest/meta-data/public-ipv4", tokenHeader, token); r.StatusCode != http.StatusNotFound {
		t.Errorf("a public address that there is not: %s", r.Status)
	}
	h.SetPublic("203.0.113.10")
	if r := ask(h, http.MethodGet, "/latest/meta-data/public-ipv4", tokenHeader, token); r.StatusCode != http.StatusOK || body(t, r) != "203.0.113.10" {
		t.Errorf("an address that came later, asked for with the token from before: %s", r.Status)
	}
}

// Whoever asks for tokens without end gets them, and only so many are kept.
func TestTokensAreBounded(t *testing.T) {
	h := Handler(node)
	first := newToken(t, h, 60)
	for range maxTokens {
		newToken(t, h, 120)
	}
	last := newToken(t, h, 120)
	if len(h.tokens) != maxTokens || h.valid(first) || !h.valid(last) {
		t.Errorf("%d tokens, the first is good: %t, the last: %t", len(h.tokens), h.valid(first), h.valid(last))
	}
}
