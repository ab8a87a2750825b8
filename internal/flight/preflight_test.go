package flight

import (
	"net/netip"
	"testing"

	"crossring/internal/cluster/clustertest"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/preflight"
	"crossring/internal/topology"
)

// What the plan's rules on EC2 make of a connection. One that they admit may still be
// closed by rules that somebody changed: that they can't tell.
func TestGroupOfThePlan(t *testing.T) {
	node := func(name, region, private, public string) topology.Node {
		return topology.Node{Name: name, Region: region, PrivateAddress: private, PublicAddress: public}
	}
	inv := topology.Inventory{
		Plan: topology.Plan{Provider: "ec2", Rules: []topology.Rule{
			{Node: "b1", Port: 7000, Source: topology.FromNode("a1")}, {Node: "b1", Port: 7000, Source: topology.FromNode("b2")}, {Node: "b1", Port: 7000, Source: topology.FromGroup()}, {Node: "b1", Port: 22, Source: topology.FromNetwork("192.0.2.0/24")},
		}},
		Nodes: []topology.Node{node("a1", "a", "10.0.0.1", "203.0.113.1"), node("b1", "b", "10.1.0.1", "198.51.100.1"), node("b2", "b", "10.1.0.2", "198.51.100.2"), node("b3", "b", "10.1.0.3", "198.51.100.3")},
	}
	mine, other := []netip.Addr{netip.MustParseAddr("192.0.2.7")}, []netip.Addr{netip.MustParseAddr("203.0.113.99")}
	for _, tt := range []struct {
		from, address string
		port          int
		senders       []netip.Addr
		want          preflight.Group
	}{
		{"a1", "198.51.100.1", 7000, nil, preflight.GroupUnknown},
		{"a1", "198.51.100.1", 7001, nil, preflight.GroupClosed},
		{"b2", "10.1.0.1", 7000, nil, preflight.GroupUnknown},
		{"b2", "198.51.100.1", 7000, nil, preflight.GroupUnknown},
		{"b3", "198.51.100.1", 7000, nil, preflight.GroupClosed}, // a group admits private addresses only
		{preflight.Here, "198.51.100.1", 22, mine, preflight.GroupUnknown},
		{preflight.Here, "198.51.100.1", 22, nil, preflight.GroupUnknown},
		{preflight.Here, "198.51.100.1", 22, other, preflight.GroupClosed},
		{preflight.Here, "198.51.100.1", 5901, mine, preflight.GroupClosed},
	} {
		f := &flight{cluster: clustertest.At(t, inv.Plan.Provider, inv)}
		if got := f.group(preflight.Need{From: tt.from, To: "b1", Address: tt.address, Port: tt.port}, tt.senders); got != tt.want {
			t.Errorf("%s to %s port %d as %v: %q, want %q", tt.from, tt.address, tt.port, tt.senders, got, tt.want)
		}
	}
	inv.Plan.Provider = "hosts"
	f := &flight{cluster: clustertest.At(t, inv.Plan.Provider, inv)}
	if got := f.group(preflight.Need{From: "a1", To: "b1", Address: "198.51.100.1", Port: 1}, nil); got != preflight.GroupUnknown {
		t.Errorf("without a plan of rules: %q", got)
	}
}

func TestPreflightJudge(t *testing.T) {
	path := func(needed bool, kind preflight.Kind) PreflightPath {
		return PreflightPath{Need: preflight.Need{Needed: needed}, Diagnosis: kind}
	}
	ms := func(v float64) *float64 { return &v }
	for name, tt := range map[string]struct {
		res  PreflightResult
		code int
		bad  int
	}{
		"well":               {PreflightResult{Paths: []PreflightPath{path(true, preflight.OK), path(false, preflight.ClosedByGroup)}}, fail.ExitOK, 0},
		"some":               {PreflightResult{Paths: []PreflightPath{path(true, preflight.OK), path(true, preflight.ClosedByGroup)}}, fail.ExitPartial, 1},
		"all":                {PreflightResult{Paths: []PreflightPath{path(true, preflight.NotTried), path(true, preflight.LosesBig)}}, fail.ExitFailure, 2},
		"a machine":          {PreflightResult{Hosts: []PreflightHost{{Problem: "no login"}}, Paths: []PreflightPath{path(true, preflight.OK)}}, fail.ExitPartial, 1},
		"a clock":            {PreflightResult{Hosts: []PreflightHost{{Clock: ms(-86400e3), Margin: ms(10)}}, Paths: []PreflightPath{path(true, preflight.OK)}}, fail.ExitPartial, 1},
		"a clock, perhaps":   {PreflightResult{Hosts: []PreflightHost{{Clock: ms(6000), Margin: ms(2000)}}, Paths: []PreflightPath{path(true, preflight.OK)}}, fail.ExitOK, 0},
		"a clock that is ok": {PreflightResult{Hosts: []PreflightHost{{Clock: ms(4000), Margin: ms(0)}}, Paths: []PreflightPath{path(true, preflight.OK)}}, fail.ExitOK, 0},
	} {
		got, err := (&flight{}).judge(tt.res)
		code := fail.ExitOK
		if coded, ok := err.(interface{ ExitCode() int }); ok {
			code = coded.ExitCode()
		}
		if code != tt.code || got.Problems != tt.bad || (err == nil) != (code == fail.ExitOK) {
			t.Errorf("%s: exit %d, %d problems, %v; want %d and %d", name, code, got.Problems, err, tt.code, tt.bad)
		}
	}
}

// What is to be typed about a node names its cluster, the node and the state directory.
func TestPreflightCommandsAreWhole(t *testing.T) {
	inv := topology.Inventory{
		Plan:  topology.Plan{Name: "lab", Provider: "hosts"},
		Nodes: []topology.Node{{Name: "a1", Region: "a", PrivateAddress: "10.0.0.1", PublicAddress: "203.0.113.1"}},
	}
	f := &flight{World: cluster.World{StateFlag: "/my state"}, cluster: clustertest.At(t, "hosts", inv), ends: map[string]*end{"a1": {}, preflight.Here: {}},
		needs: []preflight.Need{{From: preflight.Here, To: "a1", Address: "203.0.113.1", Port: 9042, Purpose: preflight.CQL}}, tried: []preflight.Tried{{}}}
	o := f.observe(0)
	if want := "crossring --state '/my state' start lab:a1"; o.Start != want {
		t.Errorf("%q, want %q", o.Start, want)
	}
	if want := "crossring --state '/my state' tunnel lab:a1 -L 9042"; o.Tunnel != want {
		t.Errorf("%q, want %q", o.Tunnel, want)
	}
}
