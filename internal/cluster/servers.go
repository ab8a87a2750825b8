package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossring/internal/cql"
	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/internal/until"
	"crossring/ringcheck"
)

// StopGrace is how long a server may take to end by itself.
const StopGrace = 60 * time.Second

// SeenUp waits for a node that was started to answer queries, and to be seen up
// by itself and by the running nodes of its own datacenter. The other
// datacenters may be out of reach, which is no reason to call a start failed.
func SeenUp(ctx context.Context, w World, c Cluster, n topology.Node) error {
	if err := Answers(ctx, w, c, n); err != nil {
		return err
	}
	if err := AttachAgents(ctx, w, c, false); err != nil {
		return err
	}
	obs, err := ringcheck.Observe(ctx, Query(w, c))
	if err != nil {
		return err
	}
	for _, v := range obs.Views {
		if v.Err != nil || !sameDatacenter(c.Inv, v.Node, n) {
			continue
		}
		if !obs.SeesUp(v, n.PublicAddress) {
			return fmt.Errorf("%s does not see %s up", v.Node, n.Name)
		}
	}
	return nil
}

func sameDatacenter(inv topology.Inventory, name string, n topology.Node) bool {
	m, err := inv.Node(name)
	return err == nil && m.Datacenter == n.Datacenter
}

// StopTargets stops servers, all at once, as a stage.
func StopTargets(ctx context.Context, w World, c Cluster, targets []deploy.Target) error {
	return w.Stage("stop "+plain.Count(len(targets), "node"), func() error {
		return c.Partial(deploy.Stop(ctx, targets, StopGrace), targets)
	})
}

// StartNodes writes files and, unless upTo ends before that, starts the nodes that do not run,
// and has those go on that are paused.
func StartNodes(ctx context.Context, w World, c Cluster, targets []deploy.Target, upTo until.Step) error {
	var stopped []deploy.Target
	var nodes []topology.Node
	for _, t := range targets {
		p, err := t.Host.State(ctx)
		if err != nil {
			return err
		}
		switch {
		case !p.Running:
			stopped = append(stopped, t)
			nodes = append(nodes, t.Node)
		case p.Paused && upTo.Reaches(until.Start):
			if err := t.Host.Start(ctx); err != nil {
				return c.Partial(err, targets)
			}
		}
	}
	if c.Place.FreePorts != nil {
		if err := c.Place.FreePorts(ctx, nodes); err != nil {
			return err
		}
	}
	if err := deploy.Put(ctx, stopped); err != nil || !upTo.Reaches(until.Start) {
		return c.Partial(err, stopped)
	}
	if len(stopped) == 0 {
		return nil
	}
	text := "start " + plain.Count(len(stopped), "node")
	return w.Stage(text, func() error { return c.Partial(startServers(ctx, w, c, stopped), stopped) })
}

// AwaitRing waits until each node answers a query, and the ring is as planned
// as every node sees it.
func AwaitRing(ctx context.Context, w World, c Cluster, targets []deploy.Target, timeout time.Duration) (ringcheck.Ring, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := deploy.Ready(ctx, targets, func(ctx context.Context, n topology.Node) error {
		return Answers(ctx, w, c, n)
	})
	if err != nil {
		return ringcheck.Ring{}, c.Partial(err, targets)
	}
	if err := AttachAgents(ctx, w, c, true); err != nil {
		return ringcheck.Ring{}, err
	}
	var ring ringcheck.Ring
	err = deploy.Whole(ctx, targets, func(ctx context.Context) error {
		var err error
		ring, err = ringcheck.Collect(ctx, Query(w, c))
		if err != nil {
			return err
		}
		if len(ring.Mismatches) > 0 {
			return &MismatchError{ring}
		}
		return nil
	})
	var dead *deploy.DeadError
	var differs *MismatchError
	switch {
	case errors.As(err, &dead):
		return ring, c.Partial(err, targets)
	case errors.As(err, &differs):
		return ring, fail.Ring("waiting for the ring to be as planned", err, "crossring ring "+c.Inv.Plan.Name)
	}
	return ring, err
}

// Answers asks a node one question in CQL.
func Answers(ctx context.Context, w World, c Cluster, n topology.Node) error {
	e, err := Endpoint(w, c, []topology.Node{n})
	if err != nil {
		return err
	}
	return cql.Probe(ctx, e)
}
