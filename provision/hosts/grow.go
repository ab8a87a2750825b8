package hosts

import (
	"context"
	"fmt"
	"slices"

	"crossring/internal/fail"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// CheckResize sees that the inventory file has a machine for each node that a plan has
// more than the cluster, and one for each that is to be replaced, and that they can be
// used. It changes nothing.
func (p Provider) CheckResize(ctx context.Context, inv topology.Inventory, plan topology.Plan, replaced ...topology.Node) error {
	with := inv
	fresh := topology.Inventory{Plan: inv.Plan, Remote: inv.Remote}
	for _, n := range plan.Nodes {
		if _, err := nodeNamed(inv, n.Name); err == nil {
			continue
		}
		placed, err := p.spare(with, n)
		if err != nil {
			return err
		}
		with.Nodes = append(slices.Clone(with.Nodes), placed)
		fresh.Nodes = append(fresh.Nodes, placed)
	}
	own := map[string]bool{} // that come back on their own machines
	for _, n := range replaced {
		placed, same, err := p.again(with, n)
		if err != nil {
			return err
		}
		own[n.Name] = same
		with.Nodes = append(slices.Clone(with.Nodes), placed)
		fresh.Nodes = append(fresh.Nodes, placed)
	}
	return p.each(ctx, fresh, func(ctx context.Context, n topology.Node) error {
		err := p.check(ctx, fresh, n)
		if err != nil && own[n.Name] {
			err = &DeadMachineError{Node: n.Name, Address: n.Host.Address, File: inv.Plan.Hosts, Err: err}
		}
		return err
	})
}

// AddNode gives a node a machine of the inventory file that no other node has, in its
// zone or, with no zone named, in its region, and puts it into the inventory. Nothing
// is put on the machine. A node that is in the inventory keeps the one that it has.
func (p Provider) AddNode(ctx context.Context, inv topology.Inventory, n topology.Node) (topology.Inventory, error) {
	if _, err := nodeNamed(inv, n.Name); err == nil {
		return inv, nil
	}
	n, err := p.spare(inv, n)
	if err != nil {
		return inv, err
	}
	if err := p.check(ctx, inv, n); err != nil {
		return inv, fail.OfNode(n.Name, n.Host.Address, err)
	}
	return p.SaveNodes(inv, topology.InsertNode(inv.Nodes, n))
}

// ReplaceNode gives a node that is dead an empty place: its machine, cleared, or
// another one where the inventory file does not have its machine any more. What is on
// that one stays there.
func (p Provider) ReplaceNode(ctx context.Context, inv topology.Inventory, n topology.Node) (topology.Inventory, error) {
	placed, same, err := p.again(inv, n)
	if err != nil {
		return inv, err
	}
	if same {
		rel, err := release.Of(inv.Plan.Version)
		if err != nil {
			return inv, err
		}
		if err := p.clear(ctx, inv, placed, rel); err != nil {
			return inv, &DeadMachineError{Node: n.Name, Address: placed.Host.Address, File: inv.Plan.Hosts, Err: err}
		}
		return inv, nil
	}
	if err := p.check(ctx, inv, placed); err != nil {
		return inv, fail.OfNode(n.Name, placed.Host.Address, err)
	}
	p.Say("%s goes to %s: %s does not have %s any more, and what is there stays", n.Name, placed.Host.Address, inv.Plan.Hosts, n.Host.Address)
	nodes := slices.Clone(inv.Nodes)
	nodes[slices.IndexFunc(nodes, func(m topology.Node) bool { return m.Name == n.Name })] = placed
	return p.SaveNodes(inv, nodes)
}

// DeadMachineError says that a node is to come back on its machine, and that the
// machine can't be used.
type DeadMachineError struct {
	Node, Address, File string
	Err                 error
}

func (e *DeadMachineError) Error() string {
	return fmt.Sprintf("%s is to come back on its machine, %s: %v", e.Node, e.Address, e.Err)
}

func (e *DeadMachineError) Unwrap() error { return e.Err }

// Hint is the way to another machine.
func (e *DeadMachineError) Hint() string {
	return "$EDITOR " + plain.Word(e.File) + "   # if " + e.Address + " is gone for good, take it out: another machine of the file takes its place"
}

// RemoveNode clears the machine of a node and takes the node out of the inventory: the
// machine is free. A node that is not there is no error.
func (p Provider) RemoveNode(ctx context.Context, inv topology.Inventory, name string) (topology.Inventory, error) {
	n, err := nodeNamed(inv, name)
	if err != nil {
		return inv, nil
	}
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		return inv, err
	}
	if err := p.clear(ctx, inv, n, rel); err != nil {
		return inv, fmt.Errorf("clearing the machine of %s: %w", name, err)
	}
	return p.SaveNodes(inv, topology.WithoutNode(inv.Nodes, name))
}

// SaveNodes writes the inventory with other nodes.
func (p Provider) SaveNodes(inv topology.Inventory, nodes []topology.Node) (topology.Inventory, error) {
	inv.Plan = inv.Plan.WithNodes(nodes)
	inv.Nodes = nodes
	return inv, p.SaveInventory(inv)
}

// SaveInventory writes the inventory: all of it, or none after a crash.
func (p Provider) SaveInventory(inv topology.Inventory) error {
	return state.UpdateInventory(state.Dir(p.StateDir, inv.Plan.Name), inv)
}

// spare finds a machine that no node of the cluster has.
func (p Provider) spare(inv topology.Inventory, n topology.Node) (topology.Node, error) {
	list, err := p.entries(inv.Plan)
	if err != nil {
		return n, err
	}
	used := make([]bool, len(list))
	for i, e := range list {
		used[i] = slices.ContainsFunc(inv.Nodes, e.is)
	}
	k := free(list, used, n.Region, n.Zone)
	if k < 0 {
		k = free(list, used, n.Region, "")
	}
	if k < 0 {
		return n, &Problem{File: inv.Plan.Hosts, Message: fmt.Sprintf("there is no free machine for %s in %s", n.Name, n.Zone)}
	}
	return list[k].node(n, inv.Plan.Disks), nil
}

// again finds the machine that a dead node comes back on; same says that it is its own.
func (p Provider) again(inv topology.Inventory, n topology.Node) (placed topology.Node, same bool, err error) {
	list, err := p.entries(inv.Plan)
	if err != nil {
		return n, false, err
	}
	if now, err := nodeNamed(inv, n.Name); err == nil && slices.ContainsFunc(list, func(e Entry) bool { return e.is(now) }) {
		return now, true, nil
	}
	n.Ports = inv.Plan.Nodes[0].Ports
	placed, err = p.spare(inv, n)
	return placed, false, err
}

func nodeNamed(inv topology.Inventory, name string) (topology.Node, error) {
	for _, n := range inv.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return topology.Node{}, fmt.Errorf("no node %s in cluster %s", name, inv.Plan.Name)
}
