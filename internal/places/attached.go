package places

import (
	"crossring/internal/topology"
)

// attachedPlace is whoever made a cluster before crossring was pointed at it: nothing of it
// can be made, started, stopped, changed or broken from here. Its ring is read by CQL.
func attachedPlace(Deps) Place {
	return Place{
		Name: "attached", Makes: "nothing",
		OwnDisks:  func(topology.Inventory) bool { return false },
		Agentless: func(topology.Inventory) bool { return true },
	}
}
