package price

import (
	"reflect"
	"testing"

	"crossring/internal/topology"
)

func TestTransfer(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		usd      float64 // 0 is not known
	}{
		{"us-east-1", "us-west-2", 0.02}, {"us-east-1", "us-east-2", 0.01}, {"us-east-2", "us-east-1", 0.01}, {"us-east-2", "eu-west-1", 0.02},
		{"us-east-1", "us-east-1", 0}, {"mars-1", "us-east-1", 0},
	} {
		if usd, ok := Shipped().Transfer(tt.from, tt.to); usd != tt.usd || ok != (tt.usd > 0) {
			t.Errorf("%s to %s: %v, %v, want %v", tt.from, tt.to, usd, ok, tt.usd)
		}
	}
}

func TestWire(t *testing.T) {
	p := twoRegions()
	n, usd := 880.0, 0.0176
	if got, want := Wire(p, Shipped()), []topology.Wire{{From: "us-east-1", To: "us-west-2", Bytes: 880_000_000, BytesPerRow: &n, USD: &usd}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	// A second datacenter over there, and one in a region without a price, which writes.
	p.Nodes = append(p.Nodes, topology.Node{Region: "us-west-2", Datacenter: "us-west-2-b"}, topology.Node{Region: "mars-1", Datacenter: "mars"})
	p.Keyspace.Replication["us-west-2-b"] = 1
	p.Stress.WriteDC = "mars"
	got := Wire(p, Shipped())
	if len(got) != 2 || got[0].To != "us-east-1" || got[0].Bytes != 880_000_000 || got[1].To != "us-west-2" || got[1].Bytes != 2*880_000_000 || got[1].USD != nil {
		t.Errorf("%+v", got)
	}
	p.Keyspace.Replication = map[string]int{"mars": 1}
	if got := Wire(p, Shipped()); got == nil || len(got) != 0 {
		t.Errorf("one datacenter with replicas: %+v", got)
	}
	if got := Wire(topology.Plan{}, Shipped()); len(got) != 0 {
		t.Errorf("no nodes: %+v", got)
	}
}
