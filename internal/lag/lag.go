// Package lag works out how late rows of one region are in another one, from the times of
// writes and looks alone. It has no clock: times are durations since the start of a run, all
// by one clock.
//
// A row's lag begins with its acknowledgement and ends when the other region shows it. When
// that was nobody can know: a look that missed the row and began at a says that it came after
// a, a look that saw it and ended at b says that it came before b. So a lag is an interval,
// and so are percentiles of it.
package lag

import (
	"slices"
	"sort"
	"time"
)

// Outcome is what is known of a write.
type Outcome uint8

// The outcomes of a write.
const (
	Open         Outcome = iota // not answered yet
	Acknowledged                // the region has it
	Failed                      // it did not happen
	Unknown                     // it may have happened, or may yet
)

// Rows are the rows written in one region, numbered from 0 in the order in which they were
// sent. The zero value is empty. Not for several goroutines at once.
type Rows struct {
	list []row
}

type row struct {
	sent, settled time.Duration
	outcome       Outcome
}

// Send numbers a row that is about to be sent; at must not go back.
func (r *Rows) Send(at time.Duration) (seq int64) {
	r.list = append(r.list, row{sent: at})
	return int64(len(r.list)) - 1
}

// Settle says what came of the write of a row, and when that was known.
func (r *Rows) Settle(seq int64, o Outcome, at time.Duration) {
	r.list[seq].outcome, r.list[seq].settled = o, at
}

// Count is how many rows were sent, and how many of those have each outcome.
func (r *Rows) Count() (sent int64, by [Unknown + 1]int64) {
	for _, row := range r.list {
		by[row.outcome]++
	}
	return int64(len(r.list)), by
}

// List has all rows, in their order.
func (r *Rows) List() []Written {
	list := make([]Written, len(r.list))
	for i, row := range r.list {
		list[i] = Written{row.sent, row.settled, row.outcome}
	}
	return list
}

// Range is what a look asks for: the rows of one bucket, First to Last, and of those that are
// there the first Limit ones; 0 is all.
type Range struct {
	Bucket      int64
	First, Last int64
	Limit       int
}

const (
	// fresh is the age up to which rows are looked for at every look. Of older ones,
	// which are many after a cut, one bucket has its turn at each.
	fresh = time.Second
	// oldLimit bounds a look for old rows, which may have come all at once.
	oldLimit = 256
)

// Watch follows the rows of one region in another one. Not for several goroutines at once, nor
// with its Rows.
type Watch struct {
	rows   *Rows
	bucket int64 // rows of one
	sights []sight
	// pending has, by bucket, the rows that have not been seen yet, ascending.
	pending map[int64][]int64
	order   []int64 // buckets with pending rows, ascending
	waiting int
	turn    int64 // where the next look for old rows begins
}

// sight is what looks said of a row: it was not there at missed, or not sent yet; seen is 0
// until it was seen.
type sight struct {
	missed, seen time.Duration
	never        bool // not there when its deadline had passed
}

// NewWatch follows rows that lie in buckets of so many.
func NewWatch(rows *Rows, bucket int64) *Watch {
	return &Watch{rows: rows, bucket: bucket, pending: map[int64][]int64{}}
}

// pull takes rows in that were sent meanwhile.
func (w *Watch) pull() {
	for seq := int64(len(w.sights)); seq < int64(len(w.rows.list)); seq++ {
		w.sights = append(w.sights, sight{missed: w.rows.list[seq].sent})
		b := seq / w.bucket
		if len(w.pending[b]) == 0 {
			w.order = append(w.order, b)
		}
		w.pending[b] = append(w.pending[b], seq)
		w.waiting++
	}
}

// Waiting is how many rows are looked for.
func (w *Watch) Waiting() int {
	w.pull()
	return w.waiting
}

// Next is what to look for now: nothing where nothing is awaited. Each range is one request.
func (w *Watch) Next(now time.Duration) []Range {
	w.pull()
	var next []Range
	var old []Range // of each bucket that has any
	for _, b := range w.order {
		p := w.pending[b]
		young := sort.Search(len(p), func(i int) bool { return w.rows.list[p[i]].sent >= now-fresh })
		if young < len(p) {
			next = append(next, Range{Bucket: b, First: p[young], Last: (b+1)*w.bucket - 1})
		}
		if young > 0 {
			old = append(old, Range{Bucket: b, First: p[0], Last: p[young-1], Limit: oldLimit})
		}
	}
	if len(old) == 0 {
		return next
	}
	// Round robin: the first row at or after turn, or from the beginning again.
	i := sort.Search(len(old), func(i int) bool { return old[i].Last >= w.turn })
	if i == len(old) {
		i, w.turn = 0, 0
	}
	r := old[i]
	p := w.pending[r.Bucket]
	if at, _ := slices.BinarySearch(p, w.turn); at < len(p) && p[at] <= r.Last {
		r.First = max(r.First, p[at])
	}
	w.turn = r.Last + 1
	return append(next, r)
}

// Looked says what a look found that lasted from start to end: the numbers of the rows,
// ascending.
func (w *Watch) Looked(r Range, start, end time.Duration, found []int64) {
	w.pull()
	if r.Limit > 0 && len(found) >= r.Limit {
		// What lies behind the last one was not looked at.
		r.Last = found[len(found)-1]
		w.turn = r.Last + 1
	}
	p := w.pending[r.Bucket]
	from, _ := slices.BinarySearch(p, r.First)
	kept := from
	i := from
	for ; i < len(p) && p[i] <= r.Last; i++ {
		seq := p[i]
		for len(found) > 0 && found[0] < seq {
			found = found[1:]
		}
		if len(found) > 0 && found[0] == seq {
			w.sights[seq].seen = max(end, 1)
			continue
		}
		w.sights[seq].missed = max(w.sights[seq].missed, start)
		p[kept] = seq
		kept++
	}
	w.replace(r.Bucket, p, kept, i)
}

// replace drops the pending rows of a bucket from kept up to next.
func (w *Watch) replace(b int64, p []int64, kept, next int) {
	if kept == next {
		return
	}
	w.waiting -= next - kept
	p = append(p[:kept], p[next:]...)
	w.pending[b] = p
	if len(p) == 0 {
		delete(w.pending, b)
		at, _ := slices.BinarySearch(w.order, b)
		w.order = slices.Delete(w.order, at, at+1)
	}
}

// Expire gives up rows that were missed when their deadline had passed, and those whose write
// did not happen or may not have.
func (w *Watch) Expire(deadline time.Duration) {
	for _, b := range slices.Clone(w.order) {
		p := w.pending[b]
		kept := 0
		for _, seq := range p {
			switch row := w.rows.list[seq]; {
			case row.outcome == Failed || row.outcome == Unknown:
			case row.outcome == Acknowledged && w.sights[seq].missed >= row.settled+deadline:
				w.sights[seq].never = true
			default:
				p[kept] = seq
				kept++
			}
		}
		w.replace(b, p, kept, len(p))
	}
}

// Interval is where the lag of a row lies.
type Interval struct {
	// Low and High are after the acknowledgement; 0 is of a row that was there by then. High
	// is Infinite of a row that was not seen.
	Low, High time.Duration
}

// Infinite is the High of a row that was not seen.
const Infinite = time.Duration(1<<63 - 1)

// fate is what became of an acknowledged row.
type fate struct {
	Interval
	acknowledged time.Duration
	width        time.Duration // from the last look that missed it to the first that saw it; 0 of one not seen
	never        bool
}

// fates are of all acknowledged rows, in their order.
func (w *Watch) fates() []fate {
	w.pull()
	var list []fate
	for seq, row := range w.rows.list {
		if row.outcome != Acknowledged {
			continue
		}
		s := w.sights[seq]
		f := fate{acknowledged: row.settled, never: s.never}
		f.Low, f.High = max(0, s.missed-row.settled), Infinite
		if s.seen > 0 {
			f.High, f.width = max(0, s.seen-row.settled), s.seen-s.missed
		}
		list = append(list, f)
	}
	return list
}
