package load

import (
	"context"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/meanwhile"
	"crossring/internal/pause"
	"crossring/internal/price"
)

// observer looks at what happens beside a load.
type observer struct {
	cluster.World
	cluster.Cluster
	before meanwhile.Count
}

// observe begins to look.
func observe(ctx context.Context, w cluster.World, c cluster.Cluster) *observer {
	o := &observer{World: w, Cluster: c}
	o.before = o.count(ctx)
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
	var rec meanwhile.Record
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
