package ec2

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"crossring/internal/many"
)

// attempts is how often a call is repeated that was throttled, or whose reply was
// lost, before it counts as failed.
const attempts = 10

// atOnce is how much of one sort is under way at a time: regions, nodes, things to remove.
const atOnce = 8

// connect finds credentials, before anything is asked.
func connect(ctx context.Context, pace Pace) (aws.Config, error) {
	// Reads are repeated by the SDK; it takes its time, because throttling is no
	// failure. Calls that change something are repeated here, where it is known what
	// a lost reply means.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.RateLimiter = attempts, pace.MaxPoll, ratelimit.None
		})
	}))
	if err != nil {
		return cfg, &CredentialsError{Err: err}
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // where credentials may have to be asked for
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return cfg, &CredentialsError{Err: err}
	}
	return cfg, nil
}

// region is one region of a cluster.
type region struct {
	*site
	name string
	api  *ec2.Client
	ssm  *ssm.Client
	gate gate

	quotas *servicequotas.Client
	vcpus  int // of one instance of the plan's type

	zones []string // that have the instance type, in order
	vpc   string
	mu    sync.Mutex // of subnets
	// subnets of the VPC by zone.
	subnets map[string]string
	image   image
}

func (s *site) region(name string, cfg aws.Config) *region {
	cfg = cfg.Copy()
	cfg.Region = name
	return &region{site: s, name: name, api: ec2.NewFromConfig(cfg), ssm: ssm.NewFromConfig(cfg),
		quotas: servicequotas.NewFromConfig(cfg), subnets: map[string]string{}}
}

// once makes a call without the SDK's own repetitions.
func once(o *ec2.Options) { o.Retryer = aws.NopRetryer{} }

// part names one thing of the region in the journal and in its tag.
func (r *region) part(what string) string { return r.name + "/" + what }

// gate holds a region's calls back after EC2 refused one as one too many.
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
	return pause(ctx, d)
}

// pause waits, or returns why the context ended.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return interrupted(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return interrupted(ctx)
	case <-ctx.Done():
		return interrupted(ctx)
	}
}

// backoff is the pause before look n, from 0.
func (p Pace) backoff(n int) time.Duration {
	d := p.Poll
	for range n {
		if d = d * 3 / 2; d > p.MaxPoll {
			return p.MaxPoll
		}
	}
	return d
}

// mutation is one call that changes something.
type mutation struct {
	action string // EC2's name of it
	part   string // which thing
	intent any    // what to repeat it with, after a crash
	call   func(ctx context.Context) (id string, err error)
	// find looks for what an earlier call made, by its tag: "" if it can't be seen.
	// Without it the call may simply be repeated: it has a client token, or no more
	// effect the second time.
	find func(ctx context.Context) (id string, err error)
	// done are codes that say that there is nothing left to do.
	done map[string]bool
}

// change does a mutation: announces it, calls until it is known what came of it, and
// records that. A call that is under way is finished even when the context ends;
// only a new one is not begun. What stays unknown stays pending in the journal.
func (r *region) change(ctx context.Context, m mutation) (string, error) {
	wrap := func(err error) error { return fmt.Errorf("%s %s: %w", m.action, m.part, err) }
	if rec := r.mem.get(m.action, m.part); m.find != nil && rec != nil && rec.Pending {
		// A crash came between the call and its result, if it came to the call at all.
		id, err := r.look(ctx, m.find)
		if err != nil {
			return "", wrap(err)
		}
		if id != "" {
			r.Log.Info("adopted", "call", m.action, "part", m.part, "id", id)
			return id, r.mem.result(m.action, m.part, outcome{ID: id}, nil)
		}
	}
	if err := interrupted(ctx); err != nil {
		return "", wrap(err)
	}
	if err := r.mem.intent(m.action, m.part, m.intent); err != nil {
		return "", wrap(err)
	}
	id, err := r.settle(ctx, m)
	c := code(err)
	switch {
	case err == nil || m.done[c]:
		return id, r.mem.result(m.action, m.part, outcome{ID: id}, nil)
	case unknown(err) || throttled(err):
		return "", wrap(err) // pending
	}
	return "", errors.Join(wrap(named(r.name, err)), r.mem.result(m.action, m.part, outcome{Code: c}, err))
}

// settle calls until it is known what came of it, or too often.
func (r *region) settle(ctx context.Context, m mutation) (id string, err error) {
	lost := false
	for n := range attempts {
		if n > 0 {
			r.Log.Info("again", "call", m.action, "part", m.part, "attempt", n+1, "because", err)
		}
		if waitErr := r.gate.wait(ctx); waitErr != nil {
			return "", errors.Join(waitErr, err)
		}
		// Under way means finished: the reply says what was made.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Pace.Call)
		id, err = m.call(call)
		cancel()
		switch {
		case err == nil:
			r.gate.quick()
			return id, nil
		case m.done[code(err)]:
			return id, err
		case throttled(err):
			r.gate.slow(r.Pace)
			continue
		case unknown(err):
			lost = true
			if m.find != nil {
				if found, findErr := r.look(ctx, m.find); findErr != nil || found != "" {
					return found, findErr
				}
			}
		case notFound(err) && n < r.Pace.Looks: // what it refers to is too new to be seen
		case m.find != nil && (lost || duplicate(err)):
			// A repetition that is refused, after one that may have had its effect; or a
			// name that is taken, which has our run in it.
			if found, findErr := r.look(ctx, m.find); findErr != nil || found != "" {
				return found, findErr
			}
			return "", err
		default:
			return "", err
		}
		if waitErr := pause(ctx, r.Pace.backoff(n)); waitErr != nil {
			return "", errors.Join(waitErr, err)
		}
	}
	return "", err
}

// look looks for something that may be there, until it is seen or was not seen often
// enough.
func (r *region) look(ctx context.Context, find func(context.Context) (string, error)) (string, error) {
	for n := range r.Pace.Looks {
		if n > 0 {
			if err := pause(ctx, r.Pace.backoff(n-1)); err != nil {
				return "", err
			}
		}
		if id, err := find(ctx); err != nil || id != "" {
			return id, err
		}
	}
	return "", nil
}

// await calls ready until it says so, saying what is waited for.
func (r *region) await(ctx context.Context, most time.Duration, what func() string, ready func(ctx context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("not within %s", most))
	defer cancel()
	for n := 0; ; n++ {
		ok, err := ready(ctx)
		if ok {
			return nil
		}
		if err != nil && interrupted(ctx) == nil {
			return err
		}
		if err := pause(ctx, r.Pace.backoff(n)); err != nil {
			return &WaitError{For: what(), Err: err}
		}
		if n == 1 {
			r.Say("waiting for %s", what())
		}
	}
}

// side does f for each of some side by side. One error alone stays as it is: that
// "some hosts" failed is for others to say.
func side[T any](ctx context.Context, items []T, f func(context.Context, T) error) error {
	return many.Alone(many.Each(ctx, items, atOnce, f))
}

// join makes one error of several, in their order; one alone stays as it is.
func join(errs ...error) error { return many.Alone(many.Join(errs...)) }
