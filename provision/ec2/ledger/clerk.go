package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Service is what has to be known of the other side.
type Service interface {
	// Read says what an error means for the call that it came from.
	Read(err error) Answer
	// Refusal gives the error of a call that was refused for good its type.
	Refusal(err error) error
}

// Answer is what an error says. Of no error all of it is empty.
type Answer struct {
	Code      string // the service's; "" where no reply came, or none of the service's
	Throttled bool   // nothing was done, because too much was asked
	Unknown   bool   // nobody knows whether the call had an effect
	NotFound  bool   // the thing is not seen: it is gone, or too new
	Duplicate bool   // there is one of that name
}

// Clerk makes the calls of one region by the ledger.
type Clerk struct {
	Ledger  *Ledger
	Region  string // begins the names of the parts
	Service Service
	Pace    Pace
	Log     *slog.Logger
	// Say takes a line for a person: what is waited for.
	Say func(format string, args ...any)

	gate gate
}

// Part names one thing of the region in the ledger and in its tag.
func (c *Clerk) Part(what string) string { return c.Region + "/" + what }

// Made is the id of what a call made for a part, and was not removed since.
func (c *Clerk) Made(action, part string) (string, bool) {
	rec := c.Ledger.Get(action, part)
	if !rec.Made() || c.Removed(rec.ID) {
		return "", false
	}
	return rec.ID, true
}

// Removed says that the ledger knows of a thing that it was removed.
func (c *Clerk) Removed(id string) bool { return c.Ledger.Get(removed, c.Part(id)).Made() }

// End notes that a thing ended by itself, and the service's code for why.
func (c *Clerk) End(id, code string) error {
	if err := c.Ledger.Announce(ended, id, nil); err != nil {
		return err
	}
	return c.Ledger.Settle(ended, id, Outcome{ID: id, Code: code}, nil)
}

// Ended says whether a thing is known to have ended by itself, and the code for why.
func (c *Clerk) Ended(id string) (code string, ok bool) {
	rec := c.Ledger.Get(ended, id)
	if !rec.Made() {
		return "", false
	}
	return rec.Code, true
}

// Mutation is one call that changes something.
type Mutation struct {
	Action string // the service's name of it
	Part   string // which thing
	Intent any    // what to repeat it with, after a crash
	Call   func(ctx context.Context) (id string, err error)
	// Find looks for what an earlier call made, by its tag: "" if it can't be seen.
	// Without it the call may simply be repeated: it has a client token, or no more
	// effect the second time.
	Find func(ctx context.Context) (id string, err error)
	// Done are codes that say that there is nothing left to do.
	Done map[string]bool
}

// Change does a mutation: announces it, calls until it is known what came of it, and
// records that. A call that is under way is finished even when the context ends;
// only a new one is not begun. What stays unknown stays pending in the ledger.
func (c *Clerk) Change(ctx context.Context, m Mutation) (string, error) {
	wrap := func(err error) error { return fmt.Errorf("%s %s: %w", m.Action, m.Part, err) }
	if rec := c.Ledger.Get(m.Action, m.Part); m.Find != nil && rec != nil && rec.Pending {
		// A crash came between the call and its result, if it came to the call at all.
		id, err := c.Look(ctx, m.Find)
		if err != nil {
			return "", wrap(err)
		}
		if id != "" {
			c.Log.Info("adopted", "call", m.Action, "part", m.Part, "id", id)
			return id, c.Ledger.Settle(m.Action, m.Part, Outcome{ID: id}, nil)
		}
	}
	if err := Interrupted(ctx); err != nil {
		return "", wrap(err)
	}
	if err := c.Ledger.Announce(m.Action, m.Part, m.Intent); err != nil {
		return "", wrap(err)
	}
	id, err := c.settle(ctx, m)
	a := c.Service.Read(err)
	switch {
	case err == nil || m.Done[a.Code]:
		return id, c.Ledger.Settle(m.Action, m.Part, Outcome{ID: id}, nil)
	case a.Unknown || a.Throttled:
		return "", wrap(err) // pending
	}
	return "", errors.Join(wrap(c.Service.Refusal(err)), c.Ledger.Settle(m.Action, m.Part, Outcome{Code: a.Code}, err))
}

// settle calls until it is known what came of it, or too often.
func (c *Clerk) settle(ctx context.Context, m Mutation) (id string, err error) {
	lost := false
	for n := range Attempts {
		if n > 0 {
			c.Log.Info("again", "call", m.Action, "part", m.Part, "attempt", n+1, "because", err)
		}
		if waitErr := c.gate.wait(ctx); waitErr != nil {
			return "", errors.Join(waitErr, err)
		}
		// Under way means finished: the reply says what was made.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Pace.Call)
		id, err = m.Call(call)
		cancel()
		a := c.Service.Read(err)
		switch {
		case err == nil:
			c.gate.quick()
			return id, nil
		case m.Done[a.Code]:
			return id, err
		case a.Throttled:
			c.gate.slow(c.Pace)
			continue
		case a.Unknown:
			lost = true
			if m.Find != nil {
				if found, findErr := c.Look(ctx, m.Find); findErr != nil || found != "" {
					return found, findErr
				}
			}
		case a.NotFound && n < c.Pace.Looks: // what it refers to is too new to be seen
		case m.Find != nil && (lost || a.Duplicate):
			// A repetition that is refused, after one that may have had its effect; or a
			// name that is taken, which has our run in it.
			if found, findErr := c.Look(ctx, m.Find); findErr != nil || found != "" {
				return found, findErr
			}
			return "", err
		default:
			return "", err
		}
		if waitErr := Pause(ctx, c.Pace.Backoff(n)); waitErr != nil {
			return "", errors.Join(waitErr, err)
		}
	}
	return "", err
}

// Standing makes a Mutation's Find of a list of the ids that bear its part in their tag:
// the first that was not removed, for a thing that was may be seen a little longer.
func (c *Clerk) Standing(list func(ctx context.Context) ([]string, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ids, err := list(ctx)
		if err != nil {
			return "", err
		}
		for _, id := range ids {
			if !c.Removed(id) {
				return id, nil
			}
		}
		return "", nil
	}
}

// Look looks for something that may be there, until it is seen or was not seen often
// enough: then it is "".
func (c *Clerk) Look(ctx context.Context, find func(context.Context) (string, error)) (string, error) {
	for n := range c.Pace.Looks {
		if n > 0 {
			if err := Pause(ctx, c.Pace.Backoff(n-1)); err != nil {
				return "", err
			}
		}
		if id, err := find(ctx); err != nil || id != "" {
			return id, err
		}
	}
	return "", nil
}

// Removal is one call that removes a thing.
type Removal struct {
	Action string // the service's name of it
	ID     string // of the thing
	What   string // the thing, for people
	Call   func(ctx context.Context) error
	// Held says by the code of a failure that the thing can't go yet: it is held by
	// others, which are on their way out.
	Held func(code string) bool
}

// Erase calls until the thing is gone. A thing is gone when the service says so, and
// that it is gone already is as good.
func (c *Clerk) Erase(ctx context.Context, r Removal) error {
	part := c.Part(r.ID)
	if err := Interrupted(ctx); err != nil {
		return fmt.Errorf("%s %s: %w", r.Action, r.What, err)
	}
	if err := c.Ledger.Announce(removed, part, map[string]string{"action": r.Action}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Pace.Wait, fmt.Errorf("not within %s", c.Pace.Wait))
	defer cancel()
	for n := 0; ; n++ {
		err := c.gate.wait(ctx)
		if err == nil {
			one, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Pace.Call)
			err = r.Call(one)
			cancel()
		}
		a := c.Service.Read(err)
		switch {
		case err == nil || a.NotFound:
			c.gate.quick()
			return c.Ledger.Settle(removed, part, Outcome{ID: r.ID}, nil)
		case a.Throttled:
			c.gate.slow(c.Pace)
		case !a.Unknown && !r.Held(a.Code):
			return errors.Join(fmt.Errorf("%s %s: %w", r.Action, r.What, err), c.Ledger.Settle(removed, part, Outcome{Code: a.Code}, err))
		}
		if waitErr := Pause(ctx, c.Pace.Backoff(n)); waitErr != nil {
			return fmt.Errorf("%s %s: %w", r.Action, r.What, errors.Join(waitErr, err))
		}
	}
}

// WaitError says what was waited for in vain.
type WaitError struct {
	For string
	Err error // of the context
}

func (e *WaitError) Error() string { return "waiting for " + e.For + ": " + e.Err.Error() }

func (e *WaitError) Unwrap() error { return e.Err }

// Await calls ready until it says so, saying what is waited for.
func (c *Clerk) Await(ctx context.Context, most time.Duration, what func() string, ready func(ctx context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("not within %s", most))
	defer cancel()
	for n := 0; ; n++ {
		ok, err := ready(ctx)
		if ok {
			return nil
		}
		if err != nil && Interrupted(ctx) == nil {
			return err
		}
		if err := Pause(ctx, c.Pace.Backoff(n)); err != nil {
			return &WaitError{For: what(), Err: err}
		}
		if n == 1 {
			c.Say("waiting for %s", what())
		}
	}
}
