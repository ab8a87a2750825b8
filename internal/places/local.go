package places

import (
	"context"
	"net"

	"crossring/internal/deploy"
	"crossring/internal/release"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision"
	"crossring/provision/local"
	"crossring/provision/local/procs"
	"crossring/yamlgen"
)

// localPlace is this computer, behind a network of crossring's own.
func localPlace(d Deps) Place {
	p := local.Provider{StateDir: d.StateDir, Exe: d.Exe, Log: d.Log, Say: d.Say}
	return Place{
		Name: "local", Makes: "addresses, network and keeper",
		Needs:     func() error { return procs.NeedLinux("provider local", local.Instead) },
		Ready:     func(context.Context) (string, error) { return local.Ready() },
		Processes: true,
		OwnDisks:  func(topology.Inventory) bool { return true },
		Maker: func(_ release.Release, sw Software) provision.Provider {
			p := p
			p.Java = sw.Java
			return p
		},
		Server: func(inv topology.Inventory, rel release.Release, n topology.Node) deploy.Host {
			return local.Host{Inventory: inv, Node: n, Main: rel.Main}
		},
		Env:       here,
		FreePorts: p.CheckPorts,
		Assumed: func(plan topology.Plan) ([]topology.Node, error) {
			return local.Assign(plan, local.FirstSlot, state.Dir(d.StateDir, plan.Name))
		},
		Grower: localGrower{p}, Record: p, Network: p, Breaker: p,
		DialFrom: fromAddress,
		// From 3.11 on a node binds nothing before it connects. To a private address of its
		// own region it goes without the WAN, and arrives from 127.0.0.1.
		Loopback: func(inv topology.Inventory, n topology.Node) bool {
			return hasOther(inv, n, func(other topology.Node) bool { return other.Region == n.Region })
		},
	}
}

// here leaves the software where it is on this computer.
func here(_ release.Release, _ topology.Node, env yamlgen.Env) yamlgen.Env { return env }

// fromAddress dials from a node's private address, by which the network between the
// regions knows whose connection it is.
func fromAddress(ctx context.Context, _ topology.Inventory, from topology.Node, addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from.PrivateAddress)}}
	return d.DialContext(ctx, "tcp", addr)
}

// hasOther says whether a cluster has another node of a kind.
func hasOther(inv topology.Inventory, n topology.Node, kind func(topology.Node) bool) bool {
	for _, other := range inv.Nodes {
		if other.Name != n.Name && kind(other) {
			return true
		}
	}
	return false
}

// localGrower makes and empties directories of this computer.
type localGrower struct{ local.Provider }

// ReplaceNode empties the node's directory.
func (g localGrower) ReplaceNode(_ context.Context, inv topology.Inventory, dead topology.Node) (topology.Inventory, error) {
	n, err := inv.Node(dead.Name)
	if err != nil {
		return inv, err
	}
	return inv, g.EmptyNode(inv, n)
}
