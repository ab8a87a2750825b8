package stress

import (
	"bytes"
	"context"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crossring/stress/record"
	"crossring/stress/record/recordtest"

	"github.com/gocql/gocql"
)

// attempts are the records of each key's reads, in their order.
func attempts(t *testing.T, raw []byte) map[int64][]record.Record {
	t.Helper()
	recs, _, err := recordtest.ReadAll(raw)
	if len(recs) == 0 {
		t.Fatalf("no records: %v", err)
	}
	byKey := map[int64][]record.Record{}
	for _, r := range recs {
		byKey[r.Key] = append(byKey[r.Key], r)
	}
	return byKey
}

// A row that never comes is read for the last time at the deadline, which counts from its
// own first read, and not after it; one that comes right before the deadline is found.
func TestLastReadIsAtTheDeadline(t *testing.T) {
	for _, deadline := range []time.Duration{time.Millisecond, 50 * time.Millisecond, 9*time.Second + 700*time.Millisecond, 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) { // on a clock that waits for nobody
			f := newFake()
			const latency = 3 * time.Millisecond
			begun := time.Now()
			var late time.Duration // when the row of key 1001 comes
			f.onRead = func(_ context.Context, key int64) *answer {
				time.Sleep(latency)
				if now := time.Since(begun); key == 1001 && late == 0 {
					late = now + deadline - time.Microsecond
				} else if key == 1001 && now >= late {
					return nil
				}
				return &answer{coordinator: "192.0.2.2"}
			}
			f.rows[1001] = make([]byte, 100)
			record.Fill(f.rows[1001], 1<<63+5, 1001)
			cfg := config(record.OpRead, 20)
			cfg.InFlight, cfg.MissingDeadline = 1, deadline
			raw := doRun(t, t.Context(), cfg, f)
			for key, reads := range attempts(t, raw) {
				first, last := reads[0], reads[len(reads)-1]
				due := first.Start + first.Service + deadline
				// Others may be read just then: there are as many readers as one in flight has.
				if last.Outcome == record.Missing && last.Start < due.Truncate(time.Microsecond) || last.Start > due+20*latency {
					t.Errorf("deadline %s: key %d was read for the last time at %s, due at %s", deadline, key, last.Start, due)
				}
				for _, r := range reads[:len(reads)-1] {
					if r.Start >= due {
						t.Errorf("deadline %s: key %d was read at %s, and again after it", deadline, key, r.Start)
					}
				}
			}
			if r := foldR(t, raw); r.Found != 1 || r.FoundLater != 1 || r.Missing != 19 {
				t.Errorf("deadline %s: %+v", deadline, r)
			}
		})
	}
}

// The lag is between two clocks' readings. One that was put forward in between adds to
// it; one that was put back would have rows seen before they were written: of those the
// lag is not known, and is not called 0.
func TestLagAcrossAClockStep(t *testing.T) {
	const rows = 10
	for name, c := range map[string]struct {
		step  time.Duration
		known bool
	}{"forward": {5 * time.Minute, true}, "back": {-5 * time.Minute, false}, "none": {0, true}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now().Add(-time.Second - c.step) // as the clock says that has been put on by the step since
			acks, err := record.LoadAcks(bytes.NewReader(recordtest.Stream(t, recordtest.WritePhase(1000, rows, start), recordtest.Writes(1000, rows), &record.End{})))
			if err != nil {
				t.Fatal(err)
			}
			f := newFake()
			doRun(t, t.Context(), config(record.OpWrite, rows), f)
			for k := range f.rows {
				f.hidden[k] = 1
			}
			cfg := config(record.OpRead, rows)
			cfg.Acks = acks
			r := foldR(t, doRun(t, t.Context(), cfg, f))
			if r.FoundLater != rows || (r.Lag.Count == rows) != c.known || !c.known && r.Lag.Count != 0 {
				t.Errorf("%s: %+v", name, r)
			}
			least, most := (c.step+time.Second).Seconds()*1000*0.99, (c.step+2*time.Second).Seconds()*1000
			if c.known && (r.Lag.P50 < least || r.Lag.Max > most) {
				t.Errorf("%s: lag %+v, want %v to %v ms", name, r.Lag, least, most)
			}
		})
	}
}

// A read that gets no answer has failed: nothing is said of its row, which is neither
// missing nor read again.
func TestReadsWithoutAnAnswerFail(t *testing.T) {
	f := newFake()
	written := doRun(t, t.Context(), config(record.OpWrite, 40), f)
	var asked [40]atomic.Int64
	f.onRead = func(ctx context.Context, key int64) *answer {
		asked[key-1000].Add(1)
		switch {
		case key%10 == 3: // the watch gives it up
			<-ctx.Done()
			return &answer{coordinator: "192.0.2.2", err: ctx.Err(), failure: classify(ctx.Err(), false)}
		case key%10 == 7:
			return &answer{coordinator: "192.0.2.2", err: answered{gocql.ErrCodeReadTimeout}, failure: classify(answered{gocql.ErrCodeReadTimeout}, false)}
		}
		return nil
	}
	cfg := config(record.OpRead, 40)
	cfg.Endpoint.Timeout = 20 * time.Millisecond
	cfg.Acks = acksOf(t, written)
	r := foldR(t, doRun(t, t.Context(), cfg, f))
	if r.Found != 32 || r.Failed != 8 || r.Missing != 0 || r.MissingAtFirstRead != 0 || *r.MissingAcknowledged != 0 || r.Attempts != 40 {
		t.Errorf("%+v", r)
	}
	if len(r.Errors) != 2 || r.Errors[0].Count != 4 || r.Errors[1].Count != 4 {
		t.Errorf("%+v", r.Errors)
	}
	for i := range asked {
		if n := asked[i].Load(); n != 1 {
			t.Errorf("key %d was read %d times", 1000+i, n)
		}
	}
}

// A read asks for the keys on record: those, each once, and no other.
func TestReadAsksForTheKeysOnRecord(t *testing.T) {
	start := time.Unix(1, 0)
	a := append(recordtest.Writes(1000, 40), recordtest.Writes(1041, 2)...) // a hole where a request was under way
	acks, err := record.LoadAcks(bytes.NewReader(recordtest.Stream(t, recordtest.WritePhase(1000, 100, start), a, nil)), bytes.NewReader(recordtest.Stream(t, recordtest.WritePhase(1100, 100, start), recordtest.Writes(1100, 30), nil)))
	if err != nil {
		t.Fatal(err)
	}
	f := newFake()
	want := map[int64]int{}
	for _, r := range acks.Keys() {
		for key := r.First; key < r.First+r.Rows; key++ {
			f.rows[key] = make([]byte, 100)
			record.Fill(f.rows[key], 1<<63+5, key)
			want[key] = 1
		}
	}
	cfg := config(record.OpRead, 0)
	cfg.Keys, cfg.Acks, cfg.FirstKey = acks.Keys(), acks, 0
	r := foldR(t, doRun(t, t.Context(), cfg, f))
	if r.Found != 72 || r.Rows != 72 || r.RowsAsked != 72 || !reflect.DeepEqual(f.reads, want) {
		t.Errorf("%+v; %v", r, f.reads)
	}
}
