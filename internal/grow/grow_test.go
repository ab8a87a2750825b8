package grow

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/cluster/clustertest"

	"crossring/internal/cluster"
	"crossring/internal/fail"

	"crossring/internal/cql"
	"crossring/internal/plan"
	"crossring/internal/release/releasetest"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

func TestEnoughNodes(t *testing.T) {
	ring := func(east, west int) []topology.Node {
		return slices.Concat(slices.Repeat([]topology.Node{{Datacenter: "us-east"}}, east), slices.Repeat([]topology.Node{{Datacenter: "us-west-2"}}, west))
	}
	factors := func(name string, by map[string]int) cql.Factors { return cql.Factors{Keyspace: name, ByDatacenter: by} }
	for name, tt := range map[string]struct {
		keyspaces     []cql.Factors
		before, after []topology.Node
		want          []string
	}{
		"enough":         {[]cql.Factors{factors("a", map[string]int{"us-east": 1})}, ring(2, 1), ring(1, 1), nil},
		"as many":        {[]cql.Factors{factors("a", map[string]int{"us-east": 2})}, ring(3, 1), ring(2, 1), nil},
		"too few":        {[]cql.Factors{factors("a", map[string]int{"us-east": 2})}, ring(2, 1), ring(1, 1), []string{"keyspace a has 2 replicas in us-east: 2 nodes less 1 leave 1"}},
		"two less":       {[]cql.Factors{factors("a", map[string]int{"us-east": 3})}, ring(4, 1), ring(2, 1), []string{"keyspace a has 3 replicas in us-east: 4 nodes less 2 leave 2"}},
		"elsewhere":      {[]cql.Factors{factors("a", map[string]int{"us-west-2": 2})}, ring(2, 1), ring(1, 1), nil},
		"too few anyway": {[]cql.Factors{factors("a", map[string]int{"us-east": 3})}, ring(1, 1), ring(2, 1), nil},
		"no datacenters": {[]cql.Factors{factors("a", map[string]int{"": 3})}, ring(2, 1), ring(1, 1), []string{"keyspace a has 3 replicas in the ring: 3 nodes less 1 leave 2"}},
		"two keyspaces": {
			[]cql.Factors{factors("a", map[string]int{"us-east": 2}), factors("b", map[string]int{"us-east": 2})}, ring(2, 1), ring(1, 1),
			[]string{"keyspace a has 2 replicas in us-east: 2 nodes less 1 leave 1", "keyspace b has 2 replicas in us-east: 2 nodes less 1 leave 1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, err := range enoughNodes(tt.keyspaces, tt.before, tt.after) {
				got = append(got, err.Error())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// standing is a cluster in a directory of its own, as up leaves it, of one node in each
// region.
func standing(t *testing.T, provider string) (cluster.Cluster, spec.Spec) {
	t.Helper()
	s := spec.Spec{Name: "lab", Provider: provider, Cassandra: releasetest.Newest(), Regions: []spec.Region{{Region: "us-east-1"}, {Region: "us-west-2"}}}
	if provider == "hosts" {
		s.Hosts = "machines.yaml"
	}
	spec.Defaults(&s)
	p, err := plan.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	c := clustertest.At(t, p.Provider, topology.Inventory{Plan: p, Nodes: p.Nodes})
	c.Dir = t.TempDir()
	if err := cluster.WriteSpec(c.Dir, s); err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestWanted(t *testing.T) {
	grown := func(s spec.Spec) *spec.Spec {
		s.Regions = slices.Clone(s.Regions)
		s.Regions[0].Nodes = 2
		return &s
	}
	for name, tt := range map[string]struct {
		provider string
		want     func(spec.Spec) *spec.Spec
		choice   NodeChoice
		steps    []string
		code     int
		says     string
	}{
		"nothing asked": {want: func(spec.Spec) *spec.Spec { return nil }},
		"nothing new":   {want: func(s spec.Spec) *spec.Spec { return &s }},
		"a node":        {want: grown, steps: []string{"join us-east-1-2", "cleanup us-east-1-1"}},
		"the load":      {want: func(s spec.Spec) *spec.Spec { s.Stress.Rows = 7; return &s }, steps: []string{}},
		"a dead node":   {want: func(spec.Spec) *spec.Spec { return nil }, choice: NodeChoice{Replace: []string{"us-east-1-1"}}, steps: []string{"replace us-east-1-1"}},
		"the version":   {want: func(s spec.Spec) *spec.Spec { s.Cassandra = "4.1"; return &s }, code: fail.ExitBusy, says: "cassandra: "},
		"a node to go":  {want: func(spec.Spec) *spec.Spec { return nil }, choice: NodeChoice{Remove: []string{"us-east-1-1"}}, code: fail.ExitUsage, says: "lower nodes in the spec"},
		"on machines":   {provider: "hosts", want: grown, steps: []string{"join us-east-1-2", "cleanup us-east-1-1"}},
		"on EC2":        {provider: "ec2", want: grown, steps: []string{"join us-east-1-2", "cleanup us-east-1-1"}},
		"in containers": {provider: "containers", want: grown, code: fail.ExitBusy, says: "regions[us-east-1a].nodes: 1 → 2"},
		"dead, in one":  {provider: "containers", want: grown, choice: NodeChoice{Replace: []string{"us-east-1-1"}}, code: fail.ExitUsage, says: "so far not on containers"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.provider == "" {
				tt.provider = "local"
			}
			c, s := standing(t, tt.provider)
			got, err := Wanted((cluster.World{}), c, tt.want(s), tt.choice)
			if tt.says != "" {
				if err == nil || fail.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v, exit %d; want %q, %d", err, fail.CodeOf(err), tt.says, tt.code)
				}
				return
			}
			if err != nil || (got == nil) != (tt.steps == nil) {
				t.Fatalf("got %v, %v", got, err)
			}
			if got == nil {
				return
			}
			steps := []string{}
			for _, s := range got.Plan.Change.Steps {
				steps = append(steps, s.ID())
			}
			if got.Begun || !slices.Equal(steps, tt.steps) {
				t.Errorf("steps %q, want %q", steps, tt.steps)
			}
		})
	}
}

// What has been begun is what goes on, and nothing else.
func TestWantedWhileAChangeIsUnderWay(t *testing.T) {
	c, s := standing(t, "local")
	more := s
	more.Regions = slices.Clone(s.Regions)
	more.Regions[1].Nodes = 2
	change, err := Wanted((cluster.World{}), c, &more, NodeChoice{})
	if err != nil {
		t.Fatal(err)
	}
	if err := writeChange(c.Dir, change.SavedChange); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]*spec.Spec{"by its name": nil, "by its spec": &more} {
		if got, err := Wanted((cluster.World{}), c, want, NodeChoice{}); err != nil || !got.Begun || len(got.Plan.Change.Steps) != 2 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	var under *cluster.ChangeUnderWayError
	if _, err := Wanted((cluster.World{}), c, &s, NodeChoice{}); !errors.As(err, &under) || fail.CodeOf(err) != fail.ExitBusy || under.Hint() != "crossring up lab" {
		t.Errorf("back to the old spec: %v", err)
	}
	if _, err := Wanted((cluster.World{}), c, nil, NodeChoice{Replace: []string{"us-east-1-1"}}); !errors.As(err, &under) {
		t.Errorf("another change: %v", err)
	}
	if err := endChange(c.Dir, change.SavedChange); err != nil {
		t.Fatal(err)
	}
	if got, err := Wanted((cluster.World{}), c, &more, NodeChoice{}); got != nil || err != nil {
		t.Errorf("after its end: %+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, cluster.ChangeFile), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Wanted((cluster.World{}), c, nil, NodeChoice{}); err == nil {
		t.Error("a change that is none is taken")
	}
}

// What a step moves is known by what is on disk alone, and said so: a node may have far more
// in memory.
func TestDescribeSaysWhatIsCounted(t *testing.T) {
	bytes := int64(100_000)
	if got := Describe(topology.Step{Kind: topology.StepJoin, Node: "us-east-1-2", Bytes: &bytes}); got != "us-east-1-2 joins, 0.1 MB by what is on disk" {
		t.Error(got)
	}
	if got := Describe(topology.Step{Kind: topology.StepJoin, Node: "us-east-1-2"}); got != "us-east-1-2 joins" {
		t.Error(got)
	}
}
