// Package gate is what a pipeline asks of a run: the figures that --fail-if knows, by name, and
// what came of it as JUnit's XML and as Markdown. It is pure.
package gate

import (
	"maps"
	"slices"
	"strings"

	"crossring/internal/compare"
	"crossring/internal/failif"
	"crossring/internal/lag"
	"crossring/internal/topology"
	"crossring/stress/record"
	"crossring/stress/results"
)

// Values are figures by name; one that is not known is nil or left out. AtLeast is what is known
// of those.
type Values struct {
	Values, AtLeast map[string]*float64
}

// percentiles by the end of their names.
var percentiles = []string{"p50", "p95", "p99", "p999", "max"}

// OfLoad are the figures that a load has: of the phases ops, with the settings s, and with or
// without --read-after.
func OfLoad(s topology.Stress, after bool, ops ...string) failif.Known {
	k := failif.Known{Units: map[string]failif.Unit{}, Absent: map[string]string{}}
	for _, op := range []string{record.OpWrite, record.OpRead} {
		of := failif.Known{Units: map[string]failif.Unit{op + ".rate": failif.PerSecond}, Absent: map[string]string{}}
		for _, p := range percentiles {
			of.Units[op+"."+p] = failif.Millis
			response := op + ".response." + p
			if s.Rate > 0 && (op == record.OpWrite || !after) {
				of.Units[response] = failif.Millis
			} else {
				of.Absent[response] = "without --rate nothing is due, and there are no response times"
			}
		}
		of.Units[op+".client_cpu_us_per_op"] = failif.Plain
		counts := []string{"acknowledged", "failed", "unknown"}
		if op == record.OpRead {
			counts = []string{"found", "found_later", "missing_at_first_read", "missing", "wrong", "failed"}
			for _, p := range percentiles {
				of.Units["lag."+p] = failif.Millis
			}
			of.Units["lost"] = failif.Plain
			for _, name := range []string{"seen_at_first_read", "late_starts"} {
				if after {
					of.Units[op+"."+name] = failif.Plain
				} else {
					of.Absent[op+"."+name] = "rows are not read so long after their own acknowledgement without --read-after"
				}
			}
		}
		for _, name := range counts {
			of.Units[op+"."+name] = failif.Plain
		}
		if slices.Contains(ops, op) {
			maps.Copy(k.Units, of.Units)
			maps.Copy(k.Absent, of.Absent)
			continue
		}
		for name := range of.Units {
			k.Absent[name] = "it does not " + op
		}
		for name := range of.Absent {
			k.Absent[name] = "it does not " + op
		}
	}
	return k
}

func float[N int | int64](n N) *float64 { return new(float64(n)) }

// Load has the figures of phases, of which either may be nil.
func Load(w *results.WriteSummary, r *results.ReadSummary, rows results.Account) Values {
	v := map[string]*float64{}
	if w != nil {
		frame(v, w.Frame)
		v["write.acknowledged"], v["write.failed"], v["write.unknown"] = float(w.Acknowledged), float(w.Failed), float(w.Unknown)
	}
	if r != nil {
		frame(v, r.Frame)
		v["read.found"], v["read.found_later"], v["read.missing_at_first_read"] = float(r.Found), float(r.FoundLater), float(r.MissingAtFirstRead)
		v["read.missing"], v["read.wrong"], v["read.failed"] = float(r.Missing), float(r.Wrong), float(r.Failed)
		if r.SeenAtFirstRead != nil {
			v["read.seen_at_first_read"] = float(*r.SeenAtFirstRead)
		}
		if r.LateStarts != nil {
			v["read.late_starts"] = float(*r.LateStarts)
		}
		put(v, "lag.", r.Lag.Percentiles) // 0 where no row was late
		if rows.Lost != nil {
			v["lost"] = float(*rows.Lost)
		}
	}
	return Values{Values: v}
}

// OfPairs has the figures of several experiments at once: the slowest rate, the longest times,
// and the sum of what is counted. One that is not known of one of them is not known.
func OfPairs(pairs []Values) Values {
	out := Values{Values: map[string]*float64{}}
	for i, p := range pairs {
		for name, v := range p.Values {
			at, there := out.Values[name]
			switch last := name[strings.LastIndex(name, ".")+1:]; {
			case i == 0:
				out.Values[name] = v
			case !there || at == nil || v == nil:
				out.Values[name] = nil
			case last == "rate":
				out.Values[name] = new(min(*at, *v))
			case slices.Contains(percentiles, last) || last == "client_cpu_us_per_op":
				out.Values[name] = new(max(*at, *v))
			default:
				out.Values[name] = new(*at + *v)
			}
		}
		for name := range out.Values {
			if _, there := p.Values[name]; !there {
				out.Values[name] = nil
			}
		}
	}
	return out
}

func frame(v map[string]*float64, f results.Frame) {
	v[f.Op+".rate"], v[f.Op+".client_cpu_us_per_op"] = &f.OpsPerSec, &f.ClientCPUMicros
	put(v, f.Op+".", f.Latency)
	if f.Response != nil {
		put(v, f.Op+".response.", *f.Response)
	}
}

func put(v map[string]*float64, prefix string, p results.Percentiles) {
	for i, at := range []float64{p.P50, p.P95, p.P99, p.P999, p.Max} {
		v[prefix+percentiles[i]] = &at
	}
}

// OfLag are the figures that a measurement of lag has.
func OfLag() failif.Known {
	k := failif.Names("lag.never", "lag.pending", "write.failed", "write.unknown")
	for _, p := range percentiles {
		k.Units["lag."+p] = failif.Millis
	}
	k.Units["write.rate"] = failif.PerSecond
	return k
}

// Lag has the figures of a measurement of lag: those of the pair of datacenters that is the
// worst in each. Percentiles are upper bounds. Where there is none, because the row was not seen,
// the lower one is in AtLeast.
func Lag(res lag.Result) Values {
	out := Values{Values: map[string]*float64{"write.rate": &res.Rate}, AtLeast: map[string]*float64{}}
	sums := map[string]int64{"lag.never": 0, "lag.pending": 0, "write.failed": 0, "write.unknown": 0}
	for _, w := range res.Writes {
		sums["write.failed"] += w.Failed
		sums["write.unknown"] += w.Unknown
	}
	highs := map[string][]*float64{}
	for _, p := range res.Pairs {
		sums["lag.never"] += p.Never
		sums["lag.pending"] += p.Pending
		low, high := bounds(p.Lag.Low), bounds(p.Lag.High)
		for i, name := range percentiles {
			highs[name] = append(highs[name], high[i])
			if l := low[i]; l != nil {
				if at := out.AtLeast["lag."+name]; at == nil || *l > *at {
					out.AtLeast["lag."+name] = l
				}
			}
		}
	}
	for name, all := range highs {
		out.Values["lag."+name] = worst(all)
	}
	for name, n := range sums {
		out.Values[name] = float(n)
	}
	return out
}

func bounds(p lag.Percentiles) []*float64 { return []*float64{p.P50, p.P95, p.P99, p.P999, p.Max} }

// worst is the largest of all; nil where one of them is not known, which may be larger.
func worst(all []*float64) (most *float64) {
	for _, v := range all {
		if v == nil {
			return nil
		}
		if most == nil || *v > *most {
			most = v
		}
	}
	return most
}

// OfComparison are the figures of a comparison: how many have each verdict, and, of each figure,
// the last run's mean, and how far that is from the first one's.
func OfComparison(res compare.Result) failif.Known {
	k := failif.Names("better", "worse", "no_difference_shown", "too_few")
	for _, m := range res.Metrics {
		k.Units[m.Name] = unit(m.Unit)
		if len(res.Runs) > 1 {
			k.Units[m.Name+".change"] = failif.Share
		}
	}
	k.Absent = map[string]string{}
	for _, l := range res.NotComparable {
		k.Absent[l.Name], k.Absent[l.Name+".change"] = l.Why, l.Why
	}
	return k
}

func unit(of string) failif.Unit {
	switch of {
	case "ms":
		return failif.Millis
	case "rows/s", "bytes/s":
		return failif.PerSecond
	}
	return failif.Plain
}

// Comparison has the figures of a comparison.
func Comparison(res compare.Result) Values {
	n := res.Verdicts
	v := map[string]*float64{
		"better": float(n.Better), "worse": float(n.Worse), "no_difference_shown": float(n.NoDifferenceShown), "too_few": float(n.TooFew),
	}
	for _, m := range res.Metrics {
		v[m.Name] = &m.Values[len(m.Values)-1].Mean
		if len(m.Changes) > 0 {
			v[m.Name+".change"] = m.Changes[len(m.Changes)-1].Change
		}
	}
	return Values{Values: v}
}
