package grow

import (
	"context"

	"crossring/internal/cluster"
	"crossring/internal/places"
	"crossring/internal/topology"
)

// settle makes the machine of a node ready that came to the cluster. On this computer
// there is nothing to make ready.
func (g *growth) settle(ctx context.Context, name string) error {
	if !g.Remote() {
		return nil
	}
	n, err := g.Inv.Node(name)
	if err != nil {
		return err
	}
	one := g.Cluster
	one.Inv.Nodes = []topology.Node{n}
	if err := cluster.HoldHostKeys(ctx, g.World, one); err != nil {
		return err
	}
	err = g.Stage("disks, Java and Cassandra on the machine of "+name, func() error {
		_, err := cluster.ReadyMachines(ctx, g.World, one, g.sw)
		return err
	})
	if err != nil {
		return err
	}
	all, err := places.ReadPrepared(g.Dir)
	g.Inv = places.WithPrepared(g.Inv, all)
	return err
}

// forget drops what is known of a node's machine.
func (g *growth) forget(name string) error {
	if !g.Remote() {
		return nil
	}
	if err := g.Place.Machines.Disconnect(g.Inv, name); err != nil {
		g.Log.Info("disconnect", "node", name, "err", err) // it is gone
	}
	all, err := places.ReadPrepared(g.Dir)
	if _, known := all[name]; err != nil || !known {
		return err
	}
	delete(all, name)
	return places.WritePrepared(g.Dir, all)
}
