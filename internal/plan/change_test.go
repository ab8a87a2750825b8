package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"crossring/internal/spec"
	"crossring/internal/topology"
)

// lab is a spec of two datacenters.
func lab(partitioner string, vnodes, east, west int) spec.Spec {
	return spec.Spec{
		Name: "lab", Partitioner: partitioner + "Partitioner", NumTokens: vnodes,
		Regions: []spec.Region{{Region: "us-east-1", Nodes: east}, {Region: "us-west-2", Nodes: west}},
	}
}

// eastIn has the nodes of the east in a zone.
func eastIn(zone string, s spec.Spec) spec.Spec {
	s.Regions = slices.Clone(s.Regions)
	s.Regions[0].Zone = zone
	return s
}

func planOf(t *testing.T, s spec.Spec) topology.Plan {
	t.Helper()
	p, err := Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// acts are the steps in short: "join us-east-1-2".
func acts(p topology.Plan) []string {
	var list []string
	for _, s := range p.Change.Steps {
		list = append(list, s.ID())
	}
	return list
}

func nodeChange(t *testing.T, p topology.Plan, name string) topology.NodeChange {
	t.Helper()
	for _, n := range p.Change.Nodes {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("no node %s in the change", name)
	return topology.NodeChange{}
}

func TestBetween(t *testing.T) {
	for name, tt := range map[string]struct {
		have, want      spec.Spec
		remove, replace []string
		steps           []string
		nodes           []string
	}{
		"one each to two each": {
			have: lab("Random", 1, 1, 1), want: lab("Random", 1, 2, 2),
			steps: []string{"join us-east-1-2", "join us-west-2-2", "cleanup us-east-1-1", "cleanup us-west-2-1"},
			nodes: []string{"us-east-1-1", "us-east-1-2", "us-west-2-1", "us-west-2-2"},
		},
		"back to one": {
			have: lab("Murmur3", 1, 2, 2), want: lab("Murmur3", 1, 2, 1),
			steps: []string{"decommission us-west-2-2"},
			nodes: []string{"us-east-1-1", "us-east-1-2", "us-west-2-1"},
		},
		"a seed goes": {
			have: lab("Murmur3", 1, 2, 2), want: lab("Murmur3", 1, 2, 1), remove: []string{"us-west-2-1"},
			steps: []string{"decommission us-west-2-1", "seeds"},
			nodes: []string{"us-east-1-1", "us-east-1-2", "us-west-2-2"},
		},
		"from the middle": {
			have: lab("Murmur3", 1, 3, 1), want: lab("Murmur3", 1, 2, 1), remove: []string{"us-east-1-2"},
			steps: []string{"decommission us-east-1-2", "move us-east-1-3", "cleanup us-east-1-3", "seeds"},
			nodes: []string{"us-east-1-1", "us-east-1-3", "us-west-2-1"},
		},
		"two to three": {
			have: lab("Random", 1, 2, 1), want: lab("Random", 1, 3, 1),
			steps: []string{"join us-east-1-3", "move us-east-1-2", "cleanup us-east-1-1", "cleanup us-east-1-2", "seeds"},
			nodes: []string{"us-east-1-1", "us-east-1-2", "us-east-1-3", "us-west-2-1"},
		},
		"one dead": {
			have: lab("Random", 1, 1, 1), want: lab("Random", 1, 1, 1), replace: []string{"us-west-2-1"},
			steps: []string{"replace us-west-2-1"},
			nodes: []string{"us-east-1-1", "us-west-2-1"},
		},
		"one dead, one new": {
			have: lab("Random", 1, 1, 1), want: lab("Random", 1, 2, 1), replace: []string{"us-west-2-1"},
			steps: []string{"replace us-west-2-1", "join us-east-1-2", "cleanup us-east-1-1"},
			nodes: []string{"us-east-1-1", "us-east-1-2", "us-west-2-1"},
		},
		"virtual nodes": {
			have: lab("Murmur3", 16, 1, 1), want: lab("Murmur3", 16, 2, 1),
			steps: []string{"join us-east-1-2", "cleanup us-east-1-1"},
			nodes: []string{"us-east-1-1", "us-east-1-2", "us-west-2-1"},
		},
		"another zone": {
			have: lab("Murmur3", 1, 1, 1), want: eastIn("us-east-1b", lab("Murmur3", 1, 2, 1)),
			steps: []string{"join us-east-1-2", "join us-east-1-3", "decommission us-east-1-1", "seeds"},
			nodes: []string{"us-west-2-1", "us-east-1-2", "us-east-1-3"},
		},
		"another zone, virtual nodes": {
			have: lab("Murmur3", 16, 1, 1), want: eastIn("us-east-1b", lab("Murmur3", 16, 2, 1)),
			steps: []string{"join us-east-1-2", "join us-east-1-3", "decommission us-east-1-1", "seeds"},
			nodes: []string{"us-west-2-1", "us-east-1-2", "us-east-1-3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			have := planOf(t, tt.have)
			p, err := Between(ChangeRequest{Have: have, Want: tt.want, Remove: tt.remove, Replace: tt.replace})
			if err != nil {
				t.Fatal(err)
			}
			if got := acts(p); !slices.Equal(got, tt.steps) {
				t.Errorf("steps %q, want %q", got, tt.steps)
			}
			var names []string
			for _, n := range p.Nodes {
				names = append(names, n.Name)
			}
			if !slices.Equal(names, tt.nodes) {
				t.Errorf("nodes %q, want %q", names, tt.nodes)
			}
			checkChange(t, have, p)
		})
	}
}

// checkChange holds what is true of every change.
func checkChange(t *testing.T, have, p topology.Plan) {
	t.Helper()
	if have.NumTokens == 1 {
		size := map[string]int{}
		for _, n := range p.Nodes {
			size[n.Datacenter]++
		}
		for _, n := range p.Change.Nodes {
			rf := p.Keyspace.Replication[n.Datacenter]
			want := float64(rf) / float64(size[n.Datacenter])
			if n.What == topology.NodeRemoved {
				want = 0
			}
			if math.Abs(n.OwnsAfter-want) > 1e-9 {
				t.Errorf("%s owns %g afterwards, want %g", n.Name, n.OwnsAfter, want)
			}
		}
	}
	// No step gives out a token that somebody has.
	at := map[string]string{}
	for _, n := range have.Nodes {
		for _, tok := range n.Tokens {
			at[tok] = n.Name
		}
	}
	for _, s := range p.Change.Steps {
		if s.Kind != topology.StepJoin && s.Kind != topology.StepMove && s.Kind != topology.StepDecommission {
			continue
		}
		for tok, name := range at {
			if name == s.Node {
				delete(at, tok)
			}
		}
		for _, tok := range s.Tokens {
			if other := at[tok]; other != "" {
				t.Errorf("%s: token %s is %s's", s.ID(), tok, other)
			}
			at[tok] = s.Node
		}
	}
	for _, n := range p.Nodes {
		for _, tok := range n.Tokens {
			if at[tok] != n.Name {
				t.Errorf("after all steps token %s is %s's, planned for %s", tok, at[tok], n.Name)
			}
		}
	}
	index := map[int]bool{}
	for _, n := range p.Nodes {
		if index[n.Index] {
			t.Errorf("two nodes have number %d", n.Index)
		}
		index[n.Index] = true
		if i := find(have.Nodes, n.Name); i >= 0 && (have.Nodes[i].Index != n.Index || have.Nodes[i].Zone != n.Zone) {
			t.Errorf("%s is another node than before", n.Name)
		}
	}
}

func TestBetweenMovesBytes(t *testing.T) {
	have := planOf(t, lab("Random", 1, 1, 1))
	p, err := Between(ChangeRequest{
		Have: have, Want: lab("Random", 1, 2, 1), Load: map[string]int64{"us-east-1-1": 1000, "us-west-2-1": 500},
	})
	if err != nil {
		t.Fatal(err)
	}
	join := p.Change.Steps[0]
	if join.Moves != 0.5 || join.Bytes == nil || *join.Bytes != 500 {
		t.Errorf("the new node fetches %+v, want half of 1000 bytes", join)
	}
	n := nodeChange(t, p, "us-east-1-2")
	if n.What != topology.NodeAdded || n.Receives != 0.5 || *n.ReceivesBytes != 500 || n.OwnsBefore != 0 || n.OwnsAfter != 0.5 {
		t.Errorf("the new node: %+v", n)
	}
	p, err = Between(ChangeRequest{Have: have, Want: lab("Random", 1, 2, 1)})
	if err != nil || p.Change.Steps[0].Bytes != nil {
		t.Errorf("bytes without a load: %+v, %v", p.Change.Steps[0], err)
	}
}

func TestBetweenSharesVirtualNodesEvenly(t *testing.T) {
	s := lab("Murmur3", 16, 1, 1)
	have := planOf(t, s)
	for n := 2; n <= 6; n++ {
		want := lab("Murmur3", 16, n, 1)
		p, err := Between(ChangeRequest{Have: have, Want: want})
		if err != nil {
			t.Fatal(err)
		}
		checkChange(t, have, p)
		for _, c := range p.Change.Nodes {
			if even := 1 / float64(n); c.Datacenter == "us-east" && math.Abs(c.OwnsAfter-even) > 0.15*even {
				t.Errorf("%d nodes: %s owns %.4f, want about %.4f", n, c.Name, c.OwnsAfter, even)
			}
		}
		have = p
		have.Change = nil
	}
}

// Any sequence of changes leaves an even ring, and steps that Cassandra takes.
func TestBetweenAtRandom(t *testing.T) {
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 0))
		partitioner := []string{"Random", "Murmur3"}[r.IntN(2)]
		vnodes := []int{1, 1, 8}[r.IntN(3)]
		zone := func() string { return "us-east-1" + []string{"a", "a", "b"}[r.IntN(3)] }
		have := planOf(t, eastIn(zone(), lab(partitioner, vnodes, 1+r.IntN(5), 1+r.IntN(5))))
		for round := range 6 {
			want := eastIn(zone(), lab(partitioner, vnodes, 1+r.IntN(7), 1+r.IntN(7)))
			req := ChangeRequest{Have: have, Want: want}
			east := 0
			for _, n := range have.Nodes {
				if n.Region == "us-east-1" {
					east++
				}
			}
			if want.Regions[0].Nodes < east && want.Regions[0].Zone == have.Nodes[0].Zone {
				req.Remove = []string{have.Nodes[r.IntN(east)].Name}
			}
			p, err := Between(req)
			if err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			checkChange(t, have, p)
			if t.Failed() {
				t.Fatalf("seed %d, round %d: %q", seed, round, acts(p))
			}
			have = p
			have.Change = nil
		}
	}
}

// Racks still take turns after nodes came.
func TestBetweenWithRacks(t *testing.T) {
	s := spec.Spec{Name: "lab", Partitioner: "Murmur3Partitioner", Keyspace: spec.Keyspace{Replication: map[string]int{"us-east": 2}}, Regions: []spec.Region{
		{Region: "us-east-1", Zone: "us-east-1a", Nodes: 1}, {Region: "us-east-1", Zone: "us-east-1b", Nodes: 1}}}
	have := planOf(t, s)
	s.Regions = []spec.Region{{Region: "us-east-1", Zone: "us-east-1a", Nodes: 2}, {Region: "us-east-1", Zone: "us-east-1b", Nodes: 2}}
	p, err := Between(ChangeRequest{Have: have, Want: s})
	if err != nil {
		t.Fatal(err)
	}
	checkChange(t, have, p)
	if got := p.Nodes[1]; got.Name != "us-east-1-3" || got.Rack != "1a" {
		t.Errorf("the new node of us-east-1a is %s in %s", got.Name, got.Rack)
	}
}

func TestBetweenRefuses(t *testing.T) {
	have := planOf(t, lab("Murmur3", 1, 2, 1))
	for name, tt := range map[string]struct {
		edit            func(*spec.Spec)
		remove, replace []string
		want            string
	}{
		"a zone of no datacenter of ours": {
			edit: func(s *spec.Spec) {
				s.Regions = append(s.Regions, spec.Region{Region: "us-west-1", Zone: "us-west-1a", Nodes: 1})
			},
			want: "us-west-1a is in datacenter us-west; a running cluster takes nodes in its own datacenters: us-east, us-west-2",
		},
		"nobody is left": {replace: []string{"us-east-1-1", "us-east-1-2", "us-west-2-1"},
			want: "all nodes of lab are to be replaced: one has to live for the others to take their data from"},
		"a node that is not there":    {remove: []string{"us-east-1-9"}, want: `no node "us-east-1-9" in cluster lab`},
		"a node whose zone keeps all": {remove: []string{"us-east-1-1"}, want: "us-east-1-1 is to go, but its zone us-east-1a keeps 2 nodes"},
		"one that goes": {
			edit: func(s *spec.Spec) { s.Regions[0].Nodes = 1 }, replace: []string{"us-east-1-2"},
			want: "us-east-1-2 is to be replaced, but it goes",
		},
		"more replicas than nodes": {
			edit: func(s *spec.Spec) { s.Regions[0].Nodes, s.Keyspace.Replication = 1, map[string]int{"us-east": 2} },
			want: "2 replicas are more than the nodes of the datacenter, 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := lab("Murmur3", 1, 2, 1)
			if tt.edit != nil {
				tt.edit(&want)
			}
			_, err := Between(ChangeRequest{Have: have, Want: want, Remove: tt.remove, Replace: tt.replace})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	broken := have
	broken.Nodes = slices.Clone(have.Nodes)
	broken.Nodes[1].Tokens = broken.Nodes[0].Tokens
	_, err := Between(ChangeRequest{Have: broken, Want: lab("Murmur3", 1, 3, 1)})
	if want := fmt.Sprintf("token %s: occurs twice", broken.Nodes[0].Tokens[0]); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("of a token twice: %v", err)
	}
}
