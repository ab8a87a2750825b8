package load

import (
	"context"
	"fmt"
	"time"

	"crossring/internal/background"
	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/lag"
	"crossring/internal/pause"
	"crossring/internal/topology"
)

const (
	// backgroundTable is the table of the test's keyspace that the load in the background has.
	backgroundTable = "crossring_background"
	// aroundIt is how long that load runs before what is measured, and after it.
	aroundIt          = 2 * time.Second
	maxBackgroundRate = 20_000
)

// checkBackground says what is wrong with a rate of the load in the background; 0 is none.
func checkBackground(rate float64) error {
	if rate == 0 || rate >= 1 && rate <= maxBackgroundRate {
		return nil
	}
	return fail.Usage("", fmt.Errorf("--background: must be a number of operations a second from 1 to %d, not %g", maxBackgroundRate, rate), "crossring help repro")
}

// beside does what is measured while a load runs in the background, in every datacenter that
// has replicas; with a rate of 0 there is none, and the result is nil.
func beside(ctx context.Context, w cluster.World, c cluster.Cluster, s topology.Stress, rate float64, measure func() error) (*lag.Background, error) {
	if rate == 0 {
		return nil, measure()
	}
	p := c.Inv.Plan
	cfg := background.Config{
		Keyspace: p.Keyspace.Name, Table: backgroundTable, Rate: rate, ValueBytes: s.ValueBytes, WriteLevel: s.WriteCL, ReadLevel: s.ReadCL,
	}
	for _, dc := range p.Datacenters() {
		if p.Keyspace.Replication[dc] == 0 {
			continue
		}
		e, err := cluster.Endpoint(w, c, c.Inv.InDatacenter(dc))
		if err != nil {
			return nil, err
		}
		cfg.Endpoints = append(cfg.Endpoints, e)
	}
	if err := makeTable(ctx, c, cfg.Endpoints[0], cfg.Table, cql.CreateTable); err != nil {
		return nil, err
	}
	load, err := background.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	pause.For(ctx, aroundIt)
	err = measure()
	pause.For(ctx, aroundIt)
	res := load.Stop()
	return &res, err
}
