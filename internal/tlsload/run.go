package tlsload

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"crossring/internal/cputime"
	"crossring/internal/cql"
	"crossring/internal/pause"
	"crossring/internal/plain"
	"crossring/stress"
	"crossring/stress/results"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Load says which requests are made, under which policies.
type Load struct {
	Target
	First       Answer // of Try
	Policies    []Policy
	Rounds      int           // each goes through all policies, every second one backwards
	Requests    int64         // of each policy in each round; 0 is no limit
	Time        time.Duration // likewise
	Concurrency int           // workers; each makes a request at a time
	Rate        float64       // requests a second that are begun; 0 is as fast as answers come
	// Stage reports f under a text while it runs.
	Stage func(text string, f func() error) error
}

// giveUp is how many requests in a row may fail before a policy is given up.
const giveUp = 100

// FailedError says that requests failed.
type FailedError struct {
	URL              string
	Policy           string
	Failed, Requests int64
	GaveUp           bool
	Err              error // the first
}

func (e *FailedError) Error() string {
	gave := ""
	if e.GaveUp {
		gave = fmt.Sprintf("; it was given up after %d in a row", giveUp)
	}
	return fmt.Sprintf("%s, %s: %d of %s failed%s; the first: %v", e.URL, e.Policy, e.Failed, plain.Count(e.Requests, "request"), gave, e.Err)
}

// Unwrap gives the first request's reason.
func (e *FailedError) Unwrap() error { return e.Err }

// Run makes the requests, one policy after another. What was measured until an error
// comes back with it; that requests failed is a *FailedError for each policy, joined.
func Run(ctx context.Context, l Load) ([]Result, error) {
	rounds := make([][]Part, len(l.Policies))
	fails := make([]*FailedError, len(l.Policies))
	times := make([]times, len(l.Policies))
	for i := range times {
		times[i] = newTimes()
	}
	server, err := findServer(l.First.Remote)
	missing := ""
	if err != nil {
		missing = err.Error()
	}
	for round := range max(1, l.Rounds) {
		for k := range l.Policies {
			i := k
			if round%2 == 1 {
				i = len(l.Policies) - 1 - k
			}
			text := fmt.Sprintf("%s: %s", l.URL.Redacted(), l.Policies[i])
			if l.Rounds > 1 {
				text += fmt.Sprintf(", round %d of %d", round+1, l.Rounds)
			}
			_ = l.Stage(text, func() error {
				p := l.phase(ctx, l.Policies[i], server, times[i])
				if p.Requests > 0 || ctx.Err() == nil {
					rounds[i] = append(rounds[i], p.Part)
				}
				if p.Failed > 0 {
					if fails[i] == nil {
						fails[i] = &FailedError{URL: l.URL.Redacted(), Policy: l.Policies[i].String(), Err: p.err}
					}
					fails[i].Failed, fails[i].Requests, fails[i].GaveUp = fails[i].Failed+p.Failed, fails[i].Requests+p.Requests, fails[i].GaveUp || p.gaveUp
					return p.err
				}
				return nil
			})
			if ctx.Err() != nil {
				return fold(l, rounds, times, missing), context.Cause(ctx)
			}
		}
	}
	var errs []error
	for _, f := range fails {
		if f != nil {
			errs = append(errs, f)
		}
	}
	return fold(l, rounds, times, missing), errors.Join(errs...)
}

// times are the latencies of a policy, of all of its rounds.
type times struct {
	mu       *sync.Mutex
	latency  *hdrhistogram.Histogram // from a request's own start
	response *hdrhistogram.Histogram // from when it was due
	statuses map[string]int64
}

func newTimes() times {
	return times{new(sync.Mutex), results.NewHistogram(), results.NewHistogram(), map[string]int64{}}
}

// phase is one policy in one round.
type phase struct {
	Part
	err    error // of the first request that failed
	gaveUp bool
}

// work is what the workers of a phase share.
type work struct {
	Load
	policy     Policy
	counts     *cql.Counts
	times      times
	start, end time.Time // end is zero without a limit
	next       atomic.Int64
	made, bad  atomic.Int64
	row        atomic.Int64 // failed in a row
	late       atomic.Int64
	first      sync.Once
	err        error
	config     *tls.Config
	opener     opener
}

func (l Load) phase(ctx context.Context, p Policy, server server, t times) phase {
	w := &work{Load: l, policy: p, counts: &cql.Counts{}, times: t, config: l.Config.Clone()}
	w.config.ClientSessionCache = nil
	if p.Resume {
		w.config.ClientSessionCache = tls.NewLRUClientSessionCache(max(64, l.Concurrency))
	}
	w.opener = opener{target: l.Target, counts: w.counts, protocol: l.First.Protocol, most: 1}
	if p.Shared() {
		w.opener.most = l.Concurrency
	}
	runtime.GC() // what the policy before left behind is not this one's cost
	before, serverErr := server.used()
	cpu := cputime.Used()
	w.start = time.Now()
	if l.Time > 0 {
		w.end = w.start.Add(l.Time)
	}
	var one session
	if p.Shared() {
		one = w.opener.open(w.config)
	}
	var wg sync.WaitGroup
	for range l.Concurrency {
		wg.Go(func() { w.worker(ctx, one) })
	}
	wg.Wait()
	if one != nil {
		one.close()
	}
	elapsed := time.Since(w.start)
	cpu = cputime.Used().Since(cpu)
	out := phase{err: w.err, gaveUp: w.row.Load() >= giveUp, Part: Part{
		Requests: w.made.Load(), Failed: w.bad.Load(), LateStarts: w.late.Load(), Sessions: w.counts.Sessions.Load(), Flows: w.counts.Flows.Load(),
		FullHandshakes: w.counts.Full.Load(), ResumedHandshakes: w.counts.Resumed.Load(),
		ClientCPUSeconds: cpu.Total().Seconds(), Seconds: elapsed.Seconds(),
	}}
	if serverErr == nil && len(before) > 0 {
		if cpu, err := server.since(before); err == nil {
			seconds := cpu.Seconds()
			out.ServerCPUSeconds = &seconds
		}
	}
	return out
}

// lateStart is how long after it was due a request may begin and not be late: timers are
// no better.
const lateStart = 2 * time.Millisecond

// worker makes requests, one after the other, until there are enough. shared is the
// session of all workers, or nil where each has its own.
func (w *work) worker(ctx context.Context, shared session) {
	own := renewing{work: w}
	defer own.drop()
	for ctx.Err() == nil && w.row.Load() < giveUp {
		i := w.next.Add(1) - 1
		if w.Requests > 0 && i >= w.Requests {
			return
		}
		due := w.start.Add(stress.Due(w.Rate, i))
		if w.Rate > 0 {
			if !w.end.IsZero() && !due.Before(w.end) || !pause.For(ctx, time.Until(due)) {
				return
			}
			if time.Since(due) > lateStart {
				w.late.Add(1)
			}
		}
		begin := time.Now()
		if !w.end.IsZero() && !begin.Before(w.end) {
			return
		}
		var a Answer
		var err error
		if shared != nil {
			a, err = shared.request(ctx, false)
		} else {
			a, err = own.request(ctx)
		}
		if err != nil && ctx.Err() != nil {
			return // it was broken off here
		}
		w.note(a, err, begin, due)
	}
}

func (w *work) note(a Answer, err error, begin, due time.Time) {
	done := time.Now()
	w.made.Add(1)
	if err != nil {
		w.bad.Add(1)
		w.row.Add(1)
		w.first.Do(func() { w.err = err })
		return
	}
	w.row.Store(0)
	w.times.mu.Lock()
	defer w.times.mu.Unlock()
	w.times.statuses[a.Status]++
	results.RecordLatency(w.times.latency, done.Sub(begin))
	if w.Rate > 0 {
		results.RecordLatency(w.times.response, done.Sub(due))
	}
}

// renewing is a worker's own session, which is made anew when its limits are reached.
type renewing struct {
	*work
	open  session
	left  int       // requests; negative is no limit
	until time.Time // zero is no limit
}

func (r *renewing) request(ctx context.Context) (Answer, error) {
	if r.open != nil && (r.left == 0 || !r.until.IsZero() && time.Now().After(r.until)) {
		r.drop()
	}
	if r.open == nil {
		left, life := r.policy.Draw()
		r.open, r.left, r.until = r.opener.open(r.config), left, time.Time{}
		if life > 0 {
			r.until = time.Now().Add(life)
		}
	}
	if r.left > 0 {
		r.left--
	}
	a, err := r.open.request(ctx, r.left == 0)
	if err != nil || r.left == 0 {
		r.drop()
	}
	return a, err
}

func (r *renewing) drop() {
	if r.open != nil {
		r.open.close()
		r.open = nil
	}
}
