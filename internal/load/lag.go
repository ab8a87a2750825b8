package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

	"crossring/internal/cluster"
	"crossring/internal/computer"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/lag"
	"crossring/internal/lag/live"
	"crossring/internal/plan"
	"crossring/internal/scrape"
	"crossring/internal/topology"
	"crossring/provision/local/wan"
)

// lagTable is the table of the test's keyspace that Lag writes to.
const lagTable = "crossring_lag"

// LagRequest says which cluster, and how long to measure.
type LagRequest struct {
	Name    string
	lag.Ask // its Deadline is the next one
	// Deadline is how long a row is looked for; nil is the plan's.
	Deadline *time.Duration
	// WriteCL and ReadCL are consistency levels; "" is the plan's.
	WriteCL, ReadCL string
	// Background is as in ReproRequest.
	Background float64
	// Threshold is the share of the rows that may be never seen, failed or unknown.
	Threshold float64
	Crossring string // version of this program, for the record
	// Clock is lag.ClockOne, that of this computer, or lag.ClockEcho, those of workers in each
	// datacenter, which are not trusted.
	Clock string
	// Metrics is as in ReproRequest.
	Metrics string
}

// Lag measures how late rows of each datacenter are in the others. The document goes as far as
// it got.
func Lag(ctx context.Context, w cluster.World, req LagRequest) (lag.Result, error) {
	res := lag.Result{Schema: topology.Schema, Cluster: req.Name, Writes: []lag.Writes{}, Pairs: []lag.Pair{}}
	if err := cluster.CheckName(req.Name); err != nil {
		return res, err
	}
	c, err := w.Open(req.Name)
	if err != nil {
		return res, err
	}
	cfg, err := lagConfig(w, c, req)
	if err != nil {
		return res, err
	}
	if err := checkBackground(req.Background); err != nil {
		return res, err
	}
	if err := checkMetrics(req.Metrics, "lag"); err != nil {
		return res, err
	}
	lock, err := lockLoad(w, req.Name, "lag")
	if err != nil {
		return res, err
	}
	defer lock.free()
	metrics, err := show(w, req.Metrics)
	if err != nil {
		return res, err
	}
	defer metrics.close(w)
	since, host := w.Now().UTC(), computer.Look(ctx)
	settings := c.Inv.Plan.Stress
	settings.WriteCL, settings.ReadCL = cfg.WriteLevel, cfg.ReadLevel
	ran, err := beside(ctx, w, c, settings, req.Background, func() (err error) {
		measure := measureLag
		if req.Clock == lag.ClockEcho {
			measure = echoed
		}
		res, err = measure(ctx, w, c, cfg, res, metrics)
		return err
	})
	res.Background = ran
	res.Schema, res.Cluster, res.Version = topology.Schema, req.Name, c.Inv.Plan.Version
	res.Crossring, res.Command, res.Started, res.Host = req.Crossring, w.Typed, &since, &host
	res.Faults = faultsSince(w, c, since)
	err = errors.Join(err, keepLag(w, &res))
	var rate *live.RateError
	switch {
	case errors.As(err, &rate):
		return res, fail.Usage("", err, "crossring help lag")
	case err != nil:
		return res, c.BecauseFull(err)
	case res.Interrupted:
		if cause := context.Cause(ctx); cause != nil {
			return res, fmt.Errorf("the measurement was cut short after %.0f s of %v: %w", res.Seconds, req.Duration, cause)
		}
	}
	return res, judgeLag(res, req.Threshold)
}

// writtenIn is how many rows the datacenters of a region wrote.
func writtenIn(c cluster.Cluster, res lag.Result, region string) (rows int64) {
	for _, wr := range res.Writes {
		if c.Inv.InDatacenter(wr.Datacenter)[0].Region == region {
			rows += wr.Rows
		}
	}
	return rows
}

// measureLag makes the table, tries the rate, and measures.
func measureLag(ctx context.Context, w cluster.World, c cluster.Cluster, cfg live.Config, none lag.Result, metrics *shown) (lag.Result, error) {
	if err := w.Stage("keyspace", func() error { return makeTable(ctx, c, cfg.Endpoints[0], cfg.Table, cql.CreateLagTable) }); err != nil {
		return none, err
	}
	cfg.OneWay = oneWay(ctx, c, cfg)
	s, err := live.Open(ctx, cfg)
	if err != nil {
		return none, err
	}
	defer s.Close()
	if err := w.Stage("trying the rate", func() error { return s.Try(ctx) }); err != nil {
		return none, err
	}
	var res lag.Result
	err = w.Stage("lag", func() error {
		seen := observe(ctx, w, c)
		own := startPredictor(ctx, w, c, cfg)
		defer func() { own.fill(ctx, &res) }()
		metrics.servers(seen)
		res = s.Measure(ctx, func(p live.Progress) {
			lagProgress(w, p)
			metrics.load(scrape.Load{Op: "lag", Done: p.Sent, Rows: p.Rows, Missing: p.Waiting})
		})
		res.Record = seen.end(ctx, func(region string) int64 { return writtenIn(c, res, region) })
		return nil
	})
	return res, err
}

// lagConfig checks all that is asked for.
func lagConfig(w cluster.World, c cluster.Cluster, req LagRequest) (live.Config, error) {
	p := c.Inv.Plan
	s := p.Stress
	if req.WriteCL != "" {
		s.WriteCL = req.WriteCL
	}
	if req.ReadCL != "" {
		s.ReadCL = req.ReadCL
	}
	ask := req.Ask
	ask.Deadline = time.Duration(s.MissingDeadlineSeconds * float64(time.Second))
	if req.Deadline != nil {
		ask.Deadline = *req.Deadline
	}
	pairs, problems := ask.Check(p.Datacenters(), p.Keyspace.Replication)
	var all *multierror.Error
	all = multierror.Append(all, problems...)
	for i, pair := range pairs {
		s.WriteDC, s.ReadDC = pair[0], pair[1]
		for _, problem := range plan.CheckLoad(p, s) {
			if i == 0 && strings.HasSuffix(problem.Key, "_consistency") {
				all = multierror.Append(all, fmt.Errorf("%s: %s", flagOf(problem.Key), problem.Message))
			}
		}
	}
	switch {
	case req.Clock != lag.ClockOne && req.Clock != lag.ClockEcho:
		all = multierror.Append(all, fmt.Errorf("--clock: must be %s or %s, not %q", lag.ClockOne, lag.ClockEcho, req.Clock))
	case req.Clock == lag.ClockEcho && ask.Rate*ask.Duration.Seconds() > maxEchoRows:
		all = multierror.Append(all, fmt.Errorf("--clock %s: %g rows a second for %v are more than %d, the most of a datacenter", lag.ClockEcho, ask.Rate, ask.Duration, maxEchoRows))
	}
	if !(req.Threshold >= 0 && req.Threshold <= 1) {
		all = multierror.Append(all, fmt.Errorf("--threshold: must be a share of the rows from 0 to 1, not %g", req.Threshold))
	}
	if all.ErrorOrNil() != nil {
		all.ErrorFormat = lines
		return live.Config{}, fail.Usage("", all, "crossring help lag")
	}
	cfg := live.Config{
		Keyspace: p.Keyspace.Name, Table: lagTable, WriteLevel: s.WriteCL, ReadLevel: s.ReadCL,
		Rate: ask.Rate, Duration: ask.Duration, Deadline: ask.Deadline, Every: ask.Every,
	}
	at := map[string]int{}
	for _, pair := range pairs {
		for _, dc := range pair {
			if _, there := at[dc]; there {
				continue
			}
			e, err := cluster.Endpoint(w, c, c.Inv.InDatacenter(dc))
			if err != nil {
				return cfg, err
			}
			at[dc] = len(cfg.Endpoints)
			cfg.Endpoints = append(cfg.Endpoints, e)
		}
		cfg.Pairs = append(cfg.Pairs, live.Pair{From: at[pair[0]], To: at[pair[1]]})
	}
	return cfg, nil
}

// shareOf is the part of a round trip that one direction takes.
func shareOf(lines []wan.Line, from, to string) float64 {
	for _, l := range lines {
		for _, w := range l.Ways {
			if w.From == from && w.To == to && l.RTTMillis > 0 {
				return w.DelayMillis / l.RTTMillis
			}
		}
	}
	return 0.5 // of a keeper that knows no other
}

// oneWay is a direction's part of the round trip between two datacenters' regions, as crossring's
// own network has measured it; nil where nothing can be predicted from it.
func oneWay(ctx context.Context, c cluster.Cluster, cfg live.Config) func(live.Pair) (time.Duration, bool) {
	local := []string{"ANY", "ONE", "LOCAL_ONE", "LOCAL_QUORUM"}
	if c.Place.Network == nil || !slices.Contains(local, cfg.WriteLevel) || !slices.Contains(local, cfg.ReadLevel) {
		return nil
	}
	st, err := c.Place.Network.Status(ctx, c.Inv)
	if err != nil {
		return nil
	}
	region := func(i int) string { return c.Inv.InDatacenter(cfg.Endpoints[i].Datacenter)[0].Region }
	return func(p live.Pair) (time.Duration, bool) {
		a, b := region(p.From), region(p.To)
		ms, ok := st.RTT[a+" -> "+b]
		if !ok {
			ms, ok = st.RTT[b+" -> "+a]
		}
		return time.Duration(ms * shareOf(st.Lines, a, b) * float64(time.Millisecond)), ok
	}
}

func lagProgress(w cluster.World, p live.Progress) {
	text := "lag"
	if p.Waiting > 0 {
		text += fmt.Sprintf(", %d under way", p.Waiting)
	}
	w.Report.Progress(p.Sent, p.Rows, text)
}

// faultsSince are those of the network that were in force since then; nil where that can't
// be known.
func faultsSince(w cluster.World, c cluster.Cluster, since time.Time) []topology.NetworkFault {
	if c.Place.Network == nil {
		return nil
	}
	all, err := w.Provider("").Faults(c.Inv.Plan.Name)
	if err != nil {
		w.Say("warning: which faults of the network were in force is not known: %v", err)
		return nil
	}
	faults := []topology.NetworkFault{}
	for _, f := range all {
		if f.During(since, w.Now().Add(time.Nanosecond)) {
			faults = append(faults, f)
		}
	}
	return faults
}

// judgeLag holds what became of the rows against the threshold.
func judgeLag(res lag.Result, threshold float64) error {
	var said []string
	say := func(n, all int64, format string, args ...any) {
		if float64(n) > threshold*float64(all) {
			said = append(said, fmt.Sprintf("%d of %d rows ", n, all)+fmt.Sprintf(format, args...))
		}
	}
	for _, wr := range res.Writes {
		say(wr.Failed, wr.Rows, "were not written in %s", wr.Datacenter)
		say(wr.Unknown, wr.Rows, "are of unknown outcome in %s", wr.Datacenter)
	}
	for _, p := range res.Pairs {
		say(p.Never, p.Rows, "from %s were not seen in %s within %g s", p.From, p.To, res.DeadlineSeconds)
		say(p.Pending, p.Rows, "from %s were still looked for in %s, where looks failed", p.From, p.To)
	}
	if len(said) == 0 {
		return nil
	}
	return fail.Data("", errors.New(strings.Join(said, "; ")), "crossring status "+res.Cluster)
}
