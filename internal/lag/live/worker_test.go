package live

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crossring/internal/lag"
)

// pairOfWorkers runs two datacenters of a world, each by a clock of its own, the second one's so far
// before the first's.
func pairOfWorkers(ctx context.Context, w *world, cfg Config, ahead time.Duration) []lag.Side {
	w.base, w.rows = time.Now(), map[int64]map[int64]*stored{}
	cfg.Every = time.Millisecond
	sides := make([]lag.Side, 2)
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			own := []table{side{w, i}}
			s := &Sessions{cfg: cfg, writers: own, readers: own}
			origin := w.base.Add(-time.Hour)
			if i == 1 {
				origin = origin.Add(-ahead) // what its clock shows is that much more
			}
			sides[i] = s.work(ctx, Worker{Config: cfg, Run: 7 << 32, Own: i, Others: []int{1 - i}, Origin: origin})
		})
	}
	all.Wait()
	return sides
}

// Two clocks 3 s apart: rows that come 40 ms late are said to be so, and so is the offset.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const late, ahead = 40 * time.Millisecond, 3 * time.Second
		w := &world{late: func(at time.Duration, _ int64) time.Duration { return at + late }, slow: time.Millisecond}
		cfg := Config{Rate: 300, Duration: 2 * time.Second, Deadline: 5 * time.Second}
		sides := pairOfWorkers(t.Context(), w, cfg, ahead)
		for from := range 2 {
			p := lag.EchoPair([]string{"east", "west"}, from, 1-from, sides, cfg.Deadline)
			if p.Rows != 600 || p.Seen != 600 || p.Never != 0 || p.Pending != 0 {
				t.Errorf("%d rows: %d seen, %d never, %d pending", p.Rows, p.Seen, p.Never, p.Pending)
			}
			// A write takes 1 ms, so a row is there 40 ms after its acknowledgement, and 41 after it
			// was sent: what is not known of the clocks is what there and back takes.
			if low, high := *p.Lag.Low.P50, *p.Lag.High.P50; low > 40 || high < 40 || high-low > 90 {
				t.Errorf("lags are from %g to %g ms", low, high)
			}
			truth := 3000.0
			if from == 1 {
				truth = -truth
			}
			if o := p.Offset; o == nil || o.Low > truth || o.High < truth || o.High-o.Low > 90 {
				t.Errorf("the offset is %+v, want %g in it", o, truth)
			}
			if wr := sides[from].Writes("x"); wr.Rows != 600 || wr.Acknowledged != 600 {
				t.Errorf("%+v", wr)
			}
		}
	})
}

// Rows that never come keep nothing from being seen, and are never seen; failed looks say nothing.
func TestWorkersLose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{late: func(at time.Duration, seq int64) time.Duration {
			if seq%100 == 3 {
				return time.Hour
			}
			return at + 10*time.Millisecond
		}, answer: func(seq int64) (lag.Outcome, error) {
			if seq%100 == 7 {
				return lag.Failed, errors.New("refused")
			}
			return lag.Acknowledged, nil
		}}
		cfg := Config{Rate: 1000, Duration: 3 * time.Second, Deadline: 2 * time.Second}
		sides := pairOfWorkers(t.Context(), w, cfg, -time.Minute)
		p := lag.EchoPair([]string{"east", "west"}, 0, 1, sides, cfg.Deadline)
		if p.Rows != 2970 || p.Never != 30 || p.Seen != 2940 || p.Pending != 0 {
			t.Errorf("%d rows: %d seen, %d never, %d pending", p.Rows, p.Seen, p.Never, p.Pending)
		}
	})
}

func TestWorkersStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		w := &world{late: func(at time.Duration, _ int64) time.Duration { return at + 40*time.Millisecond }}
		sides := pairOfWorkers(ctx, w, Config{Rate: 100, Duration: time.Minute, Deadline: 5 * time.Second}, 0)
		p := lag.EchoPair([]string{"east", "west"}, 0, 1, sides, 5*time.Second)
		if !sides[0].Stopped || p.Rows > 110 || p.Seen < 80 || p.Never != 0 || p.Seen+p.Pending != p.Rows {
			t.Errorf("%d rows: %d seen, %d never, %d pending", p.Rows, p.Seen, p.Never, p.Pending)
		}
	})
}
