package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"crossring/internal/lag"
	"crossring/internal/meanwhile"
	"crossring/internal/topology"
	"crossring/stress/results"
)

// courseOf is a phase of n seconds with a stall in the middle.
func courseOf(n int64) []results.Second {
	var secs []results.Second
	for i := range n {
		if i == n/2 {
			continue
		}
		secs = append(secs, results.Second{At: i, Ops: 5000 + i*13%700, Latency: results.Percentiles{P50: 9, P99: 40 + float64(i%7)}})
	}
	return secs
}

func pageText(t *testing.T, d Document, c Course) string {
	t.Helper()
	var a, b bytes.Buffer
	if err := HTML(&a, d, c); err != nil {
		t.Fatal(err)
	}
	if err := HTML(&b, d, c); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Error("the same document gave another page")
	}
	return a.String()
}

func TestHTML(t *testing.T) {
	d := troubled()
	got := pageText(t, d, Course{Write: courseOf(19), Read: courseOf(13)})
	if n := strings.Count(got, `<svg class="plot"`); n != 3 {
		t.Errorf("%d charts, want 3", n)
	}
	// Nothing is fetched or run, whatever may be in it; and that is said before anything else.
	if policy := strings.Index(got, `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">`); policy < 0 ||
		policy > strings.Index(got, "<title>") {
		t.Errorf("the page's policy is at %d", policy)
	}
	for _, s := range Verdict(d) {
		if !strings.Contains(got, "<p>"+html.EscapeString(s)+"</p>") {
			t.Errorf("the page lacks %q", s)
		}
	}
	for _, s := range []string{`class="bad"><b>7</b>missing for good`, `class="bad"><b>5</b>lost, of those acknowledged`, `class="bad"><b>3</b>writes unknown`, `<li><b>89,985</b>acknowledged`} {
		if !strings.Contains(got, s) {
			t.Errorf("the page lacks %s", s)
		}
	}
	if n := strings.Count(pageText(t, unfinished(), Course{}), `<svg class="plot"`); n != 0 {
		t.Errorf("%d charts of nothing", n)
	}
}

// The page fetches nothing and runs nothing, whatever the names are.
func TestHTMLStandsAlone(t *testing.T) {
	d := troubled()
	evil := `</pre></script><script src="http://example.org/x.js">alert(1)</script>`
	d.Cluster, d.RunDir = evil, evil
	d.Warnings = []string{evil}
	d.Write.Datacenter, d.Read.Datacenter = evil, evil
	got := pageText(t, d, Course{Write: courseOf(19), Read: courseOf(13)})
	if n := strings.Count(got, "<script"); n != 1 {
		t.Errorf("%d scripts, want the document alone", n)
	}
	for _, what := range []string{`(?i)<(link|img|iframe|object|image|use)\b`, `(?i)<[^>]*\b(src|href|srcset|action|on[a-z]+)\s*=`, `(?i)@import`, `(?i)url\(`} {
		if m := regexp.MustCompile(what).FindString(got); m != "" {
			t.Errorf("the page has %q", m)
		}
	}
}

// The document in the page is the document.
func TestHTMLCarriesTheDocument(t *testing.T) {
	got := pageText(t, troubled(), Course{})
	_, after, ok := strings.Cut(got, `<script type="application/json" id="document">`)
	if !ok {
		t.Fatal("no document in the page")
	}
	text, _, _ := strings.Cut(after, "</script>")
	var back Document
	if err := json.Unmarshal([]byte(text), &back); err != nil {
		t.Fatal(err)
	}
	back.Replication = troubled().Replication // which is no part of it
	if !reflect.DeepEqual(back, troubled()) {
		t.Error("it is another document")
	}
}

// A line goes over all of its phase, and its last stretch is left out where it is not a whole one.
func TestDrawn(t *testing.T) {
	secs := []results.Second{
		{At: 0, Ops: 10, Latency: results.Percentiles{P99: 3}},
		{At: 1, Ops: 30, Bad: 2, Latency: results.Percentiles{P99: 7}},
		{At: 4, Ops: 5, Missing: 4, Latency: results.Percentiles{P99: 1}},
	}
	for _, tt := range []struct {
		step            int64
		seconds         float64
		speed, p99, bad string
	}{
		{1, 5, "[10 30 0 0 5]", "[3 7 NaN NaN 1]", "[0 2 0 0 4]"},
		{1, 4.3, "[10 30 0 0]", "[3 7 NaN NaN]", "[0 2 0 0]"},
		{2, 6, "[20 0 2.5]", "[7 NaN 1]", "[1 0 2]"},
		{2, 4.3, "[20 0]", "[7 NaN]", "[1 0]"},
	} {
		got := drawn(secs, tt.step, tt.seconds)
		if fmt.Sprint(got.speed) != tt.speed || fmt.Sprint(got.p99) != tt.p99 || fmt.Sprint(got.bad) != tt.bad {
			t.Errorf("in steps of %d: %v, %v, %v", tt.step, got.speed, got.p99, got.bad)
		}
	}
	if got := drawn(nil, 1, 0); got.speed != nil || got.p99 != nil {
		t.Errorf("of nothing: %v", got)
	}
}

// Pass and fail look different, faults stand where they were, and what was run is said.
func TestHTMLSays(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	later, until := at.Add(20*time.Second), at.Add(9*time.Second)
	d := clean()
	d.Command, d.Crossring, d.Started = "crossring repro gk --rows 1000000", "v9", &at
	d.Faults = []topology.NetworkFault{{Kind: "partition", A: "us-east-1", B: "us-west-2", Since: at.Add(3 * time.Second), Until: &until}}
	good := pageText(t, d, Course{Write: courseOf(19), Read: courseOf(13), WriteSince: &at, ReadSince: &later})
	for _, s := range []string{
		`<div class="verdict good">`, "<dd>crossring repro gk --rows 1000000</dd>", "<dd>v9</dd>", "2026-11-30 12:00:00 UTC", `class="fault"`, "partition us-east-1 - us-west-2",
		"seconds since the run began", `aria-label="the ring of us-east"`, "us-west-2-1",
	} {
		if !strings.Contains(good, s) {
			t.Errorf("the page lacks %s", s)
		}
	}
	bad := pageText(t, troubled(), Course{})
	for _, s := range []string{`<div class="verdict bad">`, `<li class="down">`, "DOWN"} {
		if !strings.Contains(bad, s) {
			t.Errorf("the page of a run that failed lacks %s", s)
		}
	}
	if strings.Contains(pageText(t, unfinished(), Course{}), `<div class="verdict good">`) {
		t.Error("a run that did not begin is called good")
	}
}

// measured is a document of lag, with a cut in its middle.
func measured() lag.Result {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	until := at.Add(20 * time.Second)
	r := lag.Result{Cluster: "gk", Version: "5.0.9", WriteConsistency: "ONE", ReadConsistency: "ONE", Clock: lag.ClockOne, RateAsked: 100, Seconds: 60, DeadlineSeconds: 60,
		Writes: []lag.Writes{{Datacenter: "us-east", Rows: 6000, Acknowledged: 6000}}, Began: &at, Started: &at, Command: "crossring lag gk",
		Faults: []topology.NetworkFault{{Kind: "partition", A: "us-east-1", B: "us-west-2", Since: at.Add(10 * time.Second), Until: &until}}}
	p := lag.Pair{From: "us-east", To: "us-west-2", Rows: 6000, Seen: 5990, Never: 10, Within: []lag.Within{lag.NewWithin(500*time.Millisecond, 5000, 6000)}}
	p.Lag.Low.P50, p.Lag.High.P50, p.Lag.Low.Max = ref(38.2), ref(42.0), ref(31_000.0)
	for i := range 60 {
		s := lag.Second{T: int64(i), Rows: 100, P50: ref(41.0), P99: ref(55.0), Max: ref(61.0)}
		if i >= 10 && i < 20 {
			s.P50, s.Max = ref(float64(20-i)*1000), ref(float64(20-i)*1000+700)
		}
		if i == 15 {
			s.Max = nil
		}
		p.Seconds = append(p.Seconds, s)
		x := float64(i)
		p.Staleness = append(p.Staleness, lag.Point{Millis: int64(5 * i), AtLeast: max(0, min(1, x/9-0.9)), AtMost: max(0, min(1, x/9-0.7)), Predicted: ref(max(0, min(1, x/9-0.8)))})
	}
	r.Pairs = []lag.Pair{p}
	for _, name := range []string{"us-east-1-1", "us-west-2-1"} {
		server := meanwhile.Server{Name: name, StepSeconds: 1}
		for i := range 60 {
			one := meanwhile.Second{T: i, CPU: ref(0.3 + float64(i%5)/10), GCMillis: ref(float64(i % 7)), HeapBytes: ref(2e8 + float64(i%20)*1e7), HintsStored: ref(0.0), Dropped: ref(0.0)}
			if i >= 10 && i < 20 {
				one.HintsStored = ref(100.0)
			}
			if i == 30 {
				one = meanwhile.Second{T: i}
			}
			server.Seconds = append(server.Seconds, one)
		}
		r.Servers = append(r.Servers, server)
	}
	r.ServersSince, r.Servers[1].Missing = &at, "its agent did not answer in second 30"
	return r
}

func TestLagHTML(t *testing.T) {
	var b bytes.Buffer
	if err := LagHTML(&b, measured()); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, s := range []string{
		`<div class="verdict bad">`, "83.33 % of 6000 rows were readable within 500 ms", "<h2>From us-east to us-west-2</h2>", "predicted (WARS)", `class="band seen"`, `class="fault"`,
		"<dd>crossring lag gk</dd>", "38.2 – 42.0", "over 31,000",
	} {
		if !strings.Contains(got, s) {
			t.Errorf("the page lacks %s", s)
		}
	}
	// Two of the pair; of the servers what they said, and of that which is 0 what is always shown.
	if n := strings.Count(got, "<svg "); n != 2+4 {
		t.Errorf("%d charts", n)
	}
	for _, s := range []string{"<h2>The servers meanwhile</h2>", "Hints stored per second", "Of us-west-2-1 is not all known: its agent did not answer in second 30."} {
		if !strings.Contains(got, s) {
			t.Errorf("the page lacks %s", s)
		}
	}
	if strings.Contains(got, "Dropped writes per second") || strings.Contains(got, "Pending compactions") {
		t.Error("what never was has a chart")
	}
	for _, r := range []lag.Result{{}, {Pairs: []lag.Pair{{}}}} {
		if err := LagHTML(io.Discard, r); err != nil {
			t.Error(err)
		}
	}
}
