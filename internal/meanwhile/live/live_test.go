package live

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"crossring/internal/meanwhile"
	"crossring/internal/topology"
)

// slow answers after a while, with the time that it has been asked for.
type slow struct {
	takes  time.Duration
	fails  bool
	since  time.Time
	asked  int
	closed bool
}

func (s *slow) Read(ctx context.Context) ([meanwhile.Kinds]float64, error) {
	s.asked++
	values := meanwhile.Unknown(0).Values
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return values, ctx.Err()
	}
	if s.fails {
		return values, errors.New("out of order")
	}
	values[meanwhile.CPU] = time.Since(s.since).Seconds() / 2 // half a processor
	return values, nil
}

func (s *slow) Close() { s.closed = true }

func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		name          string
		reader        slow
		runs          time.Duration
		asked, points int
		missing       string
	}{
		{"each second", slow{takes: 10 * time.Millisecond}, 5500 * time.Millisecond, 7, 6, ""},
		{"slower than a second", slow{takes: 1500 * time.Millisecond}, 7 * time.Second, 5, 3, ""},
		{"shorter than a second", slow{takes: 10 * time.Millisecond}, 400 * time.Millisecond, 2, 1, ""},
		{"out of order", slow{takes: time.Millisecond, fails: true}, 2500 * time.Millisecond, 4, 0, "out of order"},
		{"hangs", slow{takes: time.Hour}, 11500 * time.Millisecond, 3, 0, context.DeadlineExceeded.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := tt.reader
				r.since = time.Now()
				w := start([]topology.Node{{Name: "a", Datacenter: "d"}}, func(topology.Node) Reader { return &r })
				time.Sleep(tt.runs)
				if now := w.Now(); (len(now) == 1) != (tt.points > 0) {
					t.Errorf("now: %+v", now)
				}
				got := w.Stop()
				if len(got) != 1 || got[0].Name != "a" || got[0].Datacenter != "d" || got[0].Missing != tt.missing || len(got[0].Seconds) != tt.points || r.asked != tt.asked || !r.closed {
					t.Fatalf("asked %d times: %+v", r.asked, got)
				}
				for i, s := range got[0].Seconds {
					if s.CPU == nil || *s.CPU != 0.5 || i > 0 && s.T <= got[0].Seconds[i-1].T {
						t.Errorf("%+v", s)
					}
				}
			})
		})
	}
}
