package run

import (
	"context"

	"crossring/internal/places"
	"crossring/internal/topology"
)

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
	all, err := places.ReadPrepared(g.dir)
	g.inv = places.WithPrepared(g.inv, all)
	return err
}

// forget drops what is known of a node's machine.
func (g *grow) forget(name string) error {
	if !g.remote() {
		return nil
	}
	if err := g.place.Machines.Disconnect(g.inv, name); err != nil {
		g.Log.Info("disconnect", "node", name, "err", err) // it is gone
	}
	all, err := places.ReadPrepared(g.dir)
	if _, known := all[name]; err != nil || !known {
		return err
	}
	delete(all, name)
	return places.WritePrepared(g.dir, all)
}
