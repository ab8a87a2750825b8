package local

import (
	"crossring/internal/state"
	"crossring/internal/topology"
)

// SaveNodes writes the inventory with other nodes: all of it, or none after a crash.
func (p Provider) SaveNodes(inv topology.Inventory, nodes []topology.Node) (topology.Inventory, error) {
	inv.Nodes = nodes
	inv.Plan.Nodes = nil
	for _, n := range nodes {
		inv.Plan.Nodes = append(inv.Plan.Nodes, unplaced(n))
	}
	return inv, p.SaveInventory(inv)
}

// SaveInventory writes the inventory of a cluster that was made: all of it, or none
// after a crash. It says nothing to the keeper.
func (p Provider) SaveInventory(inv topology.Inventory) error {
	return state.UpdateInventory(inv.Local.Dir, inv)
}

// unplaced is a node as a plan has it: without addresses and directories.
func unplaced(n topology.Node) topology.Node {
	n.PrivateAddress, n.PublicAddress, n.Layout = "", "", topology.Layout{}
	n.Ports.Metadata = 0
	return n
}
