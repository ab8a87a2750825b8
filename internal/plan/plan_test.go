package plan

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/tokens"
)

func parse(t *testing.T, text string) spec.Spec {
	t.Helper()
	s, err := spec.Parse("c.yaml", []byte("version: crossring/v1\nname: test\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func build(t *testing.T, text string) topology.Plan {
	t.Helper()
	p, err := Build(parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The datacenters and racks that the real snitches gave.
func TestNames(t *testing.T) {
	for _, tt := range []struct{ zone, standardDC, standardRack, legacyDC, legacyRack string }{
		{"us-east-1a", "us-east-1", "us-east-1a", "us-east", "1a"},
		{"us-east-2b", "us-east-2", "us-east-2b", "us-east-2", "2b"},
		{"us-west-1a", "us-west-1", "us-west-1a", "us-west", "1a"},
		{"us-west-2b", "us-west-2", "us-west-2b", "us-west-2", "2b"},
		{"eu-west-1c", "eu-west-1", "eu-west-1c", "eu-west", "1c"},
		{"eu-central-1a", "eu-central-1", "eu-central-1a", "eu-central", "1a"},
		{"ap-southeast-1a", "ap-southeast-1", "ap-southeast-1a", "ap-southeast", "1a"},
		{"us-gov-west-1a", "us-gov-west-1", "us-gov-west-1a", "us-gov-west", "1a"},
		{"us-west-2-lax-1a", "us-west-2-lax-1", "us-west-2-lax-1a", "us-west-2-lax", "1a"},
	} {
		if dc, rack := Names(Standard, tt.zone); dc != tt.standardDC || rack != tt.standardRack {
			t.Errorf("standard %s: %s, %s", tt.zone, dc, rack)
		}
		if dc, rack := Names(Legacy, tt.zone); dc != tt.legacyDC || rack != tt.legacyRack {
			t.Errorf("legacy %s: %s, %s", tt.zone, dc, rack)
		}
	}
}

func TestBuildNodes(t *testing.T) {
	p := build(t, `
partitioner: random
regions:
- {region: us-east-1, nodes: 2}
- {region: us-west-2}
- {region: us-east-1, zone: us-east-1b, nodes: 2}
- {region: us-west-2, zone: us-west-2-lax-1a}
`)
	var got []string
	for _, n := range p.Nodes {
		got = append(got, fmt.Sprintf("%d %s %s %s/%s seed=%t %s", n.Index, n.Name, n.Zone, n.Datacenter, n.Rack, n.Seed, n.Tokens[0]))
	}
	// us-east: four nodes at quarters, the racks in turn; us-west-2 and us-west-2-lax
	// one step of floor(-2^127/235) back each.
	want := []string{
		"1 us-east-1-1 us-east-1a us-east/1a seed=true 0",
		"2 us-east-1-2 us-east-1a us-east/1a seed=false 85070591730234615865843651857942052864",
		"3 us-west-2-1 us-west-2a us-west-2/2a seed=true 169417178424467235000914166253263322299",
		"4 us-east-1-3 us-east-1b us-east/1b seed=true 42535295865117307932921825928971026432",
		"5 us-east-1-4 us-east-1b us-east/1b seed=false 127605887595351923798765477786913079296",
		"6 us-west-2-2 us-west-2-lax-1a us-west-2-lax/1a seed=true 168693173388465238270141028790642538870",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if want := map[string]int{"us-east": 1, "us-west-2": 1, "us-west-2-lax": 1}; !reflect.DeepEqual(p.Keyspace.Replication, want) {
		t.Errorf("replication %v, want %v", p.Keyspace.Replication, want)
	}
	if p.Stress.WriteDC != "us-east" || p.Stress.ReadDC != "us-west-2" {
		t.Errorf("writes in %s, reads in %s", p.Stress.WriteDC, p.Stress.ReadDC)
	}
}

func TestBuildSeeds(t *testing.T) {
	for _, tt := range []struct {
		regions string
		want    []int // indexes from 1
	}{
		{"[{region: us-east-1}]", []int{1}},
		{"[{region: us-east-1, nodes: 2}, {region: us-west-2, nodes: 3}]", []int{1, 3, 4}},
		{"[{region: us-east-1, nodes: 2}, {region: us-east-1, zone: us-east-1b}]", []int{1, 3}},
	} {
		p := build(t, "regions: "+tt.regions)
		var got []int
		for _, n := range p.Nodes {
			if n.Seed {
				got = append(got, n.Index)
			}
			if n.Bootstrap {
				t.Errorf("%s: %s bootstraps in a fresh ring", tt.regions, n.Name)
			}
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: seeds %v, want %v", tt.regions, got, tt.want)
		}
	}
}

func TestBuildByVersion(t *testing.T) {
	older, newer := releasetest.Patched()
	for _, tt := range []struct {
		cassandra, version string
		thrift, sslStorage int
	}{
		{"1.2", releasetest.Of("1.2"), 9160, 7001},
		{"3.11", releasetest.Of("3.11"), 9160, 7001},
		{"4.0", releasetest.Of("4.0"), 0, 0},
		{"4.1", releasetest.Of("4.1"), 0, 0},
		{"5.0", releasetest.Of("5.0"), 0, 0},
		{older, older, 0, 0},
		{newer, newer, 0, 0},
	} {
		p := build(t, "cassandra: "+tt.cassandra+"\nregions: [{region: us-east-1}]")
		ports := p.Nodes[0].Ports
		if p.Version != tt.version || ports.Thrift != tt.thrift || ports.SSLStorage != tt.sslStorage || ports.Storage != 7000 || ports.Native != 9042 {
			t.Errorf("%s: %s with %+v", tt.cassandra, p.Version, ports)
		}
	}
	if p := build(t, "cassandra: \"5.0\"\nnaming: standard\nregions: [{region: us-east-1}]"); p.Nodes[0].Datacenter != "us-east-1" || p.NamingScheme != "standard" {
		t.Errorf("standard naming: %s, %s", p.Nodes[0].Datacenter, p.NamingScheme)
	}
}

func TestBuildByProvider(t *testing.T) {
	const two = "\nregions: [{region: us-east-1}, {region: us-west-2, nodes: %d}]"
	for _, tt := range []struct {
		provider, snitch string
		west, heap       int
	}{
		{"local", "Ec2MultiRegionSnitch", 1, 1024},
		{"local", "Ec2MultiRegionSnitch", 2, 512},
		{"ec2", "Ec2MultiRegionSnitch", 2, 8192},
		{"ccm", "GossipingPropertyFileSnitch", 1, 1024},
	} {
		p := build(t, "provider: "+tt.provider+fmt.Sprintf(two, tt.west))
		if p.Snitch != tt.snitch || p.HeapMB != tt.heap {
			t.Errorf("%s: %s, %d MB", tt.provider, p.Snitch, p.HeapMB)
		}
		if p.Rules == nil || p.Calls == nil || (len(p.Rules) > 0) != (tt.provider == "ec2") || (p.Cost != nil) != (tt.provider == "ec2") {
			t.Errorf("%s: rules %v, calls %v, cost %v", tt.provider, p.Rules, p.Calls, p.Cost)
		}
	}
}

func TestBuildRules(t *testing.T) {
	p := build(t, "provider: ec2\nregions: [{region: us-east-1, nodes: 2}, {region: us-west-2}]")
	var got []string
	for _, r := range p.Rules {
		got = append(got, fmt.Sprintf("%s %d %s", r.Node, r.Port, r.Source))
	}
	want := []string{
		"us-east-1-1 7000 group", "us-east-1-1 7000 every other node", "us-east-1-1 9042 group", "us-east-1-1 9042 operator", "us-east-1-1 22 operator",
		"us-east-1-2 7000 group", "us-east-1-2 7000 every other node", "us-east-1-2 9042 group", "us-east-1-2 9042 operator", "us-east-1-2 22 operator",
		"us-west-2-1 7000 group", "us-west-2-1 7000 every other node", "us-west-2-1 9042 group", "us-west-2-1 9042 operator", "us-west-2-1 22 operator",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if alone := build(t, "provider: ec2\nregions: [{region: us-east-1}]"); len(alone.Rules) != 4 {
		t.Errorf("a node alone has rules for others: %v", alone.Rules)
	}
}

// A ring twice as large has twice as many rules, and not four times as many.
func TestRulesGrowWithNodes(t *testing.T) {
	per := func(nodes int) int {
		p := build(t, fmt.Sprintf("provider: ec2\nregions: [{region: us-east-1, nodes: %d}, {region: us-west-2, nodes: %d}]", nodes/2, nodes/2))
		return len(p.Rules) / nodes
	}
	if few, many := per(4), per(1000); few != many {
		t.Errorf("%d rules a node of 4, %d of 1,000", few, many)
	}
}

func TestBuildProblems(t *testing.T) {
	const regions = "regions: [{region: us-east-1}, {region: us-west-2, nodes: 2}]\n"
	for name, tt := range map[string]struct{ text, want string }{
		"naming": {"cassandra: 3.11\nnaming: standard\n" + regions,
			"c.yaml:4: naming: cassandra " + releasetest.Of("3.11") + " knows only legacy names; standard ones came with 4.0"},
		"all at once": {regions + `keyspace:
  replication:
    us-east-1: 1
    us-west-2: 3
stress:
  write_datacenter: us-east-1
  read_datacenter: us-west
`, `c.yaml:6: keyspace.replication.us-east-1: there is no such datacenter: there is us-east, us-west-2
c.yaml:7: keyspace.replication.us-west-2: 3 replicas are more than the nodes of the datacenter, 2
c.yaml:9: stress.write_datacenter: there is no datacenter us-east-1: there is us-east, us-west-2
c.yaml:10: stress.read_datacenter: there is no datacenter us-west: there is us-east, us-west-2`},
		"consistency": {regions + `keyspace: {replication: {us-east: 1}}
stress:
  write_consistency: TWO
  read_consistency: LOCAL_QUORUM
`, `c.yaml:6: stress.write_consistency: TWO needs 2 replicas, the keyspace has 1
c.yaml:7: stress.read_consistency: LOCAL_QUORUM cannot be met in us-west-2, where the keyspace has no replica`},
		"too many tokens": {"provider: hosts\nhosts: hosts.yaml\nnum_tokens: 1536\nregions:\n" + manyZones(6, 1000),
			"c.yaml:6: regions: datacenter 6: more than 8388608 tokens in the ring"},
		"no addresses": {"regions: [{region: us-east-1, nodes: 254}, {region: us-west-2, nodes: 255}]\n",
			"c.yaml:3: regions: provider local has addresses for 254 nodes of a region, not for the 255 of us-west-2"},
		"no addresses by ccm": {"provider: ccm\nregions: [{region: us-east-1, nodes: 64}, {region: us-west-2, nodes: 1}]\n",
			"c.yaml:4: regions: provider ccm has addresses for 64 nodes, not for 65"},
		"no addresses for containers": {"provider: containers\nregions: [{region: us-east-1, nodes: 100}, {region: us-west-2, nodes: 101}]\n",
			"c.yaml:4: regions: provider containers has addresses for 200 nodes, not for 201"},
	} {
		_, err := Build(parse(t, tt.text))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got:\n%v\nwant:\n%s", name, err, tt.want)
		}
		var p *spec.Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: %T is not a problem of the spec", name, err)
		}
	}
}

// manyZones is the regions of n datacenters.
func manyZones(n, nodes int) string {
	var b strings.Builder
	for _, region := range regionNames[:n] {
		fmt.Fprintf(&b, "- {region: %s, nodes: %d}\n", region, nodes)
	}
	return b.String()
}

// A spec that was never validated is.
func TestBuildValidates(t *testing.T) {
	_, err := Build(spec.Spec{Name: "made", Cassandra: "3.0", Regions: []spec.Region{{Region: "us-east-1", Nodes: -1}}})
	_, unknown := release.Find("3.0")
	want := "cassandra: " + unknown.Error() + "\n" +
		"regions[0].nodes: must be at least 1"
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	_, err = Build(spec.Spec{Name: "made", Cassandra: "new", Regions: []spec.Region{{Region: "us-east-1"}}})
	if err == nil || err.Error() != fmt.Sprintf(`cassandra: "new" is not a version such as %q or %q`, release.Newest().Series, releasetest.Newest()) {
		t.Errorf("got %v", err)
	}
}

func TestBuildSharesNothing(t *testing.T) {
	s := parse(t, "regions: [{region: us-east-1}]\nkeyspace: {replication: {us-east: 1}}\nsettings: {startup_checks: {b: [1]}}")
	p, err := Build(s)
	if err != nil {
		t.Fatal(err)
	}
	p.Keyspace.Replication["us-east"] = 9
	p.Settings["startup_checks"].(map[string]any)["b"].([]any)[0] = 9
	if s.Keyspace.Replication["us-east"] != 1 || s.Settings["startup_checks"].(map[string]any)["b"].([]any)[0] != int64(1) {
		t.Errorf("the plan changes the spec: %+v", s)
	}
}

// With racks side by side on the ring, two of the nodes would hold three times as
// much as the others.
func TestRacksShareEvenly(t *testing.T) {
	p := build(t, "regions: [{region: us-east-1, nodes: 2}, {region: us-east-1, zone: us-east-1b, nodes: 2}]\nkeyspace: {replication: {us-east: 2}}")
	owned, err := tokens.EffectiveOwnership(tokens.Murmur3, tokenNodes(t, p), p.Keyspace.Replication)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range owned {
		if math.Abs(f-0.5) > 1e-9 {
			t.Errorf("%s holds %v, want 0.5", p.Nodes[i].Name, f)
		}
	}
}

// Two datacenters of one region, as the snitches' dc_suffix makes them.
func TestDCSuffix(t *testing.T) {
	p := build(t, `
regions:
- {region: us-east-1, nodes: 2}
- {region: us-east-1, zone: us-east-1b, dc_suffix: -analytics}
- {region: us-east-1, zone: us-east-1c, dc_suffix: -analytics}
`)
	var got []string
	for _, n := range p.Nodes {
		got = append(got, n.Name+" "+n.Datacenter+"/"+n.Rack)
	}
	want := []string{"us-east-1-1 us-east/1a", "us-east-1-2 us-east/1a", "us-east-1-3 us-east-analytics/1b", "us-east-1-4 us-east-analytics/1c"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	if p.Stress.ReadDC != "us-east-analytics" || p.Keyspace.Replication["us-east-analytics"] != 1 {
		t.Errorf("%+v, %+v", p.Stress, p.Keyspace)
	}
	_, err := Build(parse(t, "regions: [{region: us-east-1, dc_suffix: -2}, {region: us-east-2}]\n"))
	if err == nil || !strings.Contains(err.Error(), "regions[1].dc_suffix: would make datacenter us-east-2 in us-east-2 of what is one in us-east-1 already") {
		t.Errorf("two places under one name: %v", err)
	}
}

// replication_factor stands for every datacenter that is not named.
func TestReplicationFactor(t *testing.T) {
	const regions = "regions: [{region: us-east-1, nodes: 3}, {region: us-west-2, nodes: 2}, {region: eu-west-1}]\n"
	p := build(t, regions+"keyspace: {replication: {replication_factor: 2, eu-west: 1}}\n")
	if want := map[string]int{"us-east": 2, "us-west-2": 2, "eu-west": 1}; !reflect.DeepEqual(p.Keyspace.Replication, want) {
		t.Errorf("got %v", p.Keyspace.Replication)
	}
	_, err := Build(parse(t, regions+"keyspace: {replication: {replication_factor: 2}}\n"))
	if err == nil || err.Error() != "c.yaml:4: keyspace.replication.replication_factor: 2 replicas are more than the nodes of eu-west, 1: name that datacenter with fewer" {
		t.Errorf("got %v", err)
	}
}

// A read, or a write, where the keyspace has no replica would be answered elsewhere.
func TestLoadNeedsReplicas(t *testing.T) {
	const regions = "regions: [{region: us-east-1}, {region: us-west-2}]\n"
	for text, want := range map[string]string{
		"keyspace: {replication: {us-east: 1}}\n":                                               "stress.read_datacenter: the keyspace has no replica in us-west-2",
		"keyspace: {replication: {us-west-2: 1}}\n":                                             "stress.write_datacenter: the keyspace has no replica in us-east",
		"keyspace: {replication: {us-east: 1}}\nstress: {read_consistency: LOCAL_ONE}\n":        "stress.read_consistency: LOCAL_ONE cannot be met in us-west-2",
		"keyspace: {replication: {us-east: 1}}\nstress: {read_datacenter: us-east}\n":           "",
		"keyspace: {replication: {us-east: 1}}\nstress: {read_datacenter: mars}\n":              "stress.read_datacenter: there is no datacenter mars",
		"keyspace: {replication: {us-east: 1, us-west-2: 1}}\nstress: {write_consistency: TWO}": "",
	} {
		_, err := Build(parse(t, regions+text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
