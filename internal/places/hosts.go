package places

import (
	"context"
	"net"
	"path"
	"strconv"

	"crossring/internal/deploy"
	"crossring/internal/deploy/prepare"
	"crossring/internal/plain"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/provision"
	"crossring/provision/hosts"
	"crossring/yamlgen"
)

// hostsPlace are machines that are there already.
func hostsPlace(d Deps) Place {
	m := machines{Deps: d}
	p := hosts.Provider{StateDir: d.StateDir, Home: d.Home, Client: m.Client, Say: d.Say, Now: d.Now}
	return m.place(Place{
		Name: "hosts", Makes: "the machines answer and can be used",
		Maker:  func(release.Release, Software) provision.Provider { return p },
		Grower: p, Record: p, Depends: p.Fits,
		Holds: func(inv topology.Inventory) string {
			return "Cassandra on " + plain.Count(len(inv.Nodes), "machine") + ", which stay,"
		},
	})
}

// place fills in what is the same on all machines that are reached by SSH.
func (m machines) place(p Place) Place {
	p.OwnDisks = func(topology.Inventory) bool { return false }
	p.Machines, p.DialFrom = m, m.Dial
	p.Server = func(inv topology.Inventory, rel release.Release, n topology.Node) deploy.Host {
		c, err := m.Client(inv, n)
		if err != nil {
			return lostHost{err: err}
		}
		return prepare.Server{Machine: c, Node: n, ID: inv.Remote.ID, Main: rel.Main, Systemd: n.Host.Systemd}
	}
	p.Env = onMachine
	p.Dial = func(ctx context.Context, inv topology.Inventory, n topology.Node, port int) (net.Conn, error) {
		return m.Dial(ctx, inv, n, net.JoinHostPort(n.PrivateAddress, strconv.Itoa(port)))
	}
	// The agents listen on their machines' 127.0.0.1 alone.
	p.DialAgent = func(ctx context.Context, inv topology.Inventory, n topology.Node, port int) (net.Conn, error) {
		return m.Dial(ctx, inv, n, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	return p
}

// onMachine names the software by where it is on a node's machine.
func onMachine(rel release.Release, n topology.Node, _ yamlgen.Env) yamlgen.Env {
	env := yamlgen.Env{
		ClassPath:    []string{path.Join(n.Layout.Root, "lib", "*")},
		JolokiaAgent: prepare.Agent(n, "jolokia"), Fresh: true,
	}
	if rel.Jamm {
		env.JammAgent = prepare.Agent(n, "jamm")
	}
	if n.Host != nil {
		env.Java = n.Host.Java
	}
	return env
}
