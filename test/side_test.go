package test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/load"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

func decodeRing(t *testing.T, c cluster) ringcheck.Ring {
	t.Helper()
	return decode[ringcheck.Ring](t, c.must(t, "ring", c.name, "-o", "json"))
}

// TestSideBySide has two clusters of the same names of nodes at work at once, and
// takes one down under the eyes of the other.
func TestSideBySide(t *testing.T) {
	beside(t, 4)
	const rows = 2000
	h := newHome(t)
	names := map[string]string{"old": oldest, "new": newest}
	ups, repros := map[string]*started{}, map[string]*started{}
	for name, version := range names {
		t.Cleanup(func() { h.takeDown(t, name) })
		ups[name] = h.start(t, "up", "-f", h.spec(t, oneByOne(name, version)))
	}
	invs := map[string]topology.Inventory{}
	for name := range names {
		if r := ups[name].wait(t); r.code != 0 {
			t.Fatal(r)
		}
		invs[name], _ = h.inventory(t, name)
	}
	if a, b := invs["old"].Local, invs["new"].Local; a.Slot == b.Slot || a.ID == b.ID {
		t.Errorf("slots %d and %d, ids %s and %s", a.Slot, b.Slot, a.ID, b.ID)
	}
	if a, b := invs["old"].Nodes[0].Name, invs["new"].Nodes[0].Name; a != b {
		t.Errorf("the nodes should have the same names: %s and %s", a, b)
	}
	for name := range names {
		repros[name] = h.start(t, "repro", name, "--rows", fmt.Sprint(rows), "-o", "json")
	}
	for name := range names {
		r := repros[name].wait(t)
		if r.code != 0 {
			t.Fatal(r)
		}
		checkDocument(t, decode[report.Document](t, r), invs[name], rows)
	}

	// One goes while the other works.
	busy := h.start(t, "repro", "new", "--rows", fmt.Sprint(rows), "-o", "json")
	busy.says(t, "write")
	h.must(t, "down", "old")
	r := busy.wait(t)
	if r.code != 0 {
		t.Fatal(r)
	}
	checkDocument(t, decode[report.Document](t, r), invs["new"], rows)
	checkRing(t, decodeRing(t, cluster{h, "new"}), invs["new"])
	l := decode[run.Listing](t, h.must(t, "ls", "-o", "json"))
	if len(l.Clusters) != 1 || l.Clusters[0].Name != "new" || l.Clusters[0].Running != 2 {
		t.Errorf("clusters %+v", l.Clusters)
	}
	for _, p := range h.processes(t) {
		if strings.Contains(strings.Join(p.args, " "), invs["old"].Local.ID) {
			t.Errorf("process %d of the cluster that was taken down is left", p.pid)
		}
	}
}

// TestUpAgain is about up on a cluster that stands: by the same spec, by another
// one, and twice at once.
func TestUpAgain(t *testing.T) {
	t.Parallel()
	t.Run("twice at once", func(t *testing.T) {
		turns.wait(t, 2, nil)
		h := newHome(t)
		file := h.spec(t, oneByOne("both", oldest))
		t.Cleanup(func() { h.takeDown(t, "both") })
		first := h.start(t, "up", "-f", file)
		first.says(t, "start 2 nodes")
		second := h.start(t, "up", "-f", file, "-o", "json")
		second.says(t, fmt.Sprintf("waiting for another command on cluster both (pid %d)", first.cmd.Process.Pid))
		for _, s := range []*started{first, second} {
			if r := s.wait(t); r.code != 0 {
				t.Fatal(r)
			}
		}
		inv, _ := h.inventory(t, "both")
		checkRing(t, *decode[run.UpResult](t, second.result()).Ring, inv)
		if n := len(h.processes(t)); n != 3 {
			t.Errorf("%d processes, want two servers and a keeper", n)
		}
	})

	each(t, func(t *testing.T, version string, c cluster) {
		pids := func() string { return fmt.Sprint(c.servers(t), c.keeper(t)) }
		before := pids()
		for _, args := range [][]string{{"up", c.name}, {"up", "-f", c.spec(t, oneByOne(c.name, version))}} {
			c.must(t, args...)
			if after := pids(); after != before {
				t.Errorf("crossring %s: processes %s, before %s", strings.Join(args, " "), after, before)
			}
		}
		other := strings.Replace(oneByOne(c.name, version), "heap_mb: 512", "heap_mb: 640\nkeyspace: {name: another}", 1)
		r := c.want(t, fail.ExitBusy, "up", "-f", c.spec(t, other))
		checkSays(t, r, "heap_mb", "512", "640", "keyspace.name", "another", "crossring down "+c.name)
		if after := pids(); after != before {
			t.Errorf("processes %s, before %s", after, before)
		}
	})
}

// TestRestart restarts one node, and then all: the data are still there.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t, newest)
	inv, _ := c.inventory(t, c.name)
	before, keeper := c.servers(t), c.keeper(t)
	w := decode[load.StressResult](t, c.must(t, "stress", "write", c.name, "--rows", "300", "--write-consistency", "ALL", "-o", "json"))

	res := decode[run.NodesResult](t, c.must(t, "restart", c.name+":2", "-o", "json"))
	after := c.servers(t)
	one, two := inv.Nodes[0].Name, inv.Nodes[1].Name
	if after[one] != before[one] || after[two] == before[two] || after[two] == 0 {
		t.Errorf("servers %v, before %v: want another one of %s", after, before, two)
	}
	if len(res.Nodes) != 1 || res.Nodes[0].Node != two || res.Nodes[0].PID != after[two] || !res.Nodes[0].Running {
		t.Errorf("restart says %+v, the server is %v", res.Nodes, after)
	}
	c.must(t, "restart", c.name)
	last := c.servers(t)
	if last[one] == after[one] || last[two] == after[two] || len(last) != 2 {
		t.Errorf("servers %v, before %v: want others of both", last, after)
	}
	if c.keeper(t) != keeper {
		t.Error("another keeper")
	}
	c.must(t, "up", c.name) // until every node sees every node
	checkRing(t, decodeRing(t, c), inv)
	r := decode[load.StressResult](t, c.must(t, "stress", "read", c.name, "--run", w.RunDir, "-o", "json"))
	if r.Read.Found != 300 {
		t.Errorf("%d of 300 rows found after the restart", r.Read.Found)
	}
}

// TestLogsFollow holds that logs -f shows what is added, of all nodes and of a
// log that was rolled, until it is stopped.
func TestLogsFollow(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t, oldest)
	inv, _ := c.inventory(t, c.name)
	tail := c.must(t, "logs", c.name+":1", "--lines", "3").stdout
	if n := strings.Count(tail, "\n"); n != 3 {
		t.Errorf("%d lines, want 3:\n%s", n, tail)
	}
	s := c.start(t, "logs", "-f", c.name, "--lines", "1")
	eventually(t, patience, "the last line of each node's log", func() bool {
		return strings.Count(s.stdout.String(), "\n") >= 2
	})
	for _, n := range inv.Nodes {
		if !strings.Contains(s.stdout.String(), n.Name+": ") {
			t.Errorf("no line of %s: %s", n.Name, s.stdout)
		}
	}
	log := filepath.Join(inv.Nodes[1].Layout.Log, "system.log")
	appears := func(text string) {
		t.Helper()
		// A line may be written before the log is being followed: then it is written again.
		eventually(t, patience, "the line "+text, func() bool {
			appendLine(t, log, text)
			return strings.Contains(s.stdout.String(), inv.Nodes[1].Name+": "+text+"\n")
		})
	}
	appears("a line that the test wrote")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	appears("a line in the next file")
	s.signal(t, os.Interrupt)
	if r := s.wait(t); r.code != 0 {
		t.Errorf("following ends well when it is stopped: %s", r)
	}
	c.want(t, fail.ExitUsage, "logs", c.name+":9")
}

func appendLine(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(f, text+"\n")
	if closeErr := f.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
}
