package local

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossring/internal/plain"
	"crossring/internal/topology"
)

// reloadWait bounds the wait for the keeper to learn of nodes.
const reloadWait = 30 * time.Second

// AddNode gives a node that a running cluster is to have its addresses and
// directories, puts it into the inventory, and has the keeper answer for it. Nothing
// is started. A node that is in the inventory is left as it is there.
func (p Provider) AddNode(ctx context.Context, inv topology.Inventory, n topology.Node) (topology.Inventory, error) {
	if !slices.ContainsFunc(inv.Nodes, func(m topology.Node) bool { return m.Name == n.Name }) {
		var err error
		if n, err = placeOne(inv, n); err != nil {
			return inv, err
		}
		if err := checkPorts([]topology.Node{n}, true); err != nil {
			return inv, fmt.Errorf("add %s: %w", n.Name, err)
		}
		// What an earlier node of that name left is not this one's.
		if err := p.EmptyNode(inv, n); err != nil {
			return inv, err
		}
		if inv, err = p.SaveNodes(inv, slices.Insert(slices.Clone(inv.Nodes), after(inv.Nodes, n.Zone), n)); err != nil {
			return inv, err
		}
	}
	return inv, p.reload(ctx, inv)
}

// CheckResize sees that the nodes of a plan that the inventory lacks have addresses, that
// nobody listens there, and that there is room for what they write. Nothing is done. The
// error is a *PortTakenError or a *NoSpaceError, or says which node has no address.
func (p Provider) CheckResize(_ context.Context, inv topology.Inventory, plan topology.Plan, _ ...topology.Node) error {
	var more []topology.Node
	for _, n := range plan.Nodes {
		if slices.ContainsFunc(inv.Nodes, func(m topology.Node) bool { return m.Name == n.Name }) {
			continue
		}
		placed, err := placeOne(inv, n)
		if err != nil {
			return err
		}
		more = append(more, placed)
	}
	if len(more) == 0 {
		return nil
	}
	if err := checkPorts(more, true); err != nil {
		return fmt.Errorf("add %s: %w", plain.Count(len(more), "node"), err)
	}
	return checkSpace(inv.Local.Dir, len(more))
}

// RemoveNode takes a node whose server has been stopped out of the inventory, has the
// keeper forget it, and removes its directory. A node that is not there is no error.
func (p Provider) RemoveNode(ctx context.Context, inv topology.Inventory, name string) (topology.Inventory, error) {
	left := slices.DeleteFunc(slices.Clone(inv.Nodes), func(n topology.Node) bool { return n.Name == name })
	inv, err := p.SaveNodes(inv, left)
	if err != nil {
		return inv, err
	}
	if err := p.reload(ctx, inv); err != nil {
		return inv, err
	}
	if err := os.RemoveAll(nodeDir(inv.Local.Dir, name)); err != nil {
		return inv, fmt.Errorf("remove %s: %w", name, err)
	}
	return inv, nil
}

// EmptyNode removes all that a node has on disk, and makes its directories anew.
func (p Provider) EmptyNode(inv topology.Inventory, n topology.Node) error {
	if err := os.RemoveAll(n.Layout.Root); err != nil {
		return fmt.Errorf("empty %s: %w", n.Name, err)
	}
	if err := checkSpace(inv.Local.Dir, 1); err != nil {
		return err
	}
	return makeNodeDirs(n)
}

func (p Provider) reload(ctx context.Context, inv topology.Inventory) error {
	ctx, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	return client{inv.Plan.Name, inv.Local.Dir}.call(ctx, "/reload", struct{}{}, nil)
}

// after is the index behind the last node of a zone; at the end, for a new zone.
func after(nodes []topology.Node, zone string) int {
	for i := len(nodes); i > 0; i-- {
		if nodes[i-1].Zone == zone {
			return i
		}
	}
	return len(nodes)
}

// placeOne places a node beside those of its region, by the number in its name.
func placeOne(inv topology.Inventory, n topology.Node) (topology.Node, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(n.Name, n.Region+"-"))
	if err != nil || number < 1 || number > topology.LocalNodes {
		return n, fmt.Errorf("place %s: the local provider has addresses for the nodes 1 to %d of a region", n.Name, topology.LocalNodes)
	}
	i := slices.IndexFunc(inv.Nodes, func(m topology.Node) bool { return m.Region == n.Region })
	if i < 0 {
		return n, fmt.Errorf("place %s: the cluster has no node in %s", n.Name, n.Region)
	}
	beside := func(address string) (string, error) {
		a, err := netip.ParseAddr(address)
		if err != nil || !a.Is4() {
			return "", errors.Join(fmt.Errorf("place %s beside %q", n.Name, address), err)
		}
		octets := a.As4()
		octets[3] = byte(number)
		return netip.AddrFrom4(octets).String(), nil
	}
	if n.PrivateAddress, err = beside(inv.Nodes[i].PrivateAddress); err != nil {
		return n, err
	}
	if n.PublicAddress, err = beside(inv.Nodes[i].PublicAddress); err != nil {
		return n, err
	}
	n.Ports.Metadata = MetadataPort
	n.Layout = layout(nodeDir(inv.Local.Dir, n.Name), inv.Plan.Disks)
	return n, nil
}
