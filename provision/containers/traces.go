package containers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/provision"
)

// UnmakeTraces is Unmake for a cluster whose inventory is lost: what bears the label of
// its directory goes. What bears only its name, as an older crossring made it, may be
// another's, and is named in a *provision.LeftError. host is "" for the Docker API that
// docker would use; one that does not answer is an *UnreachableError.
func (p Provider) UnmakeTraces(ctx context.Context, host, name string) error {
	const deadline = 3 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	m, err := reach(ctx, host)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	ids := map[string]bool{}
	var left []string
	look := func(what string, labels map[string]string) {
		switch labels[labelDir] {
		case state.Dir(p.StateDir, name):
			ids[labels[labelID]] = true
		case "":
			left = append(left, what+", which bears the cluster's name and may be of another state directory")
		}
	}
	named := client.Filters{}.Add("label", labelCluster+"="+name)
	list, err := m.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: named})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	for _, c := range list.Items {
		look("container "+strings.TrimPrefix(strings.Join(c.Names, " "), "/"), c.Labels)
	}
	nets, err := m.NetworkList(ctx, client.NetworkListOptions{Filters: named})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	for _, n := range nets.Items {
		look("network "+n.Name, n.Labels)
	}
	for id := range ids {
		left = append(left, m.remove(ctx, topology.Inventory{Containers: &topology.Containers{ID: id}})...)
	}
	if len(left) > 0 {
		slices.Sort(left)
		return &provision.LeftError{Cluster: name, What: left}
	}
	return nil
}
