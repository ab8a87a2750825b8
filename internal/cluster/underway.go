package cluster

import (
	"fmt"
	"path/filepath"

	"crossring/internal/fail"
	"crossring/internal/spec"
	"crossring/internal/steps"
	"crossring/internal/topology"
)

// SavedChange is a change under way, as it stands in the cluster's directory from
// before its first step until after its last.
type SavedChange struct {
	Schema string        `json:"schema"`
	Spec   spec.Spec     `json:"spec"`
	Plan   topology.Plan `json:"plan"` // with its Change
}

// Files of a change under way.
const (
	ChangeFile    = "change.json"
	ChangeJournal = "change.journal"
)

// ChangeUnderWayError says that another change has not ended yet.
type ChangeUnderWayError struct{ Name string }

func (e *ChangeUnderWayError) Error() string {
	return fmt.Sprintf("cluster %q is being changed to another spec, and that has not ended", e.Name)
}

// ExitCode is that of something busy.
func (e *ChangeUnderWayError) ExitCode() int { return fail.ExitBusy }

// Hint is the command that goes on with it.
func (e *ChangeUnderWayError) Hint() string { return "crossring up " + e.Name }

// ReadChange reads the change under way; nil is none.
func ReadChange(dir string) (*SavedChange, error) {
	path := filepath.Join(dir, ChangeFile)
	saved, err := steps.Read[SavedChange](path, "change")
	if err == nil && saved != nil && saved.Plan.Change == nil {
		return nil, fmt.Errorf("read %s: there is no change in it", path)
	}
	return saved, err
}
