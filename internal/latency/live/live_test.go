package live

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crossring/internal/cql"
	"crossring/internal/latency"
)

// world answers each level after a time of its own, and notes what it was asked.
type world struct {
	mu    sync.Mutex
	keys  map[string]map[int64]int // by operation
	order []string
	stop  func()
	after int
}

func (w *world) do(_ context.Context, c latency.Cell, key int64, trace bool) (*latency.Trace, error) {
	w.mu.Lock()
	if w.keys[c.Op] == nil {
		w.keys[c.Op] = map[int64]int{}
	}
	w.keys[c.Op][key]++
	w.order = append(w.order, c.Consistency)
	if w.stop != nil && len(w.order) == w.after {
		w.stop()
	}
	w.mu.Unlock()
	if trace {
		return &latency.Trace{Datacenter: c.Datacenter, Op: c.Op, Consistency: c.Consistency}, nil
	}
	time.Sleep(map[string]time.Duration{"ONE": time.Millisecond, "QUORUM": 80 * time.Millisecond, "ALL": 120 * time.Millisecond}[c.Consistency])
	if c.Op == latency.OpLWT {
		return nil, errNotApplied
	}
	return nil, nil
}

func cells() []latency.Cell {
	return []latency.Cell{
		{Datacenter: "east", Op: latency.OpWrite, Consistency: "ONE"}, {Datacenter: "east", Op: latency.OpRead, Consistency: "QUORUM"},
		{Datacenter: "east", Op: latency.OpWrite, Consistency: "ALL"}, {Datacenter: "east", Op: latency.OpLWT, Consistency: "SERIAL"},
	}
}

func TestMeasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{keys: map[string]map[int64]int{}}
		const samples = 50
		m := measure(t.Context(), Config{Cells: cells(), Samples: samples, InFlight: 3, Traces: 2}, w, nil)
		for i, want := range []float64{1, 80, 120} {
			if p := latency.Of(m.Samples[i]); len(m.Samples[i]) != samples || p.P50 != want || p.P99 != want || m.Failed[i] != 0 {
				t.Errorf("cell %d: %d samples, %+v, %d failed", i, len(m.Samples[i]), p, m.Failed[i])
			}
		}
		if len(m.Samples[3]) != 0 || m.Failed[3] != samples || len(m.Errors) != 1 {
			t.Errorf("what fails has no time: %d, %d, %v", len(m.Samples[3]), m.Failed[3], m.Errors)
		}
		if len(m.Traces) != 8 || m.Traces[0].Consistency != "ONE" || m.Traces[7].Consistency != "SERIAL" {
			t.Errorf("%+v", m.Traces)
		}
		for _, op := range []string{latency.OpWrite, latency.OpLWT} {
			for key, n := range w.keys[op] {
				if n != 1 {
					t.Errorf("%s: key %d was written %d times", op, key, n)
				}
			}
		}
		for key := range w.keys[latency.OpRead] {
			if w.keys[latency.OpWrite][key] != 1 {
				t.Errorf("key %d was read, and never written", key)
			}
		}
		// In turn: the cells never drift further apart than a round.
		count := map[string]int{}
		for _, level := range w.order[loaded:] {
			count[level]++
			for _, other := range []string{"ONE", "QUORUM", "ALL", "SERIAL"} {
				if d := count[level] - count[other]; d > 4 {
					t.Fatalf("%s is %d ahead of %s", level, d, other)
				}
			}
		}
	})
}

func TestMeasureStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		w := &world{keys: map[string]map[int64]int{}, after: 300, stop: func() { stop(errors.New("enough")) }}
		m := measure(ctx, Config{Cells: cells(), Samples: 1000, InFlight: 3, Traces: 2}, w, nil)
		n := len(m.Samples[0])
		if n == 0 || n > 60 || len(m.Traces) != 0 || len(w.order) > 310 {
			t.Errorf("%d samples, %d traces, %d operations", n, len(m.Traces), len(w.order))
		}
	})
}

// Lines as real traces have them, of 1.2.19 and 5.0.9; the last two came when the client had its
// answer.
func TestAnswers(t *testing.T) {
	events := []cql.TraceEvent{
		{Activity: "Determining replicas for mutation", Source: "127.9.101.1", Micros: 100},
		{Activity: "Executing single-partition query on crossring_latency", Source: "127.9.101.1", Micros: 150},
		{Activity: "Executing single-partition query on crossring_latency", Source: "127.9.101.1", Micros: 180},
		{Activity: "Appending to commitlog", Source: "127.9.102.1", Micros: 90},
		{Activity: "Message received from /127.9.102.1", Source: "127.9.101.1", Micros: 80100},
		{Activity: "REQUEST_RESPONSE message received from /127.9.102.2", Source: "127.9.101.1", Micros: 80200},
		{Activity: "MUTATION_RSP message received from /127.9.102.3:7000", Source: "127.9.101.1", Micros: 80},
		{Activity: "Processing response from /127.9.102.1", Source: "127.9.101.1", Micros: 110},
	}
	dc := func(a string) string { return "dc of " + a }
	var got []string
	for _, a := range answers("127.9.101.1", events, dc) {
		ms := "later"
		if a.Millis != nil {
			ms = fmt.Sprint(*a.Millis)
		}
		got = append(got, a.Address+" in "+a.Datacenter+" "+ms)
	}
	want := []string{
		"127.9.101.1 in dc of 127.9.101.1 0.15", "127.9.102.1 in dc of 127.9.102.1 80.1", "127.9.102.2 in dc of 127.9.102.2 80.2",
		"127.9.102.3 in dc of 127.9.102.3 later",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}
