package attach

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/tokens"
)

// node is a member of number n in a datacenter.
func node(n int, dc string) Member {
	return Member{
		HostID: fmt.Sprintf("h%d", n), Datacenter: dc, Rack: "r1", Tokens: []string{fmt.Sprint(n * 100), fmt.Sprint(-n)},
		Broadcast: fmt.Sprintf("192.0.2.%d", n), Address: fmt.Sprintf("10.0.0.%d", n), Version: releasetest.Newest(),
	}
}

// ring is what each of some nodes says of all.
func ring(nodes ...Member) []Seen {
	var all []Seen
	for i, m := range nodes {
		s := Seen{At: Point{m.Address, DefaultPort}, Cluster: "Test Cluster", Partitioner: "org.apache.cassandra.dht.Murmur3Partitioner", Self: m}
		for k, p := range nodes {
			if k != i {
				s.Peers = append(s.Peers, p)
			}
		}
		all = append(all, s)
	}
	return all
}

func TestMerge(t *testing.T) {
	seen := ring(node(10, "b"), node(2, "a"), node(9, "b"))
	c, err := Merge(seen)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, m := range c.Members {
		order = append(order, m.Datacenter+" "+m.Broadcast+" "+m.Address+fmt.Sprint(" ", m.Port))
	}
	// The first contact point's datacenter first, then by address, by number and not by letter.
	if got := strings.Join(order, ", "); got != "b 192.0.2.9 10.0.0.9 9042, b 192.0.2.10 10.0.0.10 9042, a 192.0.2.2 10.0.0.2 9042" {
		t.Error(got)
	}
	if c.Partitioner != "Murmur3Partitioner" || c.Release.Version != releasetest.Newest() || c.Name != "Test Cluster" {
		t.Errorf("%+v", c)
	}
}

// One node is asked, and tells of all; what it listens on is no address of it.
func TestMergeOfOneNode(t *testing.T) {
	self, peer := node(1, "a"), node(2, "b")
	self.Address, self.Broadcast, peer.Address = "0.0.0.0", "", "0.0.0.0"
	seen := []Seen{{At: Point{"10.0.0.1", 9142}, Cluster: "x", Partitioner: "RandomPartitioner", Self: self, Peers: []Member{peer}}}
	if others := Others(seen); len(others) != 1 || others[0] != (Point{"192.0.2.2", 9142}) {
		t.Errorf("%v", others)
	}
	c, err := Merge(seen)
	if err != nil {
		t.Fatal(err)
	}
	if m := c.Members[0]; m.Address != "10.0.0.1" || m.Broadcast != "10.0.0.1" || m.Port != 9142 {
		t.Errorf("%+v", m)
	}
	if m := c.Members[1]; m.Address != "192.0.2.2" || m.Port != 9142 {
		t.Errorf("%+v", m)
	}
}

func TestTwoClusters(t *testing.T) {
	a, b := ring(node(1, "a"), node(2, "a")), ring(node(3, "a"), node(4, "a"))
	var two *TwoClustersError
	if err := Same([]Seen{a[0], a[1], b[0]}); !errors.As(err, &two) || !strings.Contains(err.Error(), "neither node knows the other") {
		t.Errorf("%v", err)
	}
	b[0].Cluster = "Other"
	if err := Same([]Seen{a[0], b[0]}); !errors.As(err, &two) || !strings.Contains(err.Error(), `"Other"`) {
		t.Errorf("%v", err)
	}
	// A node that is so new that one of them has not heard of it yet.
	c := ring(node(1, "a"), node(2, "a"))
	c[0].Peers = nil
	if err := Same(c); err != nil {
		t.Error(err)
	}
	if err := Same(append(a, a[0])); err != nil {
		t.Error(err) // twice the same node
	}
}

func TestNotServed(t *testing.T) {
	change := func(f func(all []Seen)) []Seen {
		all := ring(node(1, "a"), node(2, "a"))
		f(all)
		return all
	}
	both := func(f func(m *Member)) []Seen { // of the second node, by its own word and the other's
		return change(func(all []Seen) { f(&all[1].Self); f(&all[0].Peers[0]) })
	}
	var unknown *release.UnknownError
	for name, c := range map[string]struct {
		seen []Seen
		says string
	}{
		"nothing": {nil, "no node said anything"},
		"partitioner": {change(func(all []Seen) {
			all[0].Partitioner, all[1].Partitioner = "x.ByteOrderedPartitioner", "x.ByteOrderedPartitioner"
		}), "ByteOrderedPartitioner"},
		"two partitioners": {change(func(all []Seen) { all[1].Partitioner = "RandomPartitioner" }), "of two clusters"},
		"no tokens":        {both(func(m *Member) { m.Tokens = nil }), "is it joining?"},
		"no rack":          {both(func(m *Member) { m.Rack = "" }), "is it joining?"},
		"releases":         {both(func(m *Member) { m.Version = "4.1.9" }), "different releases, 4.1.9 on 192.0.2.2"},
		"one address":      {both(func(m *Member) { m.Broadcast = "192.0.2.1" }), "have one address, 192.0.2.1"},
		"ports":            {both(func(m *Member) { m.Port = 9142 }), "different ports for CQL, 9042 and 9142"},
		"no address":       {both(func(m *Member) { m.Broadcast = "x" }), "no addresses of a node"},
	} {
		_, err := Merge(c.seen)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
	}
	for _, version := range []string{"9.0.1", "4.0.0.6816", "3.0.8", "x", "5.0"} {
		all := ring(node(1, "a"))
		all[0].Self.Version = version
		if _, err := Merge(all); !errors.As(err, &unknown) || !strings.Contains(err.Error(), version) {
			t.Errorf("release %q: %v", version, err)
		}
	}
	// A patch that crossring has never seen has its series' values.
	for _, rel := range release.All() {
		for _, version := range []string{rel.Series + ".999", rel.Series + ".1-SNAPSHOT"} {
			all := ring(node(1, "a"))
			all[0].Self.Version = version
			if c, err := Merge(all); err != nil || c.Release.Series != rel.Series || c.Release.Version != version || c.Release.Proto != rel.Proto {
				t.Errorf("release %s: %+v, %v", version, c.Release.Version, err)
			}
		}
	}
}

func TestPlan(t *testing.T) {
	c, err := Merge(ring(node(1, "eu west"), node(2, "us"), node(3, "us"), node(4, "us"), node(5, "us"), node(6, "eu_west")))
	if err != nil {
		t.Fatal(err)
	}
	p, nodes, problems := c.Plan(Choice{Name: "prod", TLS: true})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var names []string
	for i, n := range nodes {
		names = append(names, n.Name)
		if n.Index != i+1 || n.Region != n.Datacenter || n.PublicAddress == "" || n.PrivateAddress == "" || n.Ports.Native != 9042 || p.Nodes[i].PublicAddress != "" {
			t.Errorf("%+v", n)
		}
		if n.Tokens[0] != fmt.Sprint("-", strings.TrimPrefix(n.PublicAddress, "192.0.2.")) {
			t.Errorf("tokens in no order: %v", n.Tokens)
		}
	}
	// Names are told apart, and typed.
	if got := strings.Join(names, " "); got != "eu_west-1 eu_west-2 us-1 us-2 us-3 us-4" {
		t.Error(got)
	}
	if p.Provider != Provider || p.RTTMillis != nil || !p.ClientTLS() || p.InternodeTLS() || p.NumTokens != 2 || p.ClusterName != "Test Cluster" || p.Keyspace.Name != "crossring" {
		t.Errorf("%+v", p)
	}
	if rf := fmt.Sprint(p.Keyspace.Replication); rf != "map[eu west:1 eu_west:1 us:3]" {
		t.Error(rf)
	}
	if p.Stress.WriteDC != "eu west" || p.Stress.ReadDC != "eu_west" || p.Stress.Rows == 0 || p.Stress.MissingDeadlineSeconds == 0 {
		t.Errorf("%+v", p.Stress)
	}
	p, _, problems = c.Plan(Choice{Name: "prod", Keyspace: "k", Replication: map[string]int{"us": 2, "eu west": 0}})
	if len(problems) > 0 || len(p.Keyspace.Replication) != 1 || p.Stress.WriteDC != "us" || p.Stress.ReadDC != "us" || p.Keyspace.Name != "k" {
		t.Errorf("%v %+v", problems, p)
	}
	if _, _, problems = c.Plan(Choice{Name: "prod", Replication: map[string]int{"us": 5, "mars": 1}}); len(problems) != 3 {
		t.Errorf("%v", problems)
	}
}

// Whatever nodes say, there is an error or a plan that everything can be asked of.
func FuzzMerge(f *testing.F) {
	f.Add("a", "Murmur3Partitioner", "5.0.5", "192.0.2.1", "10.0.0.1", "7", "b", "192.0.2.2")
	f.Add("", "", "", "", "", "", "", "")
	f.Add("../x", "RandomPartitioner", "1.2.19", "::1", "0.0.0.0", "-5", "a:b", "::1")
	f.Fuzz(func(t *testing.T, dc, partitioner, version, broadcast, address, token, dc2, broadcast2 string) {
		a := Member{HostID: "a", Datacenter: dc, Rack: "r", Tokens: []string{token}, Broadcast: broadcast, Address: address, Version: version}
		b := Member{HostID: "b", Datacenter: dc2, Rack: "r", Tokens: []string{token + "1"}, Broadcast: broadcast2, Version: version}
		c, err := Merge([]Seen{{At: Point{"10.9.9.9", 1}, Cluster: dc, Partitioner: partitioner, Self: a, Peers: []Member{b}}})
		if err != nil {
			return
		}
		p, nodes, problems := c.Plan(Choice{Name: "x"})
		if len(problems) > 0 || len(nodes) != 2 || len(p.Datacenters()) == 0 || nodes[0].Name == nodes[1].Name {
			t.Fatalf("%v %+v", problems, p)
		}
		if _, err := tokens.ParsePartitioner(p.Partitioner); err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			if strings.ContainsAny(n.Name, ":/ \n\x00") || n.PublicAddress == "" || n.PrivateAddress == "" || p.Keyspace.Replication[n.Datacenter] == 0 {
				t.Fatalf("%+v", n)
			}
		}
	})
}
