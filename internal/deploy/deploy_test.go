package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crossring/internal/topology"
)

const patience = time.Minute

// fakeHost is a host in memory: what it is to answer, and what it was asked.
type fakeHost struct {
	putErr, startErr, stopErr, stateErr, tailErr error
	badPath                                      string // putErr is for this one; "" is for all

	mu      sync.Mutex
	process topology.Process
	log     []string
	files   []string
	started int
	grace   time.Duration
}

func (h *fakeHost) Put(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.putErr != nil && (h.badPath == "" || h.badPath == path) {
		return h.putErr
	}
	h.files = append(h.files, fmt.Sprintf("%s %s %o", path, data, mode))
	return ctx.Err()
}

func (h *fakeHost) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started++
	return errors.Join(h.startErr, ctx.Err())
}

func (h *fakeHost) Stop(ctx context.Context, grace time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.grace = grace
	return errors.Join(h.stopErr, ctx.Err())
}

func (h *fakeHost) State(context.Context) (topology.Process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.process, h.stateErr
}

func (h *fakeHost) Tail(_ context.Context, lines int) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log[max(0, len(h.log)-lines):], h.tailErr
}

func (h *fakeHost) die(how string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.process.Running, h.process.Ended = false, how
}

// three are the targets of three nodes whose servers run.
func three() ([]Target, []*fakeHost) {
	var targets []Target
	var hosts []*fakeHost
	for i := range 3 {
		h := &fakeHost{process: topology.Process{Running: true, PID: i + 1}}
		name := fmt.Sprintf("node-%d", i+1)
		hosts = append(hosts, h)
		targets = append(targets, Target{Node: topology.Node{Name: name}, Host: h, Files: []File{
			{Path: "/" + name + "/a", Data: []byte("A"), Mode: 0o644}, {Path: "/" + name + "/b", Data: []byte("B"), Mode: 0o600},
		}})
	}
	return targets, hosts
}

func TestPut(t *testing.T) {
	targets, hosts := three()
	if err := Put(t.Context(), targets); err != nil {
		t.Fatal(err)
	}
	for i, h := range hosts {
		name := targets[i].Node.Name
		if want := []string{"/" + name + "/a A 644", "/" + name + "/b B 600"}; !slices.Equal(h.files, want) {
			t.Errorf("%s has %q, want %q", name, h.files, want)
		}
	}
}

// One bad host keeps nobody else from their files, and two bad ones are both
// named, in the order of the nodes.
func TestPutOnBadHosts(t *testing.T) {
	targets, hosts := three()
	full, lost := errors.New("disk full"), errors.New("no route")
	hosts[0].putErr, hosts[0].badPath = full, "/node-1/b"
	hosts[2].putErr = lost
	err := Put(t.Context(), targets)
	if want := "node-1: disk full\nnode-3: no route"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if !errors.Is(err, full) || !errors.Is(err, lost) {
		t.Errorf("the causes can't be told: %v", err)
	}
	many, ok := err.(interface{ WrappedErrors() []error })
	if !ok || len(many.WrappedErrors()) != 2 {
		t.Errorf("%T says nothing of how many failed", err)
	}
	for i, want := range []int{1, 2, 0} {
		if got := len(hosts[i].files); got != want {
			t.Errorf("node-%d has %d files, want %d", i+1, got, want)
		}
	}
}

func TestStartAndStop(t *testing.T) {
	targets, hosts := three()
	hosts[1].startErr, hosts[1].stopErr = errors.New("no java"), errors.New("will not")
	if err := Start(t.Context(), targets); err == nil || err.Error() != "node-2: no java" {
		t.Errorf("start: %v", err)
	}
	if err := Stop(t.Context(), targets, 7*time.Second); err == nil || err.Error() != "node-2: will not" {
		t.Errorf("stop: %v", err)
	}
	for i, h := range hosts {
		if h.started != 1 || h.grace != 7*time.Second {
			t.Errorf("node-%d: started %d times, stopped with grace %s", i+1, h.started, h.grace)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Start(ctx, targets); !errors.Is(err, context.Canceled) {
		t.Errorf("start when it is given up: %v", err)
	}
}

func TestReady(t *testing.T) {
	targets, _ := three()
	var mu sync.Mutex
	asked := map[string]int{}
	err := Ready(t.Context(), targets, func(_ context.Context, n topology.Node) error {
		mu.Lock()
		defer mu.Unlock()
		if asked[n.Name]++; asked[n.Name] < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if asked[target.Node.Name] != 3 {
			t.Errorf("%s was asked %d times, want 3", target.Node.Name, asked[target.Node.Name])
		}
	}
}

// A server of this computer is looked at each time, one at the end of a long line not
// more often than makes sense there.
func TestLookAgain(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0: 0, 50 * time.Microsecond: time.Millisecond, 30 * time.Millisecond: 600 * time.Millisecond, time.Second: 3 * time.Second, time.Minute: 3 * time.Second,
	} {
		if got := lookAgain(took); got != want {
			t.Errorf("after %s: %s, want %s", took, got, want)
		}
	}
}

func TestReadyEndsWhenAServerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // on a clock that waits for nobody
		targets, hosts := three()
		for i := range 20 {
			hosts[1].log = append(hosts[1].log, fmt.Sprintf("line %d", i+1))
		}
		notYet := errors.New("not yet")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err := Ready(ctx, targets, func(_ context.Context, n topology.Node) error {
			if n.Name == "node-2" {
				hosts[1].die("exit status 3") // once it has been asked
			}
			return notYet
		})
		var dead *DeadError
		if !errors.As(err, &dead) || ctx.Err() != nil {
			t.Fatalf("want the death, long before the deadline: %v", err)
		}
		if dead.Node != "node-2" || dead.Ended != "exit status 3" || len(dead.Log) != 15 || dead.Log[14] != "line 20" {
			t.Errorf("got %+v", dead)
		}
		// Those that were only not waited for are no news.
		if many, ok := err.(interface{ WrappedErrors() []error }); !ok || len(many.WrappedErrors()) != 1 {
			t.Errorf("want one error: %v", err)
		}
		if !strings.Contains(err.Error(), "node-2: the server ended: exit status 3; the last lines of its log:\n    line 6\n") {
			t.Errorf("got %v", err)
		}
	})
}

// Two that die of the same are both named.
func TestReadyNamesAllThatDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // on a clock that waits for nobody
		targets, hosts := three()
		err := Ready(t.Context(), targets, func(_ context.Context, n topology.Node) error {
			switch n.Name {
			case "node-1":
				hosts[0].die("exit status 1")
			case "node-3":
				hosts[2].die("")
				hosts[2].mu.Lock()
				defer hosts[2].mu.Unlock()
				hosts[2].tailErr = errors.New("gone, too")
			default:
				return nil
			}
			return errors.New("not yet")
		})
		const want = "node-1: the server ended: exit status 1\n" +
			"node-3: the server ended: nobody saw how; the last lines of its log:\n    (its log can't be read: gone, too)"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
}

// A ring is waited for as a whole: the one question is of all, and each server's end ends
// it, not only that of the node that is asked.
func TestWhole(t *testing.T) {
	for dies := range 3 {
		t.Run(fmt.Sprintf("node %d dies", dies+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // on a clock that waits for nobody
				targets, hosts := three()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				err := Whole(ctx, targets, func(context.Context) error {
					hosts[dies].die("signal: killed")
					return errors.New("not yet")
				})
				var dead *DeadError
				if !errors.As(err, &dead) || dead.Node != targets[dies].Node.Name || ctx.Err() != nil {
					t.Fatalf("want the death, long before the deadline: %v", err)
				}
				if many, ok := err.(interface{ WrappedErrors() []error }); !ok || len(many.WrappedErrors()) != 1 {
					t.Errorf("want one error: %v", err)
				}
			})
		})
	}
	t.Run("none dies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			targets, _ := three()
			asked := 0
			if err := Whole(t.Context(), targets, func(context.Context) error {
				if asked++; asked < 5 {
					return errors.New("not yet")
				}
				return nil
			}); err != nil || asked != 5 {
				t.Errorf("asked %d times: %v", asked, err)
			}
		})
	})
	t.Run("the time is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			targets, _ := three()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			const want = "node-1: waiting for the server to answer: context deadline exceeded (last: not yet)"
			if err := Whole(ctx, targets, func(context.Context) error { return errors.New("not yet") }); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	})
}

func TestReadyGivesUp(t *testing.T) {
	targets, hosts := three()
	hosts[0].stateErr = errors.New("no answer")
	notYet := errors.New("not yet")
	cause := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := Ready(ctx, targets, func(_ context.Context, n topology.Node) error {
		switch n.Name {
		case "node-1":
			t.Error("node-1 was asked, though its host does not answer")
		case "node-2":
			return nil
		}
		cancel(cause)
		return notYet
	})
	const want = "node-1: waiting for the server to answer: had enough (last: no answer)\n" +
		"node-3: waiting for the server to answer: had enough (last: not yet)"
	if err == nil || err.Error() != want || !errors.Is(err, cause) || !errors.Is(err, notYet) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// The last try is cut off by the deadline: what kept it before is the news.
func TestReadySaysWhatWasWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		targets, _ := three()
		wrong := errors.New("no cipher suites in common")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var asked atomic.Int32
		err := Ready(ctx, targets[:1], func(ctx context.Context, _ topology.Node) error {
			if asked.Add(1) == 1 {
				return wrong
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, wrong) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// lostError is a host that will not come back by itself.
type lostError struct{ permanent bool }

func (e lostError) Error() string   { return "host lost" }
func (e lostError) Permanent() bool { return e.permanent }

func TestReadyDoesNotAskALostHostAgain(t *testing.T) {
	targets, hosts := three()
	for _, h := range hosts {
		h.stateErr = lostError{true}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := Ready(ctx, targets, func(context.Context, topology.Node) error { return nil })
	if want := "node-1: host lost\nnode-2: host lost\nnode-3: host lost"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	// One that is only away for a moment is.
	hosts[1].stateErr = lostError{false}
	go func() {
		hosts[1].mu.Lock()
		defer hosts[1].mu.Unlock()
		hosts[1].stateErr = nil
	}()
	if err := Ready(ctx, targets[1:2], func(context.Context, topology.Node) error { return nil }); err != nil {
		t.Error(err)
	}
}
