package compare

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"crossring/internal/topology"
)

// round is a run whose rate and p99 have these means, and scatter by 5 %.
func round(rng *rand.Rand, name string, rate, p99 float64, settings ...Setting) Round {
	noisy := func(m float64, n int) (x []float64) {
		for range n {
			x = append(x, m*(1+0.05*rng.NormFloat64()))
		}
		return x
	}
	base := []Setting{{KeyCluster, "lab"}, {"write_rows", "20000"}, {KeyValueBytes, "2048"}, {"write_rate", "0"}, {"in_flight", "128"}}
	for _, s := range settings {
		if i := slices.IndexFunc(base, func(b Setting) bool { return b.Key == s.Key }); i >= 0 {
			base[i] = s
		} else {
			base = append(base, s)
		}
	}
	return Round{Name: name, Settings: base, Series: map[string][]float64{
		"write.rate": noisy(rate, 64), "write.p99": noisy(p99, 16), "write.max": noisy(10*p99, 1), "write.bytes_per_second": noisy(2048*rate, 64),
	}}
}

func one(r Round) Sample { return Sample{Label: r.Name, Rounds: []Round{r}} }

func compared(t *testing.T, samples ...Sample) Result {
	t.Helper()
	res, err := Of(samples)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func metricOf(t *testing.T, res Result, name string) Metric {
	t.Helper()
	for _, m := range res.Metrics {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no %s in %+v", name, res.Metrics)
	return Metric{}
}

func TestVerdicts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	res := compared(t, one(round(rng, "a", 8000, 20)), one(round(rng, "b", 8800, 18)), one(round(rng, "c", 7200, 22)), one(round(rng, "d", 8000, 20)))
	if got, want := names([]Sample{one(round(rng, "a", 1, 1))}), []string{"write.bytes_per_second", "write.rate", "write.p99", "write.max"}; !slices.Equal(got, want) {
		t.Errorf("in the order %v, want %v", got, want)
	}
	rate, p99 := metricOf(t, res, "write.rate"), metricOf(t, res, "write.p99")
	for i, want := range []string{Better, Worse, NoDifferenceShown} {
		if rate.Changes[i].Verdict != want || p99.Changes[i].Verdict != want {
			t.Errorf("against %s: rate %+v, p99 %+v, want %s", rate.Changes[i].Run, rate.Changes[i], p99.Changes[i], want)
		}
	}
	if rate.Verdict != Better || math.Abs(*rate.Change-0.1) > 0.03 || *rate.HalfWidth95 > 0.05 || *rate.PValue > 0.001 || rate.Better != "higher" || p99.Better != "lower" {
		t.Errorf("%+v", rate)
	}
	if m := metricOf(t, res, "write.max"); m.Verdict != TooFew || m.PValue != nil || m.Values[0].HalfWidth95 != nil || m.Change == nil {
		t.Errorf("a single figure of each: %+v", m)
	}
	if res.Verdicts != (Verdicts{Better: 2, Worse: 2, NoDifferenceShown: 2, TooFew: 3}) {
		t.Errorf("%+v", res.Verdicts)
	}
	if len(res.Differences) != 0 || res.Settings["in_flight"] != "128" || len(res.NotComparable) != 0 {
		t.Errorf("settings %v, differences %v, left out %v", res.Settings, res.Differences, res.NotComparable)
	}
	var b bytes.Buffer
	if err := errors.Join(res.Text(&b), res.Markdown(&b)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Run with the same settings.", "B: better", "C: worse", "D: no difference shown", "too few", "one run of each", "of 9 figures"} {
		if !strings.Contains(strings.ToLower(b.String()), strings.ToLower(want)) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// Rounds are one sample: that runs differ by themselves is part of the interval, and of a run
// alone that is held against them.
func TestRoundsAreOneSample(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	scattered := func(label string, means ...float64) Sample {
		s := Sample{Label: label}
		for i, m := range means {
			s.Rounds = append(s.Rounds, round(rng, label+string(rune('1'+i)), m, 20))
		}
		return s
	}
	a, b := scattered("a", 8000, 9500, 7000), scattered("b", 8700, 7600, 9900)
	if m := metricOf(t, compared(t, a, b), "write.rate"); m.Verdict != NoDifferenceShown || m.Values[0].Rounds != 3 || m.Values[0].N < 24 {
		t.Errorf("rounds that scatter: %+v", m)
	}
	// The same two runs alone would differ.
	if m := metricOf(t, compared(t, one(a.Rounds[0]), one(b.Rounds[0])), "write.rate"); m.Verdict != Better {
		t.Errorf("one round of each: %+v", m)
	}
	if m := metricOf(t, compared(t, a, one(round(rng, "x", 9000, 20))), "write.rate"); m.Verdict != NoDifferenceShown {
		t.Errorf("one run against rounds that scatter: %+v", m)
	}
	if res := compared(t, a, b); len(res.Warnings) != 0 {
		t.Errorf("warnings %q", res.Warnings)
	}
	// Of three rounds even a figure that each has once can be judged.
	if m := metricOf(t, compared(t, a, b), "write.max"); m.Verdict == TooFew {
		t.Errorf("%+v", m)
	}
}

func TestOneSampleHasItsSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	res := compared(t, Sample{Label: "a", Rounds: []Round{round(rng, "a1", 8000, 20), round(rng, "a2", 8100, 20), round(rng, "a3", 7900, 20)}})
	m := metricOf(t, res, "write.rate")
	if m.Verdict != Alone || m.Change != nil || len(m.Changes) != 0 || m.Values[0].HalfWidth95 == nil || res.Verdicts != (Verdicts{}) {
		t.Errorf("%+v", m)
	}
	var b bytes.Buffer
	if err := res.Text(&b); err != nil || !strings.Contains(b.String(), "3 rounds: a1, a2, a3") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// Runs of other work are held against each other only where that means something.
func TestWhatCannotBeCompared(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	a := round(rng, "a", 8000, 20)
	why := func(b Round) map[string]string {
		t.Helper()
		res := compared(t, one(a), one(b))
		out := map[string]string{}
		for _, l := range res.NotComparable {
			out[l.Name] = l.Why
		}
		return out
	}
	sizes := why(round(rng, "b", 8000, 20, Setting{KeyValueBytes, "100"}))
	if !strings.Contains(sizes["write.rate"], "2048 and 100 bytes") || sizes["write.p99"] == "" || sizes["write.bytes_per_second"] != "" {
		t.Errorf("other sizes: %v", sizes)
	}
	rows := why(round(rng, "b", 8000, 20, Setting{"write_rows", "5"}))
	if rows["write.max"] == "" || rows["write.rate"] != "" {
		t.Errorf("other rows: %v", rows)
	}
	if res := compared(t, one(a), one(round(rng, "b", 8000, 20, Setting{"write_rows", "5"}))); len(res.Differences) != 1 || !slices.Equal(res.Differences[0].Values, []string{"20000", "5"}) || len(res.Warnings) != 2 {
		t.Errorf("other rows: %+v, %q", res.Differences, res.Warnings)
	}
	if rate := why(round(rng, "b", 8000, 20, Setting{"write_rate", "500"})); rate["write.rate"] == "" || rate["write.p99"] != "" {
		t.Errorf("an open and a closed loop: %v", rate)
	}
	more := round(rng, "b", 8000, 20)
	more.Series["read.rate"] = more.Series["write.rate"]
	more.Series["write.response.p99"] = more.Series["write.p99"]
	if got := why(more); got["read.rate"] != "a has no read" || !strings.Contains(got["write.response.p99"], "without a rate") {
		t.Errorf("a read that the other has not: %v", got)
	}
	lag := Round{Name: "l", Series: map[string][]float64{"lag.us-east:us-west-2.p50": {40, 41}}}
	var nothing *NothingError
	if res, err := Of([]Sample{one(a), one(lag)}); !errors.As(err, &nothing) || !strings.Contains(err.Error(), "l has no write") || len(res.NotComparable) != 5 {
		t.Errorf("a run and a measurement of lag: %v, %+v", err, res.NotComparable)
	}
	var mixed *MixedError
	_, err := Of([]Sample{{Label: "a,b", Rounds: []Round{a, round(rng, "b", 8000, 20, Setting{"in_flight", "64"})}}, one(a)})
	if !errors.As(err, &mixed) || !strings.Contains(err.Error(), "a has in_flight 128, and b has 64") {
		t.Errorf("rounds that are not of the same: %v", err)
	}
	if _, err := Of([]Sample{{Label: "a,b", Rounds: []Round{a, round(rng, "b", 8000, 20, Setting{KeyCluster, "other"})}}, one(a)}); err != nil {
		t.Errorf("rounds on clusters of the same kind: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	a, b := round(rng, "a", 8000, 20, Setting{KeyComputer, "x, 2 processors"}), round(rng, "b", 8000, 20, Setting{KeyComputer, "y, 4 processors"})
	a.Busy, a.Host = true, &topology.Computer{Name: "x"}
	res := compared(t, one(a), one(b))
	if all := strings.Join(res.Warnings, "\n"); !strings.Contains(all, "busy before a:") || strings.Contains(all, "busy before b") || !strings.Contains(all, "different computers") {
		t.Errorf("%q", res.Warnings)
	}
	// What else went on there no course of a run can tell; several rounds can.
	if m := metricOf(t, compared(t, one(a), one(round(rng, "c", 9000, 20))), "write.rate"); m.Verdict != TooFew || m.Change == nil || m.HalfWidth95 != nil {
		t.Errorf("one run of each on a busy computer: %+v", m)
	}
	rounds := func(label string, rate float64) Sample {
		s := Sample{Label: label}
		for _, n := range []string{"1", "2", "3"} {
			r := round(rng, label+n, rate, 20)
			r.Busy = true
			s.Rounds = append(s.Rounds, r)
		}
		return s
	}
	if m := metricOf(t, compared(t, rounds("d", 8000), rounds("e", 9000)), "write.rate"); m.Verdict != Better {
		t.Errorf("rounds on a busy computer: %+v", m)
	}
	if res.Runs[0].Rounds[0].Host == nil || res.Runs[1].Rounds[0].Host != nil {
		t.Error("the computer is lost")
	}
}

// What a label or a setting holds drives neither the terminal nor the page.
func TestForeignTexts(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	var text, page bytes.Buffer
	res := compared(t, one(round(rng, "a\x1b[2J|<b>", 1, 1)), one(round(rng, "b", 1, 1, Setting{"in_flight", "\x1b]0;x\a"})))
	if err := errors.Join(res.Text(&text), res.Markdown(&page)); err != nil || strings.ContainsAny(text.String()+page.String(), "\x1b\a") || strings.Contains(page.String(), "<b>") {
		t.Errorf("%v\n%q\n%q", err, text.String(), page.String())
	}
}
