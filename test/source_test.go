package test

import (
	"encoding/json"
	"math"
	"testing"

	"crossring/internal/cql"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// checkByCQL holds the ring that a cluster's agents tell against the one that its nodes
// tell by CQL: equal in all that both know, and open in what CQL does not tell.
func (h home) checkByCQL(t *testing.T, name string, byJMX ringcheck.Ring) {
	t.Helper()
	inv, _ := h.inventory(t, name)
	rel, err := release.Find(inv.Plan.Version)
	if err != nil {
		t.Fatal(err)
	}
	byCQL, err := ringcheck.Collect(t.Context(), ringcheck.Query{
		Inventory: inv, Release: rel, Keyspace: byJMX.Keyspace,
		CQL: func(n topology.Node) (cql.Endpoint, error) {
			return cql.Endpoint{Addresses: []string{n.PrivateAddress}, Port: n.Ports.Native, Release: rel}, nil
		},
	})
	if err != nil {
		t.Error(err)
	}
	sameRing(t, rel, byJMX, byCQL)
}

// sameRing compares a ring by JMX with the same one by CQL, of a release, while all of
// its nodes are up.
func sameRing(t *testing.T, rel release.Release, byJMX, byCQL ringcheck.Ring) {
	t.Helper()
	if byJMX.Source != ringcheck.SourceJMX || byCQL.Source != ringcheck.SourceCQL {
		t.Errorf("rings by %q and %q", byJMX.Source, byCQL.Source)
	}
	if len(byCQL.Mismatches) != 0 || len(byCQL.Unsaid()) == 0 || len(byJMX.Unsaid()) != 0 {
		t.Errorf("by CQL %v, open %v; by JMX open %v", byCQL.Mismatches, byCQL.Unsaid(), byJMX.Unsaid())
	}
	// What only one of them knows is taken out of that one, when the other leaves it open.
	jmx, told := flat(byJMX)
	cql, open := flat(byCQL)
	for name, n := range told {
		o, ok := open[name]
		if !ok {
			t.Errorf("%s is not in the ring by CQL", name)
			continue
		}
		if o.LoadBytes != nil || o.OwnsSystem != nil || o.SeenUpBy != nil {
			t.Errorf("%s by CQL: %+v tells what CQL does not", name, o)
		}
		if (o.LoadGossiped != "") != rel.VirtualTables || (o.State == "") == rel.VirtualTables {
			t.Errorf("%s by CQL: load %q, state %q", name, o.LoadGossiped, o.State)
		}
		if !near(n.Owns, o.Owns) || !near(n.OwnsEffective, o.OwnsEffective) {
			t.Errorf("%s owns by JMX %s, %s, by CQL %s, %s", name, asJSON(t, n.Owns), asJSON(t, n.OwnsEffective), asJSON(t, o.Owns), asJSON(t, o.OwnsEffective))
		}
		n.LoadBytes, n.OwnsSystem, n.SeenUpBy, n.LoadGossiped = nil, nil, nil, o.LoadGossiped
		n.Owns, n.OwnsEffective = o.Owns, o.OwnsEffective
		if o.State == "" {
			n.State = ""
		}
		told[name] = n
	}
	if want, got := asJSON(t, told), asJSON(t, open); want != got {
		t.Errorf("nodes by JMX\n%s\nby CQL\n%s", want, got)
	}
	if want, got := asJSON(t, jmx), asJSON(t, cql); want != got {
		t.Errorf("ring by JMX\n%s\nby CQL\n%s", want, got)
	}
}

// flat takes the nodes out of a ring, by datacenter and address, and what is not of its nodes.
func flat(r ringcheck.Ring) (ringcheck.Ring, map[string]ringcheck.Node) {
	nodes := map[string]ringcheck.Node{}
	for _, dc := range r.Datacenters {
		for _, n := range dc.Nodes {
			nodes[dc.Name+" "+n.Address] = n
		}
	}
	r.Source, r.RTT, r.Faults, r.Datacenters = "", nil, nil, nil
	return r, nodes
}

// near says whether two shares are equal but for a server's single precision: it adds one
// up of a fraction for each range, and was seen 3.2e-5 off with 16 tokens on six nodes.
func near(a, b *float64) bool {
	const slack = 1e-4
	return a == b || a != nil && b != nil && math.Abs(*a-*b) < slack
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
