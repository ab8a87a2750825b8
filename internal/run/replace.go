package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"crossring/internal/plain"
)

// replace takes down a cluster that differs from what is asked for, and returns the
// empty place.
func (w World) replace(ctx context.Context, c cluster, differs *SpecDiffersError, req UpRequest) (cluster, error) {
	name := c.inv.Plan.Name
	w.Say("%s", differs.Error())
	if c.remote() && req.Confirm != nil {
		yes, err := req.Confirm(fmt.Sprintf("take down %s, %s, and make it anew?", name, describe(c)))
		if err == nil && !yes {
			err = errors.New("not confirmed")
		}
		if err != nil {
			return c, Usage("replacing "+name, err, "crossring up -f FILE --replace --yes")
		}
	}
	free, err := w.noLoad(name, req.Confirm == nil, "crossring up -f FILE --replace --yes")
	if err != nil {
		return c, err
	}
	defer free()
	w.gather(ctx, c, req.Gather)
	err = w.stage("take "+name+" down, to make it anew", func() error { return w.remove(ctx, name) })
	if err != nil {
		return c, err
	}
	// Connections to machines that are gone are nobody's.
	return cluster{dir: c.dir}, w.Connections.Close()
}

// describe says what taking a cluster down takes away.
func describe(c cluster) string {
	what := plain.Count(len(c.inv.Nodes), "node")
	if c.place.Holds != nil {
		what = c.place.Holds(c.inv)
	}
	var regions []string
	for _, n := range c.inv.Nodes {
		if len(regions) == 0 || regions[len(regions)-1] != n.Region {
			regions = append(regions, n.Region)
		}
	}
	return what + " (" + strings.Join(regions, ", ") + ") and all data on them"
}
