package ledger

import (
	"context"
	"sync"
	"time"

	"crossring/internal/pause"
)

// Attempts is how often a call is repeated that was throttled, or whose reply was lost,
// before it counts as failed.
const Attempts = 10

// Pace is how long things may take. Fields that are 0 have the defaults of WithDefaults.
type Pace struct {
	Poll    time.Duration // first pause between two looks at the same thing
	MaxPoll time.Duration // longest pause
	// Looks is how often something that may be there is looked for before it counts
	// as not there: EC2 shows new things late.
	Looks int
	Call  time.Duration // most for one call that changes something
	Wait  time.Duration // most for instances to run; three times as long to be gone
}

// WithDefaults is the pace with what it does not say.
func (p Pace) WithDefaults() Pace {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&p.Poll, 2*time.Second)
	def(&p.MaxPoll, 15*time.Second)
	def(&p.Call, time.Minute)
	def(&p.Wait, 10*time.Minute)
	if p.Looks == 0 {
		p.Looks = 8
	}
	return p
}

// Backoff is the pause before look n, from 0.
func (p Pace) Backoff(n int) time.Duration {
	d := p.Poll
	for range n {
		if d = d * 3 / 2; d > p.MaxPoll {
			return p.MaxPoll
		}
	}
	return d
}

// gate holds a region's calls back after the service refused one as one too many.
type gate struct {
	mu    sync.Mutex
	delay time.Duration
	until time.Time
}

// slow doubles the pause between calls.
func (g *gate) slow(pace Pace) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = min(max(2*g.delay, pace.Poll), pace.MaxPoll)
	g.until = time.Now().Add(g.delay)
}

// quick takes the pause back, step by step.
func (g *gate) quick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay /= 2
}

func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	d := time.Until(g.until)
	g.mu.Unlock()
	return Pause(ctx, d)
}

// Pause waits, or returns why the context ended.
func Pause(ctx context.Context, d time.Duration) error {
	pause.For(ctx, d)
	return Interrupted(ctx)
}

// Interrupted is the reason that a context ended for, nil while it has not.
func Interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
