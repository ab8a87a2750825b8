// Package stress writes rows that can be told from all others, reads them back
// and says of each what became of it. A phase is a stream of raw results, one
// record for each attempt; every figure is a fold over that stream, made
// afterwards and as often as wanted.
package stress

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"crossring/internal/cputime"
	"crossring/internal/cql"
	"crossring/internal/topology"
	"crossring/stress/record"
)

// Config is one phase: a write or a read of a range of keys.
type Config struct {
	Op string // OpWrite or OpRead
	// Endpoint is the datacenter to talk to. Its Keyspace, Consistency, InFlight
	// and Watched are set from this Config.
	Endpoint        cql.Endpoint
	Keyspace, Table string
	RunID           uint64 // of the write; the read looks for the same
	FirstKey        int64
	Rows            int64
	// Keys are those to write or read where they are not the Rows ones from FirstKey
	// on; FirstKey and Rows follow from them then.
	Keys record.Keys
	// Parts and RowsInAll are of the whole operation where this is the part of one
	// loader; 0 is all of it.
	Parts       int
	RowsInAll   int64
	ValueBytes  int    // at least MinValueBytes
	InFlight    int    // requests at once; 0 is topology.DefaultInFlight
	Consistency string // empty is ONE
	// Rate makes an open loop: so many operations are due per second, whether or
	// not earlier ones have been answered. 0 is a closed loop, in which each
	// worker starts one when its last one has ended.
	Rate float64
	// MissingDeadline is how long after its first read a missing row is read
	// again; 0 is not at all. Reads of missing rows come on top of InFlight, a
	// quarter as many at once.
	MissingDeadline time.Duration
	// Policy is how long connections live.
	Policy Policy
	// Acks tells a read when each row was acknowledged. Without it the lag of
	// rows found later is not known.
	Acks *record.Acks
	// Follow has a read take its rows, all of them acknowledged, from a write that runs
	// beside it; then Acks, Rate and the order of Keys do not count. nil is no such thing.
	Follow *Follow
}

const (
	// A worker pauses after a row that it could not send, twice as long each time
	// up to the most, so that an outage does not use up all rows.
	pauseNotSent   = 100 * time.Millisecond
	pauseMost      = time.Second
	progressEvery  = 250 * time.Millisecond
	flushEvery     = time.Second
	maxRereadQueue = 4 << 20 // rows, 48 bytes each
	// unreachableMost is how long a phase goes on while not one request reaches a
	// node: longer than a restart takes, and an end for a cluster that is gone.
	unreachableMost = 90 * time.Second
)

// Progress is how far a phase has got.
type Progress struct {
	Op        string
	Done      int64 // rows attempted
	Rows      int64 // rows asked for
	Missing   int64 // rows missing so far that are asked for again
	Bad       int64 // attempts that failed, are unknown or were wrong
	Elapsed   time.Duration
	PerSecond float64 // rows since the last report
	Last      bool
}

// ConfigError says what is wrong with a Config.
type ConfigError struct{ Problem string }

func (e *ConfigError) Error() string { return "stress: " + e.Problem }

func (c *Config) complete() error {
	bad := func(format string, args ...any) error { return &ConfigError{fmt.Sprintf(format, args...)} }
	switch {
	case c.Op != record.OpWrite && c.Op != record.OpRead:
		return bad("the operation is %q, neither %s nor %s", c.Op, record.OpWrite, record.OpRead)
	case c.Keyspace == "" || c.Table == "":
		return bad("no keyspace or no table")
	case len(c.Keys) == 0 && c.Rows < 1:
		return bad("%d rows", c.Rows)
	case c.ValueBytes < record.MinValueBytes:
		return bad("values of %d bytes; the least is %d", c.ValueBytes, record.MinValueBytes)
	case c.InFlight < 0 || c.Rate < 0 || c.MissingDeadline < 0 || c.Follow != nil && c.Follow.after < 0:
		return bad("a negative number in flight, rate or deadline")
	}
	if len(c.Keys) == 0 {
		c.Keys = record.Keys{{First: c.FirstKey, Rows: c.Rows}}
	}
	if err := c.Keys.Check(); err != nil {
		return bad("%v", err)
	}
	c.FirstKey, c.Rows = c.Keys[0].First, c.Keys.Count()
	c.Parts, c.RowsInAll = max(c.Parts, 1), max(c.RowsInAll, c.Rows)
	if c.InFlight == 0 {
		c.InFlight = topology.DefaultInFlight
	}
	if int64(c.InFlight) > c.Rows {
		c.InFlight = int(c.Rows)
	}
	if c.Consistency == "" {
		c.Consistency = "ONE"
	}
	return nil
}

// rereaders is the number of workers that ask for missing rows again.
func (c *Config) rereaders() int {
	if c.Op != record.OpRead || c.MissingDeadline <= 0 {
		return 0
	}
	return max(1, c.InFlight/4)
}

// follows says that rows come from a write that runs beside this read.
func (c *Config) follows() bool { return c.Op == record.OpRead && c.Follow != nil }

// readAfter is how long after their acknowledgement rows are read, in seconds; nil where
// they do not follow a write.
func (c *Config) readAfter() *float64 {
	if !c.follows() {
		return nil
	}
	return new(c.Follow.after.Seconds())
}

// counted is what the phase cost in connections so far; nil without a count.
func (c *Config) counted() *record.Connections {
	if c.Endpoint.Counts == nil {
		return nil
	}
	all := connections(c.Policy, c.Endpoint.Counts)
	return &all
}

// driver gives workers access to the cluster.
type driver interface {
	// worker serves one goroutine. Its requests end when ctx does.
	worker(ctx context.Context) worker
	close()
}

// worker makes one request at a time.
type worker interface {
	write(key int64, value []byte) answer
	// read calls see with the value of the row if there is one; it is valid
	// during the call only, and nil if the row has none.
	read(key int64, see func(value []byte)) answer
}

type answer struct {
	coordinator string // broadcast address; empty if none was reached
	found       bool
	err         error
	failure     failure // of err
}

// Run runs a phase and writes its raw results to raw. progress, if not nil, is
// called about four times a second and at the end, always from one goroutine.
//
// When ctx ends no further row is begun; what is in flight is awaited, and the
// results say that the phase was interrupted. That is no error. An error is what
// keeps the results from being what they should: a Config that makes no sense, no
// connection at the start, raw results that cannot be written.
func Run(ctx context.Context, cfg Config, raw io.Writer, progress func(Progress)) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	cfg.Endpoint.Counts = &cql.Counts{}
	d, err := openDriver(ctx, cfg)
	if err != nil {
		return err
	}
	defer d.close()
	return run(ctx, cfg, d, raw, progress)
}

// phase is a running one.
type phase struct {
	cfg  Config
	keys record.Index
	base time.Time
	raw  *record.Writer
	next atomic.Int64 // operation to hand out
	done atomic.Int64
	bad  atomic.Int64
	late atomic.Int64
	lag  atomic.Int64 // µs, largest
	// reached is when a request last reached a node, on the phase's clock in ns.
	reached atomic.Int64
	queue   *rereads // nil if missing rows are not read again

	stop context.Context // ends with the caller's, or when raw results fail
	fail context.CancelCauseFunc
}

func run(ctx context.Context, cfg Config, d driver, raw io.Writer, progress func(Progress)) error {
	base := time.Now()
	var ranges record.Keys
	if len(cfg.Keys) > 1 {
		ranges = cfg.Keys
	}
	rw, err := record.NewWriter(raw, record.Phase{
		Keys: ranges, Parts: cfg.Parts, RowsInAll: cfg.RowsInAll,
		Schema: topology.Schema, Op: cfg.Op, Start: base.UTC(), Datacenter: cfg.Endpoint.Datacenter,
		Keyspace: cfg.Keyspace, Table: cfg.Table, RunID: cfg.RunID, FirstKey: cfg.FirstKey, Rows: cfg.Rows,
		ValueBytes: cfg.ValueBytes, InFlight: cfg.InFlight, Rate: cfg.Rate, Consistency: cfg.Consistency,
		MissingDeadlineSeconds: cfg.MissingDeadline.Seconds(), AcksKnown: cfg.Acks != nil || cfg.follows(), ReadAfterSeconds: cfg.readAfter(),
	})
	if err != nil {
		return err
	}
	p := &phase{cfg: cfg, keys: record.NewIndex(cfg.Keys), base: base, raw: rw}
	p.stop, p.fail = context.WithCancelCause(ctx)
	defer p.fail(nil)

	timeout := cfg.Endpoint.Timeout
	if timeout <= 0 {
		timeout = cql.DefaultTimeout
	}
	w := &watch{timeout: timeout, clock: p.now}
	var workers []func()
	var firsts, all sync.WaitGroup
	if n := cfg.rereaders(); n > 0 {
		p.queue = newRereads(cfg.MissingDeadline, missingRetry, p.now)
		for range n {
			t := p.newTask(d, w)
			workers = append(workers, func() {
				t.rereads()
				t.leave()
			})
		}
	}
	for range cfg.InFlight {
		t := p.newTask(d, w)
		firsts.Add(1)
		workers = append(workers, func() {
			t.firsts()
			firsts.Done()
			if p.queue != nil {
				t.rereads()
			}
			t.leave()
		})
	}

	background := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() { w.run(background) })
	helpers.Go(func() { p.flusher(background) })
	helpers.Go(func() { p.reporter(background, progress) })
	cpu := cputime.Used()
	for _, work := range workers {
		all.Go(work)
	}
	if cfg.follows() {
		all.Go(func() { cfg.Follow.run(p.stop) })
	}
	if p.queue != nil {
		all.Go(func() { p.queue.run(p.stop) })
		all.Go(func() {
			firsts.Wait()
			p.queue.noMore()
		})
	}
	all.Wait()
	asked := cfg.Rows
	if cfg.follows() {
		asked = cfg.Follow.count()
	}
	end := record.End{
		Seconds: p.now().Seconds(), CPUMicros: cputime.Used().Since(cpu).Total().Microseconds(), Cores: runtime.GOMAXPROCS(0),
		Interrupted: ctx.Err() != nil && (p.done.Load() < asked || p.queue.abandoned() > 0),
		Connections: cfg.counted(), LateStarts: p.late.Load(), MaxLagMicros: p.lag.Load(), NotAwaited: p.queue.abandoned(), Followed: p.followed(),
	}
	close(background)
	helpers.Wait()
	if err := context.Cause(p.stop); err != nil && ctx.Err() == nil {
		return err
	}
	return p.raw.End(end)
}

// followed is how many rows a read that follows a write was to read; 0 of others.
func (p *phase) followed() int64 {
	if !p.cfg.follows() {
		return 0
	}
	return p.cfg.Follow.count()
}

func (p *phase) now() time.Duration { return time.Since(p.base) }

// flusher bounds what a crash loses to about a second.
func (p *phase) flusher(stop <-chan struct{}) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := p.raw.Flush(); err != nil {
				p.fail(err)
			}
		case <-stop:
			return
		}
	}
}

func (p *phase) reporter(stop <-chan struct{}, progress func(Progress)) {
	if progress == nil {
		return
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	var before Progress
	report := func(last bool) {
		now := Progress{
			Op: p.cfg.Op, Done: p.done.Load(), Rows: p.cfg.Rows, Missing: p.queue.pending(),
			Bad: p.bad.Load(), Elapsed: p.now(), Last: last,
		}
		if d := now.Elapsed - before.Elapsed; d > 0 {
			now.PerSecond = float64(now.Done-before.Done) / d.Seconds()
		}
		before = now
		progress(now)
	}
	for {
		select {
		case <-tick.C:
			report(false)
		case <-stop:
			report(true)
			return
		}
	}
}

// UnreachableError says that a phase was given up, since for some time not one
// request reached a node.
type UnreachableError struct {
	Datacenter string
	For        time.Duration
	Err        error // the last request's
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no node of datacenter %s was reached for %s: %v", e.Datacenter, e.For, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }
