package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/grow"
	"crossring/internal/load"
	"crossring/internal/plain"
)

// replace takes down a cluster that differs from what is asked for, and returns the
// empty place.
func replace(ctx context.Context, w cluster.World, c cluster.Cluster, differs *grow.SpecDiffersError, req UpRequest) (cluster.Cluster, error) {
	name := c.Inv.Plan.Name
	w.Say("%s", differs.Error())
	if c.Remote() && req.Confirm != nil {
		yes, err := req.Confirm(fmt.Sprintf("take down %s, %s, and make it anew?", name, describe(c)))
		if err == nil && !yes {
			err = errors.New("not confirmed")
		}
		if err != nil {
			return c, fail.Usage("replacing "+name, err, "crossring up -f FILE --replace --yes")
		}
	}
	free, err := load.None(w, name, req.Confirm == nil, "crossring up -f FILE --replace --yes")
	if err != nil {
		return c, err
	}
	defer free()
	gather(ctx, w, c, req.Gather)
	err = w.Stage("take "+name+" down, to make it anew", func() error { return remove(ctx, w, name) })
	if err != nil {
		return c, err
	}
	// Connections to machines that are gone are nobody's.
	return cluster.Cluster{Dir: c.Dir}, w.Connections.Close()
}

// describe says what taking a cluster down takes away.
func describe(c cluster.Cluster) string {
	what := plain.Count(len(c.Inv.Nodes), "node")
	if c.Place.Holds != nil {
		what = c.Place.Holds(c.Inv)
	}
	var regions []string
	for _, n := range c.Inv.Nodes {
		if len(regions) == 0 || regions[len(regions)-1] != n.Region {
			regions = append(regions, n.Region)
		}
	}
	return what + " (" + strings.Join(regions, ", ") + ") and all data on them"
}
