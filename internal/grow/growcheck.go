package grow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// begin looks at the cluster before the first step, and writes the change down. A
// change begins on a ring that is whole but for the nodes to be replaced: Cassandra
// lets no node join or leave beside one that is down, and what is half done already
// nobody could tell from what is going wrong.
func (g *growth) begin(ctx context.Context, choice NodeChoice) error {
	name := g.Inv.Plan.Name
	ready, err := state.Marked(g.Dir, state.Ready)
	if err != nil {
		return err
	}
	if !ready {
		return fail.Ring("", fmt.Errorf("the ring of %s has never been whole: that comes first", name), "crossring up "+name)
	}
	ring, err := g.look(ctx, choice.Replace)
	if err != nil {
		return err
	}
	if problems := blocking(ring, choice.Replace); len(problems) > 0 {
		return fail.Ring("nodes come and go in a ring that is whole", errors.Join(problems...), "crossring up "+name+"   # starts what is down")
	}
	if err := enoughLeft(ctx, g.World, g.Cluster, g.saved.Plan.Nodes, choice.Replace); err != nil {
		return err
	}
	if g.saved.Plan, err = between(g.Cluster, g.saved.Spec, choice, loads(ring)); err != nil {
		return err
	}
	var dead []topology.Node
	for _, name := range choice.Replace {
		n, err := g.Inv.Node(name)
		if err != nil {
			return err
		}
		dead = append(dead, n)
	}
	if err := g.Place.Grower.CheckResize(ctx, g.Inv, g.saved.Plan, dead...); err != nil {
		return err
	}
	// A journal that is there is of a change that has ended.
	if err := os.Remove(filepath.Join(g.Dir, cluster.ChangeJournal)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the journal of an earlier change: %w", err)
	}
	return writeChange(g.Dir, g.saved)
}

// look asks for the ring, and waits until the nodes that are to be replaced are seen
// down, and for a moment until gossip has calmed down. One whose server runs is not
// dead.
func (g *growth) look(ctx context.Context, replaced []string) (ringcheck.Ring, error) {
	const deadline, calm, every = 2 * time.Minute, 30 * time.Second, 500 * time.Millisecond
	var alive []error
	stopped := false
	for _, n := range g.Inv.Nodes {
		p, err := g.Host(n).State(ctx)
		named := slices.Contains(replaced, n.Name)
		if err != nil && !(named && g.Remote()) { // a machine that is gone can't be asked; the others will see it down
			return ringcheck.Ring{}, err
		}
		stopped = stopped || !p.Running && !named
		if p.Running && named {
			alive = append(alive, fmt.Errorf("%s runs (pid %d): a node is replaced when it is dead", n.Name, p.PID))
		}
	}
	if len(alive) > 0 {
		return ringcheck.Ring{}, fail.Usage("", errors.Join(alive...), "crossring stop "+g.Inv.Plan.Name+":"+replaced[0])
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	settled := g.Now().Add(calm)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ring, err := ringcheck.Collect(ctx, cluster.Query(g.World, g.Cluster))
		if err != nil {
			return ring, fail.Ring("", err, "crossring up "+g.Inv.Plan.Name)
		}
		calm := stopped || len(blocking(ring, replaced)) == 0 || g.Now().After(settled)
		if calm && len(stillUp(ring, replaced)) == 0 {
			return ring, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ring, fmt.Errorf("waiting for the others to see %v down: %w", stillUp(ring, replaced), ctx.Err())
		}
	}
}

// stillUp lists those of the nodes that somebody still sees up.
func stillUp(ring ringcheck.Ring, names []string) []string {
	var up []string
	for _, dc := range ring.Datacenters {
		for _, n := range dc.Nodes {
			if slices.Contains(names, n.Name) && n.SeenUpBy != nil && *n.SeenUpBy > 0 {
				up = append(up, n.Name)
			}
		}
	}
	return up
}

// blocking lists what of a ring stands against a change.
func blocking(ring ringcheck.Ring, replaced []string) []error {
	var problems []error
	for _, m := range ring.Mismatches {
		if !slices.Contains(replaced, m.Node) {
			problems = append(problems, errors.New(m.Message))
		}
	}
	return problems
}

// keyspaces asks a node that is not dead what keyspaces there are.
func keyspaces(ctx context.Context, w cluster.World, c cluster.Cluster, dead []string) ([]cql.Factors, error) {
	i := slices.IndexFunc(c.Inv.Nodes, func(n topology.Node) bool { return !slices.Contains(dead, n.Name) })
	if i < 0 {
		return nil, fmt.Errorf("all nodes of %s are dead: there is nothing to replace them from", c.Inv.Plan.Name)
	}
	e, err := cluster.Endpoint(w, c, []topology.Node{c.Inv.Nodes[i]})
	if err != nil {
		return nil, err
	}
	e.Release.NoHostLookup = true // this node and no other
	s, err := cql.Open(ctx, e)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return cql.Keyspaces(ctx, s, c.Rel)
}

// enoughLeft asks the cluster whether all its keyspaces have nodes enough for their
// replicas when the nodes are these. Where no node goes it asks nobody.
func enoughLeft(ctx context.Context, w cluster.World, c cluster.Cluster, after []topology.Node, dead []string) error {
	stays := func(n topology.Node) bool {
		return slices.ContainsFunc(after, func(m topology.Node) bool { return m.Name == n.Name })
	}
	if !slices.ContainsFunc(c.Inv.Nodes, func(n topology.Node) bool { return !stays(n) }) {
		return nil
	}
	keyspaces, err := keyspaces(ctx, w, c, dead)
	if err != nil {
		return err
	}
	if problems := enoughNodes(keyspaces, c.Inv.Nodes, after); len(problems) > 0 {
		return fail.Usage("", errors.Join(problems...), "crossring cql "+c.Inv.Plan.Name+` "ALTER KEYSPACE …"   # or keep the node`)
	}
	return nil
}

// enoughNodes lists the keyspaces that would have more replicas than nodes, with the
// sum, of the datacenters that lose nodes.
func enoughNodes(keyspaces []cql.Factors, before, after []topology.Node) []error {
	count := func(nodes []topology.Node, dc string) int {
		n := 0
		for _, node := range nodes {
			if dc == "" || node.Datacenter == dc {
				n++
			}
		}
		return n
	}
	var problems []error
	for _, ks := range keyspaces {
		for _, dc := range slices.Sorted(maps.Keys(ks.ByDatacenter)) {
			factor, had, left := ks.ByDatacenter[dc], count(before, dc), count(after, dc)
			if left >= had || left >= factor {
				continue
			}
			where := dc
			if dc == "" {
				where = "the ring"
			}
			problems = append(problems, fmt.Errorf("keyspace %s has %s in %s: %s less %d leave %d",
				ks.Keyspace, plain.Count(factor, "replica"), where, plain.Count(had, "node"), had-left, left))
		}
	}
	return problems
}
