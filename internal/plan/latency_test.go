package plan

import (
	"math"
	"strings"
	"testing"

	"crossring/internal/latency"
	"crossring/internal/spec"
)

// The datacenters' tokens stand close together, the last one's before the first's, so nearly all
// rows have their replicas in that order.
func TestLatency(t *testing.T) {
	build := func(provider string, replicas map[string]int) spec.Spec {
		return spec.Spec{
			Version: "crossring/v1", Name: "c", Cassandra: "5.0", Provider: provider, Keyspace: spec.Keyspace{Replication: replicas},
			Regions:  []spec.Region{{Region: "us-east-1", Nodes: 2}, {Region: "us-west-2", Nodes: 2}, {Region: "eu-west-1", Nodes: 2}},
			Settings: map[string]any{"dynamic_snitch_badness_threshold": 0.5},
		}
	}
	p, err := Build(build("local", nil))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Latency(p)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	most := latency.Order{}
	for _, o := range d.Orders {
		sum += o.Share
		if o.Share > most.Share {
			most = o
		}
	}
	if most.Share < 0.95 || strings.Join(most.Datacenters, " ") != "eu-west us-west-2 us-east" {
		t.Errorf("%+v", d.Orders)
	}
	if math.Abs(sum-1) > 1e-9 || d.Badness != 0.5 {
		t.Errorf("all orders have %g of the rows; badness %g", sum, d.Badness)
	}
	if ms, ok := d.RTT("us-east", "eu-west"); !ok || ms != 70 {
		t.Errorf("%g, %v", ms, ok)
	}
	p, err = Build(build("local", map[string]int{"us-east": 2, "us-west-2": 1}))
	if err != nil {
		t.Fatal(err)
	}
	if d, err = Latency(p); err != nil || len(d.Orders[0].Datacenters) != 3 {
		t.Errorf("%+v, %v", d.Orders, err)
	}
}
