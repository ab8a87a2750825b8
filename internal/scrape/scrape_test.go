package scrape

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"

	"crossring/internal/meanwhile"
)

func TestAddress(t *testing.T) {
	for _, tt := range []struct {
		in, addr string
		open     bool
	}{
		{"9464", "127.0.0.1:9464", false}, {":9464", "127.0.0.1:9464", false}, {"localhost:0", "127.0.0.1:0", false}, {"127.0.0.1:1", "127.0.0.1:1", false},
		{"[::1]:80", "[::1]:80", false}, {"0.0.0.0:80", "0.0.0.0:80", true}, {"[::]:80", "[::]:80", true}, {"10.1.2.3:80", "10.1.2.3:80", true},
		{"[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", false},
	} {
		if addr, open, err := Address(tt.in); err != nil || addr != tt.addr || open != tt.open {
			t.Errorf("%q: %q, %t, %v", tt.in, addr, open, err)
		}
	}
	for _, bad := range []string{"", "host", "example.org:80", "127.0.0.1:65536", "127.0.0.1", ":-1", "::1:80"} {
		if addr, _, err := Address(bad); err == nil {
			t.Errorf("%q is taken: %s", bad, addr)
		}
	}
}

func get(t *testing.T, url, accept string) (text, kind string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", resp.Status, err, body)
	}
	return string(body), resp.Header.Get("Content-Type")
}

func TestServe(t *testing.T) {
	values := meanwhile.Unknown(0).Values
	values[meanwhile.CPU], values[meanwhile.GC], values[meanwhile.Heap] = 1.5, 250, 1e6
	n := int64(0)
	e, err := Serve("127.0.0.1:0", func(context.Context) Sample {
		n += 10
		return Sample{
			Loads:   []Load{{Op: "write", Datacenter: "us-east", Done: n, Rows: 100, Bad: 1}},
			Servers: []Server{{Node: "a", Datacenter: "us-east", Values: values}, {Node: "b", Datacenter: "us-west-2", Values: meanwhile.Unknown(0).Values}},
			Bytes:   map[[2]string]int64{{"us-east-1", "us-west-2"}: 7},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	text, kind := get(t, e.URL, "application/openmetrics-text; version=1.0.0")
	if !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("it is %s:\n%s", kind, text)
	}
	for _, want := range []string{
		"# TYPE crossring_load_rows counter", `crossring_load_rows_total{datacenter="us-east",op="write"} 10.0`, `crossring_load_rows_asked{datacenter="us-east",op="write"} 100.0`,
		`crossring_server_cpu_seconds_total{datacenter="us-east",node="a"} 1.5`, `crossring_server_gc_seconds_total{datacenter="us-east",node="a"} 0.25`,
		`crossring_wire_bytes_total{from="us-east-1",to="us-west-2"} 7.0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, `node="b"`) || strings.Contains(text, "pending_reads") {
		t.Errorf("what is not known is there:\n%s", text)
	}
	// What the next one gets is of then, and the older form is one that its own parser reads.
	text, _ = get(t, e.URL, "text/plain")
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil || families["crossring_load_rows_total"].GetMetric()[0].GetCounter().GetValue() != 20 {
		t.Errorf("%v\n%s", err, text)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(e.URL); err == nil {
		t.Error("it still answers")
	}
}
