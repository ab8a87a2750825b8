package lag

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

// truth is a world in which it is known when each row could first be read.
type truth struct {
	rows    Rows
	visible []time.Duration // in the other region; Infinite is never
}

// answer is what a look gets that reads at one moment: the rows that are there, ascending.
func (w *truth) answer(r Range, bucket int64, at time.Duration) []int64 {
	var found []int64
	for seq := max(r.First, r.Bucket*bucket); seq <= r.Last && seq < min((r.Bucket+1)*bucket, int64(len(w.visible))); seq++ {
		if w.visible[seq] <= at {
			if found = append(found, seq); len(found) == r.Limit {
				break
			}
		}
	}
	return found
}

// play runs a world of so many rows, with a cut in it, and looks at it with several looks
// under way at a time. It returns the watch, and when the last look began.
func play(r *rand.Rand, w *truth, rows int, bucket int64, deadline time.Duration) (*Watch, time.Duration) {
	watch := NewWatch(&w.rows, bucket)
	type look struct {
		Range
		start, read, end time.Duration
	}
	var open []look
	acks := map[int64]time.Duration{}
	cutFrom, cutTo := time.Duration(rows/3)*10*ms, time.Duration(rows/2)*10*ms
	due := time.Duration(0)
	last := time.Duration(0)
	for now := time.Duration(0); ; now += ms {
		if len(w.visible) < rows && now >= due {
			seq := w.rows.Send(now)
			due += 10 * ms
			at := now + time.Duration(1+r.IntN(60))*ms
			if at >= cutFrom && at < cutTo { // what is under way comes after the cut, in any order, or never
				at = cutTo + time.Duration(r.IntN(2000))*ms
				if r.IntN(20) == 0 {
					at = Infinite
				}
			}
			w.visible = append(w.visible, at)
			acks[seq] = now + time.Duration(r.IntN(5))*ms
		}
		for seq, at := range acks {
			if at <= now {
				o := Acknowledged
				switch r.IntN(100) {
				case 0:
					o, w.visible[seq] = Failed, Infinite
				case 1:
					o = Unknown
				}
				w.rows.Settle(seq, o, now)
				delete(acks, seq)
			}
		}
		open = slices.DeleteFunc(open, func(l look) bool {
			if l.end > now {
				return false
			}
			watch.Looked(l.Range, l.start, now, w.answer(l.Range, bucket, l.read))
			return true
		})
		watch.Expire(deadline)
		if len(w.visible) == rows && len(acks) == 0 && watch.Waiting() == 0 && len(open) == 0 {
			return watch, last
		}
		for _, next := range watch.Next(now) {
			l := look{Range: next, start: now, read: now + time.Duration(r.IntN(3))*ms}
			l.end = l.read + time.Duration(r.IntN(3))*ms
			open = append(open, l)
			last = now
		}
	}
}

// Whatever the looks were, each row's lag lies in its interval, each row counts once, and so
// do percentiles and shares.
func TestIntervalsHoldTheTruth(t *testing.T) {
	var never int64
	for seed := range uint64(60) {
		never += holdsTheTruth(t, seed, []int64{1, 7, 100, 100_000}[seed%4])
	}
	if never == 0 {
		t.Error("no row of any world was never seen")
	}
}

func FuzzIntervals(f *testing.F) {
	f.Add(uint64(14), int64(100))
	f.Fuzz(func(t *testing.T, seed uint64, bucket int64) {
		if bucket > 0 {
			holdsTheTruth(t, seed, bucket)
		}
	})
}

// holdsTheTruth plays one world, and counts the rows that were never seen.
func holdsTheTruth(t *testing.T, seed uint64, bucket int64) (never int64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	w := &truth{}
	const deadline = 3 * time.Second
	watch, end := play(r, w, 400, bucket, deadline)
	var lags []time.Duration
	i := 0
	fates := watch.fates()
	for seq, row := range w.rows.list {
		if row.outcome != Acknowledged {
			continue
		}
		lag := Infinite
		if v := w.visible[seq]; v != Infinite {
			lag = max(0, v-row.settled)
		}
		f := fates[i]
		i++
		if lag < f.Low || lag > f.High {
			t.Fatalf("seed %d: row %d was there after %v, which is not in %v to %v", seed, seq, lag, f.Low, f.High)
		}
		if f.never && lag < deadline {
			t.Fatalf("seed %d: row %d was there after %v and counts as never", seed, seq, lag)
		}
		if !f.never && f.High == Infinite {
			t.Fatalf("seed %d: row %d is neither seen nor never", seed, seq)
		}
		if f.High-f.Low > 12*ms && f.High != Infinite && f.High < fresh {
			t.Errorf("seed %d: row %d: %v to %v is wide for looks each ms", seed, seq, f.Low, f.High)
		}
		lags = append(lags, lag)
	}
	if i != len(fates) {
		t.Fatalf("seed %d: %d fates of %d acknowledged rows", seed, len(fates), i)
	}
	slices.Sort(lags)
	p := watch.Pair("a", "b", end, deadline, nil)
	if p.Rows != int64(len(lags)) || p.Seen+p.Never+p.Pending != p.Rows || p.Pending != 0 {
		t.Fatalf("seed %d: %d rows: %d seen, %d never, %d pending; want %d", seed, p.Rows, p.Seen, p.Never, p.Pending, len(lags))
	}
	for _, q := range []struct {
		permille  int
		low, high *float64
	}{{500, p.Lag.Low.P50, p.Lag.High.P50}, {950, p.Lag.Low.P95, p.Lag.High.P95}, {990, p.Lag.Low.P99, p.Lag.High.P99}, {1000, p.Lag.Low.Max, p.Lag.High.Max}} {
		truth := lags[(len(lags)*q.permille+999)/1000-1]
		if q.low == nil || float64(truth)/1e6 < *q.low {
			t.Errorf("seed %d: %d of 1000: %v is below the lower bound", seed, q.permille, truth)
		}
		if q.high != nil && float64(truth)/1e6 > *q.high {
			t.Errorf("seed %d: %d of 1000: %v is above the upper bound %v", seed, q.permille, truth, *q.high)
		}
	}
	if p.Never > 0 && p.Lag.High.Max != nil {
		t.Errorf("seed %d: rows were never seen, and the most that the lag can be is %v", seed, *p.Lag.High.Max)
	}
	var sum int64
	for _, s := range p.Seconds {
		sum += s.Rows
	}
	if sum != p.Rows {
		t.Errorf("seed %d: the seconds have %d rows of %d", seed, sum, p.Rows)
	}
	for _, in := range p.Within {
		n := 0
		for _, lag := range lags {
			if lag <= time.Duration(in.Millis)*ms {
				n++
			}
		}
		if in.Rows != p.Rows || in.Share > float64(n)/float64(len(lags)) || in.AtLeast95 >= in.Share && in.Share > 0 {
			t.Errorf("seed %d: within %d ms %+v, were %d of %d", seed, in.Millis, in, n, len(lags))
		}
	}
	return p.Never
}

// A row is looked for until it is seen, and then no more.
func TestLooks(t *testing.T) {
	var rows Rows
	w := NewWatch(&rows, 10)
	if got := w.Next(0); got != nil {
		t.Errorf("nothing was sent, but %v is looked for", got)
	}
	for i := range 12 {
		rows.Send(time.Duration(i) * ms)
	}
	check := func(now time.Duration, want ...Range) {
		t.Helper()
		if got := w.Next(now); !slices.Equal(got, want) {
			t.Errorf("at %v %v is looked for, want %v", now, got, want)
		}
	}
	check(20*ms, Range{0, 0, 9, 0}, Range{1, 10, 19, 0})
	w.Looked(Range{0, 0, 9, 0}, 20*ms, 21*ms, []int64{0, 1, 2, 4})
	w.Looked(Range{1, 10, 19, 0}, 20*ms, 21*ms, []int64{10, 11})
	check(22*ms, Range{0, 3, 9, 0})
	// After a second the rows are old, and have their turn beside younger ones.
	rows.Send(1500 * ms)
	check(1500*ms, Range{1, 12, 19, 0}, Range{0, 3, 9, oldLimit})
	w.Looked(Range{0, 3, 9, 0}, 1500*ms, 1501*ms, []int64{3, 5, 6, 7, 8, 9})
	check(1502*ms, Range{1, 12, 19, 0})
	if n := w.Waiting(); n != 1 {
		t.Errorf("%d rows are awaited, want 1", n)
	}
}

// What a limited look did not reach it did not miss.
func TestLimitedLook(t *testing.T) {
	var rows Rows
	w := NewWatch(&rows, 10_000)
	found := make([]int64, oldLimit)
	for i := range 600 {
		seq := rows.Send(0)
		rows.Settle(seq, Acknowledged, ms)
		if i < oldLimit {
			found[i] = seq * 2 // each other one
		}
	}
	now := 5 * time.Second
	next := w.Next(now)
	if len(next) != 1 || next[0] != (Range{0, 0, 599, oldLimit}) {
		t.Fatalf("%v is looked for", next)
	}
	w.Looked(next[0], now, now+ms, found)
	for seq, s := range w.sights {
		want := sight{missed: now}
		switch {
		case seq > 510:
			want = sight{}
		case seq%2 == 0:
			want = sight{seen: now + ms}
		}
		if s != want {
			t.Fatalf("row %d: %+v, want %+v", seq, s, want)
		}
	}
	if next = w.Next(now); len(next) != 1 || next[0].First != 511 {
		t.Errorf("the next look is for %v, want it from 511 on", next)
	}
	w.Looked(next[0], now, now+ms, nil)
	if next = w.Next(now); len(next) != 1 || next[0].First != 1 {
		t.Errorf("the next look is for %v, want it from the beginning", next)
	}
}

// A run that is stopped says of its last rows that they were looked for, and does not hold
// against the region what nobody waited for.
func TestStopped(t *testing.T) {
	var rows Rows
	w := NewWatch(&rows, 1000)
	for i := range 100 {
		seq := rows.Send(time.Duration(i) * 10 * ms)
		rows.Settle(seq, Acknowledged, time.Duration(i)*10*ms)
	}
	for now := time.Duration(0); now < time.Second; now += 5 * ms {
		for _, r := range w.Next(now) {
			var found []int64
			for seq := r.First; seq < 100; seq++ {
				if time.Duration(seq)*10*ms+40*ms <= now {
					found = append(found, seq)
				}
			}
			w.Looked(r, now, now+ms, found)
		}
	}
	p := w.Pair("a", "b", 995*ms, time.Minute, nil)
	if p.Rows != 100 || p.Seen != 96 || p.Pending != 4 || p.Never != 0 {
		t.Errorf("%d rows: %d seen, %d pending, %d never", p.Rows, p.Seen, p.Pending, p.Never)
	}
	for _, in := range p.Within {
		if in.Millis >= 50 && in.Share != 1 || in.Millis < 40 && in.Share != 0 {
			t.Errorf("within %d ms: %+v", in.Millis, in)
		}
		if in.Millis == 100 && in.Rows != 90 {
			t.Errorf("of %d rows it is known whether they were there within 100 ms, want 90", in.Rows)
		}
	}
	if p.Lag.High.P95 == nil || p.Lag.High.P99 != nil || p.Lag.Low.Max == nil {
		t.Errorf("4 of 100 rows were not seen: %+v", p.Lag)
	}
}
