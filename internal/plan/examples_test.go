package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"math/big"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/quick"

	"crossring/internal/release"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/tokens"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func tokenNodes(t *testing.T, p topology.Plan) []tokens.Node {
	t.Helper()
	list := make([]tokens.Node, len(p.Nodes))
	for i, n := range p.Nodes {
		list[i] = tokens.Node{Datacenter: n.Datacenter, Rack: n.Rack}
		for _, text := range n.Tokens {
			tok, ok := new(big.Int).SetString(text, 10)
			if !ok {
				t.Fatalf("token %q of %s", text, n.Name)
			}
			list[i].Tokens = append(list[i].Tokens, tok)
		}
	}
	return list
}

var regionNames = []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "us-gov-west-1"}

// valid is a random valid spec.
type valid struct{ Spec spec.Spec }

func (valid) Generate(r *rand.Rand, _ int) reflect.Value {
	s := spec.Spec{
		Name:        "random",
		Partitioner: []string{"RandomPartitioner", "Murmur3Partitioner"}[r.Intn(2)],
		Provider:    []string{"local", "ec2", "hosts"}[r.Intn(3)],
		Naming:      []string{Legacy, Standard}[r.Intn(2)],
		NumTokens:   []int{1, 1, 1, 4}[r.Intn(4)],
	}
	if s.Provider == "hosts" {
		s.Hosts = "hosts.yaml"
	}
	for _, region := range regionNames[:1+r.Intn(len(regionNames))] {
		for _, zone := range []string{"a", "b", "c", "-lax-1a"}[:1+r.Intn(4)] {
			s.Regions = append(s.Regions, spec.Region{Region: region, Zone: region + zone, Nodes: 1 + r.Intn(12)})
		}
	}
	r.Shuffle(len(s.Regions), func(i, j int) { s.Regions[i], s.Regions[j] = s.Regions[j], s.Regions[i] })
	return reflect.ValueOf(valid{s})
}

func TestBuildProperties(t *testing.T) {
	if err := quick.Check(func(v valid) bool { return wellPlanned(t, v.Spec) }, nil); err != nil {
		t.Error(err)
	}
}

// token-generator would give two nodes of this ring one token.
func TestBuildCollision(t *testing.T) {
	s := parse(t, "partitioner: random\nregions:\n"+manyZones(4, 12))
	s.Regions[3].Nodes = 31
	if _, err := tokens.Generate(tokens.Random, tokens.NTS, []int{12, 12, 12, 31}); err == nil {
		t.Fatal("there is no collision to avoid")
	}
	if !wellPlanned(t, s) {
		t.Error("not well planned")
	}
}

// wellPlanned checks what is true of every plan.
func wellPlanned(t *testing.T, s spec.Spec) bool {
	p, err := Build(s)
	if err != nil {
		t.Log(err)
		return false
	}
	seen, seeds, nodes := map[string]bool{}, map[string]int{}, map[string]int{}
	for i, n := range p.Nodes {
		if n.Index != i+1 || seen[n.Name] || len(n.Tokens) != s.NumTokens {
			t.Logf("node %d: %+v", i, n)
			return false
		}
		seen[n.Name] = true
		for _, tok := range n.Tokens {
			if seen[tok] {
				t.Logf("token %s occurs twice", tok)
				return false
			}
			seen[tok] = true
		}
		nodes[n.Datacenter]++
		if n.Seed {
			seeds[n.Datacenter]++
		}
	}
	for dc, count := range nodes {
		if want := map[bool]int{false: 1, true: 2}[count >= 3]; seeds[dc] != want {
			t.Logf("%s of %d nodes has %d seeds", dc, count, seeds[dc])
			return false
		}
	}
	owned, err := tokens.EffectiveOwnership(tokens.Partitioner(p.Partitioner), tokenNodes(t, p), p.Keyspace.Replication)
	if err != nil {
		t.Log(err)
		return false
	}
	for i, f := range owned {
		if math.Abs(f*float64(nodes[p.Nodes[i].Datacenter])-1) > 1e-9 {
			t.Logf("%s holds %v of a datacenter of %d", p.Nodes[i].Name, f, nodes[p.Nodes[i].Datacenter])
			return false
		}
	}
	again, err := Build(s)
	if err != nil || !reflect.DeepEqual(p, again) {
		t.Logf("planned again: %v", err)
		return false
	}
	return true
}

func encode(t *testing.T, p topology.Plan) []byte {
	t.Helper()
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// Every example can be planned, and its plan can be read back from its JSON.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := spec.Parse(filepath.Base(file), data)
		if err != nil {
			t.Error(err)
			continue
		}
		p, err := Build(s)
		if err != nil {
			t.Error(err)
			continue
		}
		var back topology.Plan
		if err := json.Unmarshal(encode(t, p), &back); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, back), encode(t, p)) {
			t.Errorf("%s: the plan changes on its way through JSON", file)
		}
		if s.Name+".yaml" != filepath.Base(file) && s.Name+"-cluster.yaml" != filepath.Base(file) {
			t.Errorf("%s: is called %s", file, s.Name)
		}
	}
}

func TestExamplesGolden(t *testing.T) {
	for _, name := range []string{"gk-cluster", "local", "three-regions", "two-by-two"} {
		data, err := os.ReadFile("../../examples/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		s, err := spec.Parse(name+".yaml", data)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Build(s)
		if err != nil {
			t.Fatal(err)
		}
		// The golden files outlive a release.
		rel, err := release.Find(s.Cassandra)
		if err != nil || p.Version != rel.Version {
			t.Errorf("%s: planned for cassandra %s, not %s (%v)", name, p.Version, rel.Version, err)
		}
		p.Version = "newest of " + rel.Series
		golden := filepath.Join("testdata", name+".json")
		got := encode(t, p)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the plan is not %s (-update rewrites it):\n%s", name, golden, got)
		}
	}
}
