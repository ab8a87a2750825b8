package test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/fail"
	"crossring/internal/run"
)

func TestCQLOnANodeOfEachRegion(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	c := sharedCluster(t, oldest)
	c.must(t, "stress", "write", c.name, "--rows", "10")
	r := c.must(t, "cql", c.name, "SELECT columnfamily_name, read_repair_chance, local_read_repair_chance FROM system.schema_columnfamilies WHERE keyspace_name = 'crossring'", "-o", "json")
	got := decode[run.CQLResult](t, r)
	if len(got.Results) != 1 {
		t.Fatalf("want the tables: %s", r)
	}
	// Tests that had the cluster before have left tables of their own, which are no other.
	found := false
	for _, row := range got.Results[0].Rows {
		found = found || row[0] == "rows_by_key"
		for _, chance := range row[1:] {
			if f, err := strconv.ParseFloat(fmt.Sprint(chance), 64); err != nil || f != 0 {
				t.Errorf("rows of %v are repaired when they are read, with a chance of %v: %s", row[0], chance, r)
			}
		}
	}
	if !found {
		t.Errorf("want the table of rows: %s", r)
	}
}

// A rolling restart takes the next node only when the one before is back, and none while
// another one is away.
func TestRollingRestart(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	c := h.up(t, "rolling", oneByOne("rolling", "1.2.19"))
	before := c.servers(t)
	r := c.must(t, "restart", c.name, "--rolling", "-o", "json")
	got := decode[run.NodesResult](t, r)
	after := c.servers(t)
	for _, n := range got.Nodes {
		if !n.Running || after[n.Node] != n.PID || before[n.Node] == n.PID {
			t.Errorf("%s should run anew (was pid %d, is %d): %s", n.Node, before[n.Node], after[n.Node], r)
		}
	}
	inv, _ := h.inventory(t, c.name)
	said := r.stderr
	for _, part := range []string{
		"before us-east-1-1 is stopped: done", "stop 1 node: done", "start 1 node: done",
		"before us-west-2-1 is stopped: done", "stop 1 node: done", "start 1 node: done", "the ring is whole again: done",
	} {
		_, after, found := strings.Cut(said, part)
		if !found {
			t.Errorf("want one node after the other, and here %q: %s", part, r)
		}
		said = after
	}
	if len(got.Nodes) != len(inv.Nodes) {
		t.Errorf("want both nodes: %s", r)
	}
	c.must(t, "stop", c.name+":2")
	s := c.start(t, "restart", c.name+":1", "--rolling")
	s.says(t, "the ring is whole before us-east-1-1 is stopped ...")
	s.signal(t, os.Interrupt)
	if r := s.wait(t); r.code != fail.ExitInterrupted {
		t.Errorf("want it to wait for the node that is away, until it is interrupted: %s", r)
	}
	if pid := c.servers(t)["us-east-1-1"]; pid != after["us-east-1-1"] {
		t.Errorf("a node was stopped while another one was away: pid %d, was %d", pid, after["us-east-1-1"])
	}
}

// down says which load would lose its cluster, and leaves both, unless it was told before.
func TestDownBesideALoad(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	c := h.up(t, "loaded", oneByOne("loaded", "1.2.19"))
	inv, _ := h.inventory(t, c.name)
	s := c.start(t, "stress", "write", c.name, "--rows", manyRows)
	c.written(t, nil)
	ask := func(args ...string) result { return c.finish(c.command(t.Context(), args...), args) } // without --yes
	for _, args := range [][]string{
		{"down", c.name},
		{"up", "-f", h.spec(t, oneByOne(c.name, "1.2.19")+"cluster_name: Another\n"), "--replace"},
	} {
		r := ask(args...)
		if r.code != fail.ExitBusy {
			t.Errorf("want exit %d: %s", fail.ExitBusy, r)
		}
		pid := "(pid " + strconv.Itoa(s.cmd.Process.Pid)
		checkSays(t, r, "a load runs on cluster loaded", pid, "stress write, results in "+h.state, "--yes")
	}
	c.must(t, "ring", c.name)
	r := c.must(t, "down", c.name, "--yes")
	if !strings.Contains(r.stderr, "a load runs on cluster loaded") {
		t.Errorf("want to be told: %s", r)
	}
	h.checkGone(t, inv)
	if r := s.wait(t); r.code == 0 {
		t.Errorf("the load lost its cluster: %s", r)
	}
}
