package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/deploy"
	"crossring/internal/topology"
)

// seedsTime is how long the other nodes wait for the seeds. After that they start all
// the same: what is wrong with a seed shows when the ring is waited for.
const seedsTime = 30 * time.Second

// startServers starts servers. Where they share this computer, and have no data yet,
// the seeds go first, and the others when those open their first table: a node asks the
// seeds once when it starts, and again only five seconds later when they do not know
// their own ring yet. So much ahead they do.
func startServers(ctx context.Context, w World, c Cluster, targets []deploy.Target) error {
	first, then := waves(targets)
	if !c.Place.OwnDisks(c.Inv) || len(first) == 0 || len(then) == 0 {
		return deploy.Start(ctx, targets)
	}
	if err := deploy.Start(ctx, first); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, seedsTime)
	defer cancel()
	// A seed that ends is told by whoever waits for the ring, with all others that do.
	_ = deploy.Ready(wait, first, openedTables)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("waiting for the seeds to open their tables: %w", context.Cause(ctx))
	}
	return deploy.Start(ctx, then)
}

// waves parts the seeds from the others.
func waves(targets []deploy.Target) (seeds, others []deploy.Target) {
	for _, t := range targets {
		if t.Node.Seed {
			seeds = append(seeds, t)
		} else {
			others = append(others, t)
		}
	}
	return seeds, others
}

// openedTables says whether a server has come, in this life or an earlier one, to the
// first of its own tables: half of its way to listening to other nodes.
func openedTables(_ context.Context, n topology.Node) error {
	_, err := os.Stat(filepath.Join(n.Layout.Data, "system"))
	return err
}
