package tlsload

import (
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"crossring/provision/local/procs"
	"crossring/stress"
)

func TestParsePolicies(t *testing.T) {
	for text, want := range map[string]string{
		"shared": "shared", "shared,per-request,renew:50req,renew:5s": "shared|per-request|renew:50req|renew:5s", "renew:50req,10m": "renew:50req,10m0s",
		"renew:50req,10m,per-request": "renew:50req,10m0s|per-request", "per-request+resume, shared": "per-request+resume|shared", "renew:2s+resume,renew:2s": "renew:2s+resume|renew:2s",
		"renew:50req+resume,shared": "renew:50req+resume|shared",
	} {
		got, err := ParsePolicies(text)
		var names []string
		for _, p := range got {
			names = append(names, p.String())
		}
		if err != nil || strings.Join(names, "|") != want {
			t.Errorf("%q: %q, %v", text, names, err)
		}
	}
	for _, text := range []string{"", ",", "shared,", "shared,shared", "per-request,50req", "renew:50req+resume,10m", "renew", "+resume", "renew:0req"} {
		if got, err := ParsePolicies(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

// Ratios are of one request to the base's, by rounds; what was not measured is none.
func TestRatios(t *testing.T) {
	cpu := func(s float64) *float64 { return &s }
	base := []Part{{Requests: 100, Flows: 1, ClientCPUSeconds: 1, ServerCPUSeconds: cpu(2), Seconds: 4}, {Requests: 100, Flows: 2, ClientCPUSeconds: 1, ServerCPUSeconds: cpu(1), Seconds: 4},
		{Requests: 100, Flows: 1, ClientCPUSeconds: 1, ServerCPUSeconds: cpu(1), Seconds: 4}}
	other := []Part{{Requests: 50, Flows: 50, ClientCPUSeconds: 2, ServerCPUSeconds: cpu(2), Seconds: 4}, {Requests: 100, Flows: 100, ClientCPUSeconds: 5, ServerCPUSeconds: cpu(3), Seconds: 24},
		{Requests: 200, Flows: 200, ClientCPUSeconds: 12, ServerCPUSeconds: nil, Seconds: 40}}
	r := ratios(other, base)
	if *r.Flows != (Ratio{100, 50, 100}) || *r.ClientCPU != (Ratio{5, 4, 6}) || *r.Seconds != (Ratio{5, 2, 6}) || r.ServerCPU != nil {
		t.Errorf("%+v %+v %+v %+v", r.Flows, r.ClientCPU, r.Seconds, r.ServerCPU)
	}
	if r := ratios(other[:2], base[:2]); r.ServerCPU == nil || *r.ServerCPU != (Ratio{2.5, 2, 3}) {
		t.Errorf("%+v", r.ServerCPU)
	}
	if r := ratios(nil, base); r != nil {
		t.Errorf("%+v", r)
	}
	if r := ratios([]Part{{}}, base); r.Flows != nil || r.Seconds != nil {
		t.Errorf("%+v", r)
	}
	if s := sum(other); s.Requests != 350 || s.Flows != 350 || s.ServerCPUSeconds != nil {
		t.Errorf("%+v", s)
	}
	if s := sum(base); *s.ServerCPUSeconds != 4 || s.Seconds != 12 {
		t.Errorf("%+v", s)
	}
	if s := sum(nil); s.ServerCPUSeconds != nil {
		t.Errorf("%+v", s)
	}
	if i := base0(t, "per-request,shared"); i != 1 {
		t.Errorf("base %d", i)
	}
	if i := base0(t, "per-request,renew:5s"); i != 0 {
		t.Errorf("base %d", i)
	}
}

func base0(t *testing.T, text string) int {
	t.Helper()
	p, err := ParsePolicies(text)
	if err != nil {
		t.Fatal(err)
	}
	return base(p)
}

// What this process uses as the one that listens is found, and is what it used.
func TestServerTime(t *testing.T) {
	if err := procs.NeedLinux("the server's time", ""); err != nil {
		t.Skipf("not possible here: %v", err)
	}
	for _, at := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		l, err := net.Listen("tcp4", at)
		if err != nil {
			t.Fatal(err)
		}
		remote := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: l.Addr().(*net.TCPAddr).Port}
		s, err := findServer(remote)
		if err != nil || len(s.procs) != 1 || s.procs[0].PID != os.Getpid() {
			t.Fatalf("%+v, %v", s, err)
		}
		before, err := s.used()
		if err != nil {
			t.Fatal(err)
		}
		// Until the clock of processor time itself says that enough was used.
		for x := 1.0; ; x = math.Sqrt(x + 1) {
			now, err := s.used()
			if err != nil {
				t.Fatal(err)
			}
			if now[os.Getpid()].less(before[os.Getpid()]) > 50*time.Millisecond {
				break
			}
		}
		if used, err := s.since(before); err != nil || used < 50*time.Millisecond {
			t.Errorf("%s, %v", used, err)
		}
		l.Close()
		if _, err := s.since(before); err == nil {
			t.Error("the time of a server that listens no more is known")
		}
	}
	if _, err := findServer(&net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 443}); err == nil {
		t.Error("a server elsewhere is found here")
	}
	if _, err := findServer(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}); err == nil {
		t.Error("nobody listens there")
	}
}

// A thread that has ended takes its fine figure with it; the coarse one stays.
func TestUsage(t *testing.T) {
	a := usage{100 * time.Millisecond, map[int]time.Duration{1: 90 * time.Millisecond, 2: 11 * time.Millisecond}}
	for _, tt := range []struct {
		after usage
		want  time.Duration
	}{
		{usage{110 * time.Millisecond, map[int]time.Duration{1: 95 * time.Millisecond, 2: 12 * time.Millisecond, 3: 3 * time.Millisecond}}, 9 * time.Millisecond},
		{usage{130 * time.Millisecond, map[int]time.Duration{1: 95 * time.Millisecond}}, 30 * time.Millisecond},
		{usage{120 * time.Millisecond, nil}, 20 * time.Millisecond},
	} {
		if got := tt.after.less(a); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.after, got, tt.want)
		}
	}
}

// Lives are drawn between half and one and a half of what is said.
func TestDraw(t *testing.T) {
	p := stress.Policy{Requests: 50, Life: time.Minute}
	for range 1000 {
		if n, life := p.Draw(); n < 25 || n > 75 || life < 30*time.Second || life > 90*time.Second {
			t.Fatalf("%d requests, %s", n, life)
		}
	}
	if n, life := (stress.Policy{PerRequest: true}).Draw(); n != 1 || life != 0 {
		t.Errorf("%d, %s", n, life)
	}
	if n, life := (stress.Policy{}).Draw(); n != -1 || life != 0 {
		t.Errorf("%d, %s", n, life)
	}
}
