package tokens

import (
	"fmt"
	"math"
	"math/big"
	"math/rand"
	"reflect"
	"slices"
	"sort"
	"testing"
	"testing/quick"
)

func ints(list ...string) []*big.Int {
	var tokens []*big.Int
	for _, s := range list {
		t, ok := new(big.Int).SetString(s, 10)
		if !ok {
			panic(s)
		}
		tokens = append(tokens, t)
	}
	return tokens
}

// quarters are the tokens at i/4 of Murmur3's ring.
func quarter(i int64) []*big.Int {
	t := new(big.Int).Mul(new(big.Int).Lsh(big.NewInt(1), 62), big.NewInt(i))
	return []*big.Int{t.Add(t, Murmur3.Min())}
}

func near(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) < 1e-9 })
}

func TestOwnership(t *testing.T) {
	tests := []struct {
		name string
		p    Partitioner
		ring []*big.Int
		want []float64
	}{
		{"one token owns all", Random, ints("169417178424467235000914166253263322299"), []float64{1}},
		{"a token owns what lies before it, order kept", Murmur3, slices.Concat(quarter(3), quarter(0), quarter(1)), []float64{0.5, 0.25, 0.25}},
		{"lowest token", Murmur3, ints("-9223372036854775808", "0"), []float64{0.5, 0.5}},
	}
	for _, tt := range tests {
		got, err := Ownership(tt.p, tt.ring)
		if err != nil || !near(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestOwnershipRefuses(t *testing.T) {
	tests := []struct {
		ring []*big.Int
		want string
	}{
		{nil, "ownership: no tokens"},
		{ints("-1"), "token -1: not a token of RandomPartitioner"},
		{ints("170141183460469231731687303715884105728"), "token 170141183460469231731687303715884105728: not a token of RandomPartitioner"},
		{ints("7", "3", "7"), "token 7: occurs twice"},
		{[]*big.Int{nil}, "token <nil>: not a token of RandomPartitioner"},
	}
	for _, tt := range tests {
		if _, err := Ownership(Random, tt.ring); err == nil || err.Error() != tt.want {
			t.Errorf("%v: got %v, want %s", tt.ring, err, tt.want)
		}
	}
}

func TestEffectiveOwnership(t *testing.T) {
	at := func(dc, rack string, places ...int64) Node {
		n := Node{Datacenter: dc, Rack: rack}
		for _, i := range places {
			n.Tokens = append(n.Tokens, quarter(i)...)
		}
		return n
	}
	// The second datacenter stands one token further on.
	beside := func(dc, rack string, place int64) Node {
		n := at(dc, rack, place)
		n.Tokens[0].Add(n.Tokens[0], big.NewInt(1))
		return n
	}
	tests := []struct {
		name        string
		nodes       []Node
		replication map[string]int
		want        []float64
	}{
		{"1+1, one copy each", []Node{at("us-east", "1a", 0), beside("us-west-2", "2a", 0)},
			map[string]int{"us-east": 1, "us-west-2": 1}, []float64{1, 1}},
		{"2+2, one copy each", []Node{at("a", "1", 0), at("a", "1", 2), beside("b", "1", 0), beside("b", "1", 2)},
			map[string]int{"a": 1, "b": 1}, []float64{0.5, 0.5, 0.5, 0.5}},
		{"a datacenter without replicas", []Node{at("a", "1", 0), beside("b", "1", 0)}, map[string]int{"a": 1}, []float64{1, 0}},
		{"a factor of 0", []Node{at("a", "1", 0), beside("b", "1", 0)}, map[string]int{"a": 1, "b": 0}, []float64{1, 0}},
		{"more copies than nodes", []Node{at("a", "1", 0), at("a", "2", 2)}, map[string]int{"a": 3}, []float64{1, 1}},
		{"racks in turn", []Node{at("a", "1", 0), at("a", "2", 1), at("a", "1", 2), at("a", "2", 3)},
			map[string]int{"a": 2}, []float64{0.5, 0.5, 0.5, 0.5}},
		{"racks side by side: the first node of each holds more", []Node{at("a", "1", 0), at("a", "1", 1), at("a", "2", 2), at("a", "2", 3)},
			map[string]int{"a": 2}, []float64{0.75, 0.25, 0.75, 0.25}},
		{"a rack of one holds everything", []Node{at("a", "1", 0), at("a", "1", 1), at("a", "1", 2), at("a", "2", 3)},
			map[string]int{"a": 2}, []float64{0.5, 0.25, 0.25, 1}},
		{"three copies in two racks", []Node{at("a", "1", 0), at("a", "1", 1), at("a", "2", 2), at("a", "2", 3)},
			map[string]int{"a": 3}, []float64{0.75, 0.75, 0.75, 0.75}},
		{"several tokens per node", []Node{at("a", "1", 0, 1), at("a", "1", 2, 3)}, map[string]int{"a": 1}, []float64{0.5, 0.5}},
		{"several tokens per node, a node once per row", []Node{at("a", "1", 0, 1), at("a", "1", 2, 3)}, map[string]int{"a": 2}, []float64{1, 1}},
	}
	for _, tt := range tests {
		got, err := EffectiveOwnership(Murmur3, tt.nodes, tt.replication)
		if err != nil || !near(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestEffectiveOwnershipRefuses(t *testing.T) {
	nodes := []Node{{Datacenter: "a", Rack: "1", Tokens: quarter(0)}, {Datacenter: "b", Rack: "1", Tokens: quarter(1)}}
	tests := []struct {
		nodes       []Node
		replication map[string]int
		want        string
	}{
		{nodes, map[string]int{"c": 1}, "replication of datacenter c: it has no node with a token"},
		{nodes, map[string]int{"a": -1}, "replication of datacenter a: -1"},
		{[]Node{nodes[0], {Datacenter: "b", Tokens: quarter(0)}}, map[string]int{"a": 1}, "token -9223372036854775808: occurs twice"},
	}
	for _, tt := range tests {
		if _, err := EffectiveOwnership(Murmur3, tt.nodes, tt.replication); err == nil || err.Error() != tt.want {
			t.Errorf("%v: got %v, want %s", tt.replication, err, tt.want)
		}
	}
}

// oracle places replicas the other way round: for each range of the whole ring, and
// with the nodes of racks already met kept aside until every rack has been met,
// as Cassandra did it before 3.0.
func oracle(p Partitioner, nodes []Node, replication map[string]int) []float64 {
	var ring []place
	for i, n := range nodes {
		for _, t := range n.Tokens {
			ring = append(ring, place{t, i})
		}
	}
	sort.Slice(ring, func(i, j int) bool { return ring[i].token.Cmp(ring[j].token) < 0 })
	racks, sizes := map[string]map[string]bool{}, map[string]int{}
	for _, n := range nodes {
		if racks[n.Datacenter] == nil {
			racks[n.Datacenter] = map[string]bool{}
		}
		racks[n.Datacenter][n.Rack] = true
		sizes[n.Datacenter]++
	}
	held := make([]*big.Int, len(nodes))
	for i := range held {
		held[i] = new(big.Int)
	}
	for start := range ring {
		replicas, met, aside := map[string][]int{}, map[string]map[string]bool{}, map[string][]int{}
		for i := range ring {
			node := ring[(start+i)%len(ring)].node
			dc, rack := nodes[node].Datacenter, nodes[node].Rack
			if met[dc] == nil {
				met[dc] = map[string]bool{}
			}
			want := min(replication[dc], sizes[dc])
			if len(replicas[dc]) == want || slices.Contains(replicas[dc], node) {
				continue
			}
			switch {
			case len(met[dc]) == len(racks[dc]):
				replicas[dc] = append(replicas[dc], node)
			case met[dc][rack]:
				if !slices.Contains(aside[dc], node) {
					aside[dc] = append(aside[dc], node)
				}
			default:
				replicas[dc] = append(replicas[dc], node)
				met[dc][rack] = true
				if len(met[dc]) == len(racks[dc]) {
					for _, n := range aside[dc] {
						if len(replicas[dc]) < want {
							replicas[dc] = append(replicas[dc], n)
						}
					}
				}
			}
		}
		for _, list := range replicas {
			for _, node := range list {
				held[node].Add(held[node], arc(p, ring, start))
			}
		}
	}
	fractions := make([]float64, len(nodes))
	for i, h := range held {
		fractions[i] = fraction(p, h)
	}
	return fractions
}

// cluster is a random one: up to 3 datacenters of up to 6 nodes in up to 4 racks
// with 1 to 3 tokens each, anywhere on the ring.
type cluster struct {
	P           Partitioner
	Nodes       []Node
	Replication map[string]int
}

func (cluster) Generate(r *rand.Rand, _ int) reflect.Value {
	c := cluster{P: []Partitioner{Random, Murmur3}[r.Intn(2)], Replication: map[string]int{}}
	for dc := range 1 + r.Intn(3) {
		name, racks, vnodes := fmt.Sprint("dc", dc), 1+r.Intn(4), 1+r.Intn(3)
		for range 1 + r.Intn(6) {
			n := Node{Datacenter: name, Rack: fmt.Sprint("r", r.Intn(racks))}
			for range vnodes {
				t := new(big.Int).Rand(r, c.P.Size())
				n.Tokens = append(n.Tokens, t.Add(t, c.P.Min()))
			}
			c.Nodes = append(c.Nodes, n)
		}
		c.Replication[name] = r.Intn(5)
	}
	return reflect.ValueOf(c)
}

func TestEffectiveOwnershipProperties(t *testing.T) {
	property := func(c cluster) bool {
		got, err := EffectiveOwnership(c.P, c.Nodes, c.Replication)
		if err != nil {
			t.Log(err)
			return false
		}
		sum, size := map[string]float64{}, map[string]int{}
		for i, n := range c.Nodes {
			sum[n.Datacenter] += got[i]
			size[n.Datacenter]++
		}
		for dc, factor := range c.Replication {
			if math.Abs(sum[dc]-float64(min(factor, size[dc]))) > 1e-9 {
				t.Logf("%s: %v adds up to %v, factor %d, %d nodes", dc, got, sum[dc], factor, size[dc])
				return false
			}
		}
		return near(got, oracle(c.P, c.Nodes, c.Replication))
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
}

func FuzzOwnership(f *testing.F) {
	f.Add(true, int64(0), int64(1), int64(-1))
	f.Add(false, int64(math.MinInt64), int64(0), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, random bool, a, b, c int64) {
		p := Murmur3
		if random {
			p = Random
		}
		owned, err := Ownership(p, []*big.Int{big.NewInt(a), big.NewInt(b), big.NewInt(c)})
		if a == b || b == c || a == c || random && min(a, b, c) < 0 {
			if err == nil {
				t.Fatalf("%s takes %d, %d, %d", p, a, b, c)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if sum := owned[0] + owned[1] + owned[2]; math.Abs(sum-1) > 1e-9 {
			t.Errorf("ownership of %d, %d, %d adds up to %v", a, b, c, sum)
		}
	})
}
