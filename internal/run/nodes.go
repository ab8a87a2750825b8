package run

import (
	"context"
	"fmt"
	"strings"
	"time"

	"crossring/internal/deploy"
	"crossring/internal/plain"
	"crossring/internal/topology"
	"crossring/internal/until"
	"crossring/ringcheck"
)

// splitRef takes NAME or NAME:NODE apart.
func splitRef(ref string) (name, node string) {
	name, node, _ = strings.Cut(ref, ":")
	return name, node
}

// checkRef refuses what names no cluster, and NAME: with nothing behind it: what an unset
// variable of a script leaves is not every node.
func checkRef(ref string) error {
	name, node, colon := strings.Cut(ref, ":")
	if err := checkName(name); err != nil {
		return err
	}
	if colon && node == "" {
		return Usage("", fmt.Errorf("%q names no node: NAME:NODE is one of them, NAME all", ref), plain.Command("crossring", "status", name))
	}
	return nil
}

// pick opens a cluster and lists the nodes that ref means: one, or all.
func (w World) pick(ref string) (cluster, []topology.Node, error) {
	name, node := splitRef(ref)
	if err := checkRef(ref); err != nil {
		return cluster{}, nil, err
	}
	c, err := w.open(name)
	if err != nil || node == "" {
		return c, c.inv.Nodes, err
	}
	n, err := c.inv.Node(node)
	if err != nil {
		return c, nil, Usage("", err, plain.Command("crossring", "status", name))
	}
	return c, []topology.Node{n}, nil
}

// pickOne is pick for verbs that work on one node; without one named it is the first.
func (w World) pickOne(ref string) (cluster, topology.Node, error) {
	c, nodes, err := w.pick(ref)
	if err != nil {
		return c, topology.Node{}, err
	}
	return c, nodes[0], nil
}

// NodesResult is the state of some nodes' servers.
type NodesResult struct {
	Schema string             `json:"schema"`
	Nodes  []topology.Process `json:"nodes"`
}

// stopGrace is how long a server may take to end by itself.
const stopGrace = 60 * time.Second

// Start starts the server of one node, or of all, and waits until each answers.
func (w World) Start(ctx context.Context, ref string) (NodesResult, error) {
	return w.change(ctx, ref, func(c cluster, targets []deploy.Target) error { return w.startTargets(ctx, c, targets) })
}

// Stop stops the server of one node, or of all.
func (w World) Stop(ctx context.Context, ref string) (NodesResult, error) {
	return w.change(ctx, ref, func(c cluster, targets []deploy.Target) error { return w.stopTargets(ctx, c, targets) })
}

// Restart stops and starts one node, or all: at once, which is an outage and is said, or
// rolling, one after another, each when the ring is whole without it being away.
func (w World) Restart(ctx context.Context, ref string, rolling bool) (NodesResult, error) {
	return w.change(ctx, ref, func(c cluster, targets []deploy.Target) error {
		if rolling {
			return w.restartRolling(ctx, c, targets)
		}
		if len(targets) > 1 {
			w.Say("all of %s are stopped at the same time, and nothing is served meanwhile; %s takes one after another", plain.Count(len(targets), "node"), w.Command("restart", ref, "--rolling"))
		}
		if err := w.stopTargets(ctx, c, targets); err != nil {
			return err
		}
		return w.startTargets(ctx, c, targets)
	})
}

// restartRolling restarts nodes one after another. None is stopped while another one of
// the cluster is away: before each the ring has to be as planned, as every node sees it.
func (w World) restartRolling(ctx context.Context, c cluster, targets []deploy.Target) error {
	const patience = 5 * time.Minute
	var all []deploy.Target
	for _, n := range c.inv.Nodes {
		all = append(all, deploy.Target{Node: n, Host: c.host(n)})
	}
	whole := func(when string) error {
		return w.stage("the ring is whole "+when, func() error {
			_, err := w.awaitRing(ctx, c, all, patience)
			return err
		})
	}
	for _, t := range targets {
		if err := whole("before " + t.Node.Name + " is stopped"); err != nil {
			return err
		}
		one := []deploy.Target{t}
		if err := w.stopTargets(ctx, c, one); err != nil {
			return err
		}
		if err := w.startTargets(ctx, c, one); err != nil {
			return err
		}
	}
	return whole("again")
}

func (w World) startTargets(ctx context.Context, c cluster, targets []deploy.Target) error {
	const deadline = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	// A keeper that died is put back first: without it no region reaches another.
	sw, err := w.software(ctx, c)
	if err != nil {
		return err
	}
	if c.place.Network != nil {
		if _, err := c.place.Maker(c.rel, sw).Make(ctx, c.inv.Plan); err != nil {
			return err
		}
	}
	if err := w.ensureTLS(ctx, c); err != nil {
		return err
	}
	rendered, err := w.targets(c, sw, false)
	if err != nil {
		return err
	}
	for i, t := range targets {
		for _, r := range rendered {
			if r.Node.Name == t.Node.Name {
				targets[i].Files = r.Files
			}
		}
	}
	if err := w.startNodes(ctx, c, targets, until.Ready); err != nil {
		return err
	}
	return w.stage("the nodes answer, and are seen up in their datacenter", func() error {
		return c.partial(deploy.Ready(ctx, targets, func(ctx context.Context, n topology.Node) error {
			return w.seenUp(ctx, c, n)
		}), targets)
	})
}

// seenUp waits for a node that was started to answer queries, and to be seen up
// by itself and by the running nodes of its own datacenter. The other
// datacenters may be out of reach, which is no reason to call a start failed.
func (w World) seenUp(ctx context.Context, c cluster, n topology.Node) error {
	if err := w.answers(ctx, c, n); err != nil {
		return err
	}
	if err := w.attachAgents(ctx, c, false); err != nil {
		return err
	}
	obs, err := ringcheck.Observe(ctx, w.query(c))
	if err != nil {
		return err
	}
	for _, v := range obs.Views {
		if v.Err != nil || !sameDatacenter(c.inv, v.Node, n) {
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

func (w World) stopTargets(ctx context.Context, c cluster, targets []deploy.Target) error {
	return w.stage("stop "+plain.Count(len(targets), "node"), func() error {
		return c.partial(deploy.Stop(ctx, targets, stopGrace), targets)
	})
}

// change does f to the nodes that ref means, under the cluster's lock, and says
// how they are afterwards.
func (w World) change(ctx context.Context, ref string, f func(cluster, []deploy.Target) error) (NodesResult, error) {
	res := NodesResult{Schema: topology.Schema}
	name, _ := splitRef(ref)
	if err := checkRef(ref); err != nil {
		return res, err
	}
	if _, err := w.open(name); err != nil {
		return res, err
	}
	unlock, err := w.lock(ctx, name)
	if err != nil {
		return res, err
	}
	defer unlock()
	c, nodes, err := w.pick(ref)
	if err != nil {
		return res, err
	}
	var targets []deploy.Target
	for _, n := range nodes {
		targets = append(targets, deploy.Target{Node: n, Host: c.host(n)})
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
