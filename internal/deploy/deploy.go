// Package deploy puts a node's files on its host and starts its server there,
// the same way on every provider: a host is whatever can do the few things that
// Host asks.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"crossring/internal/fail"
	"crossring/internal/many"
	"crossring/internal/topology"
)

// Host is one node's place: where its files go and its server runs.
type Host interface {
	// Put writes a file whole, or not at all, and makes its directory.
	Put(ctx context.Context, path string, data []byte, mode fs.FileMode) error
	// Start starts the server; one that runs is left alone. It does not wait.
	Start(ctx context.Context) error
	// Stop ends the server, with force after grace, and waits for its end.
	Stop(ctx context.Context, grace time.Duration) error
	// State is that of the server process. An error with a method Permanent() bool
	// that says yes is one that asking again does not help.
	State(ctx context.Context) (topology.Process, error)
	// Tail gives the last lines of the server's log.
	Tail(ctx context.Context, lines int) ([]string, error)
}

// File is one file of a node.
type File struct {
	Path string // absolute
	Data []byte
	Mode fs.FileMode
}

// Target is one node with its host and files.
type Target struct {
	Node  topology.Node
	Host  Host
	Files []File
}

// DeadError says that a server ended while it was waited for.
type DeadError struct {
	Node  string
	Ended string   // how
	Log   []string // its last lines
}

func (e *DeadError) Error() string {
	s := fmt.Sprintf("%s: the server ended: %s", e.Node, e.Ended)
	if len(e.Log) > 0 {
		s += "; the last lines of its log:\n    " + strings.Join(e.Log, "\n    ")
	}
	return s
}

// NodeName is the node that the text names.
func (e *DeadError) NodeName() string { return e.Node }

// atOnce bounds how many hosts are worked on at a time.
const atOnce = 32

// Put writes every node's files. One bad host does not hide
// the others: the error names each.
func Put(ctx context.Context, targets []Target) error {
	return each(ctx, targets, atOnce, func(t Target) error {
		for _, f := range t.Files {
			if err := t.Host.Put(ctx, f.Path, f.Data, f.Mode); err != nil {
				return err
			}
		}
		return nil
	})
}

// Start starts every server, and waits for none: with tokens given and nothing to
// stream, the nodes of a fresh ring need not wait for each other, and the first
// would only wait for a seed of another region that is not up yet.
func Start(ctx context.Context, targets []Target) error {
	return each(ctx, targets, atOnce, func(t Target) error { return t.Host.Start(ctx) })
}

// Stop stops every server.
func Stop(ctx context.Context, targets []Target, grace time.Duration) error {
	return each(ctx, targets, atOnce, func(t Target) error { return t.Host.Stop(ctx, grace) })
}

// Ready waits until ready answers nil for every node, and returns at once when a
// server has ended. ready is asked again and again, and may take its time; ctx
// carries the deadline.
func Ready(ctx context.Context, targets []Target, ready func(context.Context, topology.Node) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return each(ctx, targets, len(targets), func(t Target) error { // one that ends is to be seen at once
		err := waitReady(ctx, t, ready)
		endsSoon(cancel, err)
		return err
	})
}

// Whole waits until ready, a question about all the nodes, answers nil, and returns at
// once when any of their servers has ended. ready is asked again and again, as in Ready.
func Whole(ctx context.Context, targets []Target, ready func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Its server is looked at before each question, the others' beside it.
	asker, settled := targets[0].Node.Name, false
	err := each(ctx, targets, len(targets), func(t Target) error {
		asks := t.Node.Name == asker
		err := waitReady(ctx, t, func(ctx context.Context, _ topology.Node) error {
			if asks {
				return ready(ctx)
			}
			return errAsksAnother
		})
		if !endsSoon(cancel, err) && asks {
			settled = err == nil
			cancel(errAsksAnother)
		}
		return err
	})
	if settled && !isDead(err) {
		return nil
	}
	return err
}

// endsSoon says whether err is that a server died. One is enough to know: the others are
// not waited for, but for the moment in which they, too, may die of what killed the first.
func endsSoon(cancel context.CancelCauseFunc, err error) bool {
	const moment = time.Second
	if !isDead(err) {
		return false
	}
	time.AfterFunc(moment, func() { cancel(errOtherDied) })
	return true
}

func isDead(err error) bool { return errors.As(err, new(*DeadError)) }

// errAsksAnother is why a node isn't ready by itself: another is asked for all.
var errAsksAnother = errors.New("another node is asked for all")

var errOtherDied = errors.New("another node's server ended")

func waitReady(ctx context.Context, t Target, ready func(context.Context, topology.Node) error) error {
	const every = 100 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last error // what kept it, not that the time for asking was over
	var look time.Time
	for {
		var err error
		if now := time.Now(); !now.Before(look) {
			var p topology.Process
			p, err = t.Host.State(ctx)
			switch {
			case err == nil && !p.Running:
				return died(ctx, t, p)
			case err == nil:
				look = time.Now().Add(lookAgain(time.Since(now)))
			}
		}
		var lost interface{ Permanent() bool }
		if errors.As(err, &lost) && lost.Permanent() {
			return err
		}
		if err == nil {
			err = ready(ctx, t.Node)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the server to answer: %w (last: %w)", context.Cause(ctx), last)
		}
	}
}

// lookAgain is how long a server that ran is not looked at again, when looking took so
// long: what is a command on its machine there must not be most of what that does.
func lookAgain(took time.Duration) time.Duration {
	const share, most = 20, 3 * time.Second
	return min(took*share, most)
}

func died(ctx context.Context, t Target, p topology.Process) error {
	const lines = 15
	log, err := t.Host.Tail(ctx, lines)
	if err != nil {
		log = []string{"(its log can't be read: " + err.Error() + ")"}
	}
	ended := p.Ended
	if ended == "" {
		ended = "nobody saw how"
	}
	return &DeadError{Node: t.Node.Name, Ended: ended, Log: log}
}

// each does f for all targets, so many at a time, and joins what went wrong, in their
// order.
func each(ctx context.Context, targets []Target, atOnce int, f func(Target) error) error {
	errs, _ := many.Map(ctx, targets, atOnce, func(_ context.Context, t Target) (error, error) { return f(t), nil })
	for i, err := range errs {
		if errors.Is(err, errAsksAnother) || errors.Is(err, errOtherDied) && slices.ContainsFunc(errs, isDead) {
			err = nil
		}
		errs[i] = fail.OfNode(targets[i].Node.Name, "", err)
	}
	return many.Join(errs...)
}
