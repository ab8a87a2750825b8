package stress

import (
	"bytes"
	"context"
	"crossring/stress/record"
	"crossring/stress/results"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// beside runs a write and a read that follows it, and gives both summaries.
func beside(t *testing.T, ctx context.Context, f *fake, after time.Duration, rows int64, change func(write, read *Config)) (results.WriteSummary, results.ReadSummary) {
	t.Helper()
	write, read := config(record.OpWrite, rows), config(record.OpRead, rows)
	write.Rate, write.InFlight = 1000, 16
	read.InFlight, read.MissingDeadline = 16, 2*time.Second
	if change != nil {
		change(&write, &read)
	}
	write.Follow = NewFollow(after)
	read.Follow = write.Follow
	for _, c := range []*Config{&write, &read} {
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
	}
	var rawW, rawR bytes.Buffer
	var both sync.WaitGroup
	both.Go(func() {
		if err := run(ctx, write, f, &rawW, nil); err != nil {
			t.Error(err)
		}
		write.Follow.End()
	})
	both.Go(func() {
		if err := run(ctx, read, f, &rawR, nil); err != nil {
			t.Error(err)
		}
	})
	both.Wait()
	w, err := results.FoldWrite(&rawW)
	if err != nil {
		t.Fatal(err)
	}
	r, err := results.FoldRead(&rawR)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Check(); err != nil {
		t.Error(err)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	return w, r
}

// Each row is read so long after its own acknowledgement, while others are still written, and
// whether it was seen depends on that.
func TestReadFollowsWrite(t *testing.T) {
	const rows, reaches = 2000, 40 * time.Millisecond // the other region has a row after that
	for _, after := range []time.Duration{0, 10 * time.Millisecond, 500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			var mu sync.Mutex
			written := map[int64]time.Time{}
			var last, firstRead time.Time
			f.onWrite = func(_ context.Context, key int64) *answer {
				time.Sleep(2 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				written[key], last = time.Now(), time.Now()
				return nil
			}
			f.onRead = func(_ context.Context, key int64) *answer {
				mu.Lock()
				defer mu.Unlock()
				if firstRead.IsZero() {
					firstRead = time.Now()
				}
				if time.Since(written[key]) < reaches {
					return &answer{coordinator: "192.0.2.2"}
				}
				return nil
			}
			w, r := beside(t, t.Context(), f, after, rows, nil)
			if w.Acknowledged != rows || r.Rows != rows || r.Found != rows || r.Interrupted {
				t.Errorf("after %s: %d acknowledged, of %d rows %d found", after, w.Acknowledged, r.Rows, r.Found)
			}
			if !firstRead.Before(last) {
				t.Errorf("after %s: reads began when all was written", after)
			}
			want, later := int64(rows), int64(0)
			if after < reaches {
				want, later = 0, rows
			}
			ms := float64(after.Microseconds()) / 1000
			if r.ReadAfter == nil || r.ReadAfter.Asked != ms || r.ReadAfter.Max < ms || r.ReadAfter.Max > ms*1.01+1 || *r.SeenAtFirstRead != want || *r.LateStarts != 0 || r.FoundLater != later {
				t.Errorf("after %s: %+v, %d seen at first, %d found later; want %d and %d", after, r.ReadAfter, *r.SeenAtFirstRead, r.FoundLater, want, later)
			}
			if later > 0 && (r.Lag.Count != later || r.Lag.P50 < 40) {
				t.Errorf("after %s: the lag of rows found later is %+v", after, r.Lag)
			}
			if in := r.Within; len(in) == 0 || in[0].Millis != after.Milliseconds() || in[0].Rows != rows || in[0].Share != float64(want)/rows || in[len(in)-1].Share != 1 {
				t.Errorf("after %s: within %+v", after, in)
			}
		})
	}
}

// A row whose write was not acknowledged is not read, and a reader that falls behind says so.
func TestReadFollowsWriteBadly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.onWrite = func(_ context.Context, key int64) *answer {
			if key%10 == 0 {
				return &answer{coordinator: "192.0.2.1", err: context.DeadlineExceeded, failure: failure{"client_timeout", undecided}}
			}
			return nil
		}
		f.onRead = func(context.Context, int64) *answer {
			time.Sleep(50 * time.Millisecond)
			return nil
		}
		w, r := beside(t, t.Context(), f, 5*time.Millisecond, 1000, func(_, read *Config) { read.InFlight = 1 })
		if w.Acknowledged != 900 || w.Unknown != 100 || r.Rows != 900 || r.RowsAsked != 900 || r.Found != 900 {
			t.Errorf("%d acknowledged, %d unknown; %d of %d read, %d found", w.Acknowledged, w.Unknown, r.Rows, r.RowsAsked, r.Found)
		}
		if *r.LateStarts < 800 || r.ReadAfter.P50 < 1000 || r.Within[0].Rows != 900-*r.LateStarts {
			t.Errorf("one reader of 20 a second beside 1000 writes: %d late, ages %+v, within %+v", *r.LateStarts, r.ReadAfter, r.Within[0])
		}
	})
}

// Stopped, both end, and the read says that it was cut short.
func TestReadFollowsWriteStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer stop()
		w, r := beside(t, ctx, newFake(), 500*time.Millisecond, 5000, nil)
		if !w.Interrupted || !r.Interrupted || r.Rows == 0 || r.Rows >= w.Rows || r.RowsAsked != w.Acknowledged {
			t.Errorf("write of %d rows, interrupted %v; read of %d of %d, interrupted %v", w.Rows, w.Interrupted, r.Rows, r.RowsAsked, r.Interrupted)
		}
	})
}
