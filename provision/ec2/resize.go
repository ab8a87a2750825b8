package ec2

import (
	"context"
	"errors"
	"fmt"
	"slices"

	clusters "crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision/ec2/ledger"
)

// Resize makes of a cluster that stands the one that a plan describes: of nodes that
// the plan does not have any more all is removed, new ones are made, and the groups of
// all regions let in who is there. Renew are nodes, as they were, whose instance and
// address are given up for new ones; one that has another address by now has been
// renewed. What leaves goes first, so that no limit is met on the way. Resize may be
// called again, from wherever an earlier one got to. It returns what stands, also when
// err is not nil: then without nodes that have no instance yet.
func (p Provider) Resize(ctx context.Context, plan topology.Plan, renew ...topology.Node) (inv topology.Inventory, err error) {
	inv, st, err := p.resized(plan, renew)
	if err != nil {
		return inv, err
	}
	s, err := p.open(ctx, st, regionNames(st.Plan.Nodes))
	if err != nil {
		return inv, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := s.check(ctx, false); err != nil {
		return inv, err
	}
	if err := s.save(); err != nil {
		return inv, err
	}
	// From here on what leaves is out of the inventory, whatever happens: it can't be
	// asked any more. What is renewed keeps its name there.
	inv.Plan = s.st.Plan
	inv.Nodes = slices.DeleteFunc(slices.Clone(inv.Nodes), func(n topology.Node) bool {
		return !slices.ContainsFunc(plan.Nodes, func(m topology.Node) bool { return m.Name == n.Name })
	})
	if err := s.write(inv); err != nil {
		return inv, err
	}
	if err := s.depart(ctx, inv); err != nil {
		return inv, err
	}
	made, err := s.make(ctx)
	if cause := ledger.Interrupted(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if err != nil {
		made = stands(made, inv)
		return made, errors.Join(err, s.write(made))
	}
	if err := s.write(made); err != nil {
		return made, err
	}
	s.st.New = nil
	return made, s.save()
}

// stands is an inventory that is not whole: a node without an instance is in it as it
// was before, if it was.
func stands(made, before topology.Inventory) topology.Inventory {
	nodes := slices.Clone(made.Nodes)
	made.Nodes = nil
	for _, n := range nodes {
		if made.EC2.Hosts[n.Name].Instance != "" {
			made.Nodes = append(made.Nodes, n)
			continue
		}
		for _, old := range before.Nodes {
			if old.Name == n.Name {
				made.Nodes = append(made.Nodes, old)
			}
		}
	}
	return made
}

// CheckResize sees, before anything of it is done, that the account has room for what a
// plan has more than the cluster that stands. It changes nothing.
func (p Provider) CheckResize(ctx context.Context, plan topology.Plan, renew ...topology.Node) (err error) {
	_, st, err := p.resized(plan, renew)
	if err != nil {
		return err
	}
	s, err := p.open(ctx, st, regionNames(st.Plan.Nodes))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	_, err = s.check(ctx, false)
	return err
}

// resized is what stands, and the state of a cluster that is about to be as planned.
func (p Provider) resized(plan topology.Plan, renew []topology.Node) (topology.Inventory, state, error) {
	st, err := p.readState(plan.Name)
	if err != nil {
		return topology.Inventory{}, st, err
	}
	inv, err := p.Inventory(plan.Name)
	if err != nil {
		return inv, st, err
	}
	if !st.Complete {
		return inv, st, fmt.Errorf("the hosts of %s have never been whole: that comes first", plan.Name)
	}
	has := func(nodes []topology.Node, name string) bool {
		return slices.ContainsFunc(nodes, func(n topology.Node) bool { return n.Name == name })
	}
	public := func(name string) string {
		for _, n := range inv.Nodes {
			if n.Name == name {
				return n.PublicAddress
			}
		}
		return ""
	}
	leave := func(n topology.Node) {
		if !slices.ContainsFunc(st.Leaving, func(d departure) bool { return d.Node == n.Name }) {
			st.Leaving = append(st.Leaving, departure{Node: n.Name, Region: n.Region, Public: public(n.Name)})
		}
	}
	st.Leaving, st.New = slices.Clone(st.Leaving), slices.Clone(st.New)
	for _, n := range st.Plan.Nodes {
		if !has(plan.Nodes, n.Name) {
			leave(n)
		}
	}
	for _, n := range renew {
		// One that is new already has left: it is being made.
		if n.PublicAddress == public(n.Name) && !slices.Contains(st.New, n.Name) {
			leave(n)
			st.New = append(st.New, n.Name)
		}
	}
	for _, n := range plan.Nodes {
		if !has(st.Plan.Nodes, n.Name) {
			st.New = append(st.New, n.Name)
		}
	}
	slices.Sort(st.New)
	st.New = slices.DeleteFunc(slices.Compact(st.New), func(name string) bool { return !has(plan.Nodes, name) })
	st.Plan = plan
	return inv, st, nil
}

// depart removes what leaves: the rules that let it in first, for its address may soon
// be somebody else's.
func (s *site) depart(ctx context.Context, inv topology.Inventory) error {
	stay := map[string]string{}
	for _, n := range inv.Nodes {
		if n.PublicAddress != "" && !slices.ContainsFunc(s.st.Leaving, func(d departure) bool { return d.Node == n.Name }) {
			stay[n.Name] = n.PublicAddress
		}
	}
	for len(s.st.Leaving) > 0 {
		d := s.st.Leaving[0]
		err := side(ctx, s.regions, func(ctx context.Context, r *region) error { return r.wall.shut(ctx, d.Public, stay) })
		if err != nil {
			return fmt.Errorf("closing the firewall to %s: %w", d.Node, err)
		}
		for _, r := range s.regions {
			if r.name != d.Region {
				continue
			}
			left, err := r.sweep().Clear(ctx, r.partOf(d.Node))
			if len(left) > 0 {
				err = &LeftError{Cluster: s.st.Plan.Name, Things: left, Err: err}
			}
			if err != nil {
				return fmt.Errorf("removing %s: %w", d.Node, err)
			}
		}
		s.st.Leaving = slices.Delete(slices.Clone(s.st.Leaving), 0, 1)
		if err := s.save(); err != nil {
			return err
		}
	}
	return nil
}

// partOf chooses the parts that are one node's alone: its address, and its instances
// with what was made with them.
func (r *region) partOf(node string) func(part string) bool {
	address, instances := r.part("elastic-ip/"+node), r.part("instance/"+node+"/")
	return func(part string) bool {
		return part == address || len(part) > len(instances) && part[:len(instances)] == instances
	}
}

func (s *site) write(inv topology.Inventory) error {
	return clusters.WriteInventory(s.dir, inv)
}

// SaveInventory writes what a person or the ring has changed of a cluster that stands:
// tokens, seeds, defaults. Its plan is the one that Make goes by from then on.
func (p Provider) SaveInventory(inv topology.Inventory) error {
	st, err := p.readState(inv.Plan.Name)
	if err != nil {
		return err
	}
	s := &site{Provider: p, dir: clusters.Dir(p.StateDir, inv.Plan.Name), st: st}
	s.st.Plan = inv.Plan
	return errors.Join(s.save(), s.write(inv))
}

// SaveNodes is SaveInventory with other nodes.
func (p Provider) SaveNodes(inv topology.Inventory, nodes []topology.Node) (topology.Inventory, error) {
	inv.Plan = inv.Plan.WithNodes(nodes)
	inv.Nodes = nodes
	return inv, p.SaveInventory(inv)
}
