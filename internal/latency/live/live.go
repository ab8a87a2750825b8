// Package live measures how long operations take on a cluster that runs, at each consistency
// level and in each datacenter, cell by cell in turn, and leaves what that means to package
// latency.
package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"crossring/internal/cql"
	"crossring/internal/latency"
)

// Config is one run.
type Config struct {
	// Endpoints are by datacenter. Keyspace and InFlight are set from this Config.
	Endpoints map[string]cql.Endpoint
	// Keyspace has the table; see cql.CreateTable.
	Keyspace, Table string
	ValueBytes      int
	Cells           []latency.Cell
	Samples         int // of each cell
	InFlight        int // operations at once
	Traces          int // of each cell, apart from the samples
	// Datacenter is that of a node by its address; "" is not known.
	Datacenter func(address string) string
}

// Measurement is what a run came to, by the place of the cells.
type Measurement struct {
	Samples latency.Samples // ms
	Failed  []int64
	Traces  []latency.Trace
	Errors  []string // of each kind the first, in order
	Seconds float64
}

// Progress is how far a run is.
type Progress struct{ Done, All int64 }

const (
	// loaded are rows written beforehand, which reads read.
	loaded = 128
	// warm are operations of each cell before it is measured: connections, prepared
	// statements, and code that the servers have not compiled yet.
	warm = 3
	// ttl is how many seconds rows of a run stay.
	ttl = 24 * 3600
)

// doer does one operation of a cell, with a key that a write has alone. With trace it says how
// the servers traced it.
type doer interface {
	do(ctx context.Context, c latency.Cell, key int64, trace bool) (*latency.Trace, error)
}

// Measure does so many operations of each cell, in turn, in an order that changes: what
// disturbs the computer for a moment disturbs no cell alone. When ctx ends, what is under way
// is awaited, and the rest left.
func (s *Sessions) Measure(ctx context.Context, progress func(Progress)) Measurement {
	return measure(ctx, s.cfg, s, progress)
}

func measure(ctx context.Context, cfg Config, with doer, progress func(Progress)) Measurement {
	m := &measurer{cfg: cfg, doer: with, base: rand.Int64N(1<<62) &^ (1<<32 - 1), all: int64(cfg.Samples * len(cfg.Cells)), tell: progress}
	m.Samples, m.Failed = make(latency.Samples, len(cfg.Cells)), make([]int64, len(cfg.Cells))
	m.Traces, m.Errors = []latency.Trace{}, []string{}
	m.load(ctx)
	m.rounds(ctx, warm, func(ctx context.Context, i int) {
		if _, err := m.once(ctx, i, false); err != nil {
			m.note(i, err)
		}
	})
	began := time.Now()
	m.rounds(ctx, cfg.Samples, m.sample)
	m.Seconds = time.Since(began).Seconds()
	m.rounds(ctx, cfg.Traces, m.traced)
	slices.SortStableFunc(m.Traces, func(a, b latency.Trace) int { return m.place(a) - m.place(b) })
	return m.Measurement
}

type measurer struct {
	Measurement
	cfg  Config
	doer doer
	base int64 // of this run's keys
	next atomic.Int64
	done atomic.Int64
	all  int64
	tell func(Progress)
	mu   sync.Mutex
	said map[string]bool
}

// load writes the rows that are read.
func (m *measurer) load(ctx context.Context) {
	if !slices.ContainsFunc(m.cfg.Cells, func(c latency.Cell) bool { return c.Op == latency.OpRead }) {
		return
	}
	i := slices.IndexFunc(m.cfg.Cells, func(c latency.Cell) bool { return c.Op == latency.OpRead })
	c := latency.Cell{Datacenter: m.cfg.Cells[i].Datacenter, Op: latency.OpWrite, Consistency: "ALL"}
	var all sync.WaitGroup
	gate := make(chan struct{}, m.cfg.InFlight)
	for key := range int64(loaded) {
		gate <- struct{}{}
		all.Go(func() {
			defer func() { <-gate }()
			if ctx.Err() != nil {
				return
			}
			if _, err := m.doer.do(context.WithoutCancel(ctx), c, m.base+key, false); err != nil {
				m.mu.Lock()
				m.say(fmt.Errorf("writing the rows to be read: %w", err))
				m.mu.Unlock()
			}
		})
	}
	all.Wait()
	m.next.Store(loaded)
}

// rounds does f for each cell, so often, in turn.
func (m *measurer) rounds(ctx context.Context, count int, f func(ctx context.Context, cell int)) {
	cells := make(chan int)
	var all sync.WaitGroup
	for range m.cfg.InFlight {
		all.Go(func() {
			for i := range cells {
				f(context.WithoutCancel(ctx), i)
			}
		})
	}
	for range count {
		for _, i := range rand.Perm(len(m.cfg.Cells)) {
			if ctx.Err() == nil {
				cells <- i
			}
		}
	}
	close(cells)
	all.Wait()
}

// once does one operation of a cell.
func (m *measurer) once(ctx context.Context, i int, trace bool) (*latency.Trace, error) {
	c := m.cfg.Cells[i]
	key := m.base + rand.Int64N(loaded)
	if c.Op != latency.OpRead {
		key = m.base + m.next.Add(1)
	}
	return m.doer.do(ctx, c, key, trace)
}

func (m *measurer) sample(ctx context.Context, i int) {
	start := time.Now()
	_, err := m.once(ctx, i, false)
	took := time.Since(start)
	if err != nil {
		m.note(i, err)
	}
	m.mu.Lock()
	if err == nil {
		m.Samples[i] = append(m.Samples[i], float64(took)/float64(time.Millisecond))
	} else {
		m.Failed[i]++
	}
	m.mu.Unlock()
	if done := m.done.Add(1); m.tell != nil {
		m.tell(Progress{done, m.all})
	}
}

func (m *measurer) traced(ctx context.Context, i int) {
	t, err := m.once(ctx, i, true)
	if err != nil {
		m.note(i, err)
		return
	}
	m.mu.Lock()
	m.Traces = append(m.Traces, *t)
	m.mu.Unlock()
}

// place is that of a trace among the cells.
func (m *measurer) place(t latency.Trace) int {
	return slices.IndexFunc(m.cfg.Cells, func(c latency.Cell) bool {
		return c.Datacenter == t.Datacenter && c.Op == t.Op && c.Consistency == t.Consistency
	})
}

// note keeps an error of a cell, the first of those of its kind.
func (m *measurer) note(i int, err error) {
	c := m.cfg.Cells[i]
	m.mu.Lock()
	defer m.mu.Unlock()
	m.say(fmt.Errorf("%s at %s in %s: %w", c.Op, c.Consistency, c.Datacenter, err))
}

func (m *measurer) say(err error) {
	if m.said == nil {
		m.said = map[string]bool{}
	}
	if text := err.Error(); !m.said[text] && len(m.Errors) < maxErrors {
		m.said[text] = true
		m.Errors = append(m.Errors, text)
	}
}

const maxErrors = 20

// errNotApplied says that a row was there already whose key nobody else has.
var errNotApplied = errors.New("the transaction was not applied")
