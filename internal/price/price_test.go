package price

import (
	"math"
	"strings"
	"testing"

	"crossring/internal/topology"
)

func twoRegions() topology.Plan {
	return topology.Plan{
		Nodes: []topology.Node{
			{Name: "us-east-1-1", Region: "us-east-1", Datacenter: "us-east"},
			{Name: "us-west-2-1", Region: "us-west-2", Datacenter: "us-west-2"},
			{Name: "us-west-2-2", Region: "us-west-2", Datacenter: "us-west-2"},
		},
		Keyspace: topology.Keyspace{Replication: map[string]int{"us-east": 1, "us-west-2": 2}},
		Stress:   topology.Stress{Load: topology.Load{Rows: 1_000_000, ValueBytes: 880, WriteDC: "us-east"}},
		EC2:      &topology.EC2Plan{InstanceType: "m5d.4xlarge", RootGB: 73, TTLSeconds: 7200},
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestEstimate(t *testing.T) {
	c := Estimate(twoRegions(), Shipped())
	// Three instances, three root volumes of 73 GB (0.08 × 73 / 730 = 0.008 an hour),
	// three addresses; a gigabyte crosses once, whatever the factor over there.
	if want := 3 * (0.904 + 0.008 + 0.005); !near(*c.PerHourUSD, want) {
		t.Errorf("%v an hour, want %v", *c.PerHourUSD, want)
	}
	if !near(c.TransferUSD, 0.02) || !near(*c.TTLUSD, 2**c.PerHourUSD+0.02) || len(c.Unpriced) != 0 {
		t.Errorf("%+v", c)
	}
	sum := 0.0
	for _, item := range c.Items {
		sum += item.PerHourUSD
	}
	if !near(sum, *c.PerHourUSD) {
		t.Errorf("the items add up to %v of %v", sum, *c.PerHourUSD)
	}
}

func TestEstimateVolumes(t *testing.T) {
	p := twoRegions()
	p.Nodes = p.Nodes[:1]
	before := Estimate(p, Shipped()).AtLeastPerHourUSD
	p.EC2.Volumes = []topology.EC2Volume{
		{Disk: "fs1", Type: "gp3", SizeGB: 100, IOPS: 4000, Throughput: 225},
		{Disk: "fs2", Type: "io2", SizeGB: 10, IOPS: 1000},
	}
	// 100 × 0.08 + 1000 × 0.005 + 100 × 0.04 and 10 × 0.125 + 1000 × 0.065 a month.
	if got, want := Estimate(p, Shipped()).AtLeastPerHourUSD-before, (17+66.25)/730; !near(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestEstimateUnpriced(t *testing.T) {
	p := twoRegions()
	p.EC2.InstanceType = "zz9.huge"
	p.Nodes[0].Region = "ap-nowhere-1"
	c := Estimate(p, Shipped())
	if c.PerHourUSD != nil || c.TTLUSD != nil || c.AtLeastPerHourUSD <= 0 || c.AtLeastTTLUSD <= 0 {
		t.Errorf("what is not known is taken for nothing: %+v", c)
	}
	got := strings.Join(c.Unpriced, "; ")
	want := "zz9.huge in ap-nowhere-1; gp3 volume of 73 GB for root in ap-nowhere-1; public IPv4 address in ap-nowhere-1; zz9.huge in us-west-2; transfer from ap-nowhere-1"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{``, `{}`, `{"as_of": "x", "regions": {"a": {}}, "more": 1}`, `{"as_of": "x", "regions": {"a": {}}} {}`} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("read %q", bad)
		}
	}
	if table, err := Parse([]byte(`{"as_of": "2030-01-01", "regions": {"us-east-1": {"instance_hour": {"a.b": 1}}}}`)); err != nil || table.Regions["us-east-1"].InstanceHour["a.b"] != 1 {
		t.Errorf("%+v, %v", table, err)
	}
}
