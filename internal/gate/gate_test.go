package gate

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"crossring/internal/compare"
	"crossring/internal/failif"
	"crossring/internal/lag"
	"crossring/internal/topology"
	"crossring/stress/results"
)

var paced = topology.Stress{Load: topology.Load{Rate: 1000}}

func load() (*results.WriteSummary, *results.ReadSummary, results.Account) {
	p := results.Percentiles{P50: 1, P95: 2, P99: 3, P999: 4, Max: 5}
	f := results.Frame{OpsPerSec: 8000, ClientCPUMicros: 14, Latency: p, Response: &p}
	w, r := &results.WriteSummary{Frame: f, Acknowledged: 98, Failed: 1, Unknown: 1}, &results.ReadSummary{Frame: f, Found: 97, FoundLater: 2, MissingAtFirstRead: 3, Missing: 1}
	w.Op, r.Op = "write", "read"
	r.Lag = results.Lag{Count: 2, Percentiles: results.Percentiles{P50: 40, P95: 41, P99: 42, P999: 43, Max: 44}}
	r.SeenAtFirstRead, r.LateStarts = new(int64(95)), new(int64(7))
	return w, r, results.Account{Lost: new(int64(1))}
}

// What --fail-if may ask of a run is what the run gives, name by name.
func TestKnownFiguresAreThere(t *testing.T) {
	w, r, rows := load()
	for _, tt := range []struct {
		known failif.Known
		v     Values
	}{
		{OfLoad(paced, true, "write", "read"), Load(w, r, rows)},
		{OfLoad(paced, false, "write"), Load(w, nil, results.Account{})},
		{OfLag(), Lag(lag.Result{Pairs: []lag.Pair{{}}})},
		{OfComparison(comparison()), Comparison(comparison())},
	} {
		for name := range tt.known.Units {
			if _, there := tt.v.Values[name]; !there && !strings.Contains(name, "response") {
				t.Errorf("%s is known, and the run has no such figure", name)
			}
		}
		for name := range tt.v.Values {
			_, known := tt.known.Units[name]
			if _, absent := tt.known.Absent[name]; !known && !absent {
				t.Errorf("the run has %s, which nobody can ask for", name)
			}
		}
	}
	if v := Load(w, r, rows).Values; *v["write.rate"] != 8000 || *v["read.p999"] != 4 || *v["write.response.max"] != 5 || *v["lag.p50"] != 40 || *v["lost"] != 1 || *v["read.late_starts"] != 7 {
		t.Error("a figure is another one")
	}
}

// A figure that a run will not have is told apart from one that no run has.
func TestAbsentFigures(t *testing.T) {
	for _, tt := range []struct {
		known      failif.Known
		name, want string
	}{
		{OfLoad(topology.Stress{}, false, "write", "read"), "write.response.p99", "without --rate"},
		{OfLoad(topology.Stress{}, false, "write", "read"), "read.late_starts", "without --read-after"},
		{OfLoad(paced, true, "write", "read"), "read.response.p99", "without --rate"},
		{OfLoad(paced, false, "write"), "read.p99", "does not read"},
		{OfLoad(paced, false, "write"), "lag.p99", "does not read"},
		{OfLoad(paced, false, "read"), "write.response.p99", "does not write"},
		{OfComparison(comparison()), "read.p99.change", "a has no read"},
		{OfLag(), "read.p99", "there is no figure"},
	} {
		if _, err := failif.Parse([]string{tt.name + ">1"}, tt.known); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func comparison() compare.Result {
	return compare.Result{
		Runs: make([]compare.Run, 2), Verdicts: compare.Verdicts{Better: 1, TooFew: 2}, NotComparable: []compare.LeftOut{{Name: "read.p99", Why: "a has no read"}},
		Metrics: []compare.Metric{{Name: "write.rate", Unit: "rows/s", Values: []compare.Value{{Mean: 8000}, {Mean: 8800}}, Changes: []compare.Change{{Change: new(0.1)}}}},
	}
}

func TestComparison(t *testing.T) {
	v := Comparison(comparison()).Values
	if *v["write.rate"] != 8800 || *v["write.rate.change"] != 0.1 || *v["better"] != 1 || *v["too_few"] != 2 {
		t.Errorf("%v", v)
	}
	e, err := failif.Parse([]string{"write.rate.change>5%"}, OfComparison(comparison()))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := failif.Check(e, v); err == nil || len(b) != 1 {
		t.Errorf("%v, %v", b, err)
	}
}

// The worst pair counts; where a row was never seen the percentile is only known to be so much.
func TestLag(t *testing.T) {
	var res lag.Result
	if err := json.Unmarshal([]byte(`{"rate": 99, "writes": [{"failed": 1, "unknown": 2}, {"failed": 3}], "pairs": [
		{"never": 1, "lag_ms": {"low": {"p50": 40, "p999": 5000}, "high": {"p50": 41, "p999": null}}},
		{"never": 2, "pending": 4, "lag_ms": {"low": {"p50": 50, "p999": 60}, "high": {"p50": 51, "p999": 61}}}]}`), &res); err != nil {
		t.Fatal(err)
	}
	v := Lag(res)
	if *v.Values["lag.p50"] != 51 || v.Values["lag.p999"] != nil || *v.AtLeast["lag.p999"] != 5000 || *v.Values["lag.never"] != 3 || *v.Values["lag.pending"] != 4 ||
		*v.Values["write.failed"] != 4 || *v.Values["write.unknown"] != 2 || *v.Values["write.rate"] != 99 {
		t.Errorf("%+v", v)
	}
}

// Of several pairs the worst counts, and what is counted is added up.
func TestPairs(t *testing.T) {
	w, r, rows := load()
	one := Load(w, r, rows)
	slow, late := *w, *r
	slow.OpsPerSec, slow.Latency.P99 = 100, 70
	two := Load(&slow, &late, results.Account{})
	v := OfPairs([]Values{one, two}).Values
	if *v["write.rate"] != 100 || *v["write.p99"] != 70 || *v["read.p99"] != 3 || *v["write.failed"] != 2 || *v["read.found"] != 194 || v["lost"] != nil {
		t.Errorf("rate %v, p99 %v, failed %v, found %v, lost %v", *v["write.rate"], *v["write.p99"], *v["write.failed"], *v["read.found"], v["lost"])
	}
	if v := OfPairs([]Values{two, one}).Values; v["lost"] != nil || *v["write.rate"] != 100 {
		t.Error("the order counts")
	}
}

func TestCases(t *testing.T) {
	w, r, rows := load()
	v := Load(w, r, rows)
	delete(v.Values, "lost")
	exprs, err := failif.Parse([]string{"read.p99>2ms", "write.rate<1", "lost>0"}, OfLoad(paced, true, "write", "read"))
	if err != nil {
		t.Fatal(err)
	}
	breaches, _ := failif.Check(exprs, v.Values)
	cases := Cases("crossring repro lab", errors.New("of 100 rows: 1 <missing>\x1b[2J\nand more"), exprs, breaches, v)
	var x, md bytes.Buffer
	if err := errors.Join(JUnit(&x, "crossring repro lab", 1.5, cases), Markdown(&md, "crossring repro lab", cases, Figures(v, slices.Sorted(maps.Keys(v.Values))))); err != nil {
		t.Fatal(err)
	}
	var back suites
	if err := xml.Unmarshal(x.Bytes(), &back); err != nil || len(back.Suites) != 1 {
		t.Fatalf("%v\n%s", err, x.String())
	}
	s := back.Suites[0]
	if s.Tests != 4 || s.Failures != 2 || s.Errors != 1 || len(s.Cases) != 4 || s.Cases[0].Failure == nil || !strings.Contains(s.Cases[0].Failure.Text, "1 <missing>") ||
		s.Cases[1].Failure.Message != "it is 3" || s.Cases[2].Failure != nil || s.Cases[2].Error != nil || s.Cases[3].Error == nil || s.Time != "1.500" {
		t.Errorf("%s", x.String())
	}
	if strings.Contains(x.String()+md.String(), "\x1b") {
		t.Error("what drives a terminal is in it")
	}
	for _, want := range []string{"## crossring repro lab: 3 things not as asked", "| read.p99>2ms | **failed**: it is 3 |", "| write.rate&lt;1 | ok |", "| lost>0 | **not known**", "| write.rate | 8000 |", "&lt;missing>"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("no %q in\n%s", want, md.String())
		}
	}
	md.Reset()
	if err := Markdown(&md, "x", Cases("x", nil, nil, nil, v), nil); err != nil || !strings.Contains(md.String(), "## x: as asked") {
		t.Errorf("%v\n%s", err, md.String())
	}
}
