package live

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crossring/internal/cql"
	"crossring/internal/lag"

	"github.com/gocql/gocql"
)

// world is a table in memory, as two datacenters see it: a row is there at once where it was
// written, and elsewhere when the world says.
type world struct {
	mu   sync.Mutex
	base time.Time
	rows map[int64]map[int64]*stored // by partition and number
	// late says when a row that is written at a time can be read elsewhere; nil is at once.
	late func(at time.Duration, seq int64) time.Duration
	// answer is what a write gets.
	answer func(seq int64) (lag.Outcome, error)
	// broken is why looks fail.
	broken error
	slow   time.Duration // what a write takes
}

type stored struct {
	from    int
	visible time.Duration
}

type side struct {
	*world
	at int
}

func (s side) Close() {}

func (s side) inserter(context.Context) func(int64, int64) (lag.Outcome, error) {
	return func(partition, seq int64) (lag.Outcome, error) {
		if s.slow > 0 {
			time.Sleep(s.slow) // a write takes its time
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		at := time.Since(s.base)
		row := &stored{s.at, at}
		if s.late != nil {
			row.visible = s.late(at, seq)
		}
		if s.rows[partition] == nil {
			s.rows[partition] = map[int64]*stored{}
		}
		if s.rows[partition][seq] != nil {
			return lag.Unknown, errors.New("the row was written before")
		}
		outcome, err := lag.Acknowledged, error(nil)
		if s.answer != nil {
			outcome, err = s.answer(seq)
		}
		if outcome != lag.Failed {
			s.rows[partition][seq] = row
		}
		return outcome, err
	}
}

func (s side) finder(context.Context) func(int64, lag.Range) ([]int64, error) {
	return func(partition int64, r lag.Range) ([]int64, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.broken != nil {
			return nil, s.broken
		}
		now := time.Since(s.base)
		var found []int64
		for seq, row := range s.rows[partition] {
			if seq >= r.First && seq <= r.Last && (row.from == s.at || row.visible <= now) {
				found = append(found, seq)
			}
		}
		slices.Sort(found)
		if r.Limit > 0 {
			found = found[:min(len(found), r.Limit)]
		}
		return found, nil
	}
}

// of gives sessions to a world of two datacenters.
func (w *world) of(cfg Config) *Sessions {
	w.base, w.rows = time.Now(), map[int64]map[int64]*stored{}
	cfg.Endpoints = []cql.Endpoint{{Datacenter: "east"}, {Datacenter: "west"}}
	cfg.Pairs = []Pair{{0, 1}, {1, 0}}
	if cfg.Deadline == 0 {
		cfg.Deadline = 5 * time.Second
	}
	cfg.Every = time.Millisecond
	both := []table{side{w, 0}, side{w, 1}}
	return &Sessions{cfg: cfg, writers: both, readers: both}
}

// Each row is written once, seen once in the other datacenter, and late by what the world says,
// which lies in the bounds.
func TestMeasure(t *testing.T) { synctest.Test(t, testMeasure) }

func testMeasure(t *testing.T) {
	const late = 40 * time.Millisecond
	w := &world{late: func(at time.Duration, _ int64) time.Duration { return at + late }}
	res := w.of(Config{Rate: 400, Duration: time.Second}).Measure(t.Context(), nil)
	if res.Interrupted || len(res.Writes) != 2 || len(res.Pairs) != 2 || res.RateAsked != 400 {
		t.Fatalf("%+v", res)
	}
	for i, p := range res.Pairs {
		wr := res.Writes[i]
		if wr.Rows != 400 || wr.Acknowledged != 400 || p.Rows != 400 || p.Seen != 400 || p.From == p.To || wr.Datacenter != p.From {
			t.Errorf("%+v: %s to %s, of %d rows %d seen", wr, p.From, p.To, p.Rows, p.Seen)
		}
		low, high := p.Lag.Low.P50, p.Lag.High.P50
		if low == nil || high == nil || *low > 40 || *high < 40 || *p.Interval.P99 > 1 {
			t.Errorf("lag %v to %v ms, width %v; the world's is 40, and looks are made each ms", *low, *high, *p.Interval.P99)
		}
	}
	if len(w.rows) < 2 {
		t.Errorf("%d partitions for two datacenters", len(w.rows))
	}
}

// A cut in the middle: the rows that it holds up come later, nearly in order, as hints do, or
// in none. No row is lost or counted twice, the seconds show the cut, and while thousands are
// awaited each is still known well.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testCut(t, 3, func(after time.Duration) time.Duration { return after/4 + rand.N(50*time.Millisecond) })
	})
	synctest.Test(t, func(t *testing.T) {
		testCut(t, 10, func(time.Duration) time.Duration { return rand.N(5 * time.Second) })
	})
}

// testCut has a row come, after the cut, by how long after its beginning it was sent; width is
// the most that one in a hundred intervals may be wider than, in ms.
func testCut(t *testing.T, width float64, comes func(time.Duration) time.Duration) {
	const from, to = 20 * time.Second, 30 * time.Second
	r := rand.New(rand.NewPCG(1, 2))
	w := &world{late: func(at time.Duration, _ int64) time.Duration {
		if at += 40 * time.Millisecond; at > from && at < to {
			return to + time.Second + comes(at-from)
		}
		return at + time.Duration(r.IntN(1000))*time.Microsecond
	}}
	res := w.of(Config{Rate: 100, Duration: 50 * time.Second, Deadline: time.Minute}).Measure(t.Context(), nil)
	for _, p := range res.Pairs {
		if p.Rows != 5000 || p.Seen != 5000 || p.Never != 0 || p.Pending != 0 {
			t.Errorf("of %d rows %d seen, %d never, %d pending", p.Rows, p.Seen, p.Never, p.Pending)
		}
		for _, s := range p.Seconds {
			cut := s.T >= 20 && s.T < 29
			if s.Rows != 100 || cut != (*s.P50 > 1000) && s.T != 19 && s.T != 29 {
				t.Errorf("second %d: %d rows, median %.1f ms", s.T, s.Rows, *s.P50)
			}
		}
		if *p.Interval.P99 > width || *p.Lag.Low.P50 < 39 || *p.Lag.High.P50 > 43 {
			t.Errorf("width p99 %.1f ms, median %.1f to %.1f", *p.Interval.P99, *p.Lag.Low.P50, *p.Lag.High.P50)
		}
		t.Logf("width p50 %.2f p99 %.2f max %.2f ms, %d looks", *p.Interval.P50, *p.Interval.P99, *p.Interval.Max, p.Looks.Made)
	}
}

// What was not acknowledged is no row of a pair, and is not waited for.
func TestOutcomesApart(t *testing.T) { synctest.Test(t, testOutcomesApart) }

func testOutcomesApart(t *testing.T) {
	w := &world{answer: func(seq int64) (lag.Outcome, error) {
		switch seq % 10 {
		case 3:
			return lag.Failed, errors.New("refused")
		case 7:
			return lag.Unknown, errors.New("no answer")
		}
		return lag.Acknowledged, nil
	}}
	res := w.of(Config{Rate: 1000, Duration: 200 * time.Millisecond}).Measure(t.Context(), nil)
	for i, p := range res.Pairs {
		if wr := res.Writes[i]; wr.Rows != 200 || wr.Acknowledged != 160 || wr.Failed != 20 || wr.Unknown != 20 || p.Rows != 160 || p.Seen != 160 {
			t.Errorf("%+v, %d rows, %d seen", wr, p.Rows, p.Seen)
		}
	}
}

// Rows that do not come are never seen; the measurement ends when their deadline has passed.
func TestNever(t *testing.T) { synctest.Test(t, testNever) }

func testNever(t *testing.T) {
	w := &world{late: func(at time.Duration, seq int64) time.Duration {
		if seq%4 == 0 {
			return time.Hour
		}
		return at
	}}
	res := w.of(Config{Rate: 500, Duration: 400 * time.Millisecond, Deadline: time.Second}).Measure(t.Context(), nil)
	for _, p := range res.Pairs {
		if p.Rows != 200 || p.Seen != 150 || p.Never != 50 || p.Pending != 0 || p.Lag.High.Max != nil || *p.Lag.Low.Max < 1000 {
			t.Errorf("of %d rows %d seen, %d never, %d pending, lag %+v", p.Rows, p.Seen, p.Never, p.Pending, p.Lag)
		}
	}
}

// Stopped, it says what was seen.
func TestStopped(t *testing.T) { synctest.Test(t, testStopped) }

func testStopped(t *testing.T) {
	w := &world{late: func(at time.Duration, _ int64) time.Duration { return at + 300*time.Millisecond }}
	ctx, stop := context.WithCancel(t.Context())
	res := w.of(Config{Rate: 200, Duration: time.Hour}).Measure(ctx, func(p Progress) {
		if p.Sent > 400 {
			stop()
		}
	})
	if !res.Interrupted {
		t.Error("a measurement that was stopped does not say so")
	}
	for _, p := range res.Pairs {
		if p.Seen == 0 || p.Pending == 0 || p.Never != 0 || p.Seen+p.Pending != p.Rows {
			t.Errorf("of %d rows %d seen, %d pending, %d never", p.Rows, p.Seen, p.Pending, p.Never)
		}
	}
}

// Looks that fail say nothing: no row was missed by them.
func TestLooksFail(t *testing.T) { synctest.Test(t, testLooksFail) }

func testLooksFail(t *testing.T) {
	w := &world{broken: errors.New("the node is down")}
	ctx, stop := context.WithCancel(t.Context())
	res := w.of(Config{Rate: 200, Duration: time.Hour, Deadline: 10 * time.Millisecond}).Measure(ctx, func(p Progress) {
		if p.Sent > 100 {
			stop()
		}
	})
	for _, p := range res.Pairs {
		if p.Never != 0 || p.Seen != 0 || p.Pending != p.Rows || p.Looks.Failed == 0 || p.Looks.Failed != p.Looks.Made || *p.Lag.Low.Max != 0 {
			t.Errorf("of %d rows %d seen, %d pending, %d never; %+v, %v", p.Rows, p.Seen, p.Pending, p.Never, p.Looks, *p.Lag.Low.Max)
		}
	}
}

// A rate that can't be had is said before anything is measured, with what can.
func TestTry(t *testing.T) { synctest.Test(t, testTry) }

func testTry(t *testing.T) {
	slow := &world{slow: 100 * time.Millisecond} // 64 at once are 640 a second at the most
	var rate *RateError
	if err := slow.of(Config{Rate: 5000}).Try(t.Context()); !errors.As(err, &rate) || rate.Asked != 5000 || rate.Can <= 0 || rate.Can > 640 {
		t.Errorf("got %v", err)
	}
	if err := (&world{}).of(Config{Rate: 10}).Try(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
	dead := &world{answer: func(int64) (lag.Outcome, error) { return lag.Failed, errors.New("connection refused") }}
	if err := dead.of(Config{Rate: 10}).Try(t.Context()); err == nil || errors.As(err, new(*RateError)) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want why no row was acknowledged", err)
	}
}

func TestPartitions(t *testing.T) {
	seen := map[int64]bool{}
	for _, id := range []uint64{0, 1 << 63, ^uint64(0)} {
		for dc := range 16 {
			for _, bucket := range []int64{0, 1, 2, 1<<24 - 1} {
				key := partitions(id, dc)(bucket)
				if seen[key] {
					t.Errorf("key %d of run %x, datacenter %d, bucket %d is another's", key, id, dc, bucket)
				}
				seen[key] = true
			}
		}
	}
}

func TestOutcome(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want lag.Outcome
	}{
		{nil, lag.Acknowledged},
		{gocql.ErrNoConnections, lag.Failed},
		{gocql.ErrNoStreams, lag.Failed},
		{gocql.ErrTimeoutNoResponse, lag.Unknown},
		{context.DeadlineExceeded, lag.Unknown},
		{errors.New("connection reset by peer"), lag.Unknown},
	} {
		if got := outcome(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}
