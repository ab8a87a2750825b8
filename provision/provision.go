// Package provision says what a provider is: something that makes the hosts of
// a plan and removes them again. What happens on a host afterwards is the same
// for all of them and lives elsewhere.
package provision

import (
	"context"
	"fmt"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/topology"
)

// Provider makes and unmakes the hosts of one place. Both methods may be called
// again after they failed or were killed: Make adopts what stands, Unmake
// removes what is left.
type Provider interface {
	// Make returns what was made, also when err is not nil.
	Make(ctx context.Context, plan topology.Plan) (topology.Inventory, error)
	// Unmake removes everything of the inventory, and its traces.
	Unmake(ctx context.Context, inv topology.Inventory) error
}

// LeftError says what Unmake could not remove.
type LeftError struct {
	Cluster string
	What    []string
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("cluster %s: could not remove %s", e.Cluster, strings.Join(e.What, ", "))
}

// ExitCode is that of something left behind.
func (e *LeftError) ExitCode() int { return fail.ExitLeftover }

// Hint is the command that tries again.
func (e *LeftError) Hint() string { return "crossring down " + e.Cluster }
