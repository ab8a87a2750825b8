package grow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/safely"
	"crossring/internal/spec"
	"crossring/internal/steps"
	"crossring/internal/topology"
	"crossring/internal/trust"
	"crossring/ringcheck"
)

// NodeChoice names nodes of a running cluster that a change is about.
type NodeChoice struct {
	// Remove go, where the spec has fewer nodes than run.
	Remove []string
	// Replace are dead; an empty node takes the place of each.
	Replace []string
}

// None says that no node is named.
func (n NodeChoice) None() bool { return len(n.Remove)+len(n.Replace) == 0 }

// Planned is what a spec comes to. Where a cluster of that name runs and can become
// that, it is what the cluster is going to be, with the steps that lead there; what
// the nodes hold is asked of them, if they answer. It changes nothing. Where it can't
// become that, the plan is the spec's own, and the error a *SpecDiffersError; where a
// node could not leave, the plan is there with the error, too.
func Planned(ctx context.Context, w cluster.World, s spec.Spec, choice NodeChoice) (topology.Plan, error) {
	s = cluster.WithSavedOperators(w, s)
	p, err := cluster.Plan(s)
	if err != nil {
		return p, err
	}
	c, err := w.Open(s.Name)
	var none *cluster.NoClusterError
	if errors.As(err, &none) {
		if !choice.None() {
			return p, err
		}
		place, err := places.For(p.Provider, w.Deps())
		if err == nil && place.Depends != nil {
			err = place.Depends(p)
		}
		if err == nil {
			err = trust.AuthorityReady(ctx, w, p)
		}
		return p, err
	}
	if err != nil {
		return p, err
	}
	if c.Place.Grower == nil && choice.None() {
		return p, nil
	}
	change, err := Wanted(w, c, &s, choice)
	var differs *SpecDiffersError
	if errors.As(err, &differs) && choice.None() {
		return p, err
	}
	if err != nil {
		return p, err
	}
	if change == nil {
		return c.Inv.Plan, nil
	}
	if change.Begun {
		return change.Plan, nil
	}
	ring, err := ringcheck.Collect(ctx, cluster.Query(w, c))
	if err != nil {
		w.Say("how much moves is not known in bytes: %v", err)
		return change.Plan, nil
	}
	if p, err = between(c, change.Spec, choice, loads(ring)); err != nil {
		return p, err
	}
	return p, enoughLeft(ctx, w, c, p.Nodes, choice.Replace)
}

// wantedChange is a change that is to be made, or to go on.
type wantedChange struct {
	cluster.SavedChange
	Begun bool
}

// Change is what up is to change on a cluster that stands; nil is nothing.
func Change(w cluster.World, c cluster.Cluster, want *spec.Spec, choice NodeChoice, planned topology.Plan) (*wantedChange, error) {
	if _, err := cluster.ReadSpec(c.Dir); errors.Is(err, os.ErrNotExist) && want != nil && choice.None() {
		return nil, checkSame(c, *want, planned)
	}
	return Wanted(w, c, want, choice)
}

// Wanted says what is to change on a cluster that stands: nil is nothing.
func Wanted(w cluster.World, c cluster.Cluster, want *spec.Spec, choice NodeChoice) (*wantedChange, error) {
	name := c.Inv.Plan.Name
	saved, err := cluster.ReadChange(c.Dir)
	if err != nil {
		return nil, err
	}
	var planned topology.Plan // without a spec there is nothing that could be spelled out otherwise
	if want != nil {
		if planned, err = cluster.Plan(*want); err != nil {
			return nil, err
		}
	}
	if saved != nil {
		same := choice.None() || sameNames(choice.Remove, saved.Plan.Change.Remove) && sameNames(choice.Replace, saved.Plan.Change.Replace)
		if want != nil && same {
			diff, err := spec.Compare(spelledOut(saved.Spec, saved.Plan, *want, planned))
			if err != nil {
				return nil, err
			}
			same = diff.None()
		}
		if !same {
			return nil, &cluster.ChangeUnderWayError{Name: name}
		}
		return &wantedChange{*saved, true}, nil
	}
	if want == nil && choice.None() {
		return nil, nil
	}
	have, err := cluster.ReadSpec(c.Dir)
	if err != nil {
		return nil, &fail.Error{Code: fail.ExitFailure, Err: err, Hint: "crossring up " + name}
	}
	if want == nil {
		if len(choice.Remove) > 0 {
			return nil, fail.Usage("", errors.New("a node goes when the spec has fewer: lower nodes in the spec and name it"),
				plain.Command("crossring", "up", "-f", "cluster.yaml", "--remove-node", choice.Remove[0]))
		}
		want = &have
	}
	diff, err := spec.Compare(spelledOut(have, c.Inv.Plan, *want, planned))
	if err != nil {
		return nil, err
	}
	if provider := c.Inv.Plan.Provider; c.Place.Grower == nil {
		if !choice.None() {
			return nil, fail.Usage("", fmt.Errorf("nodes of a running cluster come and go on providers local, hosts and ec2, so far not on %s", provider), "")
		}
		diff.Fixed, diff.InPlace = slices.Concat(diff.Fixed, diff.InPlace), nil
	}
	if len(diff.Fixed) > 0 {
		return nil, &SpecDiffersError{Name: name, Diff: slices.Concat(diff.Fixed, diff.InPlace)}
	}
	if diff.None() && choice.None() {
		return nil, nil
	}
	p, err := between(c, *want, choice, nil)
	if err != nil {
		return nil, err
	}
	return &wantedChange{SavedChange: cluster.SavedChange{Schema: topology.Schema, Spec: *want, Plan: p}}, nil
}

func between(c cluster.Cluster, want spec.Spec, choice NodeChoice, load map[string]int64) (topology.Plan, error) {
	have := c.Inv.Plan
	have.Nodes = c.Inv.Nodes
	p, err := plan.Between(plan.ChangeRequest{Have: have, Planned: &c.Inv.Plan, Want: want, Remove: choice.Remove, Replace: choice.Replace, Load: load})
	if err != nil {
		return p, fail.Usage("", err, "crossring status "+have.Name)
	}
	return p, nil
}

// loads is what each node holds, in bytes, of those that say so.
func loads(ring ringcheck.Ring) map[string]int64 {
	all := map[string]int64{}
	for _, dc := range ring.Datacenters {
		for _, n := range dc.Nodes {
			if n.LoadBytes != nil {
				all[n.Name] = *n.LoadBytes
			}
		}
	}
	return all
}

func sameNames(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// writeChange writes the change down before anything of it is done.
func writeChange(dir string, saved cluster.SavedChange) error {
	if err := safely.JSON(filepath.Join(dir, cluster.ChangeFile), saved, 0o644); err != nil {
		return fmt.Errorf("write the change down: %w", err)
	}
	return nil
}

// endChange forgets a change that has been made: from now on its spec is the
// cluster's.
func endChange(dir string, saved cluster.SavedChange) error {
	if err := cluster.WriteSpec(dir, saved.Spec); err != nil {
		return err
	}
	return steps.End(dir, "change", cluster.ChangeFile, cluster.ChangeJournal)
}
