package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"crossring/internal/journal"
	"crossring/internal/places"
	"crossring/internal/plain"
	"crossring/internal/plan"
	"crossring/internal/spec"
	"crossring/internal/steps"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// NodeChoice names nodes of a running cluster that a change is about.
type NodeChoice struct {
	// Remove go, where the spec has fewer nodes than run.
	Remove []string
	// Replace are dead; an empty node takes the place of each.
	Replace []string
}

func (n NodeChoice) none() bool { return len(n.Remove)+len(n.Replace) == 0 }

// savedChange is a change under way, as it stands in the cluster's directory from
// before its first step until after its last.
type savedChange struct {
	Schema string        `json:"schema"`
	Spec   spec.Spec     `json:"spec"`
	Plan   topology.Plan `json:"plan"` // with its Change
}

// Files of a change under way.
const (
	changeFile    = "change.json"
	changeJournal = "change.journal"
)

// ChangeUnderWayError says that another change has not ended yet.
type ChangeUnderWayError struct{ Name string }

func (e *ChangeUnderWayError) Error() string {
	return fmt.Sprintf("cluster %q is being changed to another spec, and that has not ended", e.Name)
}

// ExitCode is that of something busy.
func (e *ChangeUnderWayError) ExitCode() int { return ExitBusy }

// Hint is the command that goes on with it.
func (e *ChangeUnderWayError) Hint() string { return "crossring up " + e.Name }

// Planned is what a spec comes to. Where a cluster of that name runs and can become
// that, it is what the cluster is going to be, with the steps that lead there; what
// the nodes hold is asked of them, if they answer. It changes nothing. Where it can't
// become that, the plan is the spec's own, and the error a *SpecDiffersError; where a
// node could not leave, the plan is there with the error, too.
func (w World) Planned(ctx context.Context, s spec.Spec, choice NodeChoice) (topology.Plan, error) {
	s = w.withSavedOperators(s)
	p, err := w.Plan(s)
	if err != nil {
		return p, err
	}
	c, err := w.open(s.Name)
	var none *NoClusterError
	if errors.As(err, &none) {
		if !choice.none() {
			return p, err
		}
		place, err := places.For(p.Provider, w.deps())
		if err == nil && place.Depends != nil {
			err = place.Depends(p)
		}
		return p, err
	}
	if err != nil {
		return p, err
	}
	if c.place.Grower == nil && choice.none() {
		return p, nil
	}
	change, err := w.wanted(c, &s, choice)
	var differs *SpecDiffersError
	if errors.As(err, &differs) && choice.none() {
		return p, err
	}
	if err != nil {
		return p, err
	}
	if change == nil {
		return c.inv.Plan, nil
	}
	if change.begun {
		return change.Plan, nil
	}
	ring, err := ringcheck.Collect(ctx, w.query(c))
	if err != nil {
		w.Say("how much moves is not known in bytes: %v", err)
		return change.Plan, nil
	}
	if p, err = between(c, change.Spec, choice, loads(ring)); err != nil {
		return p, err
	}
	return p, w.enoughLeft(ctx, c, p.Nodes, choice.Replace)
}

// wantedChange is a change that is to be made, or to go on.
type wantedChange struct {
	savedChange
	begun bool
}

// changeOf is what up is to change on a cluster that stands; nil is nothing.
func (w World) changeOf(c cluster, req UpRequest, planned topology.Plan) (*wantedChange, error) {
	if _, err := readSpec(c.dir); errors.Is(err, os.ErrNotExist) && req.Spec != nil && req.Choice.none() {
		return nil, checkSame(c, *req.Spec, planned)
	}
	return w.wanted(c, req.Spec, req.Choice)
}

// wanted says what is to change on a cluster that stands: nil is nothing.
func (w World) wanted(c cluster, want *spec.Spec, choice NodeChoice) (*wantedChange, error) {
	name := c.inv.Plan.Name
	saved, err := readChange(c.dir)
	if err != nil {
		return nil, err
	}
	var planned topology.Plan // without a spec there is nothing that could be spelled out otherwise
	if want != nil {
		if planned, err = w.Plan(*want); err != nil {
			return nil, err
		}
	}
	if saved != nil {
		same := choice.none() || sameNames(choice.Remove, saved.Plan.Change.Remove) && sameNames(choice.Replace, saved.Plan.Change.Replace)
		if want != nil && same {
			diff, err := spec.Compare(spelledOut(saved.Spec, saved.Plan, *want, planned))
			if err != nil {
				return nil, err
			}
			same = diff.None()
		}
		if !same {
			return nil, &ChangeUnderWayError{Name: name}
		}
		return &wantedChange{*saved, true}, nil
	}
	if want == nil && choice.none() {
		return nil, nil
	}
	have, err := readSpec(c.dir)
	if err != nil {
		return nil, &Fail{Code: ExitFailure, Err: err, Hint: "crossring up " + name}
	}
	if want == nil {
		if len(choice.Remove) > 0 {
			return nil, Usage("", errors.New("a node goes when the spec has fewer: lower nodes in the spec and name it"),
				plain.Command("crossring", "up", "-f", "cluster.yaml", "--remove-node", choice.Remove[0]))
		}
		want = &have
	}
	diff, err := spec.Compare(spelledOut(have, c.inv.Plan, *want, planned))
	if err != nil {
		return nil, err
	}
	if provider := c.inv.Plan.Provider; c.place.Grower == nil {
		if !choice.none() {
			return nil, Usage("", fmt.Errorf("nodes of a running cluster come and go on providers local, hosts and ec2, so far not on %s", provider), "")
		}
		diff.Fixed, diff.InPlace = slices.Concat(diff.Fixed, diff.InPlace), nil
	}
	if len(diff.Fixed) > 0 {
		return nil, &SpecDiffersError{Name: name, Diff: slices.Concat(diff.Fixed, diff.InPlace)}
	}
	if diff.None() && choice.none() {
		return nil, nil
	}
	p, err := between(c, *want, choice, nil)
	if err != nil {
		return nil, err
	}
	return &wantedChange{savedChange: savedChange{Schema: topology.Schema, Spec: *want, Plan: p}}, nil
}

func between(c cluster, want spec.Spec, choice NodeChoice, load map[string]int64) (topology.Plan, error) {
	have := c.inv.Plan
	have.Nodes = c.inv.Nodes
	p, err := plan.Between(plan.ChangeRequest{Have: have, Planned: &c.inv.Plan, Want: want, Remove: choice.Remove, Replace: choice.Replace, Load: load})
	if err != nil {
		return p, Usage("", err, "crossring status "+have.Name)
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

// readChange reads the change under way; nil is none.
func readChange(dir string) (*savedChange, error) {
	path := filepath.Join(dir, changeFile)
	saved, err := steps.Read[savedChange](path, "change")
	if err == nil && saved != nil && saved.Plan.Change == nil {
		return nil, fmt.Errorf("read %s: there is no change in it", path)
	}
	return saved, err
}

// writeChange writes the change down before anything of it is done.
func writeChange(dir string, saved savedChange) error {
	if err := journal.ReplaceJSON(filepath.Join(dir, changeFile), saved, 0o644); err != nil {
		return fmt.Errorf("write the change down: %w", err)
	}
	return nil
}

// endChange forgets a change that has been made: from now on its spec is the
// cluster's.
func endChange(dir string, saved savedChange) error {
	if err := writeSpec(dir, saved.Spec); err != nil {
		return err
	}
	return steps.End(dir, "change", changeFile, changeJournal)
}
