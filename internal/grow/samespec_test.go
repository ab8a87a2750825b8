package grow

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/release/releasetest"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

func TestCheckSame(t *testing.T) {
	made := spec.Spec{Name: "gk", Cassandra: releasetest.Oldest(), Regions: []spec.Region{{Region: "us-east-1", Nodes: 1}}}
	spec.Defaults(&made)
	other := made
	other.HeapMB = 512
	planned := topology.Plan{Name: "gk", HeapMB: 1024}
	otherPlan := topology.Plan{Name: "gk", HeapMB: 512}

	c := cluster.Cluster{Dir: t.TempDir(), Inv: topology.Inventory{Plan: planned}}
	// As long as no spec is written down, the plan tells.
	if err := checkSame(c, made, planned); err != nil {
		t.Error(err)
	}
	if err := checkSame(c, other, otherPlan); fail.CodeOf(err) != fail.ExitBusy {
		t.Errorf("another plan: %v", err)
	}
	if err := cluster.WriteSpec(c.Dir, made); err != nil {
		t.Fatal(err)
	}
	if err := checkSame(c, made, planned); err != nil {
		t.Error(err)
	}
	err := checkSame(c, other, otherPlan)
	var differs *SpecDiffersError
	if !errors.As(err, &differs) || len(differs.Diff) != 1 || !strings.HasPrefix(differs.Diff[0], "heap_mb: ") || fail.CodeOf(err) != fail.ExitBusy {
		t.Errorf("another spec: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(c.Dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("in the directory: %q, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, cluster.SpecFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkSame(c, made, planned); err == nil || fail.CodeOf(err) != fail.ExitFailure {
		t.Errorf("half a spec: %v", err)
	}
}

// What a plan fills in is no difference from the same thing written out.
func TestSpelledOut(t *testing.T) {
	const text = "version: crossring/v1\nname: gk\nregions: [{region: us-east-1, nodes: 2}, {region: us-west-2}]\n"
	read := func(more string) spec.Spec {
		s, err := spec.Parse("x", []byte(text+more))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		have, want string
		differs    string // the one key that does; "" is none
	}{
		{"", "heap_mb: 512", ""},
		{"heap_mb: 512", "", ""},
		{"", "heap_mb: 768", "heap_mb: 512 → 768"},
		{"heap_mb: 768", "", "heap_mb: 768 → 512"},
		{"", "keyspace: {replication: {us-east: 1, us-west-2: 1}}", ""},
		{"", "keyspace: {replication: {us-east: 2, us-west-2: 1}}", "keyspace.replication.us-east: 1 → 2"},
		{"tls: {}", "tls: {key: ecdsa-p256}", ""},
		{"tls: {key: ecdsa-p256}", "tls: {}", ""},
		{"tls: {}", "tls: {key: rsa-2048}", `tls.key: "ecdsa-p256" → "rsa-2048"`},
		{"", "cluster_name: gk\npartitioner: Murmur3Partitioner\nnum_tokens: 1\nrtt_ms: 64", ""},
		{"", "rtt_ms: {us-west-2:us-east-1: 64}", ""},
		{"", "rtt_ms: 80", "rtt_ms: map[us-east-1:us-west-2:64] → 80"},
		// As every cluster was made once, and as some are made on purpose: that stays.
		{"rtt_ms: 80", "", ""},
		{"rtt_ms: {us-west-2:us-east-1: 75}", "", ""},
		{"rtt_ms: {us-west-2:us-east-1: 75}", "rtt_ms: 75", ""},
	} {
		have, want := read(tt.have), read(tt.want)
		made, err := cluster.Plan(have)
		if err != nil {
			t.Fatal(err)
		}
		planned, err := cluster.Plan(want)
		if err != nil {
			t.Fatal(err)
		}
		diff, err := spec.Diff(spelledOut(have, made, want, planned))
		if err != nil || strings.Join(diff, ", ") != tt.differs {
			t.Errorf("%q to %q: %q, %v; want %q", tt.have, tt.want, diff, err, tt.differs)
		}
	}
}
