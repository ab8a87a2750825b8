package run

import (
	"context"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/internal/trust"
)

// NodesResult is the state of some nodes' servers.
type NodesResult struct {
	Schema string             `json:"schema"`
	Nodes  []topology.Process `json:"nodes"`
}

// Start starts the server of one node, or of all, and waits until each answers.
func Start(ctx context.Context, w cluster.World, ref string) (NodesResult, error) {
	return change(ctx, w, ref, func(c cluster.Cluster, targets []deploy.Target) error { return trust.StartServers(ctx, w, c, targets) })
}

// Stop stops the server of one node, or of all.
func Stop(ctx context.Context, w cluster.World, ref string) (NodesResult, error) {
	return change(ctx, w, ref, func(c cluster.Cluster, targets []deploy.Target) error { return cluster.StopTargets(ctx, w, c, targets) })
}

// Restart stops and starts one node, or all: at once, which is an outage and is said, or
// rolling, one after another, each when the ring is whole without it being away.
func Restart(ctx context.Context, w cluster.World, ref string, rolling bool) (NodesResult, error) {
	return change(ctx, w, ref, func(c cluster.Cluster, targets []deploy.Target) error {
		if rolling {
			return restartRolling(ctx, w, c, targets)
		}
		if len(targets) > 1 {
			w.Say("all of %s are stopped at the same time, and nothing is served meanwhile; %s takes one after another", plain.Count(len(targets), "node"), w.Command("restart", ref, "--rolling"))
		}
		if err := cluster.StopTargets(ctx, w, c, targets); err != nil {
			return err
		}
		return trust.StartServers(ctx, w, c, targets)
	})
}

// restartRolling restarts nodes one after another. None is stopped while another one of
// the cluster is away: before each the ring has to be as planned, as every node sees it.
func restartRolling(ctx context.Context, w cluster.World, c cluster.Cluster, targets []deploy.Target) error {
	const patience = 5 * time.Minute
	var all []deploy.Target
	for _, n := range c.Inv.Nodes {
		all = append(all, deploy.Target{Node: n, Host: c.Host(n)})
	}
	whole := func(when string) error {
		return w.Stage("the ring is whole "+when, func() error {
			_, err := cluster.AwaitRing(ctx, w, c, all, patience)
			return err
		})
	}
	for _, t := range targets {
		if err := whole("before " + t.Node.Name + " is stopped"); err != nil {
			return err
		}
		one := []deploy.Target{t}
		if err := cluster.StopTargets(ctx, w, c, one); err != nil {
			return err
		}
		if err := trust.StartServers(ctx, w, c, one); err != nil {
			return err
		}
	}
	return whole("again")
}

// change does f to the nodes that ref means, under the cluster's lock, and says
// how they are afterwards.
func change(ctx context.Context, w cluster.World, ref string, f func(cluster.Cluster, []deploy.Target) error) (NodesResult, error) {
	res := NodesResult{Schema: topology.Schema}
	name, _ := cluster.SplitRef(ref)
	if err := cluster.CheckRef(ref); err != nil {
		return res, err
	}
	if c, err := w.Open(name); err != nil {
		return res, err
	} else if err := c.Place.NoServers(name, ""); err != nil {
		return res, err
	}
	unlock, err := w.Lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()
	c, nodes, err := w.Pick(ref)
	if err != nil {
		return res, err
	}
	var targets []deploy.Target
	for _, n := range nodes {
		targets = append(targets, deploy.Target{Node: n, Host: c.Host(n)})
	}
	err = f(c, targets)
	for _, t := range targets {
		p, stateErr := t.Host.State(ctx)
		if stateErr == nil {
			res.Nodes = append(res.Nodes, p)
		}
	}
	return res, err
}
