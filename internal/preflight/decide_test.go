package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"crossring/internal/topology"
)

func hops(addrs ...string) []Hop {
	var list []Hop
	for i, a := range addrs {
		addr, _ := netip.ParseAddr(a) // "" is one that does not answer
		list = append(list, Hop{TTL: i + 1, Addr: addr})
	}
	return list
}

func TestDecide(t *testing.T) {
	ab := Need{From: "a", To: "b", Address: "203.0.113.2", Port: 7000, Purpose: Internode, Needed: true}
	cql := Need{From: Here, To: "b", Address: "203.0.113.2", Port: 9042, Purpose: CQL}
	var (
		silent  = Tried{State: Silent}
		refused = Tried{State: Refused}
		none    Witness
		nothing = Witness{Asked: true}
	)
	passed := func(out, in int) Witness { return Witness{Asked: true, Out: out, In: in} }
	drop := Ruling{Verdict: Drops, Rule: "the rule", Tool: "nft"}
	reject := Ruling{Verdict: Rejects, Rule: "the rule", Tool: "nft"}
	accept := Ruling{Verdict: Accepts, Tool: "nft"}
	way := hops("192.168.1.1", "192.0.2.1", "192.0.2.9", "203.0.113.2")

	for name, tt := range map[string]struct {
		o    Observation
		want Kind
		sure bool
		says string // part of what is said
	}{
		"asked for, the probe":     {Observation{Need: Need{From: Here, To: "b", Address: "203.0.113.2", Port: 5950, Purpose: Extra, Needed: true}, Tried: Tried{State: Open}, Listener: ByProbe}, OK, true, "own probe answered"},
		"asked for, a server":      {Observation{Need: Need{From: Here, To: "b", Address: "203.0.113.2", Port: 5950, Purpose: Extra, Needed: true}, Tried: Tried{State: Open}, Listener: ByServer}, OK, true, ""},
		"both addresses its own":   {Observation{Need: ab, Tried: refused, Listener: ByNobody, Elsewhere: true, Receiver: passed(1, 1), HostRule: accept}, NobodyListens, true, "nobody listens at 203.0.113.2, which is an address of b itself"},
		"both, and nobody watched": {Observation{Need: ab, Tried: refused, Listener: ByNobody, Elsewhere: true}, NobodyListens, true, "private: 203.0.113.2"},
		"both, and a firewall":     {Observation{Need: ab, Tried: refused, Listener: ByNobody, Elsewhere: true, Receiver: passed(1, 1), HostRule: reject}, ClosedOnHost, true, "the rule"},
		"open":                     {Observation{Need: ab, Tried: Tried{State: Open}, Listener: ByProbe}, OK, true, ""},
		"open, TLS swallowed":      {Observation{Need: ab, Tried: Tried{State: Open, TLS: TLSSilent}, Listener: ByProbe}, CutOff, true, "swallows TLS"},
		"open, plaintext server":   {Observation{Need: ab, Tried: Tried{State: Open, TLS: TLSSilent}, Listener: ByServer}, OK, true, ""},
		"sender can't be used":     {Observation{Need: ab, Tried: Tried{State: Untried, Error: "no login"}}, NotTried, true, "no login"},
		"fault of our own":         {Observation{Need: ab, Tried: Tried{State: Swallowed}, Fault: "cut", Heal: "crossring fault heal x"}, Faulted, true, "crossring fault heal x"},
		"fault, looks open":        {Observation{Need: ab, Tried: Tried{State: Open, TLS: TLSNone}, Fault: "cut", Heal: "crossring fault heal x"}, Faulted, true, "cut"},
		"stands, then cut":         {Observation{Need: ab, Tried: Tried{State: Reset}, Listener: ByProbe}, CutOff, true, "is reset"},
		"stands, then silent":      {Observation{Need: ab, Tried: Tried{State: Swallowed}, Listener: ByProbe}, CutOff, true, "hears nothing more"},
		"stands, nobody behind it": {Observation{Need: ab, Tried: Tried{State: Reset}, Listener: ByNobody}, NobodyListens, true, "nothing listens"},
		"no route":                 {Observation{Need: ab, Tried: Tried{State: Unreachable, Error: "no route to host"}}, NoRoute, true, "no route to host"},

		"refused, nobody":            {Observation{Need: ab, Tried: refused, Listener: ByNobody, Receiver: passed(1, 1)}, NobodyListens, true, "nothing listens"},
		"refused, start it":          {Observation{Need: ab, Tried: refused, Listener: ByNobody, Receiver: passed(1, 1)}, NobodyListens, true, "crossring start lab:b "},
		"stands, start it":           {Observation{Need: ab, Tried: Tried{State: Reset}, Listener: ByNobody}, NobodyListens, true, "crossring start lab:b "},
		"own network, a tunnel":      {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Trace: hops("192.168.1.1", ""), OtherTrace: way}, ClosedByOwn, true, "crossring tunnel lab:b"},
		"the way, a tunnel":          {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Trace: hops("192.168.1.1", "192.0.2.1", ""), OtherTrace: way}, ClosedOnWay, true, "crossring tunnel lab:b"},
		"refused, not asked":         {Observation{Need: ab, Tried: refused, Listener: Unknown}, NobodyListens, false, "could not be asked"},
		"refused after arriving":     {Observation{Need: ab, Tried: refused, Listener: ByProbe, Receiver: passed(1, 1), HostRule: reject}, ClosedOnHost, true, "the rule"},
		"refused before arriving":    {Observation{Need: ab, Tried: refused, Listener: ByProbe, Sender: passed(1, 1), Receiver: nothing}, ClosedByGroup, true, "refuses"},
		"refused, rule read":         {Observation{Need: ab, Tried: refused, Listener: ByServer, HostRule: reject}, ClosedOnHost, true, "the rule"},
		"refused, rules admit it":    {Observation{Need: ab, Tried: refused, Listener: ByServer, HostRule: accept}, ClosedByGroup, true, "admits it"},
		"refused, nothing known":     {Observation{Need: ab, Tried: refused, Listener: ByServer}, ClosedOnHost, false, "could not be read"},
		"refused by the sender":      {Observation{Need: ab, Tried: refused, Listener: ByProbe, Sender: nothing, Receiver: nothing, SenderRule: reject}, ClosedBySelf, true, "the rule"},
		"forbidden by a router":      {Observation{Need: ab, Tried: Tried{State: Unreachable}, Listener: ByProbe, Sender: passed(1, 1), Receiver: nothing}, ClosedByGroup, true, "forbids"},
		"forbidden by the host":      {Observation{Need: ab, Tried: Tried{State: Unreachable}, Listener: ByProbe, Receiver: passed(1, 1), HostRule: reject}, ClosedOnHost, true, "forbids"},
		"forbidden, host's own rule": {Observation{Need: ab, Tried: Tried{State: Unreachable}, HostRule: reject}, ClosedOnHost, true, "the rule"},

		"silent, never left":          {Observation{Need: ab, Tried: silent, Sender: nothing, Receiver: nothing, SenderRule: drop}, ClosedBySelf, true, "the rule"},
		"silent, arrived":             {Observation{Need: ab, Tried: silent, Sender: passed(3, 0), Receiver: passed(0, 3), HostRule: drop}, ClosedOnHost, true, "the rule"},
		"silent, arrived, rules open": {Observation{Need: ab, Tried: silent, Receiver: passed(0, 3), HostRule: accept}, ClosedOnHost, true, "itself drops it"},
		"silent, answered":            {Observation{Need: ab, Tried: silent, Sender: passed(3, 0), Receiver: passed(3, 3)}, WayBack, true, "lost on the way"},
		"silent, answer arrived":      {Observation{Need: ab, Tried: silent, Sender: passed(3, 3), Receiver: passed(3, 3)}, ClosedBySelf, true, "answer of b"},
		"silent, did not arrive":      {Observation{Need: ab, Tried: silent, Sender: passed(3, 0), Receiver: nothing}, ClosedByGroup, true, "do not arrive"},
		"silent, rule read":           {Observation{Need: ab, Tried: silent, HostRule: drop}, ClosedOnHost, true, "the rule"},
		"silent, host is open":        {Observation{Need: ab, Tried: silent, HostRule: accept}, ClosedByGroup, true, "admits it"},
		"silent, nothing known":       {Observation{Need: ab, Tried: silent}, ClosedByGroup, false, "nothing comes back"},
		"silent, group admits":        {Observation{Need: ab, Tried: silent, Receiver: nothing, Group: GroupOpen}, ClosedOnWay, true, "network ACLs"},
		"silent, group does not":      {Observation{Need: cql, Tried: silent, Receiver: nothing, Group: GroupClosed, Trace: hops("192.168.1.1"), OtherTrace: way}, ClosedByGroup, true, "no rule of it"},

		"own network, by trace":      {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Trace: hops("192.168.1.1", ""), OtherTrace: way}, ClosedByOwn, true, "192.168.1.1"},
		"own network, first router":  {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Trace: hops(""), OtherTrace: way}, ClosedByOwn, true, "port 22"},
		"a carrier's NAT":            {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Trace: hops("192.168.1.1", "100.64.0.1", ""), OtherTrace: hops("192.168.1.1", "100.64.0.1", "192.0.2.9", "203.0.113.2")}, ClosedByOwn, true, "100.64.0.1"},
		"the way, by trace":          {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Trace: hops("192.168.1.1", "192.0.2.1", ""), OtherTrace: way}, ClosedOnWay, true, "192.0.2.1"},
		"group, by trace":            {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Trace: hops("192.168.1.1", "192.0.2.1", "192.0.2.9"), OtherTrace: way}, ClosedByGroup, true, "192.0.2.9"},
		"a trace that tells nothing": {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Trace: hops("192.168.1.1"), OtherTrace: hops("192.168.1.1", "", "203.0.113.2")}, ClosedByGroup, false, "your own network"},
		"own, the group admits":      {Observation{Need: cql, Tried: silent, Receiver: nothing, OtherPort: 22, Group: GroupOpen}, ClosedByOwn, true, "the group admits it"},
		"own, others reach it":       {Observation{Need: cql, Tried: silent, Receiver: none, OtherPort: 22, Reached: []string{"a"}}, ClosedByOwn, false, "a reached it"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.Start, tt.o.Tunnel = "crossring start lab:b", "crossring tunnel lab:b"
			d := Decide(tt.o)
			if d.Kind != tt.want || d.Sure != tt.sure || !strings.Contains(d.Means+" "+d.Change, tt.says) {
				t.Errorf("%+v; want %s, sure %t, %q", d, tt.want, tt.sure, tt.says)
			}
			answered := d.Kind == OK && tt.o.Need.Purpose == Extra && tt.o.Listener == ByProbe // by crossring itself
			if (d.Kind == OK) != (d.Means == "" && d.Change == "") && !answered {
				t.Errorf("a diagnosis has a meaning and a change exactly when something is wrong: %+v", d)
			}
		})
	}
}

func TestDecideBulk(t *testing.T) {
	n := Need{From: "a", To: "b"}
	if d, ok := DecideBulk(n, Bulk{MbitPerSec: 1}); !ok {
		t.Errorf("%+v", d)
	}
	if d, ok := DecideBulk(n, Bulk{Stalled: true, DeviceMTU: 1500, WorkingMTU: 1280}); ok || d.Kind != LosesBig || !strings.Contains(d.Change, "1280") {
		t.Errorf("%+v", d)
	}
	if d, ok := DecideBulk(n, Bulk{Stalled: true}); ok || d.Kind != LosesBig || !strings.Contains(d.Means, "none of those tried") {
		t.Errorf("%+v", d)
	}
}

func TestNeeds(t *testing.T) {
	node := func(name, region, private, public string, host *topology.Host) topology.Node {
		return topology.Node{Name: name, Region: region, PrivateAddress: private, PublicAddress: public, Ports: topology.DefaultPorts(), Host: host}
	}
	inv := topology.Inventory{Remote: &topology.Remote{}, Nodes: []topology.Node{
		node("a1", "a", "10.0.0.1", "203.0.113.1", &topology.Host{Address: "203.0.113.1", Port: 22}),
		node("a2", "a", "10.0.0.2", "203.0.113.2", &topology.Host{Address: "203.0.113.2", Port: 22, Jump: "x@y"}),
		node("b1", "b", "10.1.0.1", "198.51.100.1", &topology.Host{Address: "198.51.100.1", Port: 2222}),
	}}
	inv.Plan.Rules = []topology.Rule{
		{Node: "b1", Port: 7000, Source: topology.FromNode("a1"), Purpose: topology.ForInternode}, {Node: "b1", Port: 7001, Source: topology.FromNode("a1"), Purpose: topology.ForInternode}, {Node: "b1", Port: 9042, Source: topology.FromGroup()}, {Node: "b1", Port: 22, Source: topology.FromNetwork("192.0.2.0/24")},
		{Node: "a1", Port: 7000, Source: topology.FromOthers(), Purpose: topology.ForInternode},
	}
	count := map[string]int{}
	for _, n := range Needs(inv, []int{5901}) {
		key := n.From + " " + n.To + " " + n.Purpose
		if n.Needed {
			key += "!"
		}
		count[key]++
	}
	// A port that is asked for twice, or that of CQL, is one need.
	for _, n := range Needs(inv, []int{5901, 5901, 9042}) {
		if n.From == Here && n.Port != 22 && n.Port != 2222 {
			count[fmt.Sprintf("%s %d %s %t", n.To, n.Port, n.Purpose, n.Needed)]++
		}
	}
	for key, want := range map[string]int{
		"a1 5901 asked for true": 1, "a1 9042 cql true": 1, "a1 9042 asked for true": 0, "b1 5901 asked for true": 1, "b1 9042 cql true": 1,
		"a1 a2 internode!":   1, // by the private address
		"a1 a2 internode":    1, // by the public one, on which nothing depends
		"a2 a1 internode!":   2, // the rules open the public one: it is meant to be used
		"a1 a2 cql":          1,
		"a1 b1 internode!":   2, // the rules open 7001, too
		"b1 a1 internode!":   1,
		"here a1 ssh!":       1,
		"here a1 cql":        1,
		"here a2 ssh!":       0, // through another host
		"here b1 ssh!":       1,
		"here b1 asked for!": 1,
		"a1 b1 cql":          0,
	} {
		if count[key] != want {
			t.Errorf("%s: %d, want %d", key, count[key], want)
		}
	}
	// Up to 3.11 TLS has a port of its own, and nothing listens at the other.
	inv.Plan.TLS, inv.Plan.Rules = &topology.TLSPlan{Internode: true}, nil
	if ports := InternodePorts(inv, inv.Nodes[0]); !slices.Equal(ports, []int{7001}) {
		t.Errorf("with TLS nodes are reached at %v", ports)
	}
	inv.Remote = nil
	for _, n := range Needs(inv, nil) {
		if n.From == Here && n.Purpose == CQL && n.Address == n.To {
			t.Errorf("%+v", n)
		}
	}
}
