package run

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"

	"crossring/internal/cluster"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// Listed is one cluster, as ls shows it.
type Listed struct {
	Name         string   `json:"name"`
	Provider     string   `json:"provider"` // "" where nothing tells
	Version      string   `json:"cassandra_version"`
	Regions      []string `json:"regions"`
	Nodes        int      `json:"nodes"`
	Running      int      `json:"running"`
	Keeper       bool     `json:"keeper"` // answers
	AgeSeconds   float64  `json:"age_seconds"`
	ExpiresAt    *string  `json:"expires_at"`        // null: never
	CostSoFarUSD *float64 `json:"cost_so_far_usd"`   // 0 on this computer; null: not known
	Problem      string   `json:"problem,omitempty"` // why there is no more to say
}

// Listing is all clusters.
type Listing struct {
	Schema   string   `json:"schema"`
	Clusters []Listed `json:"clusters"`
}

// List lists the clusters of the state directory, half-made ones included.
func List(ctx context.Context, w cluster.World) (Listing, error) {
	l := Listing{Schema: topology.Schema, Clusters: []Listed{}}
	names, err := w.Names()
	if err != nil {
		return l, err
	}
	running, err := w.Provider("").Named()
	if err != nil {
		return l, err
	}
	for _, name := range running {
		if !slices.Contains(names, name) {
			l.Clusters = append(l.Clusters, Listed{Name: name, Regions: []string{},
				Problem: "its directory is gone and its processes run: " + w.Command("down", name)})
		}
	}
	for _, name := range names {
		entry := Listed{Name: name, Regions: []string{}}
		made, err := state.Made(w.StateDir, name)
		if errors.Is(err, os.ErrNotExist) {
			continue // taken down while we looked
		}
		if err == nil {
			entry.AgeSeconds = w.Now().Sub(made).Seconds()
		}
		c, err := w.Open(name)
		if err != nil {
			entry.Problem = err.Error()
			entry.Provider = lostCluster(w, name).Of(w.Deps())
			var none *cluster.NoClusterError
			switch {
			case errors.As(err, &none):
				entry.Problem = "half made: " + w.Command("down", name)
			case lost(err):
				entry.Problem += ": " + w.Command("down", name)
			}
			l.Clusters = append(l.Clusters, entry)
			continue
		}
		if c.Place.Maker != nil { // else somebody else pays for it
			entry.CostSoFarUSD = new(float64)
		}
		entry.Provider, entry.Version, entry.Nodes = c.Inv.Plan.Provider, c.Inv.Plan.Version, len(c.Inv.Nodes)
		for _, n := range c.Inv.Nodes {
			if !slices.Contains(entry.Regions, n.Region) {
				entry.Regions = append(entry.Regions, n.Region)
			}
		}
		if c.Place.Network == nil {
			l.Clusters = append(l.Clusters, listRemote(ctx, w, c, listedEC2(w, c, entry)))
			continue
		}
		st, err := c.Place.Network.Status(ctx, c.Inv)
		if err != nil {
			entry.Problem = err.Error()
		}
		entry.Keeper = err == nil
		for _, p := range st.Nodes {
			if p.Running {
				entry.Running++
			}
		}
		l.Clusters = append(l.Clusters, entry)
	}
	return l, nil
}

// listRemote counts the servers that run, as far as their machines can be asked.
func listRemote(ctx context.Context, w cluster.World, c cluster.Cluster, entry Listed) Listed {
	ctx, cancel := context.WithTimeout(ctx, cluster.ListWait)
	defer cancel()
	var mu sync.Mutex
	err := cluster.OnEach(c.Inv.Nodes, func(n topology.Node) error {
		running, err := runs(ctx, w, c, n)
		mu.Lock()
		defer mu.Unlock()
		if running {
			entry.Running++
		}
		return err
	})
	if err != nil {
		entry.Problem = err.Error()
	}
	return entry
}

// runs says whether the server of a node runs: one that crossring has no hand on does when
// it answers.
func runs(ctx context.Context, w cluster.World, c cluster.Cluster, n topology.Node) (bool, error) {
	if c.Place.Server == nil {
		err := cluster.Answers(ctx, w, c, n)
		return err == nil, err
	}
	p, err := c.Host(n).State(ctx)
	return p.Running, err
}
