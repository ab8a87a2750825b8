package lag

import (
	"slices"
	"sort"
	"time"
)

// Point is a point of the staleness curve: the share of rows that were there so long after
// their acknowledgement.
type Point struct {
	Millis int64 `json:"ms"`
	// AtLeast and AtMost are the share as measured: by the upper ends of the rows' intervals,
	// and by the lower ones.
	AtLeast float64 `json:"at_least"`
	AtMost  float64 `json:"at_most"`
	// Predicted is the model's; nil where there is none.
	Predicted *float64 `json:"predicted"`
	// Own is what the servers' own predictor says, which 1.2 has; nil where there is none.
	Own *float64 `json:"own"`
}

// staleness measures the curve up to 300 ms, and further where that is less than five ways.
func staleness(all []fate, oneWay time.Duration, model []time.Duration) (curve []Point, difference *float64) {
	const points, least = 60, 300 * time.Millisecond
	curve = []Point{}
	if len(all) == 0 {
		return curve, nil
	}
	step := max(least, 5*oneWay).Round(10*time.Millisecond) / points
	lows, highs := make([]time.Duration, 0, len(all)), make([]time.Duration, 0, len(all))
	for _, f := range all {
		lows, highs = append(lows, f.Low), append(highs, f.High)
	}
	slices.Sort(lows)
	slices.Sort(highs)
	for i := range points + 1 {
		t := (time.Duration(i) * step).Truncate(time.Millisecond)
		p := Point{Millis: t.Milliseconds(), AtLeast: shareUpTo(highs, t), AtMost: shareUpTo(lows, t)}
		if model != nil {
			predicted := shareUpTo(model, t)
			p.Predicted = &predicted
			d := max(p.AtLeast-predicted, predicted-p.AtMost, 0)
			if difference == nil || d > *difference {
				difference = &d
			}
		}
		curve = append(curve, p)
	}
	return curve, difference
}

// shareUpTo is the share of sorted values that are t or less.
func shareUpTo(sorted []time.Duration, t time.Duration) float64 {
	return float64(sort.Search(len(sorted), func(i int) bool { return sorted[i] > t })) / float64(len(sorted))
}

// predict gives lags, sorted, as a model has them for a write that does not wait for the other
// datacenter: WARS, with what this run measured of it. W is how long a write is under way to a
// replica and A its answer, of which a client sees the sum alone, so each is half of a write's
// latency; to the other datacenter the one way is added. A row is acknowledged after the
// latency of a write where it was written, and there after W of a write where it is looked for.
// Both are taken to be independent, and every pair of their quantiles is as likely.
//
// Source: P. Bailis, S. Venkataraman, M. J. Franklin, J. M. Hellerstein, I. Stoica,
// "Probabilistically Bounded Staleness for Practical Partial Quorums", PVLDB 5 (2012), 776-787.
func predict(oneWay time.Duration, here, there []time.Duration) []time.Duration {
	const quantiles = 200
	if len(here) == 0 || len(there) == 0 {
		return nil
	}
	at := func(sorted []time.Duration, i int) time.Duration {
		return sorted[(2*i+1)*len(sorted)/(2*quantiles)]
	}
	here, there = slices.Sorted(slices.Values(here)), slices.Sorted(slices.Values(there))
	lags := make([]time.Duration, 0, quantiles*quantiles)
	for i := range quantiles {
		for k := range quantiles {
			lags = append(lags, max(0, oneWay+at(there, k)/2-at(here, i)))
		}
	}
	slices.Sort(lags)
	return lags
}

// Latencies are those of the rows that were acknowledged.
func (r *Rows) Latencies() []time.Duration {
	var list []time.Duration
	for _, row := range r.list {
		if row.outcome == Acknowledged {
			list = append(list, row.settled-row.sent)
		}
	}
	return list
}

// Model is what a prediction needs besides the writes: nil is none.
type Model struct {
	// OneWay is from one datacenter to the other.
	OneWay time.Duration
	// There are latencies of writes in the other datacenter.
	There []time.Duration
}

// Predict puts what the servers' own predictor says into a curve, a share for each of its
// points.
func (p *Pair) Predict(own []float64) {
	for i := range min(len(own), len(p.Staleness)) {
		at := &p.Staleness[i]
		at.Own = &own[i]
		if d := max(at.AtLeast-own[i], own[i]-at.AtMost, 0); p.OwnDifference == nil || d > *p.OwnDifference {
			p.OwnDifference = &d
		}
	}
}
