package trust

import (
	"context"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/deploy"
	"crossring/internal/topology"
	"crossring/internal/until"
)

// StartServers starts the servers of nodes, each with its certificate, and waits until each
// answers and is seen up in its datacenter.
func StartServers(ctx context.Context, w cluster.World, c cluster.Cluster, targets []deploy.Target) error {
	const deadline = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	// A keeper that died is put back first: without it no region reaches another.
	sw, err := cluster.Software(ctx, w, c)
	if err != nil {
		return err
	}
	if c.Place.Network != nil {
		if _, err := c.Place.Maker(c.Rel, sw).Make(ctx, c.Inv.Plan); err != nil {
			return err
		}
	}
	if err := Ensure(ctx, w, c); err != nil {
		return err
	}
	rendered, err := cluster.Targets(w, c, sw, false)
	if err != nil {
		return err
	}
	for i, t := range targets {
		for _, r := range rendered {
			if r.Node.Name == t.Node.Name {
				targets[i].Files = r.Files
			}
		}
	}
	if err := cluster.StartNodes(ctx, w, c, targets, until.Ready); err != nil {
		return err
	}
	return w.Stage("the nodes answer, and are seen up in their datacenter", func() error {
		return c.Partial(deploy.Ready(ctx, targets, func(ctx context.Context, n topology.Node) error {
			return cluster.SeenUp(ctx, w, c, n)
		}), targets)
	})
}
