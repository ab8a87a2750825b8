package run

import (
	"context"
	"path/filepath"

	"crossring/internal/deploy/sshhost"
	"crossring/internal/plan"
	"crossring/internal/topology"
	"crossring/provision/ec2"
	"crossring/provision/hosts"
	"crossring/provision/local"
)

// places is what a provider has to do so that its clusters can be changed while they
// run; all else goes through deploy.Host. Each of its methods may be asked for what is
// done already, or half done.
type places interface {
	// CheckResize sees, before anything of it is done, that there is room for the nodes of
	// a plan, and for those that are dead and to be replaced.
	CheckResize(ctx context.Context, inv topology.Inventory, p topology.Plan, dead ...topology.Node) error
	// AddNode gives a node addresses and a place for its files, and puts it into the
	// inventory. It starts nothing.
	AddNode(ctx context.Context, inv topology.Inventory, n topology.Node) (topology.Inventory, error)
	// ReplaceNode gives a node that is dead, as it was when it died, an empty place: its
	// own or another one, with other addresses.
	ReplaceNode(ctx context.Context, inv topology.Inventory, dead topology.Node) (topology.Inventory, error)
	// RemoveNode gives back the place of a node whose server has been stopped.
	RemoveNode(ctx context.Context, inv topology.Inventory, name string) (topology.Inventory, error)
	// SaveNodes and SaveInventory write the inventory: all of it, or none after a crash.
	SaveNodes(inv topology.Inventory, nodes []topology.Node) (topology.Inventory, error)
	SaveInventory(inv topology.Inventory) error
}

// places are those of a cluster, nil where its provider can't change one that runs.
func (w World) places(c cluster) places {
	switch c.inv.Plan.Provider {
	case "local":
		return localPlaces{w.provider("")}
	case "hosts":
		return w.hosts()
	case "ec2":
		return ec2Places{w.ec2(), c.dir}
	}
	return nil
}

func (w World) hosts() hosts.Provider {
	return hosts.Provider{StateDir: w.StateDir, Home: w.Home, Client: w.client, Say: w.Say, Now: w.Now}
}

// localPlaces are directories and addresses of this computer.
type localPlaces struct{ local.Provider }

// ReplaceNode empties the node's directory.
func (p localPlaces) ReplaceNode(_ context.Context, inv topology.Inventory, dead topology.Node) (topology.Inventory, error) {
	n, err := inv.Node(dead.Name)
	if err != nil {
		return inv, err
	}
	return inv, p.EmptyNode(inv, n)
}

// ec2Places are instances.
type ec2Places struct {
	ec2.Provider
	dir string // of the cluster
}

func (p ec2Places) CheckResize(ctx context.Context, inv topology.Inventory, want topology.Plan, dead ...topology.Node) error {
	return p.Provider.CheckResize(ctx, plan.Replanned(inv.Plan.WithNodes(want.Nodes)), dead...)
}

func (p ec2Places) AddNode(ctx context.Context, inv topology.Inventory, n topology.Node) (topology.Inventory, error) {
	nodes := inv.Nodes
	if _, err := inv.Node(n.Name); err != nil {
		nodes = topology.InsertNode(nodes, n)
	}
	return p.resize(ctx, inv, nodes)
}

func (p ec2Places) ReplaceNode(ctx context.Context, inv topology.Inventory, dead topology.Node) (topology.Inventory, error) {
	return p.resize(ctx, inv, inv.Nodes, dead)
}

func (p ec2Places) RemoveNode(ctx context.Context, inv topology.Inventory, name string) (topology.Inventory, error) {
	return p.resize(ctx, inv, topology.WithoutNode(inv.Nodes, name))
}

// resize has EC2 make and remove hosts. What it returns knows of the machines that were
// made ready what they turned out to be.
func (p ec2Places) resize(ctx context.Context, inv topology.Inventory, nodes []topology.Node, dead ...topology.Node) (topology.Inventory, error) {
	// A new host may get an address that one of the cluster's had before.
	var known []string
	for _, n := range inv.Nodes {
		if n.Host != nil {
			known = append(known, n.Host.Address)
		}
	}
	if err := sshhost.Keep(filepath.Join(p.dir, knownHosts), known); err != nil {
		return inv, err
	}
	made, err := p.Resize(ctx, plan.Replanned(inv.Plan.WithNodes(nodes)), dead...)
	if made.EC2 == nil {
		return inv, err
	}
	all, readErr := readPrepared(p.dir)
	if err == nil {
		err = readErr
	}
	return withPrepared(made, all), err
}

// settle makes the machine of a node ready that came to the cluster. On this computer
// there is nothing to make ready.
func (g *grow) settle(ctx context.Context, name string) error {
	if !g.remote() {
		return nil
	}
	n, err := g.inv.Node(name)
	if err != nil {
		return err
	}
	one := g.cluster
	one.inv.Nodes = []topology.Node{n}
	if err := g.holdHostKeys(ctx, one); err != nil {
		return err
	}
	err = g.stage("disks, Java and Cassandra on the machine of "+name, func() error {
		_, err := g.readyMachines(ctx, one, g.sw)
		return err
	})
	if err != nil {
		return err
	}
	all, err := readPrepared(g.dir)
	g.inv = withPrepared(g.inv, all)
	return err
}

// forget drops what is known of a node's machine.
func (g *grow) forget(name string) error {
	if !g.remote() {
		return nil
	}
	if err := g.disconnect(g.inv, name); err != nil {
		g.Log.Info("disconnect", "node", name, "err", err) // it is gone
	}
	all, err := readPrepared(g.dir)
	if _, known := all[name]; err != nil || !known {
		return err
	}
	delete(all, name)
	return writePrepared(g.dir, all)
}
