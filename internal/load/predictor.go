package load

import (
	"context"
	"fmt"
	"sync"

	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/lag"
	"crossring/internal/lag/live"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// farReads are made of each datacenter before its predictor is asked. It knows the times of
// messages between nodes alone, and looks send none.
const farReads = 64

// predictor is Cassandra's own, which 1.2 has, on the nodes that coordinate the writes.
type predictor struct {
	w   cluster.World
	c   cluster.Cluster
	cfg live.Config
	q   ringcheck.Query
	on  []topology.Node
}

// startPredictor has those nodes keep times; nil where there is no such thing. What goes wrong
// with it is said, and leaves the measurement as it is.
func startPredictor(ctx context.Context, w cluster.World, c cluster.Cluster, cfg live.Config) *predictor {
	p := &predictor{w: w, c: c, cfg: cfg, q: cluster.Query(w, c)}
	if !c.Rel.Predictor || p.q.CQL != nil {
		return nil
	}
	for _, e := range cfg.Endpoints {
		for _, n := range c.Inv.InDatacenter(e.Datacenter) {
			if err := ringcheck.Predictor(ctx, p.q, n, true); err != nil {
				w.Say("warning: Cassandra's own predictor is not asked: %v", err)
				p.stop(ctx)
				return nil
			}
			p.on = append(p.on, n)
		}
	}
	return p
}

func (p *predictor) stop(ctx context.Context) {
	for _, n := range p.on {
		if err := ringcheck.Predictor(context.WithoutCancel(ctx), p.q, n, false); err != nil {
			p.w.Say("warning: Cassandra's own predictor on %s stays on: %v", n.Name, err)
		}
	}
}

// fill puts the predictions into the curves.
func (p *predictor) fill(ctx context.Context, res *lag.Result) {
	if p == nil {
		return
	}
	defer p.stop(ctx)
	replicas := 0
	for _, n := range p.c.Inv.Plan.Keyspace.Replication {
		replicas += n
	}
	for i := range res.Pairs {
		pair := &res.Pairs[i]
		if len(pair.Staleness) == 0 || ctx.Err() != nil {
			continue
		}
		var ms []int64
		for _, at := range pair.Staleness {
			ms = append(ms, at.Millis)
		}
		n := p.c.Inv.InDatacenter(pair.From)[0]
		err := p.readFar(ctx, pair.From)
		var own []float64
		if err == nil {
			own, err = ringcheck.Predicted(ctx, p.q, n, replicas, p.answers(pair.To, res.ReadConsistency, replicas), p.answers(pair.From, res.WriteConsistency, replicas), ms)
		}
		if err != nil {
			p.w.Say("warning: Cassandra's own predictor says nothing of %s: %v", pair.From, err)
			continue
		}
		pair.Predict(own)
	}
}

// answers is how many replicas a level waits for, which is all that the predictor knows of it.
func (p *predictor) answers(dc, level string, replicas int) int {
	switch level {
	case "TWO":
		return 2
	case "THREE":
		return 3
	case "QUORUM":
		return replicas/2 + 1
	case "LOCAL_QUORUM":
		return p.c.Inv.Plan.Keyspace.Replication[dc]/2 + 1
	case "EACH_QUORUM", "ALL":
		return replicas
	}
	return 1
}

// readFar reads at ALL from a datacenter, which takes an answer of each replica.
func (p *predictor) readFar(ctx context.Context, dc string) error {
	for _, e := range p.cfg.Endpoints {
		if e.Datacenter != dc {
			continue
		}
		e.Keyspace, e.InFlight, e.Consistency = p.cfg.Keyspace, farReads, "ALL"
		s, err := cql.Open(ctx, e)
		if err != nil {
			return err
		}
		defer s.Close()
		var all sync.WaitGroup
		errs := make([]error, farReads)
		for i := range farReads {
			all.Go(func() {
				errs[i] = s.Query(fmt.Sprintf("SELECT seq FROM %s WHERE part = ? LIMIT 1", cql.Quote(p.cfg.Table)), int64(i)).WithContext(ctx).Exec()
			})
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return fmt.Errorf("reading at ALL for it: %w", err)
			}
		}
	}
	return nil
}
