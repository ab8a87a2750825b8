// Package live measures replication lag on a cluster that runs: it writes rows in every
// datacenter at a steady rate, looks for them in the others, and leaves what that means to
// package lag. All of it is done by one process, so there is one clock.
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

	"crossring/internal/cputime"
	"crossring/internal/cql"
	"crossring/internal/lag"
	"crossring/internal/pause"
)

// Config is one run.
type Config struct {
	// Endpoints are the datacenters to write to and look in. Keyspace, InFlight and
	// Consistency are set from this Config.
	Endpoints []cql.Endpoint
	Pairs     []Pair
	// Keyspace has the table; see cql.CreateLagTable.
	Keyspace, Table       string
	WriteLevel, ReadLevel string
	Rate                  float64 // rows a second in each datacenter that writes
	Duration              time.Duration
	Deadline              time.Duration // for which a row is looked for
	Every                 time.Duration // between the beginnings of two looks for one pair
	// OneWay is how long the way of a pair takes; nil, or false, where that is not known, or
	// where a write waits for the other datacenter: then nothing is predicted.
	OneWay func(Pair) (time.Duration, bool)
}

// Pair is an ordered pair of datacenters, by their place in Endpoints.
type Pair struct{ From, To int }

// Progress is how far a run is.
type Progress struct {
	Sent, Rows int64
	Waiting    int64
}

// RateError says that the rate is more than was reached in a try.
type RateError struct {
	Datacenter string
	Asked, Can float64
}

func (e *RateError) Error() string {
	return fmt.Sprintf("%g rows a second are too many: in a try just now %s took %.0f a second, with looks for them in the other datacenters; ask for less than that", e.Asked, e.Datacenter, e.Can)
}

const (
	inFlight = 64 // writes at once in a datacenter
	lookers  = 2  // looks at once for a pair, so that a slow one holds the next one up for less
	// lateAfter is how late a row may be sent without counting as late.
	lateAfter = 10 * time.Millisecond
	// slack is how long after its deadline a row may be looked for, where looks fail.
	slack       = cql.DefaultTimeout + 3*time.Second
	houseKeep   = 50 * time.Millisecond
	bucketOf    = 10 // seconds of rows in a partition
	bucketLeast = 1000
	tryFor      = 2 * time.Second
	trySettles  = 2 * time.Second
)

// Measure writes and looks for the time of the Config. When ctx ends nothing more is sent or
// looked for, and the result says of each row what was known by then: that is no error. Schema,
// names and faults of the result are left to the caller.
func (s *Sessions) Measure(ctx context.Context, progress func(Progress)) lag.Result {
	cfg := s.cfg
	res := lag.Result{
		WriteConsistency: cfg.WriteLevel, ReadConsistency: cfg.ReadLevel, Clock: lag.ClockOne,
		RateAsked: cfg.Rate, DeadlineSeconds: cfg.Deadline.Seconds(), Writes: []lag.Writes{}, Pairs: []lag.Pair{},
	}
	r := s.newRound(max(1, int64(cfg.Rate*cfg.Duration.Seconds())))
	r.due = func(i int64) time.Duration { return time.Duration(float64(i) / cfg.Rate * float64(time.Second)) }
	cpu, began := cputime.Used(), time.Now().UTC()
	res.Began = &began
	r.run(ctx, cfg.Deadline, slack, progress)
	if cpu.Total() > 0 {
		used := float64(cputime.Used().Since(cpu).Total()) / float64(r.now())
		res.ClientCPU = &used
	}
	r.fold(&res, ctx.Err() != nil)
	return res
}

// round is one run of writes and looks, from its own base time on.
type round struct {
	*Sessions
	rows    int64                       // to write in each datacenter
	due     func(i int64) time.Duration // nil: as fast as it goes
	until   time.Duration               // when the last write may begin; 0 is no such time
	base    time.Time
	sources []*source
	pairs   []*pair
	lastErr atomic.Pointer[error]
}

// source is a datacenter that writes.
type source struct {
	at        int // of Endpoints
	mu        sync.Mutex
	rows      lag.Rows
	next      atomic.Int64 // to hand out
	late      atomic.Int64
	partition func(bucket int64) int64
	wrote     time.Duration // when the last write had ended
}

// pair is one that is looked at.
type pair struct {
	Pair
	source *source
	watch  *lag.Watch // under source.mu
	mu     sync.Mutex
	last   time.Duration // when the last look was due
	began  time.Duration // when it began
	looks  lag.Looks
}

func (r *round) now() time.Duration { return time.Since(r.base) }

func (s *Sessions) newRound(rows int64) *round {
	r := &round{Sessions: s, rows: rows, base: time.Now()}
	bucket := max(bucketLeast, int64(s.cfg.Rate*bucketOf))
	id := rand.Uint64()
	for i := range s.cfg.Endpoints {
		if !slices.ContainsFunc(s.cfg.Pairs, func(p Pair) bool { return p.From == i }) {
			continue
		}
		src := &source{at: i, partition: partitions(id, i)}
		r.sources = append(r.sources, src)
		for _, p := range s.cfg.Pairs {
			if p.From == i {
				r.pairs = append(r.pairs, &pair{Pair: p, source: src, watch: lag.NewWatch(&src.rows, bucket)})
			}
		}
	}
	r.bucket = bucket
	return r
}

// partitions gives each bucket of a datacenter in a run a key that no other has: 36 bits of
// the run's, 4 of the datacenter, 24 of the bucket.
func partitions(id uint64, datacenter int) func(bucket int64) int64 {
	return func(bucket int64) int64 {
		return int64(id&^(1<<28-1) | uint64(datacenter&15)<<24 | uint64(bucket)&(1<<24-1))
	}
}

// run writes, looks, and returns when all rows were seen or given up, which is slack after the
// last one's deadline at the latest, or soon after ctx ends.
func (r *round) run(ctx context.Context, deadline, slack time.Duration, progress func(Progress)) {
	r.base = time.Now()
	looking, stop := context.WithCancel(ctx)
	defer stop()
	var writers, others sync.WaitGroup
	for _, p := range r.pairs {
		for range lookers {
			others.Go(func() { r.look(looking, p) })
		}
	}
	others.Go(func() { r.keep(looking, deadline, progress) })
	for _, s := range r.sources {
		writers.Go(func() { r.writeAll(ctx, s) })
	}
	writers.Wait()
	r.await(ctx, deadline+slack)
	stop()
	others.Wait()
	for _, s := range r.sources {
		s.mu.Lock()
	}
	for _, p := range r.pairs {
		p.watch.Expire(deadline)
	}
	for _, s := range r.sources {
		s.mu.Unlock()
	}
}

func (r *round) writeAll(ctx context.Context, s *source) {
	var all sync.WaitGroup
	for range min(inFlight, r.rows) {
		all.Go(func() { r.write(ctx, s) })
	}
	all.Wait()
	s.wrote = r.now()
}

// write sends one row after another, each when it is due. What is under way when ctx ends
// is awaited.
func (r *round) write(ctx context.Context, s *source) {
	insert := r.writers[s.at].inserter(context.WithoutCancel(ctx))
	for {
		i := s.next.Add(1) - 1
		if i >= r.rows || ctx.Err() != nil || r.until > 0 && r.now() > r.until {
			return
		}
		if r.due != nil {
			due := r.due(i)
			if !pause.For(ctx, due-r.now()) {
				return
			}
			if r.now() > due+lateAfter {
				s.late.Add(1)
			}
		}
		s.mu.Lock()
		seq := s.rows.Send(r.now())
		s.mu.Unlock()
		outcome, err := insert(s.partition(seq/r.bucket), seq)
		if err != nil {
			r.lastErr.Store(&err)
		}
		s.mu.Lock()
		s.rows.Settle(seq, outcome, r.now())
		s.mu.Unlock()
	}
}

// look looks for rows of a pair, again and again. Several of these share the pair's beat.
func (r *round) look(ctx context.Context, p *pair) {
	find := r.readers[p.To].finder(ctx)
	for {
		p.mu.Lock()
		at := max(p.last+r.cfg.Every, r.now())
		p.last = at
		p.mu.Unlock()
		if !pause.For(ctx, at-r.now()) {
			return
		}
		p.source.mu.Lock()
		next := p.watch.Next(r.now())
		p.source.mu.Unlock()
		for _, what := range next {
			start := r.now()
			found, err := find(p.source.partition(what.Bucket), what)
			end := r.now()
			if ctx.Err() != nil {
				return // it may have been cut short
			}
			if err != nil {
				r.lastErr.Store(&err)
			}
			p.mu.Lock()
			p.looks.Made++
			p.began = max(p.began, start)
			if err != nil {
				p.looks.Failed++
			}
			p.mu.Unlock()
			if err == nil {
				p.source.mu.Lock()
				p.watch.Looked(what, start, end, found)
				p.source.mu.Unlock()
			}
		}
	}
}

// keep gives up rows whose deadline has passed, and tells how far the round is.
func (r *round) keep(ctx context.Context, deadline time.Duration, progress func(Progress)) {
	for n := 0; pause.For(ctx, houseKeep); n++ {
		now := Progress{Rows: r.rows * int64(len(r.sources))}
		for _, p := range r.pairs {
			p.source.mu.Lock()
			p.watch.Expire(deadline)
			now.Waiting += int64(p.watch.Waiting())
			p.source.mu.Unlock()
		}
		for _, s := range r.sources {
			now.Sent += min(s.next.Load(), r.rows)
		}
		if progress != nil && n%5 == 0 {
			progress(now)
		}
	}
}

// await waits until nothing is looked for any more, for so long at most.
func (r *round) await(ctx context.Context, most time.Duration) {
	for end := r.now() + most; r.now() < end && r.waiting() > 0 && pause.For(ctx, time.Millisecond); {
	}
}

func (r *round) waiting() (n int) {
	for _, p := range r.pairs {
		p.source.mu.Lock()
		n += p.watch.Waiting()
		p.source.mu.Unlock()
	}
	return n
}

// fold puts what was seen into a document. The round is over, and was stopped or not.
func (r *round) fold(res *lag.Result, stopped bool) {
	deadline := time.Duration(res.DeadlineSeconds * float64(time.Second))
	for _, s := range r.sources {
		sent, by := s.rows.Count()
		res.Writes = append(res.Writes, lag.Writes{
			Datacenter: r.cfg.Endpoints[s.at].Datacenter, Rows: sent, Acknowledged: by[lag.Acknowledged],
			Failed: by[lag.Failed], Unknown: by[lag.Unknown], Late: s.late.Load(),
		})
		seconds := s.wrote.Seconds()
		res.Seconds = max(res.Seconds, seconds)
		if seconds > 0 {
			if rate := float64(sent) / seconds; len(res.Writes) == 1 || rate < res.Rate {
				res.Rate = rate
			}
		}
		res.Interrupted = res.Interrupted || stopped && sent < r.rows
	}
	for _, p := range r.pairs {
		doc := p.watch.Pair(r.cfg.Endpoints[p.From].Datacenter, r.cfg.Endpoints[p.To].Datacenter, p.began, deadline, r.model(p.Pair))
		doc.Looks = p.looks
		res.Interrupted = res.Interrupted || stopped && doc.Pending > 0
		res.Pairs = append(res.Pairs, doc)
	}
}

// model is what is needed to predict the lag of a pair; nil where it is not known.
func (r *round) model(p Pair) *lag.Model {
	if r.cfg.OneWay == nil {
		return nil
	}
	way, ok := r.cfg.OneWay(p)
	if !ok {
		return nil
	}
	for _, s := range r.sources {
		if s.at == p.To {
			return &lag.Model{OneWay: way, There: s.rows.Latencies()}
		}
	}
	return nil // nothing was written there
}

// Try writes and looks as fast as it goes, for a moment, and holds what came of it against the
// rate: one that can't be had gives a *RateError. It also makes the servers warm, and those
// that are cold get another chance.
func (s *Sessions) Try(ctx context.Context) error {
	const chances = 3
	for chance := 1; ; chance++ {
		err := s.tryOnce(ctx)
		var slow *RateError
		if !errors.As(err, &slow) || chance == chances {
			return err
		}
	}
}

func (s *Sessions) tryOnce(ctx context.Context) error {
	const least, most = 200, 20_000
	rate := s.cfg.Rate
	r := s.newRound(int64(min(max(2*rate, least), most)))
	r.until = tryFor
	r.run(ctx, trySettles, 0, nil)
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("trying the rate: %w", err)
	}
	for _, src := range r.sources {
		_, by := src.rows.Count()
		name := s.cfg.Endpoints[src.at].Datacenter
		if by[lag.Acknowledged] == 0 {
			err := r.lastErr.Load()
			if err == nil {
				return fmt.Errorf("no row was acknowledged in %s", name)
			}
			return fmt.Errorf("no row was acknowledged in %s: %w", name, *err)
		}
		if can := float64(by[lag.Acknowledged]) / src.wrote.Seconds(); can < rate {
			return &RateError{Datacenter: name, Asked: rate, Can: can}
		}
	}
	return nil
}
