package spec

import (
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	base := Spec{
		Name: "lab", Cassandra: "5.0",
		Regions: []Region{{Region: "us-east-1", Zone: "us-east-1a", Nodes: 2}, {Region: "us-east-1", Zone: "us-east-1b", Nodes: 2}, {Region: "us-west-2", Nodes: 1}},
	}
	for name, tt := range map[string]struct {
		edit           func(*Spec)
		inPlace, fixed []string
	}{
		"nothing":        {edit: func(*Spec) {}},
		"a node more":    {edit: func(s *Spec) { s.Regions[2].Nodes = 2 }, inPlace: []string{"regions[us-west-2a].nodes: 1 → 2"}},
		"a node less":    {edit: func(s *Spec) { s.Regions[0].Nodes = 1 }, inPlace: []string{"regions[us-east-1a].nodes: 2 → 1"}},
		"a zone left":    {edit: func(s *Spec) { s.Regions = slices.Delete(s.Regions, 1, 2) }, inPlace: []string{"regions[us-east-1b].nodes: 2 → (none)"}},
		"zones in order": {edit: func(s *Spec) { s.Regions[0], s.Regions[1] = s.Regions[1], s.Regions[0] }},
		"a new zone": {
			edit:    func(s *Spec) { s.Regions = append(s.Regions, Region{Region: "us-west-2", Zone: "us-west-2c"}) },
			inPlace: []string{"regions[us-west-2c].nodes: (none) → 1"},
		},
		"a zone of another datacenter in the region": {
			edit: func(s *Spec) {
				s.Regions = append(s.Regions, Region{Region: "us-west-2", Zone: "us-west-2c", DCSuffix: "-b"})
			},
			fixed: []string{"regions: a datacenter in us-west-2-b, which the cluster has none in"},
		},
		"a new datacenter": {
			edit:  func(s *Spec) { s.Regions = append(s.Regions, Region{Region: "eu-west-1"}) },
			fixed: []string{"regions: a datacenter in eu-west-1, which the cluster has none in"},
		},
		"a datacenter less": {
			edit:  func(s *Spec) { s.Regions = s.Regions[:2] },
			fixed: []string{"regions: no datacenter in us-west-2 any more"},
		},
		"datacenters in another order": {
			edit:  func(s *Spec) { s.Regions[0], s.Regions[2] = s.Regions[2], s.Regions[0] },
			fixed: []string{"regions: the order of the datacenters: [us-east-1 us-west-2] → [us-west-2 us-east-1]"},
		},
		"the version":     {edit: func(s *Spec) { s.Cassandra = "4.1" }, fixed: []string{`cassandra: "5.0" → "4.1"`}},
		"the partitioner": {edit: func(s *Spec) { s.Partitioner = "RandomPartitioner" }, fixed: []string{`partitioner: "Murmur3Partitioner" → "RandomPartitioner"`}},
		"cluster_name":    {edit: func(s *Spec) { s.ClusterName = "GK" }, fixed: []string{`cluster_name: "lab" → "GK"`}},
		"num_tokens":      {edit: func(s *Spec) { s.NumTokens = 16 }, fixed: []string{"num_tokens: 1 → 16"}},
		"the provider":    {edit: func(s *Spec) { s.Provider = "hosts" }, fixed: []string{`provider: "local" → "hosts"`}},
		"the naming":      {edit: func(s *Spec) { s.Naming = "standard" }, fixed: []string{`naming: "legacy" → "standard"`}},
		"the heap":        {edit: func(s *Spec) { s.HeapMB = 700 }, fixed: []string{"heap_mb: 0 → 700"}},
		"the replication": {
			edit:  func(s *Spec) { s.Keyspace.Replication = map[string]int{"us-east": 2} },
			fixed: []string{"keyspace.replication.us-east: (none) → 2"},
		},
		"a setting":           {edit: func(s *Spec) { s.Settings = map[string]any{"a": 1} }, fixed: []string{"settings.a: (none) → 1"}},
		"the load's defaults": {edit: func(s *Spec) { s.Stress.Rows = 5 }, inPlace: []string{"stress.rows: 100000 → 5"}},
		"both": {
			edit:    func(s *Spec) { s.Regions[2].Nodes, s.Cassandra = 3, "4.1" },
			inPlace: []string{"regions[us-west-2a].nodes: 1 → 3"}, fixed: []string{`cassandra: "5.0" → "4.1"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			have, want := base, base
			Defaults(&have)
			want.Regions = slices.Clone(base.Regions)
			tt.edit(&want)
			Defaults(&want)
			got, err := Compare(have, want)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.InPlace, tt.inPlace) || !slices.Equal(got.Fixed, tt.fixed) {
				t.Errorf("in place %q, fixed %q; want %q, %q", got.InPlace, got.Fixed, tt.inPlace, tt.fixed)
			}
			if got.None() != (len(tt.inPlace)+len(tt.fixed) == 0) {
				t.Errorf("None is %t", got.None())
			}
		})
	}
}
