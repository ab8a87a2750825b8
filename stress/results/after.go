package results

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"crossring/internal/lag"
	"crossring/stress/record"
)

// ReadAfter is how old rows were when they were read for the first time, in ms since their
// acknowledgement, in a read that ran beside its write.
type ReadAfter struct {
	Asked float64 `json:"asked"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// After is what a read that ran beside its write has to say besides; it is null, and Within
// empty, for others.
type After struct {
	ReadAfter *ReadAfter `json:"read_after_ms"`
	// SeenAtFirstRead counts rows that the first read found, whenever it began.
	SeenAtFirstRead *int64 `json:"seen_at_first_read"`
	// LateStarts counts rows whose first read began more than 10 ms later than asked. They are
	// in all other figures, and not in the first of Within.
	LateStarts *int64 `json:"late_starts"`
	// Within begins with the age that was asked for: of the rows whose first read began no
	// later, how many it found. Those that follow have all rows, by when an answer showed them.
	Within []lag.Within `json:"within"`
}

// lateAfter is how much later than asked a row may be read without counting as late.
const lateAfter = 10 * time.Millisecond

// ages gathers After.
type ages struct {
	asked      time.Duration
	age        *hdrhistogram.Histogram
	rows, seen int64 // first reads, and those that found their row
	late       int64
	onTime     int64 // of seen, those that were not late
	within     []int64
}

func newAges(seconds float64) *ages {
	return &ages{
		asked: time.Duration(seconds * float64(time.Second)), age: newHistogram(), within: make([]int64, len(lag.Thresholds())),
	}
}

// first notes the first read of a row, and gives its age.
func (a *ages) first(r *record.Record) time.Duration {
	a.rows++
	age := a.asked + r.Delay
	late := r.Delay > lateAfter
	if late {
		a.late++
	}
	if r.Outcome != record.Found {
		return age
	}
	a.seen++
	if !late {
		a.onTime++
	}
	a.sight(age + r.Service)
	return age
}

// sight notes how old a row was when an answer showed it.
func (a *ages) sight(age time.Duration) {
	for i, limit := range lag.Thresholds() {
		if age <= limit {
			a.within[i]++
		}
	}
}

func (a *ages) after() After {
	if a == nil {
		return After{Within: []lag.Within{}}
	}
	p := percentiles(a.age)
	out := After{
		ReadAfter:       &ReadAfter{Asked: float64(a.asked) / float64(time.Millisecond), P50: p.P50, P95: p.P95, P99: p.P99, Max: p.Max},
		SeenAtFirstRead: &a.seen, LateStarts: &a.late, Within: []lag.Within{},
	}
	if n := a.rows - a.late; n > 0 {
		out.Within = append(out.Within, lag.NewWithin(a.asked, a.onTime, n))
	}
	for i, limit := range lag.Thresholds() {
		if limit > a.asked && a.rows > 0 {
			out.Within = append(out.Within, lag.NewWithin(limit, a.within[i], a.rows))
		}
	}
	return out
}
