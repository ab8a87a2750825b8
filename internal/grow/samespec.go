package grow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// SpecDiffersError says that a cluster of that name stands with another spec.
type SpecDiffersError struct {
	Name string
	Diff []string // path: old → new
}

func (e *SpecDiffersError) Error() string {
	s := fmt.Sprintf("cluster %q is already there with another spec:", e.Name)
	for _, d := range e.Diff {
		s += "\n    " + d
	}
	return s
}

// ExitCode is that of a name that is taken.
func (e *SpecDiffersError) ExitCode() int { return fail.ExitBusy }

// Hint is the command that makes room.
func (e *SpecDiffersError) Hint() string {
	return "crossring up -f FILE --replace   # as crossring down " + e.Name + ", and up; or choose another name in the spec"
}

// checkSame compares the spec asked for with that of the cluster that stands.
func checkSame(c cluster.Cluster, want spec.Spec, wanted topology.Plan) error {
	have, err := cluster.ReadSpec(c.Dir)
	if errors.Is(err, os.ErrNotExist) {
		// Made by a command that died right then; what it planned is in the inventory.
		return checkPlan(c.Inv.Plan, wanted)
	}
	if err != nil {
		return err
	}
	diff, err := spec.Diff(spelledOut(have, c.Inv.Plan, want, wanted))
	if err == nil && len(diff) > 0 {
		err = &SpecDiffersError{Name: want.Name, Diff: diff}
	}
	return err
}

// checkPlan is checkSame for a cluster whose spec was not written down.
func checkPlan(have, want topology.Plan) error {
	a, err := json.Marshal(have)
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	b, err := json.Marshal(want)
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	if !bytes.Equal(a, b) {
		return &SpecDiffersError{Name: want.Name, Diff: []string{"what was planned for it is not what this spec comes to"}}
	}
	return nil
}
