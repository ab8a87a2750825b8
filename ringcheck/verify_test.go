package ringcheck

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"crossring/internal/topology"
)

// good is what two nodes answer when the ring is as planned.
func good() Observation {
	peers := func() map[string]Peer {
		return map[string]Peer{
			"127.43.102.1": {Datacenter: "us-east", Rack: "1a", HostID: "a", Tokens: []string{"0"}, Status: Up, State: Normal,
				OwnsEffective: ptr(1.0)},
			"127.43.103.1": {Datacenter: "us-west-2", Rack: "2a", HostID: "b", Tokens: []string{westToken}, Status: Up,
				State: Normal, OwnsEffective: ptr(0.99999994)}, // single precision
		}
	}
	view := func(name, self string) View {
		return View{
			Node: name, Self: self, Cluster: "GK Cluster", Partitioner: "RandomPartitioner", ReleaseVersion: recordedAs["5.0"],
			SchemaVersion: "s1", Mode: "NORMAL", LoadBytes: ptr[int64](1), Peers: peers(),
		}
	}
	return Observation{Source: SourceJMX, Keyspace: "gk", Views: []View{
		view("us-east-1-1", "127.43.102.1"), view("us-west-2-1", "127.43.103.1"),
	}}
}

// east and west edit the two views; both edits the peer at an address in each.
func east(edit func(*View)) func(*Observation) { return func(o *Observation) { edit(&o.Views[0]) } }
func west(edit func(*View)) func(*Observation) { return func(o *Observation) { edit(&o.Views[1]) } }
func both(addr string, edit func(*Peer)) func(*Observation) {
	return func(o *Observation) {
		for i := range o.Views {
			o.Views[i].change(addr, edit)
		}
	}
}

func TestVerify(t *testing.T) {
	const eastAddr, westAddr = "127.43.102.1", "127.43.103.1"
	tests := []struct {
		name string
		edit func(*Observation)
		want []Mismatch
	}{
		{"as planned", func(*Observation) {}, nil},
		{
			"unreachable", east(func(v *View) { *v = View{Node: v.Node, Err: errors.New("connection refused")} }),
			[]Mismatch{{KindUnreachable, "us-east-1-1", "an answer", "none", "us-east-1-1 did not answer: connection refused"}},
		},
		{
			"killed, and gossip knows", func(o *Observation) {
				east(func(v *View) { *v = View{Node: v.Node, Err: errors.New("timeout")} })(o)
				both(eastAddr, func(p *Peer) { p.Status = Down })(&Observation{Views: o.Views[1:]})
			},
			[]Mismatch{
				{KindUnreachable, "us-east-1-1", "an answer", "none", "us-east-1-1 did not answer: timeout"},
				{KindStatus, "us-east-1-1", Up, Down, "us-east-1-1 is down as seen by us-west-2-1"},
			},
		},
		{
			"a partition, both ways", func(o *Observation) {
				east(func(v *View) { v.change(westAddr, func(p *Peer) { p.Status = Down }) })(o)
				west(func(v *View) { v.change(eastAddr, func(p *Peer) { p.Status = Down }) })(o)
			},
			[]Mismatch{
				{KindStatus, "us-east-1-1", Up, Down, "us-east-1-1 is down as seen by us-west-2-1"},
				{KindStatus, "us-west-2-1", Up, Down, "us-west-2-1 is down as seen by us-east-1-1"},
			},
		},
		{
			"not heard of yet", east(func(v *View) { delete(v.Peers, westAddr) }),
			[]Mismatch{
				{KindMissingNode, "us-west-2-1", "in the ring", "unknown", "us-west-2-1 is not in the ring as seen by us-east-1-1"},
				{KindOwnership, "", "1", "0.000", "datacenter us-west-2 holds 0.000 copies of keyspace gk, not 1"},
			},
		},
		{
			"gossip remembers one without tokens", both("127.43.109.1", func(p *Peer) { p.Status = Down }), nil,
		},
		{
			"unexpected", both("127.43.109.1", func(p *Peer) { p.Tokens, p.Status = []string{"5"}, Up }),
			[]Mismatch{{KindUnexpectedNode, "127.43.109.1", "not in the ring", "in the ring",
				"127.43.109.1 is in the ring but not in the plan, as seen by us-east-1-1, us-west-2-1"}},
		},
		{
			"token", both(westAddr, func(p *Peer) { p.Tokens = []string{"1", "2"} }),
			[]Mismatch{{KindToken, "us-west-2-1", westToken, "1 2", "us-west-2-1 has token 1 2, not " + westToken}},
		},
		{
			"datacenter", both(westAddr, func(p *Peer) { p.Datacenter = "us-west" }),
			[]Mismatch{
				{KindDatacenter, "us-west-2-1", "us-west-2", "us-west", "us-west-2-1 is in datacenter us-west, not us-west-2"},
				{KindOwnership, "", "0", "1.000", "datacenter us-west holds 1.000 copies of keyspace gk, not 0"},
				{KindOwnership, "", "1", "0.000", "datacenter us-west-2 holds 0.000 copies of keyspace gk, not 1"},
			},
		},
		{
			"rack, as one sees it", west(func(v *View) { v.change(eastAddr, func(p *Peer) { p.Rack = "r1" }) }),
			[]Mismatch{{KindRack, "us-east-1-1", "1a", "r1", "us-east-1-1 is in rack r1, not 1a as seen by us-west-2-1"}},
		},
		{
			"address", east(func(v *View) { v.Self = "127.43.2.1" }),
			[]Mismatch{{KindAddress, "us-east-1-1", eastAddr, "127.43.2.1", "us-east-1-1 has broadcast address 127.43.2.1, not " + eastAddr}},
		},
		{
			"release version", east(func(v *View) { v.ReleaseVersion = "4.1.9" }),
			[]Mismatch{{KindReleaseVersion, "us-east-1-1", recordedAs["5.0"], "4.1.9", "us-east-1-1 has release version 4.1.9, not " + recordedAs["5.0"]}},
		},
		{
			"partitioner", east(func(v *View) { v.Partitioner = "Murmur3Partitioner" }),
			[]Mismatch{{KindPartitioner, "us-east-1-1", "RandomPartitioner", "Murmur3Partitioner",
				"us-east-1-1 has partitioner Murmur3Partitioner, not RandomPartitioner"}},
		},
		{
			"cluster name", west(func(v *View) { v.Cluster = "Test Cluster" }),
			[]Mismatch{{KindClusterName, "us-west-2-1", "GK Cluster", "Test Cluster", "us-west-2-1 has cluster name Test Cluster, not GK Cluster"}},
		},
		{
			"schema", west(func(v *View) { v.SchemaVersion = "s2" }),
			[]Mismatch{{KindSchema, "", "one version", "s1 on us-east-1-1; s2 on us-west-2-1",
				"the nodes do not agree on the schema: s1 on us-east-1-1; s2 on us-west-2-1"}},
		},
		{
			"joining", func(o *Observation) {
				west(func(v *View) { v.Mode = "JOINING" })(o)
				both(westAddr, func(p *Peer) { p.State = Joining })(o)
			},
			[]Mismatch{
				{KindState, "us-west-2-1", Normal, "JOINING", "us-west-2-1 is in mode JOINING, not NORMAL"},
				{KindState, "us-west-2-1", Normal, Joining, "us-west-2-1 is Joining, not Normal"},
			},
		},
		{
			"drained", west(func(v *View) { v.Mode = "DRAINED" }),
			[]Mismatch{{KindState, "us-west-2-1", Normal, "DRAINED", "us-west-2-1 is in mode DRAINED, not NORMAL"}},
		},
		{
			"ownership", both(westAddr, func(p *Peer) { p.OwnsEffective = ptr(0.5) }),
			[]Mismatch{{KindOwnership, "", "1", "0.500", "datacenter us-west-2 holds 0.500 copies of keyspace gk, not 1"}},
		},
		{
			"another keyspace's ownership", func(o *Observation) {
				o.Keyspace = "other"
				both(westAddr, func(p *Peer) { p.OwnsEffective = ptr(0.5) })(o)
			}, nil,
		},
		{
			"ownership from the second node", func(o *Observation) {
				east(func(v *View) { v.OwnershipErr = errors.New("no such keyspace") })(o)
			}, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			obs := good()
			tt.edit(&obs)
			got := Verify(twoNodes("5.0"), obs)
			if len(got) != len(tt.want) || len(got) > 0 && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", asJSON(t, got), asJSON(t, tt.want))
			}
			if got == nil {
				t.Error("nil, which is null in JSON")
			}
			if ring := Merge(twoNodes("5.0"), obs); !reflect.DeepEqual(ring.Mismatches, got) || ring.OK() != (len(got) == 0) {
				t.Errorf("Merge has %s", asJSON(t, ring.Mismatches))
			}
		})
	}
}

// Where the plan leaves tokens to the nodes, their number is checked.
func TestVerifyVnodes(t *testing.T) {
	inv := twoNodes("5.0")
	inv.Plan.NumTokens = 2
	inv.Nodes[0].Tokens, inv.Nodes[1].Tokens = nil, []string{westToken}
	obs := good()
	got := Verify(inv, obs)
	want := []Mismatch{{KindToken, "us-east-1-1", "2 tokens", "1 token", "us-east-1-1 has 1 token, not 2 tokens"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	both("127.43.102.1", func(p *Peer) { p.Tokens = []string{"0", "1"} })(&obs)
	if got := Verify(inv, obs); len(got) > 0 {
		t.Errorf("got %+v, want nothing", got)
	}
}

// A datacenter of fewer nodes than copies holds one on each, as planned.
func TestVerifyFewerNodesThanCopies(t *testing.T) {
	inv := twoNodes("5.0")
	inv.Plan.Keyspace.Replication = map[string]int{"us-east": 3, "us-west-2": 1}
	if got := Verify(inv, good()); len(got) > 0 {
		t.Errorf("got %+v, want nothing", got)
	}
}

func TestMergeOrder(t *testing.T) {
	inv := twoNodes("5.0")
	inv.Nodes[0], inv.Nodes[1] = inv.Nodes[1], inv.Nodes[0]
	obs := good()
	both("10.0.0.9", func(p *Peer) { p.Tokens, p.Datacenter, p.Status = []string{"100"}, "us-west-2", Up })(&obs)
	both("10.0.0.8", func(p *Peer) { p.Tokens, p.Datacenter, p.Status = []string{"-3"}, "a-dc", Up })(&obs)
	both("10.0.0.7", func(p *Peer) { p.Tokens, p.Status = []string{"20", "9"}, Up })(&obs) // its place is not known
	var got []string
	for _, dc := range Merge(inv, obs).Datacenters {
		for _, n := range dc.Nodes {
			got = append(got, dc.Name+" "+n.Address)
		}
	}
	want := []string{
		"us-west-2 10.0.0.9", "us-west-2 127.43.103.1", "us-east 127.43.102.1", " 10.0.0.7", "a-dc 10.0.0.8",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A node's word about itself comes before what others say.
func TestMergeOwnWordFirst(t *testing.T) {
	obs := good()
	obs.Views[1].Mode = "LEAVING"
	obs.Views[0].Peers["127.43.103.1"] = Peer{Datacenter: "old", Rack: "old", HostID: "old", Tokens: []string{"4"}, Status: Up,
		State: Normal, Load: "1 KB"}
	n := Merge(twoNodes("5.0"), obs).Datacenters[1].Nodes[0]
	want := Node{
		Name: "us-west-2-1", Address: "127.43.103.1", PrivateAddress: "127.43.3.1", Rack: "2a", Status: Up, State: Leaving,
		LoadBytes: ptr[int64](1), LoadGossiped: "1 KB", OwnsEffective: ptr(0.99999994), HostID: "b", Tokens: []string{westToken},
		ReleaseVersion: recordedAs["5.0"], SeenUpBy: ptr(2), Asked: 2,
	}
	if !reflect.DeepEqual(n, want) {
		t.Errorf("got %s\nwant %s", asJSON(t, n), asJSON(t, want))
	}
}

// What CQL does not tell is left open: null in JSON, "?" in the tables, and in words. It
// is no mismatch either.
func TestMergeByCQL(t *testing.T) {
	const eastAddr, westAddr = "127.43.102.1", "127.43.103.1"
	obs := good()
	obs.Source = SourceCQL
	for i := range obs.Views {
		v := &obs.Views[i]
		v.Mode, v.LoadBytes = "", nil
		for addr := range v.Peers {
			v.change(addr, func(p *Peer) {
				p.Load, p.State, p.Status = "", "", ""
				if addr == v.Self {
					p.Status = Up
				}
			})
		}
	}
	inv := twoNodes("5.0")
	ring := Merge(inv, obs)
	east, west := ring.Datacenters[0].Nodes[0], ring.Datacenters[1].Nodes[0]
	if len(ring.Mismatches) != 0 || east.Status != Up || west.Status != Up || east.SeenUpBy != nil {
		t.Errorf("%s", asJSON(t, ring))
	}
	if doc := asJSON(t, east); !strings.Contains(doc, `"state":null`) || !strings.Contains(doc, `"load_bytes":null`) || !strings.Contains(doc, `"seen_up_by":null`) {
		t.Error(doc)
	}
	if !obs.SeesUp(obs.Views[0], westAddr) || obs.SeesUp(obs.Views[0], "10.0.0.9") {
		t.Error("a node that is known may be up, and one that is not known is not")
	}
	dead := Observation{Source: SourceCQL, Keyspace: obs.Keyspace, Views: []View{obs.Views[0], {Node: "us-west-2-1", Err: errRefused}}}
	ring = Merge(inv, dead)
	west = ring.Datacenters[1].Nodes[0]
	if west.Status != "" || len(ring.Mismatches) != 1 || ring.Mismatches[0].Kind != KindUnreachable {
		t.Errorf("%s", asJSON(t, ring))
	}
	open := strings.Join(ring.Unsaid(), "; ")
	for _, want := range []string{"whether a node that did not answer is up", "whom each node sees up", "leaving or moving", "the load of nodes"} {
		if !strings.Contains(open, want) {
			t.Errorf("%q does not say %q", open, want)
		}
	}
	var table, long strings.Builder
	if err := errors.Join(WriteStatus(&table, ring), WriteRing(&long, ring)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "??  "+westAddr) || !strings.Contains(table.String(), "U?  "+eastAddr) || !regexp.MustCompile(westAddr+` +2a +\? +\? +\?`).MatchString(long.String()) {
		t.Errorf("%s\n%s", table.String(), long.String())
	}
	dead.Views[0].change(westAddr, func(p *Peer) { p.Status = Down })
	if got := Merge(inv, dead).Datacenters[1].Nodes[0]; got.Status != Down || *got.SeenUpBy != 0 {
		t.Errorf("%s", asJSON(t, got))
	}
	// Nobody asked it.
	dead.Views[0].change("10.0.0.9", func(p *Peer) { *p = Peer{Datacenter: "us-east", Tokens: []string{"7"}} })
	for _, n := range Merge(inv, dead).Datacenters[0].Nodes {
		if n.Name == "" && (n.Status != "" || n.SeenUpBy != nil) {
			t.Errorf("%s", asJSON(t, n))
		}
	}
}

func TestMergeIsPure(t *testing.T) {
	obs := good()
	first := asJSON(t, Merge(twoNodes("5.0"), obs))
	for range 20 {
		if again := asJSON(t, Merge(twoNodes("5.0"), obs)); again != first {
			t.Fatalf("%s\nthen\n%s", first, again)
		}
	}
	if !reflect.DeepEqual(obs, good()) {
		t.Error("Merge changed its argument")
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.152.1": "127.0.152.1", "/127.0.152.1": "127.0.152.1", "name/127.0.152.1": "127.0.152.1",
		"127.0.152.1:7000": "127.0.152.1", "/127.0.152.1:7000": "127.0.152.1", "127.0.152.1/127.0.152.1": "127.0.152.1",
		"/0:0:0:0:0:0:0:1": "::1", "[::1]:7000": "::1", "[2001:db8:0:0:0:0:0:7]:7001": "2001:db8::7", "": "",
		"node/<unresolved>": "<unresolved>",
	} {
		if got := address(in); got != want {
			t.Errorf("address(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSortTokens(t *testing.T) {
	got := sortTokens([]string{"10", "x", "-9223372036854775808", "9", westToken, "0", "a"})
	want := []string{"-9223372036854775808", "0", "9", "10", westToken, "a", "x"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoAnswerError(t *testing.T) {
	err := error(&NoAnswerError{Cluster: "demo", Asked: 2, Err: errors.New("refused")})
	if got, want := err.Error(), "none of the 2 nodes of demo answered: refused"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// An inventory without nodes has nobody to answer, and says so.
	ring, err := Collect(t.Context(), Query{Inventory: topology.Inventory{Plan: topology.Plan{Name: "demo"}}})
	var none *NoAnswerError
	if !errors.As(err, &none) || none.Asked != 0 || !ring.OK() {
		t.Errorf("%v, %+v", err, ring)
	}
}
