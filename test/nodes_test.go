package test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

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
	sparing(t, oldest, func(t *testing.T, version string, c cluster) {
		if how := c.stopped(t, "2"); how != "exit status 143" { // Java's for a SIGTERM
			t.Errorf("stop ended the server by %q", how)
		}
		r := c.want(t, 4, "status", c.name, "-o", "json")
		if !strings.Contains(r.stdout, `"status": "Down"`) {
			t.Errorf("a stopped node should be Down: %s", r)
		}
		c.must(t, "start", c.name+":2")
		if version == oldest && long() {
			// One that hangs is given its minute, and then killed.
			stopProcess(t, c.servers(t)["us-west-2-1"])
			begun := time.Now()
			if how, took := c.stopped(t, "2"), time.Since(begun); how != "signal: killed" || took < time.Minute {
				t.Errorf("stop ended a server that hangs by %q, after %s", how, took)
			}
			c.must(t, "start", c.name+":2")
		}
		// The other region hears of it by gossip.
		c.must(t, "up", c.name)
		c.must(t, "ring", c.name)
	})
}

// stopped stops a node and tells how its server ended.
func (c cluster) stopped(t *testing.T, node string) string {
	t.Helper()
	r := c.must(t, "stop", c.name+":"+node, "-o", "json")
	got := decode[run.NodesResult](t, r)
	if len(got.Nodes) != 1 || got.Nodes[0].Running {
		t.Fatalf("want one node, which does not run: %s", r)
	}
	return got.Nodes[0].Ended
}

// The experiment's table has no background read repair on 1.2, which would bring rows to
// the other region while they are asked for.
func TestTableIsNotRepairedByReads(t *testing.T) {
	c := sharedCluster(t, oldest)
	c.must(t, "stress", "write", c.name, "--rows", "10")
	r := c.must(t, "cql", c.name, "SELECT columnfamily_name, read_repair_chance, local_read_repair_chance FROM system.schema_columnfamilies WHERE keyspace_name = 'crossring'", "-o", "json")
	got := decode[run.CQLResult](t, r)
	if len(got.Results) != 1 || len(got.Results[0].Rows) != 1 {
		t.Fatalf("want the one table: %s", r)
	}
	for _, chance := range got.Results[0].Rows[0][1:] {
		if f, err := strconv.ParseFloat(fmt.Sprint(chance), 64); err != nil || f != 0 {
			t.Errorf("rows are repaired when they are read, with a chance of %v: %s", chance, r)
		}
	}
}
