package grow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/fail"
	"crossring/internal/health"
	"crossring/internal/places"
	"crossring/internal/steps"
	"crossring/internal/topology"
	"crossring/internal/until"
	"crossring/ringcheck"
)

// grow is a change of a running cluster under way.
type growth struct {
	cluster.World
	cluster.Cluster
	saved   cluster.SavedChange
	sw      places.Software
	timeout time.Duration // of a step, apart from what it moves
	// followed is how often it is said how far a node is; 0 is every ten seconds.
	followed time.Duration
}

// grown is what a change made of a cluster, as far as it got.
type grown struct {
	Inventory topology.Inventory
	Ring      *ringcheck.Ring // nil when it was not looked at
}

// Apply makes of a running cluster what the change wants, from wherever an
// earlier attempt got to.
func Apply(ctx context.Context, w cluster.World, c cluster.Cluster, change wantedChange, choice NodeChoice, timeout time.Duration) (grown, error) {
	res := grown{Inventory: c.Inv}
	// On machines a step makes one ready, too, and on EC2 has it made.
	const least, leastRemote = 10 * time.Minute, 25 * time.Minute
	g := &growth{World: w, Cluster: c, saved: change.SavedChange, timeout: max(timeout, least)}
	if c.Remote() {
		g.timeout = max(timeout, leastRemote)
	}
	var err error
	if g.sw, err = cluster.Software(ctx, w, c); err != nil {
		return res, err
	}
	if c.Place.Network != nil {
		if err := g.Stage("addresses, network and keeper", func() error {
			_, err := c.Place.Maker(c.Rel, g.sw).Make(ctx, c.Inv.Plan)
			return err
		}); err != nil {
			return res, err
		}
	}
	if !change.Begun {
		if err := g.Stage("every node is up and has the replicas it needs", func() error { return g.begin(ctx, choice) }); err != nil {
			return res, err
		}
	}
	err = g.work(ctx)
	res.Inventory = g.Inv
	if err != nil {
		return res, &changeError{name: g.Inv.Plan.Name, err: err}
	}
	if err := g.end(); err != nil {
		return res, err
	}
	var ring ringcheck.Ring
	err = g.Stage("the ring and its ownership are as planned", func() (err error) {
		ring, err = g.verify(ctx)
		return err
	})
	res.Inventory = g.Inv
	if ring.Schema != "" {
		res.Ring = &ring
	}
	return res, err
}

// changeError is what stopped a change half-way.
type changeError struct {
	name string
	err  error
}

func (e *changeError) Error() string { return "changing " + e.name + ": " + e.err.Error() }

func (e *changeError) Unwrap() error { return e.err }

// Hint is the command that goes on from there.
func (e *changeError) Hint() string { return "crossring up " + e.name + "   # goes on from there" }

// restart starts the servers that ended since a change was begun, but for the nodes
// that a step is still to come for: it knows best.
func (g *growth) restart(ctx context.Context, done map[string]bool) error {
	all, err := cluster.Targets(g.World, g.Cluster, g.sw, false)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(t deploy.Target) bool {
		return slices.ContainsFunc(g.saved.Plan.Change.Steps, func(s topology.Step) bool {
			return s.Node == t.Node.Name && s.Kind != topology.StepMove && s.Kind != topology.StepCleanup && !done[s.ID()]
		})
	})
	return cluster.StartNodes(ctx, g.World, g.Cluster, all, until.Ready)
}

// work does the steps that have not been done.
func (g *growth) work(ctx context.Context) error {
	work := steps.Work{
		Path: filepath.Join(g.Dir, cluster.ChangeJournal), Kind: "step", Stage: g.Stage, Now: g.Now,
		Begin: func(done map[string]bool) error { return g.restart(ctx, done) },
	}
	for _, s := range g.saved.Plan.Change.Steps {
		work.Steps = append(work.Steps, steps.Step{
			ID: s.ID(), Text: Describe(s), What: s, Patience: g.patience(s),
			Do: func(ctx context.Context) error { return g.do(ctx, s) },
		})
	}
	_, err := steps.Run(ctx, work)
	return err
}

func (g *growth) do(ctx context.Context, s topology.Step) error {
	switch s.Kind {
	case topology.StepJoin:
		return g.join(ctx, s)
	case topology.StepReplace:
		return g.replace(ctx, s)
	case topology.StepDecommission:
		return g.decommission(ctx, s)
	case topology.StepMove:
		return g.move(ctx, s)
	case topology.StepCleanup:
		return g.cleanup(ctx, s)
	case topology.StepSeeds:
		return g.seeds(ctx)
	}
	return fmt.Errorf("no step is called %q", s.Kind)
}

// patience is how long a step may take: what it moves has at least a megabyte a
// second.
func (g *growth) patience(s topology.Step) time.Duration {
	const rate = 1 << 20
	d := g.timeout
	if s.Bytes != nil {
		d += time.Duration(*s.Bytes/rate) * time.Second
	}
	return d
}

// Describe says what a step does.
func Describe(s topology.Step) string {
	much := ""
	if s.Bytes != nil && *s.Bytes > 0 {
		much = ", " + megabytes(*s.Bytes) + " by what is on disk"
	}
	switch s.Kind {
	case topology.StepJoin:
		return s.Node + " joins" + much
	case topology.StepReplace:
		return s.Node + " is replaced by an empty node" + much
	case topology.StepDecommission:
		return s.Node + " hands over what it has and goes" + much
	case topology.StepMove:
		return s.Node + " moves to another token" + much
	case topology.StepCleanup:
		return s.Node + " drops what it no longer owns"
	case topology.StepSeeds:
		return "the list of seeds is written anew"
	}
	return s.ID()
}

func megabytes(n int64) string { return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB" }

// KeepDefaults makes a change in which no node has a part.
func KeepDefaults(w cluster.World, c cluster.Cluster, change wantedChange) (cluster.Cluster, error) {
	g := &growth{World: w, Cluster: c, saved: change.SavedChange}
	err := g.end()
	return g.Cluster, err
}

// end makes the change's spec the cluster's.
func (g *growth) end() error {
	inv := g.Inv
	inv.Plan.Stress = g.saved.Plan.Stress
	if err := g.Place.Record.SaveInventory(inv); err != nil {
		return err
	}
	g.Inv = inv
	return endChange(g.Dir, g.saved)
}

// verify holds the ring against the plan, and the share of each node against what was
// planned for it, once there is a keyspace.
func (g *growth) verify(ctx context.Context) (ringcheck.Ring, error) {
	const slack = 1e-3 // servers add up single-precision fractions
	ring, err := health.Look(ctx, g.World, g.Cluster)
	if err != nil {
		return ring, err
	}
	planned := map[string]float64{}
	for _, n := range g.saved.Plan.Change.Nodes {
		planned[n.Name] = n.OwnsAfter
	}
	var problems []error
	for _, dc := range ring.Datacenters {
		for _, n := range dc.Nodes {
			if n.OwnsEffective != nil && math.Abs(*n.OwnsEffective-planned[n.Name]) > slack {
				problems = append(problems, fmt.Errorf("%s owns %.3f of keyspace %s, not %.3f as planned", n.Name, *n.OwnsEffective, ring.Keyspace, planned[n.Name]))
			}
		}
	}
	if len(problems) > 0 {
		return ring, fail.Ring("", errors.Join(problems...), "crossring ring "+g.Inv.Plan.Name)
	}
	return ring, nil
}
