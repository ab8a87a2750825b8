package tunnel

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"crossring/internal/topology"
)

func TestParse(t *testing.T) {
	n := topology.Node{PrivateAddress: "10.0.0.5", Ports: topology.DefaultPorts()}
	for text, want := range map[string]Forward{
		"9042":                         {"127.0.0.1:9042", "10.0.0.5:9042"},
		"19042:9042":                   {"127.0.0.1:19042", "10.0.0.5:9042"},
		"7199":                         {"127.0.0.1:7199", "127.0.0.1:7199"},
		"0:5901":                       {"127.0.0.1:0", "127.0.0.1:5901"},
		"8080:intern.example:80":       {"127.0.0.1:8080", "intern.example:80"},
		"0.0.0.0:8080:10.0.0.9:80":     {"0.0.0.0:8080", "10.0.0.9:80"},
		"[::1]:8080:[2001:db8::1]:443": {"[::1]:8080", "[2001:db8::1]:443"},
		"*:19144:HOST:9042":            {":19144", "HOST:9042"},
		":19144:HOST:9042":             {":19144", "HOST:9042"},
		"[::]:19144:HOST:9042":         {"[::]:19144", "HOST:9042"},
		"localhost:8080:a-b.c_d:80":    {"localhost:8080", "a-b.c_d:80"},
		"*:19144:9042":                 {":19144", "10.0.0.5:9042"},
		":19144:9042":                  {":19144", "10.0.0.5:9042"},
		"[::1]:19144:9042":             {"[::1]:19144", "10.0.0.5:9042"},
		"*:9042":                       {":9042", "10.0.0.5:9042"},
		":7199":                        {":7199", "127.0.0.1:7199"},
		"[::1]:7199":                   {"[::1]:7199", "127.0.0.1:7199"},
		"127.0.0.9:7199":               {"127.0.0.9:7199", "127.0.0.1:7199"},
		"[fe80::1%lo]:8080:[::1]:80":   {"[fe80::1%lo]:8080", "[::1]:80"},
	} {
		if got, err := Parse(text, n); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "0", "70000", "1:0", "1:2:3:4:5", "1::2", "9042:cql", "-1", "*", ":", "::", "::1:9042", "*:*:9042", "[::1:9042", "[::1]9042", "[x]:1", "[::1]:0", "*:0", "1:*:2", "/tmp/s:h:1", "a b:1:h:2", "+1:2", "1:h:"} {
		if got, err := Parse(text, n); err == nil || !strings.Contains(err.Error(), "-L 9042") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestListenTakesAllOrNone(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := Listen([]Forward{{Listen: "127.0.0.1:0", Target: "x:1"}})
	if err != nil {
		t.Fatal(err)
	}
	port := free.Forwards[0].Listen
	free.Close()
	got, err := Listen([]Forward{{Listen: port}, {Listen: taken.Addr().String()}, {Listen: "203.0.113.1:1"}})
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "203.0.113.1") {
		t.Fatalf("%+v, %v", got, err)
	}
	l, err := net.Listen("tcp", port)
	if err != nil {
		t.Fatalf("what could be listened at is still taken: %v", err)
	}
	l.Close()
}

// echo answers with what it was sent, when the other end has said all.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go Accept(t.Context(), l, func(c net.Conn) {
		data, err := io.ReadAll(c)
		if err == nil {
			_, _ = c.Write(data) // whoever asked may have gone
		}
	})
	return l.Addr().String()
}

func TestServe(t *testing.T) {
	far := echo(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tun, err := Listen([]Forward{{Listen: "127.0.0.1:0", Target: far}, {Listen: "127.0.0.1:0", Target: "nowhere:1"}})
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tun.Serve(serving, func(ctx context.Context, addr string) (net.Conn, error) {
			if addr != far {
				return nil, errors.New("no such place")
			}
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}, slog.New(slog.DiscardHandler))
	}()
	say := func(at string) (string, error) {
		c, err := net.Dial("tcp", at)
		if err != nil {
			return "", err
		}
		defer c.Close()
		_, err = io.WriteString(c, "half closed")
		if err = errors.Join(err, c.(*net.TCPConn).CloseWrite()); err != nil {
			return "", err
		}
		data, err := io.ReadAll(c)
		return string(data), err
	}
	if got, err := say(tun.Forwards[0].Listen); err != nil || got != "half closed" {
		t.Errorf("%q, %v", got, err)
	}
	if got, _ := say(tun.Forwards[1].Listen); got != "" {
		t.Errorf("%q from nowhere", got)
	}
	stands, err := net.Dial("tcp", tun.Forwards[0].Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer stands.Close()
	if err := stands.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	stop()
	select {
	case <-ended:
	case <-ctx.Done():
		t.Fatal("it serves on")
	}
	if _, err := stands.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the tunnel")
	}
	if c, err := net.Dial("tcp", tun.Forwards[0].Listen); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}
