// Package compare holds runs side by side, and says of each figure whether they differ by more
// than chance, or whether that can't be told. It is pure: what the runs are is handed to it.
package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"crossring/internal/stats"
	"crossring/internal/topology"
)

func orNothing(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Of compares samples with the first one; of one alone it gives the spread. The error is a
// *MixedError or a *NothingError, the latter beside a Result that says what differs.
func Of(samples []Sample) (Result, error) {
	res := Result{
		Schema: topology.Schema, Runs: []Run{}, Settings: map[string]string{}, Differences: []Difference{},
		NotComparable: []LeftOut{}, Metrics: []Metric{}, Warnings: []string{},
	}
	for _, s := range samples {
		if err := s.check(); err != nil {
			return res, err
		}
		run := Run{Label: s.Label, Rounds: []RoundRow{}}
		for _, r := range s.Rounds {
			run.Rounds = append(run.Rounds, RoundRow{r.Name, r.Path, r.Started, r.Host})
		}
		res.Runs = append(res.Runs, run)
	}
	res.settings(samples)
	for _, name := range names(samples) {
		if strings.HasSuffix(name, bytesPerSecond) && len(values(KeyValueBytes, samples)) == 1 {
			continue // it says the same as the rate
		}
		if why := leftOut(name, samples); why != "" {
			res.NotComparable = append(res.NotComparable, LeftOut{name, why})
			continue
		}
		res.Metrics = append(res.Metrics, metric(name, samples))
	}
	res.judge()
	res.warn(samples)
	if len(res.Metrics) == 0 {
		return res, &NothingError{res.NotComparable}
	}
	return res, nil
}

// check says whether the rounds of a sample are of the same.
func (s Sample) check() error {
	if len(s.Rounds) == 0 {
		return nil
	}
	first := s.Rounds[0]
	for _, r := range s.Rounds[1:] {
		for _, key := range keysOf(first, r) {
			if a, b := first.setting(key), r.setting(key); a != b && !aside(key) {
				return &MixedError{s.Label, key, [2]string{a, b}, [2]string{first.Name, r.Name}}
			}
		}
	}
	return nil
}

// aside are settings that say where a run was made, not what it was.
func aside(key string) bool { return key == KeyComputer || key == KeyCluster }

// The settings that are looked at here, by their names in documents.
const (
	KeyCluster    = "cluster"
	KeyComputer   = "computer"
	KeyValueBytes = "value_bytes"
	// These are of an operation, as in write_rows.
	KeyRows      = "rows"
	KeyRate      = "rate"
	KeyReadAfter = "after_ms"
)

func (r Round) setting(key string) string {
	for _, s := range r.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// keysOf are the settings of all rounds, each once, in order.
func keysOf(rounds ...Round) []string {
	var keys []string
	for _, r := range rounds {
		for _, s := range r.Settings {
			if !slices.Contains(keys, s.Key) {
				keys = append(keys, s.Key)
			}
		}
	}
	return keys
}

// settings tells what the samples have in common from what they have not.
func (res *Result) settings(samples []Sample) {
	var firsts []Round
	for _, s := range samples {
		firsts = append(firsts, s.Rounds...)
	}
	for _, key := range keysOf(firsts...) {
		var values []string
		for _, s := range samples {
			var of []string
			for _, r := range s.Rounds {
				if v := r.setting(key); !slices.Contains(of, v) {
					of = append(of, v)
				}
			}
			values = append(values, strings.Join(of, ", "))
		}
		if slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
			res.Differences = append(res.Differences, Difference{key, values})
		} else {
			res.Settings[key] = values[0]
		}
	}
}

// names are the figures that any round has, in the order of a report.
func names(samples []Sample) []string {
	all := map[string]bool{}
	for _, s := range samples {
		for _, r := range s.Rounds {
			for name := range r.Series {
				all[name] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// rank is where a figure stands in the order of a report.
func rank(name string) int {
	rank := 0
	for i, op := range []string{"write.", "read.", "lag."} {
		if strings.HasPrefix(name, op) {
			rank = 100 * (i + 1)
		}
	}
	for i, last := range []string{"rate", "p50", "p95", "p99", "p999", "max"} {
		if strings.HasSuffix(name, "."+last) {
			rank += i
		}
	}
	if strings.Contains(name, ".response.") {
		rank += 10
	}
	if strings.HasSuffix(name, "client_cpu_us_per_op") {
		rank += 50
	}
	return rank
}

// leftOut says why a figure of the samples can't be compared; "" where it can.
func leftOut(name string, samples []Sample) string {
	op, last, _ := strings.Cut(name, ".")
	for _, s := range samples {
		for _, r := range s.Rounds {
			if len(r.Series[name]) > 0 {
				continue
			}
			if !r.has(op) {
				return fmt.Sprintf("%s has no %s", r.Name, op)
			}
			if strings.HasPrefix(last, "response.") {
				return fmt.Sprintf("%s ran without a rate, so that nothing was due", r.Name)
			}
			return fmt.Sprintf("%s has no such figure", r.Name)
		}
	}
	if sizes := values(KeyValueBytes, samples); op != "lag" && len(sizes) > 1 && !strings.HasSuffix(name, bytesPerSecond) {
		return fmt.Sprintf("rows of %s bytes are not the same work", strings.Join(sizes, " and "))
	}
	if rates := values(op+"_"+KeyRate, samples); last == "rate" && len(rates) > 1 && slices.Contains(rates, "0") {
		return "one is as fast as it can be, and the other as it was told"
	}
	if last == "rate" && len(values(op+"_"+KeyReadAfter, samples)) > 1 {
		return "one read followed its write, and its rate is that of the write"
	}
	if rows := values(op+"_"+KeyRows, samples); strings.HasSuffix(last, "max") && len(rows) > 1 {
		return fmt.Sprintf("the longest of %s rows is longer the more they are", strings.Join(rows, " and "))
	}
	return ""
}

// bytesPerSecond is the end of the name of a figure that runs of other sizes have in common.
const bytesPerSecond = ".bytes_per_second"

// values are those that a setting has in any round, each once.
func values(key string, samples []Sample) []string {
	var values []string
	for _, s := range samples {
		for _, r := range s.Rounds {
			if v := r.setting(key); !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	return values
}

// has says whether a round has any figure of an operation.
func (r Round) has(op string) bool {
	for name := range r.Series {
		if strings.HasPrefix(name, op+".") {
			return true
		}
	}
	return false
}

// unit is that of a figure.
func unit(name string) string {
	switch {
	case strings.HasSuffix(name, ".rate"):
		return "rows/s"
	case strings.HasSuffix(name, bytesPerSecond):
		return "bytes/s"
	case strings.HasSuffix(name, "client_cpu_us_per_op"):
		return "µs"
	}
	return "ms"
}

func better(name string) string {
	if strings.HasSuffix(name, ".rate") || strings.HasSuffix(name, bytesPerSecond) {
		return "higher"
	}
	return "lower"
}

// metric compares one figure, without its verdicts.
func metric(name string, samples []Sample) Metric {
	m := Metric{Name: name, Unit: unit(name), Better: better(name), Changes: []Change{}}
	var rounds [][]stats.Estimate
	var all []stats.Estimate
	for _, s := range samples {
		var of []stats.Estimate
		for _, r := range s.Rounds {
			of = append(of, stats.OfSeries(r.Series[name]))
		}
		rounds = append(rounds, of)
		all = append(all, stats.OfRounds(of))
	}
	scatter, df := spread(rounds)
	for i, e := range all {
		// A run alone does not know how runs differ; where the other side has several, they tell.
		if len(rounds[i]) == 1 && scatter > 0 && !(e.Variance > scatter) {
			all[i].Variance, all[i].DF = scatter, df
		}
		m.Values = append(m.Values, Value{Mean: e.Mean, HalfWidth95: known(all[i].HalfWidth()), N: e.N, Rounds: len(rounds[i])})
	}
	for i := range all[min(1, len(all)):] {
		c := change(samples[i+1].Label, all[0], all[i+1])
		if scatter == 0 && blind(samples[0], samples[i+1]) {
			c.HalfWidth95, c.PValue = nil, nil
		}
		m.Changes = append(m.Changes, c)
	}
	return m
}

// blind says that two runs, one of each, can't be told apart: the computer was busy with other
// things, and how much those have changed from one to the next no course of a run can tell.
func blind(a, b Sample) bool {
	busy := func(s Sample) bool { return slices.ContainsFunc(s.Rounds, func(r Round) bool { return r.Busy }) }
	return len(a.Rounds) == 1 && len(b.Rounds) == 1 && (busy(a) || busy(b))
}

// spread is the variance of a single run, by the sample of several rounds that has the
// greatest; 0 where none has several.
func spread(rounds [][]stats.Estimate) (v, df float64) {
	for _, of := range rounds {
		if b, d := stats.Between(of); b > v {
			v, df = b, d
		}
	}
	return v, df
}

func change(label string, a, b stats.Estimate) Change {
	d := stats.Compare(a, b)
	c := Change{Run: label, PValue: known(d.P)}
	if a.Mean != 0 {
		c.Change, c.HalfWidth95 = known(d.Value/math.Abs(a.Mean)), known(d.HalfWidth/math.Abs(a.Mean))
	}
	return c
}

// judge sets the verdicts. The family that Holm's correction is for is all figures of one
// sample against the first.
func (res *Result) judge() {
	for i := range max(len(res.Runs)-1, 0) {
		var p []float64
		for _, m := range res.Metrics {
			v := math.NaN()
			if m.Changes[i].PValue != nil {
				v = *m.Changes[i].PValue
			}
			p = append(p, v)
		}
		for j, adjusted := range stats.Holm(p) {
			m := &res.Metrics[j]
			c := &m.Changes[i]
			c.PAdjusted = known(adjusted)
			c.Verdict = verdict(*c, m.Better)
			res.Verdicts.count(c.Verdict)
			if i == 0 {
				m.Change, m.HalfWidth95, m.PValue, m.PAdjusted, m.Verdict = c.Change, c.HalfWidth95, c.PValue, c.PAdjusted, c.Verdict
			}
		}
	}
}

func verdict(c Change, better string) string {
	switch {
	case c.PAdjusted == nil:
		return TooFew
	case *c.PAdjusted >= 1-stats.Confidence || c.Change == nil || *c.Change == 0:
		return NoDifferenceShown
	case (*c.Change > 0) == (better == "higher"):
		return Better
	}
	return Worse
}

func (v *Verdicts) count(verdict string) {
	switch verdict {
	case Better:
		v.Better++
	case Worse:
		v.Worse++
	case NoDifferenceShown:
		v.NoDifferenceShown++
	case TooFew:
		v.TooFew++
	}
}

// warn says what the reader is to know beside the figures.
func (res *Result) warn(samples []Sample) {
	single, tooBusy := len(samples) > 1, false
	for _, s := range samples {
		single = single && len(s.Rounds) == 1
		tooBusy = tooBusy || blind(samples[0], s)
		for _, r := range s.Rounds {
			if r.Busy {
				res.Warnings = append(res.Warnings, fmt.Sprintf("the computer was busy before %s: its figures scatter", r.Name))
			}
		}
	}
	switch {
	case single && tooBusy:
		res.Warnings = append(res.Warnings, "one run of each on a busy computer can't tell a difference from what else went on there; repeat with --runs")
	case single:
		res.Warnings = append(res.Warnings, "one run of each: how much runs of the same differ is not known from them, and intervals are by the course of each run alone; repeat with --runs")
	}
	for _, d := range res.Differences {
		if strings.HasSuffix(d.Key, "_"+KeyRows) {
			res.Warnings = append(res.Warnings, fmt.Sprintf("runs of %s rows: servers get faster with the rows that they have seen", strings.Join(d.Values, " and ")))
		}
		if d.Key == KeyComputer {
			res.Warnings = append(res.Warnings, "the runs are from different computers")
		}
	}
}

// known is nil for what can't be told.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
