package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/latency"
	"crossring/internal/latency/live"
	"crossring/internal/pause"
	"crossring/internal/plan"
	"crossring/internal/topology"
)

// latencyTable is the table of the test's keyspace that Latency writes to.
const latencyTable = "crossring_latency"

// The bounds of a measurement.
const (
	MaxLatencySamples  = 100_000
	MaxLatencyInFlight = 64
	MaxLatencyTraces   = 20
)

// LatencyRequest says which cluster, and how much.
type LatencyRequest struct {
	Name string
	// Datacenters and Levels choose cells; none is all.
	Datacenters, Levels []string
	Samples             int // of each cell
	InFlight            int
	Traces              int // of each cell
	// Service is that of cells whose own could not be measured.
	Service latency.Percentiles
}

// Latency measures operations at every consistency level, in every datacenter, and holds them
// against what the round trips let expect. The document goes as far as it got.
func Latency(ctx context.Context, w cluster.World, req LatencyRequest) (latency.Result, error) {
	res := latency.Result{Schema: topology.Schema, Cluster: req.Name, Samples: req.Samples, InFlight: req.InFlight, Traces: []latency.Trace{}, Errors: []string{}, Forecast: latency.Nothing()}
	if err := cluster.CheckName(req.Name); err != nil {
		return res, err
	}
	c, err := w.Open(req.Name)
	if err != nil {
		return res, err
	}
	d, err := plan.Latency(c.Inv.Plan)
	if err != nil {
		return res, err
	}
	cells, out, err := latencyCells(d, req)
	if err != nil {
		return res, err
	}
	lock, err := lockLoad(w, req.Name, "latency")
	if err != nil {
		return res, err
	}
	defer lock.free()
	since := w.Now()
	seen, done := watchTrips(ctx, c, d)
	m, err := measureLatency(ctx, w, c, cells, req)
	done()
	d.RTT = seen.between
	if err != nil {
		return res, c.BecauseFull(err)
	}
	res.Version, res.Seconds, res.Traces, res.Errors = c.Inv.Plan.Version, m.Seconds, m.Traces, m.Errors
	res.Forecast = d.Measured(cells, out, m.Samples, req.Service)
	for i, n := range m.Failed {
		res.Cells[i].Failed = n
	}
	res.Agreement = latency.Agree(res.Cells)
	res.Faults = faultsSince(w, c, since)
	if cause := context.Cause(ctx); cause != nil {
		res.Interrupted = true
		return res, fmt.Errorf("the measurement was cut short: %w", cause)
	}
	return res, judgeLatency(res)
}

// latencyCells checks all that is asked for.
func latencyCells(d latency.Deployment, req LatencyRequest) ([]latency.Cell, []latency.LeftOut, error) {
	var all *multierror.Error
	for _, n := range []struct {
		flag             string
		got, least, most int
	}{
		{"--samples", req.Samples, 1, MaxLatencySamples}, {"--in-flight", req.InFlight, 1, MaxLatencyInFlight}, {"--trace", req.Traces, 0, MaxLatencyTraces},
	} {
		if n.got < n.least || n.got > n.most {
			all = multierror.Append(all, fmt.Errorf("%s: must be from %d to %d, not %d", n.flag, n.least, n.most, n.got))
		}
	}
	if err := latency.CheckService(req.Service); err != nil {
		all = multierror.Append(all, err)
	}
	cells, out, problems := d.Choose(req.Datacenters, req.Levels)
	all = multierror.Append(all, problems...)
	if all.ErrorOrNil() != nil {
		all.ErrorFormat = lines
		return nil, nil, fail.Usage("", all, "crossring help latency")
	}
	return cells, out, nil
}

// trips has round trips as they were measured while something ran.
type trips struct {
	planned func(a, b string) (float64, bool)
	region  func(dc string) string
	mu      sync.Mutex
	seen    map[string][]float64 // by way, in the keeper's words
}

// tripsEvery is how often the keeper is asked. It measures every ten seconds.
const tripsEvery = 2 * time.Second

// watchTrips follows what crossring's own network measures, until done is called; of other
// networks there is what was planned. One figure alone may have been taken at a moment at which
// the computer was busy.
func watchTrips(ctx context.Context, c cluster.Cluster, d latency.Deployment) (t *trips, done func()) {
	t = &trips{planned: d.RTT, region: func(dc string) string { return c.Inv.InDatacenter(dc)[0].Region }, seen: map[string][]float64{}}
	if c.Place.Network == nil {
		return t, func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			if st, err := c.Place.Network.Status(ctx, c.Inv); err == nil {
				t.add(st.RTT)
			}
			pause.For(ctx, tripsEvery)
		}
	})
	return t, func() { stop(); all.Wait() }
}

func (t *trips) add(now map[string]float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for way, ms := range now {
		if old := t.seen[way]; len(old) == 0 || old[len(old)-1] != ms {
			t.seen[way] = append(t.seen[way], ms)
		}
	}
}

// between is the median of both ways; where nothing was measured, what was planned.
func (t *trips) between(a, b string) (float64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ra, rb := t.region(a), t.region(b)
	all := slices.Concat(t.seen[ra+" -> "+rb], t.seen[rb+" -> "+ra])
	if len(all) == 0 {
		return t.planned(a, b)
	}
	slices.Sort(all)
	return all[(len(all)-1)/2], true
}

// measureLatency makes the table, connects, and measures.
func measureLatency(ctx context.Context, w cluster.World, c cluster.Cluster, cells []latency.Cell, req LatencyRequest) (live.Measurement, error) {
	p := c.Inv.Plan
	places := map[string]string{}
	for _, n := range c.Inv.Nodes {
		places[n.PrivateAddress], places[n.PublicAddress] = n.Datacenter, n.Datacenter
	}
	cfg := live.Config{
		Endpoints: map[string]cql.Endpoint{}, Keyspace: p.Keyspace.Name, Table: latencyTable, ValueBytes: p.Stress.ValueBytes,
		Cells: cells, Samples: req.Samples, InFlight: req.InFlight, Traces: req.Traces,
		Datacenter: func(address string) string { return places[address] },
	}
	for _, cell := range cells {
		e, err := cluster.Endpoint(w, c, c.Inv.InDatacenter(cell.Datacenter))
		if err != nil {
			return live.Measurement{}, err
		}
		cfg.Endpoints[cell.Datacenter] = e
	}
	if err := w.Stage("keyspace", func() error {
		return makeTable(ctx, c, cfg.Endpoints[cells[0].Datacenter], cfg.Table, cql.CreateTable)
	}); err != nil {
		return live.Measurement{}, err
	}
	s, err := live.Open(ctx, cfg)
	if err != nil {
		return live.Measurement{}, err
	}
	defer s.Close()
	var m live.Measurement
	err = w.Stage("latency", func() error {
		m = s.Measure(ctx, func(p live.Progress) { w.Report.Progress(p.Done, p.All, "latency") })
		return nil
	})
	return m, err
}

// judgeLatency says which operations failed.
func judgeLatency(res latency.Result) error {
	var said []string
	for _, c := range res.Cells {
		if c.Failed > 0 {
			said = append(said, fmt.Sprintf("%d of %d failed: %s at %s in %s", c.Failed, c.N+c.Failed, c.Op, c.Consistency, c.Datacenter))
		}
	}
	if len(said) == 0 {
		return nil
	}
	return fail.Data("", errors.New(strings.Join(said, "; ")), "crossring status "+res.Cluster)
}
