// Package provision says what a provider is: something that makes the hosts of
// a plan and removes them again. What happens on a host afterwards is the same
// for all of them and lives elsewhere.
package provision

import (
	"context"

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
