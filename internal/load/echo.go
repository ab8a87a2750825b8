package load

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/deploy/sshhost"
	"crossring/internal/lag"
	"crossring/internal/lag/live"
	"crossring/internal/many"
	"crossring/internal/topology"
)

// maxEchoRows bounds the rows of a datacenter in a run in which each has a clock of its own:
// what each saw is sent here whole.
const maxEchoRows = 1_000_000

// lagWork is what a loader is told that measures lag.
type lagWork struct {
	Run             uint64    `json:"run,string"`
	Own             int       `json:"own"`
	Others          []int     `json:"others"`
	Origin          time.Time `json:"origin"`
	WriteLevel      string    `json:"write_consistency"`
	ReadLevel       string    `json:"read_consistency"`
	Rate            float64   `json:"rate"`
	Seconds         float64   `json:"seconds"`
	DeadlineSeconds float64   `json:"deadline_seconds"`
	EverySeconds    float64   `json:"every_seconds"`
}

func (l lagWork) worker(e cql.Endpoint, keyspace, table string) live.Worker {
	span := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return live.Worker{
		Config: live.Config{
			Endpoints: []cql.Endpoint{e}, Keyspace: keyspace, Table: table, WriteLevel: l.WriteLevel, ReadLevel: l.ReadLevel,
			Rate: l.Rate, Duration: span(l.Seconds), Deadline: span(l.DeadlineSeconds), Every: span(l.EverySeconds),
		},
		Run: l.Run, Own: l.Own, Others: l.Others, Origin: l.Origin,
	}
}

// loadLag is the part of a loader that measures lag: what it saw goes to out.
func loadLag(ctx context.Context, work lagWork, e cql.Endpoint, keyspace, table string, out io.Writer) error {
	side, err := live.Work(ctx, work.worker(e, keyspace, table))
	if err != nil {
		return err
	}
	if err := gob.NewEncoder(out).Encode(side); err != nil {
		return fmt.Errorf("sending what was seen: %w", err)
	}
	return nil
}

// echoed measures with a worker in each datacenter, each by a clock of its own: on machines of
// their own where there are any, elsewhere in this process.
func echoed(ctx context.Context, w cluster.World, c cluster.Cluster, cfg live.Config, res lag.Result, metrics *shown) (lag.Result, error) {
	if err := w.Stage("keyspace", func() error { return makeTable(ctx, c, cfg.Endpoints[0], cfg.Table, cql.CreateLagTable) }); err != nil {
		return res, err
	}
	works := make([]lagWork, len(cfg.Endpoints))
	began := w.Now().UTC()
	run := rand.Uint64()
	for i := range works {
		works[i] = lagWork{
			Run: run, Own: i, Origin: began, WriteLevel: cfg.WriteLevel, ReadLevel: cfg.ReadLevel, Rate: cfg.Rate,
			Seconds: cfg.Duration.Seconds(), DeadlineSeconds: cfg.Deadline.Seconds(), EverySeconds: cfg.Every.Seconds(),
		}
		// An echo takes both ways, whichever is asked for.
		for k := range works {
			if k != i {
				works[i].Others = append(works[i].Others, k)
			}
		}
	}
	do := func(ctx context.Context, i lagWork) (lag.Side, error) {
		return live.Work(ctx, i.worker(cfg.Endpoints[i.Own], cfg.Keyspace, cfg.Table))
	}
	if c.Remote() {
		r := &repro{World: w, Cluster: c, verb: "lag"}
		var nodes []topology.Node
		for _, e := range cfg.Endpoints {
			nodes = append(nodes, c.Inv.InDatacenter(e.Datacenter)[0])
		}
		exe, err := r.loaderProgram(ctx, nodes)
		if err != nil {
			return res, err
		}
		do = func(ctx context.Context, i lagWork) (lag.Side, error) {
			return r.lagOn(ctx, nodes[i.Own], exe[i.Own], i, cfg)
		}
	}
	var sides []lag.Side
	err := w.Stage("lag, by clocks of their own", func() (err error) {
		seen := observe(ctx, w, c)
		metrics.servers(seen)
		sides, err = many.Map(ctx, works, len(works), do)
		res = foldEcho(cfg, sides, res)
		res.Record = seen.end(ctx, func(region string) int64 { return writtenIn(c, res, region) })
		return err
	})
	res.Began = &began
	if err != nil {
		return lag.Result{Schema: res.Schema, Cluster: res.Cluster, Clock: lag.ClockEcho, Writes: []lag.Writes{}, Pairs: []lag.Pair{}}, err
	}
	return res, nil
}

// foldEcho makes a document of what all saw.
func foldEcho(cfg live.Config, sides []lag.Side, res lag.Result) lag.Result {
	res.WriteConsistency, res.ReadConsistency, res.Clock = cfg.WriteLevel, cfg.ReadLevel, lag.ClockEcho
	res.RateAsked, res.DeadlineSeconds = cfg.Rate, cfg.Deadline.Seconds()
	var names []string
	for i, e := range cfg.Endpoints {
		names = append(names, e.Datacenter)
		res.Interrupted = res.Interrupted || sides[i].Stopped
		res.Writes = append(res.Writes, sides[i].Writes(e.Datacenter))
		span := sides[i].Span().Seconds()
		res.Seconds = max(res.Seconds, span)
		if rate := float64(len(sides[i].Rows)) / span; span > 0 && (i == 0 || rate < res.Rate) {
			res.Rate = rate
		}
	}
	for _, p := range cfg.Pairs {
		res.Pairs = append(res.Pairs, lag.EchoPair(names, p.From, p.To, sides, cfg.Deadline))
	}
	return res
}

// lagOn runs a worker on a machine of its datacenter.
func (r *repro) lagOn(ctx context.Context, n topology.Node, exe string, work lagWork, cfg live.Config) (lag.Side, error) {
	var side lag.Side
	m, err := r.Machine(n)
	if err != nil {
		return side, err
	}
	trust, identity, err := r.TLSFiles()
	if err != nil {
		return side, err
	}
	e := cfg.Endpoints[work.Own]
	var in, out, said bytes.Buffer
	if err := json.NewEncoder(&in).Encode(loaderConfig{
		Schema: topology.Schema, Version: r.Rel.Version, Datacenter: n.Datacenter, Addresses: e.Addresses, Broadcast: e.Broadcast, Port: e.Port,
		Keyspace: cfg.Keyspace, Table: cfg.Table, TLSTrust: string(trust), TLSIdentity: string(identity), Load: r.Inv.Plan.Stress, Lag: &work,
	}); err != nil {
		return side, fmt.Errorf("telling a loader what to do: %w", err)
	}
	_, err = m.Run(ctx, sshhost.Command{Name: "the loader", Line: "exec " + sshhost.Quote(exe) + " " + LoaderCommand, In: &in, Out: &out, Err: &said})
	if err != nil {
		if text := bytes.TrimSpace(said.Bytes()); len(text) > 0 {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return side, fmt.Errorf("measuring on %s: %w", n.Name, err)
	}
	if err := gob.NewDecoder(&out).Decode(&side); err != nil {
		return side, fmt.Errorf("measuring on %s: %w", n.Name, err)
	}
	return side, nil
}
