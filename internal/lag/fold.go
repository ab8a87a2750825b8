package lag

import (
	"math"
	"slices"
	"time"

	"crossring/internal/binomial"
)

// Pair is the lag from one datacenter to another, as a document has it.
type Pair struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Rows were acknowledged in From. Each is one of Seen, Never, which was not there when the
	// deadline had passed, and Pending, which was looked for when the run was stopped.
	Rows    int64 `json:"rows"`
	Seen    int64 `json:"seen"`
	Never   int64 `json:"never"`
	Pending int64 `json:"pending"`
	// Interval is how wide the intervals of the rows seen are.
	Interval Widths   `json:"interval_ms"`
	Lag      Bounds   `json:"lag_ms"`
	Within   []Within `json:"within"`
	Seconds  []Second `json:"seconds"`
	// Staleness is the curve, and ModelDifference the most that the model is off it: off the
	// nearer of its two bounds; nil without a model.
	Staleness       []Point  `json:"staleness"`
	ModelDifference *float64 `json:"model_difference"`
	// OwnDifference is ModelDifference of what the servers' own predictor says; nil without.
	OwnDifference *float64 `json:"own_difference"`
	Looks         Looks    `json:"looks"`
	// Offset is how far To's clock is before From's, in ms: at least and at most; nil where both
	// are one.
	Offset *Offset `json:"offset_ms"`
}

// Offset is between what bounds one clock's difference from another lies, in ms.
type Offset struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Looks counts requests.
type Looks struct {
	Made   int64 `json:"made"`
	Failed int64 `json:"failed"` // they say nothing of any row
}

// Widths are in ms; null where no row was seen.
type Widths struct {
	P50 *float64 `json:"p50"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

// Bounds are the least and the most that percentiles of the lag can be.
type Bounds struct {
	Low  Percentiles `json:"low"`
	High Percentiles `json:"high"`
}

// Percentiles are in ms, by nearest rank over all rows; null where that row was not seen, or
// there is none.
type Percentiles struct {
	P50  *float64 `json:"p50"`
	P95  *float64 `json:"p95"`
	P99  *float64 `json:"p99"`
	P999 *float64 `json:"p999"`
	Max  *float64 `json:"max"`
}

// Within is the share of rows that were readable so soon after their acknowledgement.
type Within struct {
	Millis int64 `json:"ms"`
	// Rows are those of which it is known: all, but in a run that was stopped those alone that
	// were acknowledged so long before its end.
	Rows  int64   `json:"rows"`
	Share float64 `json:"share"`
	// AtLeast95 is the share, at 95 % confidence, that all rows like these have at least:
	// binomial.Lower.
	AtLeast95 float64 `json:"at_least_95"`
}

// NewWithin says that there of so many rows were readable within limit.
func NewWithin(limit time.Duration, there, rows int64) Within {
	return Within{limit.Milliseconds(), rows, float64(there) / float64(rows), binomial.Lower(there, rows, 0.95)}
}

// Second is of the rows acknowledged in one second. Its percentiles, in ms, are the upper bounds.
type Second struct {
	T    int64    `json:"t"` // since the start
	Rows int64    `json:"rows"`
	P50  *float64 `json:"p50"`
	P99  *float64 `json:"p99"`
	Max  *float64 `json:"max"`
}

// Thresholds are those of Within.
func Thresholds() []time.Duration {
	var list []time.Duration
	for _, ms := range []int64{10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000} {
		list = append(list, time.Duration(ms)*time.Millisecond)
	}
	return list
}

// Pair folds what was seen into a document. end is when the last look began, deadline how
// long a row was looked for; model may be nil.
func (w *Watch) Pair(from, to string, end, deadline time.Duration, model *Model) Pair {
	all := w.fates()
	if model == nil {
		return pairOf(from, to, all, end, deadline, 0, nil)
	}
	return pairOf(from, to, all, end, deadline, model.OneWay, predict(model.OneWay, w.rows.Latencies(), model.There))
}

// pairOf folds what became of rows into a document.
func pairOf(from, to string, all []fate, end, deadline, way time.Duration, predicted []time.Duration) Pair {
	p := Pair{From: from, To: to, Within: []Within{}, Seconds: []Second{}}
	p.Rows = int64(len(all))
	var lows, highs, widths []time.Duration
	var seconds []*[]time.Duration
	for _, f := range all {
		lows, highs = append(lows, f.Low), append(highs, f.High)
		switch {
		case f.High != Infinite:
			p.Seen++
			widths = append(widths, f.width)
		case f.never:
			p.Never++
		default:
			p.Pending++
		}
		at := int(f.acknowledged / time.Second)
		for len(seconds) <= at {
			seconds = append(seconds, new([]time.Duration))
		}
		*seconds[at] = append(*seconds[at], f.High)
	}
	p.Within = within(all, p.Pending > 0, end, deadline)
	p.Staleness, p.ModelDifference = staleness(all, way, predicted)
	for _, list := range [][]time.Duration{lows, highs, widths} {
		slices.Sort(list)
	}
	p.Lag = Bounds{percentiles(lows, math.Floor), percentiles(highs, math.Ceil)}
	p.Interval = Widths{rank(widths, 500, math.Ceil), rank(widths, 990, math.Ceil), rank(widths, 1000, math.Ceil)}
	for t, list := range seconds {
		slices.Sort(*list)
		p.Seconds = append(p.Seconds, Second{
			T: int64(t), Rows: int64(len(*list)),
			P50: rank(*list, 500, math.Ceil), P99: rank(*list, 990, math.Ceil), Max: rank(*list, 1000, math.Ceil),
		})
	}
	return p
}

// within counts a row as readable where its upper bound says so.
func within(all []fate, stopped bool, end, deadline time.Duration) []Within {
	list := []Within{}
	for _, limit := range Thresholds() {
		if limit > deadline {
			break // rows were given up before
		}
		var rows, there int64
		for _, f := range all {
			if stopped && f.acknowledged+limit > end {
				// Whether the late ones among these would have been seen by then nobody
				// knows, so none of them counts: the early ones alone would flatter.
				continue
			}
			rows++
			if f.High <= limit {
				there++
			}
		}
		if rows > 0 {
			list = append(list, NewWithin(limit, there, rows))
		}
	}
	return list
}

func percentiles(sorted []time.Duration, ms func(float64) float64) Percentiles {
	return Percentiles{
		P50: rank(sorted, 500, ms), P95: rank(sorted, 950, ms), P99: rank(sorted, 990, ms),
		P999: rank(sorted, 999, ms), Max: rank(sorted, 1000, ms),
	}
}

// rank is the percentile by nearest rank, of so many in a thousand, in ms: to the
// microsecond, rounded by round.
func rank(sorted []time.Duration, permille int, round func(float64) float64) *float64 {
	n := len(sorted)
	if n == 0 {
		return nil
	}
	d := sorted[(n*permille+999)/1000-1]
	if d == Infinite {
		return nil
	}
	ms := round(float64(d)/1000) / 1000
	return &ms
}
