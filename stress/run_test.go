package stress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"crossring/internal/cql"
	"crossring/stress/record"
	"crossring/stress/results"
)

func config(op string, rows int64) Config {
	return Config{
		Op: op, Endpoint: cql.Endpoint{Datacenter: "us-east", Timeout: time.Minute}, Keyspace: "k", Table: "t",
		RunID: 1<<63 + 5, FirstKey: 1000, Rows: rows, ValueBytes: 100, InFlight: 8, MissingDeadline: time.Minute,
	}
}

func doRun(t *testing.T, ctx context.Context, cfg Config, f *fake) []byte {
	t.Helper()
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	var last Progress
	if err := run(ctx, cfg, f, &raw, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if !last.Last || last.Missing != 0 {
		t.Errorf("the last progress is %+v", last)
	}
	return raw.Bytes()
}

func foldW(t *testing.T, raw []byte) results.WriteSummary {
	t.Helper()
	s, err := results.FoldWrite(bytes.NewReader(raw))
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func foldR(t *testing.T, raw []byte) results.ReadSummary {
	t.Helper()
	s, err := results.FoldRead(bytes.NewReader(raw))
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func acksOf(t *testing.T, raw []byte) *record.Acks {
	t.Helper()
	a, err := record.LoadAcks(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWriteThenRead(t *testing.T) {
	f := newFake()
	raw := doRun(t, t.Context(), config(record.OpWrite, 5000), f)
	w := foldW(t, raw)
	if w.Acknowledged != 5000 || w.Rows != 5000 || w.Datacenter != "us-east" || w.Coordinators["192.0.2.1"] != 5000 || w.Interrupted || w.Response != nil {
		t.Errorf("%+v", w)
	}
	if n := f.most.Load(); n > 8 {
		t.Errorf("%d in flight of 8", n)
	}
	// Every 100th row appears at its third read only, one is of another run, one
	// is gone.
	for k := int64(1000); k < 6000; k += 100 {
		f.hidden[k] = 2
	}
	record.Fill(f.rows[1001], 99, 1001)
	delete(f.rows, 1002)
	// Two show an earlier run's row first, and one of them is missing before that.
	f.stale[1003], f.stale[1004], f.hidden[1004] = 1, 2, 1
	// Eight reads are in flight. The first stale one on record is that of 1001: the
	// others wait until it is read again, which is after it was recorded.
	var reads atomic.Int64
	again := make(chan struct{})
	f.onRead = func(_ context.Context, key int64) *answer {
		switch key {
		case 1001:
			if reads.Add(1) == 2 {
				close(again)
			}
		case 1003, 1004:
			<-again
		}
		return nil
	}
	cfg := config(record.OpRead, 5000)
	cfg.MissingDeadline = 200 * time.Millisecond
	cfg.Acks = acksOf(t, raw)
	r := foldR(t, doRun(t, t.Context(), cfg, f))
	if r.Found != 4998 || r.FoundLater != 52 || r.Missing != 1 || r.Wrong != 1 || r.MissingAtFirstRead != 52 || r.StaleAtFirstRead != 2 || r.Lag.Count != 52 {
		t.Errorf("%+v", r)
	}
	// One has no row at the deadline, one has another run's: both are lost.
	if r.MissingAcknowledged == nil || *r.MissingAcknowledged != 2 {
		t.Errorf("acknowledged and lost: %v", *r.MissingAcknowledged)
	}
	// Two backoffs of 50 and 75 ms lie between a row's first and third read.
	if r.Lag.Max < 100 {
		t.Errorf("lag %+v", r.Lag)
	}
	if len(r.Errors) != 1 || r.Errors[0].Class != "stale_run" || r.Errors[0].Example != "key 1001" {
		t.Errorf("%+v", r.Errors)
	}
	if r.Errors[0].Count < 4 {
		t.Errorf("stale rows are read again, each time counted: %+v", r.Errors)
	}
	if r.Attempts < 5000+100+2 || r.Coordinators["192.0.2.2"] != r.Attempts {
		t.Errorf("%d attempts, %v", r.Attempts, r.Coordinators)
	}
}

func TestOutcomesOfWritesAreKept(t *testing.T) {
	f := newFake()
	f.onWrite = func(_ context.Context, key int64) *answer {
		switch key {
		case 1003:
			return &answer{coordinator: "192.0.2.1", err: errors.New("turned down"), failure: failure{"unavailable", refused}}
		case 1004, 1005:
			return &answer{coordinator: "192.0.2.1", err: errors.New("no answer"), failure: failure{"write_timeout", undecided}}
		}
		return nil
	}
	raw := doRun(t, t.Context(), config(record.OpWrite, 50), f)
	w := foldW(t, raw)
	if w.Acknowledged != 47 || w.Failed != 1 || w.Unknown != 2 {
		t.Errorf("%+v", w)
	}
	want := []results.ErrorCount{{Class: "write_timeout", Count: 2, Example: "no answer"}, {Class: "unavailable", Count: 1, Example: "turned down"}}
	if len(w.Errors) != 2 || w.Errors[0] != want[0] || w.Errors[1] != want[1] {
		t.Errorf("%+v", w.Errors)
	}
	a := acksOf(t, raw)
	for key, want := range map[int64]record.Outcome{999: 0, 1000: record.Acknowledged, 1003: record.Failed, 1005: record.Unknown, 1050: 0} {
		if got, _ := a.Lookup(key); got != want {
			t.Errorf("write of key %d: %v, want %v", key, got, want)
		}
	}
	// None of the three that were not acknowledged is lost.
	f.onWrite = nil
	cfg := config(record.OpRead, 50)
	cfg.MissingDeadline = 0
	cfg.Acks = a
	r := foldR(t, doRun(t, t.Context(), cfg, f))
	if r.Found != 47 || r.Missing != 3 || *r.MissingAcknowledged != 0 || r.Attempts != 50 {
		t.Errorf("%+v", r)
	}
}

func TestReadWithoutAcks(t *testing.T) {
	f := newFake()
	doRun(t, t.Context(), config(record.OpWrite, 10), f)
	f.hidden[1004] = 1
	r := foldR(t, doRun(t, t.Context(), config(record.OpRead, 10), f))
	if r.FoundLater != 1 || r.Lag.Count != 0 || r.MissingAcknowledged != nil {
		t.Errorf("%+v", r)
	}
}

// A first cancel drains: what has begun is finished and counted, nothing new is
// begun.
func TestCancelDrains(t *testing.T) {
	f := newFake()
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	var started atomic.Int64
	f.onWrite = func(context.Context, int64) *answer {
		if n := started.Add(1); n == 20 {
			cancel()
			close(release)
		} else if n > 12 {
			<-release // all eight are in flight when it comes
		}
		return nil
	}
	w := foldW(t, doRun(t, ctx, config(record.OpWrite, 1_000_000), f))
	if !w.Interrupted || w.Rows != started.Load() || w.Rows > 20+8 || w.Acknowledged != w.Rows || w.RowsAsked != 1_000_000 {
		t.Errorf("%d started: %+v", started.Load(), w)
	}
}

// Rows that are still asked for again when the phase is cancelled are missing, and
// the summary says that they were not awaited.
func TestCancelWhileRowsAreMissing(t *testing.T) {
	f := newFake()
	ctx, cancel := context.WithCancel(t.Context())
	f.onRead = func(_ context.Context, key int64) *answer {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.reads[key]++; f.reads[1000] == 2 {
			cancel()
		}
		return &answer{coordinator: "192.0.2.2"}
	}
	r := foldR(t, doRun(t, ctx, config(record.OpRead, 100), f))
	if !r.Interrupted || r.Missing != 100 || r.Rows != 100 || len(r.Warnings) == 0 {
		t.Errorf("%+v", r)
	}
}

// Workers that wait for slow reads of missing rows don't keep first reads from
// going on.
func TestRereadsDontBlockFirstReads(t *testing.T) {
	f := newFake()
	doRun(t, t.Context(), config(record.OpWrite, 500), f)
	for k := range f.rows {
		if k < 1100 {
			f.hidden[k] = 1
		}
	}
	firstsDone := make(chan struct{})
	var firsts atomic.Int64
	f.onRead = func(_ context.Context, key int64) *answer {
		f.mu.Lock()
		again := f.reads[key] > 0
		f.mu.Unlock()
		if again {
			<-firstsDone
		} else if firsts.Add(1) == 500 {
			close(firstsDone)
		}
		return nil
	}
	r := foldR(t, doRun(t, t.Context(), config(record.OpRead, 500), f))
	if r.Found != 500 || r.FoundLater != 100 {
		t.Errorf("%+v", r)
	}
}

// A request without an answer is given up by the watch.
func TestTimeoutEndsARequest(t *testing.T) {
	f := newFake()
	f.onWrite = func(ctx context.Context, key int64) *answer {
		if key%10 != 0 {
			return nil
		}
		<-ctx.Done()
		return &answer{coordinator: "192.0.2.1", err: ctx.Err(), failure: classify(ctx.Err(), false)}
	}
	cfg := config(record.OpWrite, 40)
	cfg.Endpoint.Timeout = 20 * time.Millisecond
	w := foldW(t, doRun(t, t.Context(), cfg, f))
	if w.Unknown != 4 || w.Acknowledged != 36 || w.Errors[0].Class != "client_timeout" || w.Latency.Max < 19 {
		t.Errorf("%+v", w)
	}
}

func TestNoConnectionIsNotSent(t *testing.T) {
	f := newFake()
	f.onWrite = func(_ context.Context, key int64) *answer {
		if key == 1001 {
			return &answer{err: errors.New("down"), failure: failure{"no_connection", notSent}}
		}
		return nil
	}
	w := foldW(t, doRun(t, t.Context(), config(record.OpWrite, 10), f))
	if w.Failed != 1 || w.Coordinators["192.0.2.1"] != 9 || w.Attempts != 10 {
		t.Errorf("%+v", w)
	}
}

// In an open loop the response time counts from the intended start: a stall of
// one worker shows in the operations that were due meanwhile.
func TestOpenLoopCountsTheWait(t *testing.T) {
	f := newFake()
	f.onWrite = func(_ context.Context, key int64) *answer {
		if key == 1000 {
			time.Sleep(100 * time.Millisecond) // the stall itself
		}
		return nil
	}
	cfg := config(record.OpWrite, 50)
	cfg.InFlight, cfg.Rate = 1, 1000
	w := foldW(t, doRun(t, t.Context(), cfg, f))
	if w.Response == nil || w.Rate != 1000 || w.Acknowledged != 50 {
		t.Fatalf("%+v", w)
	}
	// All others were due within 50 ms of the start and could begin after 100.
	if w.Response.P50 < 50 || w.Latency.P50 >= w.Response.P50 {
		t.Errorf("latency %+v, response %+v", w.Latency, *w.Response)
	}
	if len(w.Warnings) == 0 {
		t.Error("no warning that the limit in flight was reached")
	}
}

type brokenWriter struct{ left int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestRawResultsThatCannotBeWrittenEndTheRun(t *testing.T) {
	cfg := config(record.OpWrite, 1<<40)
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), cfg, newFakeForgetful(), &brokenWriter{100_000}, nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
}

func newFakeForgetful() *fake {
	f := newFake()
	f.onWrite = func(context.Context, int64) *answer { return &answer{coordinator: "192.0.2.1"} }
	return f
}

func TestRunLeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFake()
	doRun(t, t.Context(), config(record.OpWrite, 100), f)
	f.hidden[1001] = 1
	doRun(t, t.Context(), config(record.OpRead, 100), f)
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"op":       func(c *Config) { c.Op = "scan" },
		"keyspace": func(c *Config) { c.Keyspace = "" },
		"table":    func(c *Config) { c.Table = "" },
		"rows":     func(c *Config) { c.Rows = 0 },
		"keys":     func(c *Config) { c.FirstKey = 1<<63 - 2 },
		"value":    func(c *Config) { c.ValueBytes = record.MinValueBytes - 1 },
		"inflight": func(c *Config) { c.InFlight = -1 },
		"rate":     func(c *Config) { c.Rate = -1 },
		"deadline": func(c *Config) { c.MissingDeadline = -1 },
	} {
		cfg := config(record.OpWrite, 10)
		spoil(&cfg)
		var bad *ConfigError
		if err := Run(t.Context(), cfg, io.Discard, nil); !errors.As(err, &bad) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	cfg := config(record.OpRead, 10)
	cfg.InFlight, cfg.Consistency = 0, ""
	if err := cfg.complete(); err != nil || cfg.InFlight != 10 || cfg.Consistency != "ONE" {
		t.Errorf("%+v, %v", cfg, err)
	}
}

func BenchmarkEngine(b *testing.B) {
	cfg := config(record.OpWrite, int64(b.N))
	cfg.ValueBytes = 2048
	if err := cfg.complete(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	if err := run(b.Context(), cfg, newFakeForgetful(), io.Discard, nil); err != nil {
		b.Fatal(err)
	}
}
