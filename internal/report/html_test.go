package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"html"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"crossring/stress/results"

	"github.com/go-analyze/charts"
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
	if n := strings.Count(got, "<svg "); n != 3 {
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
	if n := strings.Count(pageText(t, unfinished(), Course{}), "<svg "); n != 0 {
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

func TestChartsAreXML(t *testing.T) {
	write := drawn(courseOf(1000), 5)
	over, err := lines("rows per second", write.speed, nil, 5)
	if err != nil {
		t.Fatal(err)
	}
	perc, err := bars(troubled())
	if err != nil {
		t.Fatal(err)
	}
	for _, svg := range []string{over, perc} {
		dec := xml.NewDecoder(strings.NewReader(svg))
		for {
			_, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, svg)
			}
		}
	}
	if one, err := lines("x", []float64{1}, nil, 1); one != "" || err != nil {
		t.Errorf("a line of one point: %q, %v", one, err)
	}
}

// The line goes from one side of the chart to the other: each point has its own
// place on the axis.
func TestLineFillsTheChart(t *testing.T) {
	c := drawn(courseOf(19), 1)
	svg, err := lines("rows per second", c.speed, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	widest := 0.0
	for _, path := range regexp.MustCompile(`<path d="([^"]*)" style="stroke-width:1.5`).FindAllStringSubmatch(svg, -1) {
		for _, at := range regexp.MustCompile(`[ML] ([0-9.]+) `).FindAllStringSubmatch(path[1], -1) {
			x, err := strconv.ParseFloat(at[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			widest = max(widest, x)
		}
	}
	if widest < 0.95*chartWidth {
		t.Errorf("the line ends at %g of %d", widest, chartWidth)
	}
	for _, label := range []string{">0</text>", ">18</text>"} {
		if !strings.Contains(svg, label) {
			t.Errorf("the axis lacks %s", label)
		}
	}
}

func TestDrawn(t *testing.T) {
	secs := []results.Second{
		{At: 0, Ops: 10, Latency: results.Percentiles{P99: 3}},
		{At: 1, Ops: 30, Latency: results.Percentiles{P99: 7}},
		{At: 4, Ops: 5, Latency: results.Percentiles{P99: 1}},
	}
	null := charts.GetNullValue()
	for _, tt := range []struct {
		step       int64
		speed, p99 []float64
	}{
		{1, []float64{10, 30, 0, 0, 5}, []float64{3, 7, null, null, 1}},
		{2, []float64{20, 0, 2.5}, []float64{7, null, 1}},
	} {
		got := drawn(secs, tt.step)
		if !reflect.DeepEqual(got.speed, tt.speed) || !reflect.DeepEqual(got.p99, tt.p99) {
			t.Errorf("in steps of %d: %v, %v", tt.step, got.speed, got.p99)
		}
	}
	if got := drawn(nil, 1); got.speed != nil || got.p99 != nil {
		t.Errorf("of nothing: %v", got)
	}
}
