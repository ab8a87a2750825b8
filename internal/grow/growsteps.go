package grow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/internal/topology"
	"crossring/internal/trust"
	"crossring/internal/until"
	"crossring/ringcheck"
	"crossring/yamlgen"
)

// joinDelayMS is Cassandra's ring_delay_ms of a node that joins a local ring: how long
// it listens to gossip before it trusts what it heard. The default of half a minute is
// for networks that lose packets.
const joinDelayMS = 5000

// Each step looks at what is, and does what is missing: it may have been begun, or
// even done, by a command that died before it could say so.

// join makes a new node and waits until all see it in the ring.
func (g *growth) join(ctx context.Context, s topology.Step) error {
	n := g.saved.Plan.Nodes[slices.IndexFunc(g.saved.Plan.Nodes, func(n topology.Node) bool { return n.Name == s.Node })]
	n.Seed = false // a seed does not bootstrap; it becomes one when the seeds are written
	if _, err := g.Inv.Node(n.Name); err != nil {
		if err := g.forget(n.Name); err != nil {
			return err
		}
	}
	inv, err := g.Place.Grower.AddNode(ctx, g.Inv, n)
	g.Inv = inv
	if err != nil {
		return err
	}
	if err := g.settle(ctx, s.Node); err != nil {
		return err
	}
	return g.boot(ctx, s, "")
}

// replace starts an empty node in the place of a dead one, with its name and tokens
// and, where it comes back in the same place, its addresses.
func (g *growth) replace(ctx context.Context, s topology.Step) error {
	n, err := g.Inv.Node(s.Node)
	if err != nil {
		return err
	}
	dead := g.saved.Plan.Nodes[slices.IndexFunc(g.saved.Plan.Nodes, func(n topology.Node) bool { return n.Name == s.Node })]
	p, err := g.Host(n).State(ctx)
	if err != nil && !g.Remote() { // a machine that does not answer is as dead as its node
		return err
	}
	if !p.Running { // else it has been started in its new life
		if err := g.forget(n.Name); err != nil {
			return err
		}
		inv, err := g.Place.Grower.ReplaceNode(ctx, g.Inv, dead)
		g.Inv = inv
		if err != nil {
			return err
		}
		if err := g.settle(ctx, n.Name); err != nil {
			return err
		}
	}
	if err := g.boot(ctx, s, dead.PublicAddress); err != nil {
		return err
	}
	if !n.Seed {
		return nil
	}
	// It started without itself among the seeds; the others may have its old address there.
	return g.put(ctx)
}

// boot starts a node that has to fetch its data, unless it runs, and waits until the
// ring is as planned. replaces is the address of the node whose data it is to have, ""
// is none.
func (g *growth) boot(ctx context.Context, s topology.Step, replaces string) error {
	inv := g.Inv
	inv.Nodes = slices.Clone(g.Inv.Nodes)
	i := slices.IndexFunc(inv.Nodes, func(n topology.Node) bool { return n.Name == s.Node })
	inv.Nodes[i].Seed, inv.Nodes[i].Bootstrap = false, true
	var jvm []string
	if !g.Remote() {
		jvm = append(jvm, fmt.Sprintf("-Dcassandra.ring_delay_ms=%d", joinDelayMS))
		if g.Rel.QuarantineDelay {
			jvm = append(jvm, yamlgen.Quarantine)
		}
	}
	if replaces != "" {
		jvm = append(jvm, "-Dcassandra.replace_address_first_boot="+replaces)
	}
	grown := g.Cluster
	grown.Inv = inv
	if g.Remote() {
		grown.Inv.Nodes = inv.Nodes[i : i+1] // the others have theirs, and may be dead
	}
	if err := trust.Ensure(ctx, g.World, grown); err != nil {
		return err
	}
	own, err := g.targetOf(inv, inv.Nodes[i], jvm)
	if err != nil {
		return err
	}
	if err := cluster.StartNodes(ctx, g.World, g.Cluster, []deploy.Target{own}, until.Ready); err != nil {
		return err
	}
	stop := g.follow(ctx, s, own.Node)
	defer stop()
	return g.awaitWhole(ctx, g.Cluster)
}

// targetOf renders one node with further arguments of its JVM.
func (g *growth) targetOf(inv topology.Inventory, n topology.Node, jvm []string) (deploy.Target, error) {
	c := g.Cluster
	c.Inv = inv
	all, err := cluster.TargetsWith(g.World, c, g.sw, false, jvm)
	if err != nil {
		return deploy.Target{}, err
	}
	return all[slices.IndexFunc(all, func(t deploy.Target) bool { return t.Node.Name == n.Name })], nil
}

// awaitWhole waits until the ring of a cluster is as its inventory says, and every
// node answers.
func (g *growth) awaitWhole(ctx context.Context, c cluster.Cluster) error {
	var targets []deploy.Target
	for _, n := range c.Inv.Nodes {
		targets = append(targets, deploy.Target{Node: n, Host: c.Host(n)})
	}
	deadline, _ := ctx.Deadline()
	_, err := cluster.AwaitRing(ctx, g.World, c, targets, time.Until(deadline))
	return err
}

// follow says now and then how far a node is that fetches or hands over data. The
// function it returns ends it.
func (g *growth) follow(ctx context.Context, s topology.Step, n topology.Node) (stop func()) {
	every := cmp.Or(g.followed, 10*time.Second)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	query := cluster.Query(g.World, g.Cluster) // as it is now: the change goes on meanwhile
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			mode, err := ringcheck.Mode(ctx, query, n)
			if err != nil {
				continue // it does not answer yet, or any more; who waits for it will say so
			}
			text := fmt.Sprintf("%s is %s", n.Name, strings.ToLower(mode))
			ring, err := ringcheck.Collect(ctx, query)
			if have, known := loads(ring)[n.Name]; err == nil && known {
				// How much is to come is not said: what the others have in memory is in no load.
				text += fmt.Sprintf(", has %s on disk", megabytes(have))
			}
			g.Say("%s", text)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// decommission has a node leave, stops it, and removes what it had.
func (g *growth) decommission(ctx context.Context, s topology.Step) error {
	n, err := g.Inv.Node(s.Node)
	if err != nil { // all but its directory is gone
		g.Inv, err = g.Place.Grower.RemoveNode(ctx, g.Inv, s.Node)
		return errors.Join(err, g.forget(s.Node))
	}
	others := g.Cluster
	others.Inv.Nodes = slices.DeleteFunc(slices.Clone(g.Inv.Nodes), func(m topology.Node) bool { return m.Name == n.Name })
	host := g.Host(n)
	state, err := host.State(ctx)
	if err != nil {
		return err
	}
	if state.Running {
		stop := g.follow(ctx, s, n)
		err := g.act(ctx, n, action{
			under: ringcheck.ModeLeaving,
			done:  func(_ context.Context, mode string) (bool, error) { return mode == ringcheck.ModeDecommissioned, nil },
			// No keyspace may have come to need the node since the change began:
			// Cassandra is told to let it go in any case.
			may: func(ctx context.Context) error { return enoughLeft(ctx, g.World, g.Cluster, others.Inv.Nodes, nil) },
			do: func(ctx context.Context) error {
				return ringcheck.Decommission(ctx, cluster.Query(g.World, g.Cluster), n)
			},
		})
		stop()
		if err != nil {
			return err
		}
	} else if in, err := g.inRing(ctx, others, n); err != nil {
		return err
	} else if in {
		return &fail.Error{Code: fail.ExitRing, Err: fmt.Errorf("%s is down, and still in the ring", n.Name), Hint: "crossring start " + g.Inv.Plan.Name + ":" + n.Name}
	}
	// They have to hear of it while it can still be heard.
	if err := g.awaitWhole(ctx, others); err != nil {
		return err
	}
	if err := host.Stop(ctx, cluster.StopGrace); err != nil {
		return err
	}
	g.Inv, err = g.Place.Grower.RemoveNode(ctx, g.Inv, n.Name)
	return errors.Join(err, g.forget(n.Name))
}

// inRing says whether any of the others has the node in its ring.
func (g *growth) inRing(ctx context.Context, others cluster.Cluster, n topology.Node) (bool, error) {
	obs, err := ringcheck.Observe(ctx, cluster.Query(g.World, others))
	if err != nil {
		return false, err
	}
	for _, v := range obs.Views {
		if len(v.Peers[n.PublicAddress].Tokens) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// move has a node take another token.
func (g *growth) move(ctx context.Context, s topology.Step) error {
	i := slices.IndexFunc(g.Inv.Nodes, func(n topology.Node) bool { return n.Name == s.Node })
	if i < 0 || len(s.Tokens) != 1 {
		return fmt.Errorf("no node %s with one token to move", s.Node)
	}
	n := g.Inv.Nodes[i]
	stop := g.follow(ctx, s, n)
	defer stop()
	err := g.act(ctx, n, action{
		under: ringcheck.ModeMoving,
		done: func(ctx context.Context, mode string) (bool, error) {
			if mode != ringcheck.ModeNormal {
				return false, nil
			}
			at, err := g.tokensOf(ctx, n)
			return slices.Equal(at, s.Tokens), err
		},
		do: func(ctx context.Context) error {
			return ringcheck.Move(ctx, cluster.Query(g.World, g.Cluster), n, s.Tokens[0])
		},
	})
	if err != nil {
		return err
	}
	nodes := slices.Clone(g.Inv.Nodes)
	nodes[i].Tokens = s.Tokens
	if g.Inv, err = g.Place.Record.SaveNodes(g.Inv, nodes); err != nil {
		return err
	}
	return g.awaitWhole(ctx, g.Cluster)
}

// tokensOf asks a node for its own tokens.
func (g *growth) tokensOf(ctx context.Context, n topology.Node) ([]string, error) {
	q := cluster.Query(g.World, g.Cluster)
	q.Inventory.Nodes = []topology.Node{n}
	obs, err := ringcheck.Observe(ctx, q)
	if err != nil {
		return nil, err
	}
	return obs.Views[0].Peers[n.PublicAddress].Tokens, nil
}

// cleanup has a node drop, keyspace by keyspace, what it does not own any more.
func (g *growth) cleanup(ctx context.Context, s topology.Step) error {
	n, err := g.Inv.Node(s.Node)
	if err != nil {
		return err
	}
	keyspaces, err := keyspaces(ctx, g.World, g.Cluster, nil)
	if err != nil {
		return err
	}
	for _, ks := range keyspaces {
		if err := ringcheck.Cleanup(ctx, cluster.Query(g.World, g.Cluster), n, ks.Keyspace); err != nil {
			return fmt.Errorf("keyspace %s: %w", ks.Keyspace, err)
		}
	}
	return nil
}

// seeds writes every node's files with the list of seeds of afterwards. The nodes
// read it at their next start.
func (g *growth) seeds(ctx context.Context) error {
	nodes := slices.Clone(g.Inv.Nodes)
	for i, n := range nodes {
		for _, m := range g.saved.Plan.Nodes {
			if m.Name == n.Name {
				nodes[i].Seed = m.Seed
			}
		}
	}
	var err error
	if g.Inv, err = g.Place.Record.SaveNodes(g.Inv, nodes); err != nil {
		return err
	}
	return g.put(ctx)
}

// put writes every node's files anew.
func (g *growth) put(ctx context.Context) error {
	targets, err := cluster.Targets(g.World, g.Cluster, g.sw, false)
	if err != nil {
		return err
	}
	return g.Partial(deploy.Put(ctx, targets), targets)
}

// action is an operation of a node that it may have been told before.
type action struct {
	under string // mode of a node that is at it
	done  func(ctx context.Context, mode string) (bool, error)
	may   func(ctx context.Context) error // says why it must not be told; nil is never
	do    func(ctx context.Context) error // returns when it has been done
}

// pause waits for a tick; false is that ctx ended before.
func pause(ctx context.Context, tick *time.Ticker) bool {
	select {
	case <-tick.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// act tells a node to do something, unless it is at it or has done it, and waits until
// it has. The node goes on when nobody waits any more.
func (g *growth) act(ctx context.Context, n topology.Node, a action) error {
	const every, refusals = 500 * time.Millisecond, time.Minute
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	patience := g.Now().Add(refusals)
	var doing chan error // nil while nothing was told
	var last error
	for {
		mode, err := ringcheck.Mode(ctx, cluster.Query(g.World, g.Cluster), n)
		done := false
		if err == nil {
			done, err = a.done(ctx, mode)
		}
		if done && err == nil {
			return nil
		}
		if err == nil && mode != a.under && doing == nil {
			if a.may != nil {
				if err := a.may(ctx); err != nil {
					return err
				}
			}
			doing = make(chan error, 1)
			go func() { doing <- a.do(ctx) }()
		}
		if err != nil {
			last = err
			if state, stateErr := g.Host(n).State(ctx); stateErr == nil && !state.Running {
				return &fail.NodeError{Node: n.Name, Err: fmt.Errorf("the server ended: %s", state.Ended)}
			}
		}
		select {
		case err := <-doing:
			doing = nil
			var refused *ringcheck.RefusedError
			switch {
			case errors.As(err, &refused) && (!refused.State || g.Now().After(patience)):
				return err
			case err == nil:
				continue
			}
			// It may be better soon: ranges still on their way, a connection lost. Until then it
			// has enough to do.
			last = err
			if !pause(ctx, tick) {
				return errors.Join(context.Cause(ctx), last)
			}
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), last)
		}
	}
}
