package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// reply is an error of the service of these tests: it says itself what it means.
type reply Answer

func (r *reply) Error() string { return "it said " + r.Code }

// refused is the type that a refusal gets.
type refused struct{ err error }

func (r *refused) Error() string { return "refused: " + r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

type service struct{}

func (service) Read(err error) Answer {
	var r *reply
	switch {
	case err == nil:
		return Answer{}
	case errors.As(err, &r):
		return Answer(*r)
	}
	return Answer{Unknown: true} // no reply
}

func (service) Refusal(err error) error { return &refused{err} }

var (
	throttle  = &reply{Code: "TooMany", Throttled: true}
	unseen    = &reply{Code: "Thing.NotFound", NotFound: true}
	taken     = &reply{Code: "Thing.Duplicate", Duplicate: true}
	forbidden = &reply{Code: "Forbidden"}
	held      = &reply{Code: "InUse"}
	failing   = &reply{Code: "InternalError", Unknown: true}
	errLost   = errors.New("connection reset by peer")
)

const (
	action = "CreateThing"
	region = "us-east-1"
	part   = region + "/thing/1"
)

// newClerk has a ledger in a file, which is told too.
func newClerk(t *testing.T) (*Clerk, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ledger")
	return reopen(t, file), file
}

// reopen is the clerk of the next process.
func reopen(t *testing.T, file string) *Clerk {
	t.Helper()
	l, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &Clerk{Ledger: l, Region: region, Service: service{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Say: t.Logf,
		Pace: Pace{Poll: time.Millisecond, MaxPoll: time.Millisecond, Looks: 3, Call: time.Minute, Wait: time.Minute}}
}

// world is what there is, by the part in its tag. A call for a part makes a thing, and
// then its reply may be lost.
type world struct {
	mu      sync.Mutex
	things  []string // ids, in the order of their making
	answers []error  // of the calls; the last one stays
	effect  bool     // a call of which nobody knows has had its effect
	late    int      // looks until something is seen
	calls   int
	looks   int
}

func (w *world) make(context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.answers[min(w.calls, len(w.answers)-1)]
	w.calls++
	id := ""
	if err == nil || w.effect && (service{}).Read(err).Unknown {
		id = fmt.Sprintf("thing-%d", len(w.things)+1)
		w.things = append(w.things, id)
	}
	if err != nil {
		return "", err
	}
	return id, nil
}

func (w *world) list(context.Context) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks++; w.looks <= w.late {
		return nil, nil
	}
	return slices.Clone(w.things), nil
}

// Whatever the service answers, one thing is made or none, and the ledger says which, or
// that it is not known.
func TestChange(t *testing.T) {
	ok := []error{nil}
	for name, c := range map[string]struct {
		crashed bool     // an earlier process announced the call, and ended
		removed string   // that was removed before
		things  []string // that are there already, with the part's tag
		late    int
		answers []error
		effect  bool
		noFind  bool
		done    string // code that says that there is nothing to do

		id      string
		calls   int
		things2 int // that there are in the end
		code    string
		pending bool
		typed   bool // a refusal for good
	}{
		"at once": {answers: ok, id: "thing-1", calls: 1, things2: 1},

		"crash before the call":                    {crashed: true, answers: ok, id: "thing-1", calls: 1, things2: 1},
		"crash after the call":                     {crashed: true, things: []string{"old"}, answers: ok, id: "old", things2: 1},
		"crash after the call, seen late":          {crashed: true, things: []string{"old"}, late: 2, answers: ok, id: "old", things2: 1},
		"crash, and what is seen is a removed":     {crashed: true, removed: "old", things: []string{"old"}, answers: ok, id: "thing-2", calls: 1, things2: 2},
		"crash, a removed one and its follower":    {crashed: true, removed: "old", things: []string{"old", "new"}, answers: ok, id: "new", things2: 2},
		"crash of a call that may be repeated":     {crashed: true, noFind: true, answers: ok, id: "thing-1", calls: 1, things2: 1},
		"not announced: what is there is no proof": {things: []string{"other"}, answers: ok, id: "thing-2", calls: 1, things2: 2},

		"lost before its effect":          {answers: []error{errLost, nil}, id: "thing-1", calls: 2, things2: 1},
		"lost after its effect":           {answers: []error{errLost, nil}, effect: true, id: "thing-1", calls: 1, things2: 1},
		"lost after its effect, late":     {answers: []error{errLost, nil}, effect: true, late: 2, id: "thing-1", calls: 1, things2: 1},
		"a failure of the server's":       {answers: []error{failing, nil}, effect: true, id: "thing-1", calls: 1, things2: 1},
		"lost, and may be repeated":       {answers: []error{errLost, nil}, noFind: true, id: "thing-1", calls: 2, things2: 1},
		"always lost, without effect":     {answers: []error{errLost}, calls: Attempts, pending: true},
		"lost, then refused, and there":   {answers: []error{errLost, forbidden}, effect: true, late: 3, id: "thing-1", calls: 2, things2: 1},
		"lost, then refused, and nothing": {answers: []error{errLost, forbidden}, calls: 2, code: "Forbidden", typed: true},

		"throttled":        {answers: []error{throttle, throttle, nil}, id: "thing-1", calls: 3, things2: 1},
		"always throttled": {answers: []error{throttle}, calls: Attempts, code: "TooMany", pending: true},

		"what it refers to is too new": {answers: []error{unseen, unseen, nil}, id: "thing-1", calls: 3, things2: 1},
		"what it refers to is not":     {answers: []error{unseen}, calls: 4, code: "Thing.NotFound", typed: true},

		"the name is taken, by us": {answers: []error{taken}, things: []string{"old"}, id: "old", calls: 1, things2: 1},
		"the name is taken":        {answers: []error{taken}, calls: 1, code: "Thing.Duplicate", typed: true},

		"it is done already": {answers: []error{&reply{Code: "Already"}}, done: "Already", calls: 1, code: ""},
		"refused":            {answers: []error{forbidden}, calls: 1, code: "Forbidden", typed: true},
	} {
		t.Run(name, func(t *testing.T) {
			clerk, file := newClerk(t)
			if c.removed != "" {
				if err := clerk.Erase(t.Context(), Removal{Action: "RemoveThing", ID: c.removed, Call: func(context.Context) error { return nil }}); err != nil {
					t.Fatal(err)
				}
			}
			if c.crashed {
				if err := clerk.Ledger.Announce(action, part, "with this"); err != nil {
					t.Fatal(err)
				}
				clerk = reopen(t, file)
			}
			w := &world{things: c.things, answers: c.answers, effect: c.effect, late: c.late}
			m := Mutation{Action: action, Part: part, Intent: "with this", Call: w.make, Find: clerk.Standing(w.list), Done: map[string]bool{c.done: c.done != ""}}
			if c.noFind {
				m.Find = nil
			}
			id, err := clerk.Change(t.Context(), m)
			var refusal *refused
			if got := (service{}).Read(err).Code; id != c.id || got != c.code || errors.As(err, &refusal) != c.typed || (err != nil) != (c.pending || c.typed) {
				t.Errorf("%q, %v", id, err)
			}
			if w.calls != c.calls || len(w.things) != c.things2 {
				t.Errorf("%d calls, there are %q", w.calls, w.things)
			}
			for who, l := range map[string]*Ledger{"this": clerk.Ledger, "the next": reopen(t, file).Ledger} {
				rec := l.Get(action, part)
				if rec == nil || rec.Pending != c.pending || rec.ID != c.id || !rec.Pending && rec.Code != c.code || string(rec.Intent) != `"with this"` {
					t.Errorf("%s process reads %+v", who, rec)
				}
			}
		})
	}
}

// The announcement is on disk when the call is made, and its outcome when Change returns.
func TestChangeIsOnDisk(t *testing.T) {
	clerk, file := newClerk(t)
	_, err := clerk.Change(t.Context(), Mutation{Action: action, Part: part, Call: func(context.Context) (string, error) {
		if rec := reopen(t, file).Ledger.Get(action, part); rec == nil || !rec.Pending {
			t.Errorf("at the call: %+v", rec)
		}
		return "thing-1", nil
	}})
	if id, ok := reopen(t, file).Made(action, part); err != nil || !ok || id != "thing-1" {
		t.Errorf("%v, %q", err, id)
	}
}

// A repetition goes with what was announced, not with what the next process would say.
func TestAnnouncedOnce(t *testing.T) {
	clerk, file := newClerk(t)
	for _, intent := range []string{"first", "second"} {
		if err := clerk.Ledger.Announce(action, part, intent); err != nil {
			t.Fatal(err)
		}
		clerk = reopen(t, file)
	}
	if rec := clerk.Ledger.Get(action, part); string(rec.Intent) != `"first"` {
		t.Errorf("%s", rec.Intent)
	}
}

// After an interruption no call is begun, and one that is under way is finished.
func TestChangeInterrupted(t *testing.T) {
	clerk, file := newClerk(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	id, err := clerk.Change(ctx, Mutation{Action: action, Part: part, Call: func(call context.Context) (string, error) {
		cancel(why)
		return "thing-1", call.Err()
	}})
	if id != "thing-1" || err != nil {
		t.Errorf("under way: %q, %v", id, err)
	}
	_, err = clerk.Change(ctx, Mutation{Action: action, Part: region + "/other", Call: func(context.Context) (string, error) {
		t.Error("called")
		return "", nil
	}})
	if !errors.Is(err, why) || reopen(t, file).Ledger.Get(action, region+"/other") != nil {
		t.Errorf("begun: %v", err)
	}
	err = clerk.Erase(ctx, Removal{Action: "RemoveThing", ID: "thing-1", What: "thing thing-1", Call: func(context.Context) error {
		t.Error("called")
		return nil
	}})
	if !errors.Is(err, why) || err.Error() != "RemoveThing thing thing-1: enough" {
		t.Errorf("begun to remove: %v", err)
	}
	if id, ok := reopen(t, file).Made(action, part); !ok || id != "thing-1" {
		t.Errorf("removed: %q", id)
	}
}

// A thing is gone when the service says so, however often it has to be told.
func TestErase(t *testing.T) {
	for name, c := range map[string]struct {
		answers []error // the last one stays
		calls   int     // 0 is any number
		code    string
		gone    bool
		pending bool
	}{
		"at once":               {answers: []error{nil}, calls: 1, gone: true},
		"already gone":          {answers: []error{unseen}, calls: 1, gone: true},
		"lost, and gone by it":  {answers: []error{errLost, unseen}, calls: 2, gone: true},
		"lost":                  {answers: []error{errLost, nil}, calls: 2, gone: true},
		"throttled":             {answers: []error{throttle, throttle, nil}, calls: 3, gone: true},
		"held for a while":      {answers: []error{held, held, held, held, nil}, calls: 5, gone: true},
		"refused":               {answers: []error{forbidden}, calls: 1, code: "Forbidden"},
		"held until time is up": {answers: []error{held}, code: "InUse", pending: true},
		"lost until time is up": {answers: []error{errLost}, pending: true},
	} {
		t.Run(name, func(t *testing.T) {
			clerk, file := newClerk(t)
			if c.pending {
				clerk.Pace.Wait = 20 * time.Millisecond
			}
			make1 := Mutation{Action: action, Part: part, Call: func(context.Context) (string, error) { return "thing-1", nil }}
			if _, err := clerk.Change(t.Context(), make1); err != nil {
				t.Fatal(err)
			}
			calls := 0
			err := clerk.Erase(t.Context(), Removal{Action: "RemoveThing", ID: "thing-1", What: "thing thing-1",
				Call: func(context.Context) error {
					calls++
					return c.answers[min(calls, len(c.answers))-1]
				},
				Held: func(code string) bool { return code == "InUse" }})
			if (err == nil) != c.gone || (service{}).Read(err).Code != c.code || calls != c.calls && c.calls > 0 {
				t.Errorf("%d calls, %v", calls, err)
			}
			next := reopen(t, file)
			rec := next.Ledger.Get(removed, region+"/thing-1")
			if _, made := next.Made(action, part); made == c.gone || next.Removed("thing-1") != c.gone || rec.Pending != c.pending {
				t.Errorf("the next process reads %+v", rec)
			}
		})
	}
}

// What ended by itself is known to have, by an id that no region has twice.
func TestEnd(t *testing.T) {
	clerk, file := newClerk(t)
	if _, ok := clerk.Ended("i-1"); ok {
		t.Error("before")
	}
	if err := clerk.End("i-1", "Server.Full"); err != nil {
		t.Fatal(err)
	}
	if why, ok := reopen(t, file).Ended("i-1"); !ok || why != "Server.Full" {
		t.Errorf("%q, %t", why, ok)
	}
}

// After a refusal as one too many the region's other calls are held back too, for as long
// as it goes on, up to the longest pause.
func TestGate(t *testing.T) {
	pace := Pace{Poll: time.Second, MaxPoll: 5 * time.Second}
	var g gate
	var got []time.Duration
	for range 4 {
		g.slow(pace)
		got = append(got, g.delay)
	}
	g.quick()
	if got = append(got, g.delay); !slices.Equal(got, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 2500 * time.Millisecond}) {
		t.Errorf("%v", got)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := g.wait(ctx); err != why { //nolint:errorlint // the very same
		t.Errorf("held back: %v", err)
	}
}

func TestBackoff(t *testing.T) {
	p := Pace{}.WithDefaults()
	if p.Backoff(0) != 2*time.Second || p.Backoff(1) != 3*time.Second || p.Backoff(40) != 15*time.Second || p.Looks != 8 {
		t.Errorf("%v, %v, %v, %d looks", p.Backoff(0), p.Backoff(1), p.Backoff(40), p.Looks)
	}
	if q := (Pace{Looks: 3, Poll: time.Millisecond}).WithDefaults(); q.Looks != 3 || q.Poll != time.Millisecond || q.Call != time.Minute {
		t.Errorf("%+v", q)
	}
}

func TestAwaitSaysWhatFor(t *testing.T) {
	clerk, _ := newClerk(t)
	var said []string
	clerk.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	err := clerk.Await(ctx, time.Minute, func() string { return "a miracle" }, func(context.Context) (bool, error) {
		if looks++; looks == 5 {
			cancel()
		}
		return false, nil
	})
	var wait *WaitError
	if !errors.As(err, &wait) || wait.For != "a miracle" || !slices.Equal(said, []string{"waiting for a miracle"}) {
		t.Errorf("%v; said %q", err, said)
	}
	if err := clerk.Await(t.Context(), time.Minute, nil, func(context.Context) (bool, error) { return false, forbidden }); !errors.Is(err, forbidden) {
		t.Errorf("an error: %v", err)
	}
}
