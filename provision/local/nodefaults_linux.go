package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"crossring/internal/topology"
	"crossring/provision/local/procs"
)

// signalWait is how long a server may take to follow a signal.
const signalWait = 30 * time.Second

// faultNode does something to a server, and has it on disk before it answers.
func (k *keeper) faultNode(ctx context.Context, req nodeFaultRequest) error {
	ctx, cancel := context.WithTimeout(ctx, signalWait)
	defer cancel()
	k.faulting.Lock()
	defer k.faulting.Unlock()
	k.reconcile()
	r, runs := k.nodes.one(req.Node)
	paused := runs && procs.Paused(r)
	var err error
	switch {
	case !runs:
		return &RefusedError{req.Node, "does not run"}
	case req.Kind == topology.ResumeNode && !paused:
		return &RefusedError{req.Node, "is not paused"}
	case req.Kind != topology.ResumeNode && paused:
		return &RefusedError{req.Node, "is paused already"}
	case req.Kind == topology.FaultKill:
		err = k.nodes.stop(ctx, req.Node, 0)
	case req.Kind == topology.FaultPause || req.Kind == topology.ResumeNode:
		err = procs.Pause(ctx, r, req.Kind == topology.FaultPause)
	default:
		return fmt.Errorf("this keeper knows no fault %q of a node", req.Kind)
	}
	if errors.Is(err, os.ErrNotExist) {
		return &RefusedError{req.Node, "has ended meanwhile"}
	}
	if err != nil {
		return fmt.Errorf("%s of %s: %w", req.Kind, req.Node, err)
	}
	if kind, _ := topology.FaultKindOf(req.Kind); kind.Mend != "" {
		k.faults.InForce = append(k.faults.InForce, topology.NetworkFault{Kind: req.Kind, A: req.Node, Since: time.Now().UTC()})
	} else {
		k.reconcile()
	}
	if err := k.faults.write(k.dir); err != nil {
		return fmt.Errorf("it is done, and would not survive the keeper: %w", err)
	}
	return nil
}

// reconcile ends the faults of servers that are over, whoever ended them: a server that was
// killed runs again, one that was paused goes on or is gone. faulting is held.
func (k *keeper) reconcile() {
	ended := false
	for _, f := range slices.Clone(k.faults.InForce) {
		p, runs := k.nodes.one(f.A)
		if f.Kind == topology.FaultKill && runs || f.Kind == topology.FaultPause && !(runs && procs.Paused(p)) {
			k.faults, ended = k.faults.without(f, time.Now().UTC()), true
		}
	}
	if ended {
		if err := k.faults.write(k.dir); err != nil {
			k.log.Warn("the end of a fault is not on disk", "err", err)
		}
	}
}

// startNode starts a server, or has one go on that is paused.
func (k *keeper) startNode(ctx context.Context, req startRequest) error {
	defer k.settleFaults()
	if p, runs := k.nodes.one(req.Node); runs && procs.Paused(p) {
		return procs.Pause(ctx, p, false)
	}
	return k.nodes.start(ctx, req)
}

func (k *keeper) stopNode(ctx context.Context, req stopRequest) error {
	defer k.settleFaults()
	return k.nodes.stop(ctx, req.Node, req.Grace)
}

func (k *keeper) settleFaults() {
	k.faulting.Lock()
	defer k.faulting.Unlock()
	k.reconcile()
}

// one is the process of a node; false is that it does not run.
func (t *nodeTable) one(name string) (procs.Proc, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.nodes[name]
	if r == nil || !r.Running {
		return procs.Proc{}, false
	}
	return r.proc, true
}
