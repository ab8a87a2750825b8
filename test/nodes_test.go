package test

import (
	"strings"
	"testing"

	"crossring/internal/run"
)

func TestCQLOnANodeOfEachRegion(t *testing.T) {
	each(t, func(t *testing.T, version string, c cluster) {
		for node, dc := range map[string]string{"1": "us-east", "us-west-2-1": "us-west-2"} {
			r := c.must(t, "cql", c.name+":"+node, "SELECT data_center, release_version FROM system.local", "-o", "json")
			got := decode[run.CQLResult](t, r)
			if len(got.Results) != 1 || len(got.Results[0].Rows) != 1 {
				t.Fatalf("want one row: %s", r)
			}
			if row := got.Results[0].Rows[0]; row[0] != dc || row[1] != version {
				t.Errorf("node %s says it is %v, want %s of %s", node, row, version, dc)
			}
		}
		r := c.want(t, 1, "cql", c.name, "SELECT nonsense")
		if !strings.Contains(r.stderr, "crossring: error:") {
			t.Errorf("a statement that fails should say so: %s", r)
		}
	})
}

func TestStopAndStartOneNode(t *testing.T) {
	sparing(t, "1.2.19", func(t *testing.T, version string, c cluster) {
		c.must(t, "stop", c.name+":2")
		r := c.want(t, 4, "status", c.name, "-o", "json")
		if !strings.Contains(r.stdout, `"status": "Down"`) {
			t.Errorf("a stopped node should be Down: %s", r)
		}
		c.must(t, "start", c.name+":2")
		// The other region hears of it by gossip.
		c.must(t, "up", c.name)
		c.must(t, "ring", c.name)
	})
}
