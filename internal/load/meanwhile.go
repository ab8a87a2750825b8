package load

import (
	"context"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/meanwhile"
	"crossring/internal/meanwhile/live"
	"crossring/internal/pause"
	"crossring/internal/price"
)

// observer looks at what happens beside a load.
type observer struct {
	cluster.World
	cluster.Cluster
	before  meanwhile.Count
	watch   *live.Watch // nil where the nodes have no agents
	missing string      // why it is
}

// observe begins to look.
func observe(ctx context.Context, w cluster.World, c cluster.Cluster) *observer {
	o := &observer{World: w, Cluster: c}
	o.before = o.count(ctx)
	if q := cluster.Query(w, c); q.CQL != nil {
		o.missing = "the ring of this cluster is read by CQL: its nodes have no agents that would tell the load of their servers"
	} else {
		o.watch = live.Start(q)
	}
	return o
}

// count asks what the network has delivered; nothing where it is not crossring's, or does
// not answer.
func (o *observer) count(ctx context.Context) meanwhile.Count {
	if o.Place.Network == nil {
		return meanwhile.Count{}
	}
	st, err := o.Place.Network.Status(ctx, o.Inv)
	if err != nil {
		return meanwhile.Count{}
	}
	return meanwhile.Count{By: st.PID, Bytes: st.Bytes}
}

// underWay is how long after a load's last answer its last rows may be under way, beside the
// round trip.
const underWay = 200 * time.Millisecond

// end says what was seen. rows is how many the load had that the bytes from a region are
// held against; 0 is none.
func (o *observer) end(ctx context.Context, rows func(region string) int64) meanwhile.Record {
	ctx = context.WithoutCancel(ctx) // a load that was stopped has passed something, too
	rec := meanwhile.Record{ServersMissing: o.missing}
	if o.watch != nil {
		since := o.watch.Since.UTC()
		rec.Servers, rec.ServersSince = o.watch.Stop(), &since
	}
	if o.before.Bytes == nil {
		return rec
	}
	longest := 0.0
	for _, a := range o.Inv.Nodes {
		for _, b := range o.Inv.Nodes {
			if a.Region != b.Region {
				longest = max(longest, o.Inv.Plan.RTT(a.Region, b.Region))
			}
		}
	}
	pause.For(ctx, underWay+time.Duration(longest*float64(time.Millisecond)))
	rec.Wire = meanwhile.Passed(o.before, o.count(ctx))
	for i, wire := range rec.Wire {
		rec.Wire[i] = price.Shipped().Priced(wire, rows(wire.From))
	}
	return rec
}
