package test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/fail"
	"crossring/internal/load"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// sized is the spec of two regions of some nodes.
func sized(name, version string, east, west int) string {
	return fmt.Sprintf(`version: crossring/v1
name: %s
cassandra: "%s"
partitioner: %s
heap_mb: 384
stress: {value_bytes: 256}
regions:
  - {region: us-east-1, zone: us-east-1a, nodes: %d}
  - {region: us-west-2, zone: us-west-2a, nodes: %d}
`, name, version, partitionerOf(version), east, west)
}

// filled is a cluster of one node in each region with rows in both.
func filled(t *testing.T, name, version string, rows int) (c cluster, runDir string) {
	t.Helper()
	c = newHome(t).up(t, name, sized(name, version, 1, 1))
	return c, c.fill(t, rows)
}

// fill writes rows to every replica.
func (c cluster) fill(t *testing.T, rows int) (runDir string) {
	t.Helper()
	r := c.must(t, "stress", "write", c.name, "--rows", fmt.Sprint(rows), "--write-consistency", "ALL", "-o", "json")
	return decode[load.StressResult](t, r).RunDir
}

// hasAll reads every row in each of the datacenters, from that datacenter's own nodes.
func (c cluster) hasAll(t *testing.T, runDir string, rows int, dcs ...string) {
	t.Helper()
	for _, dc := range dcs {
		r := c.must(t, "stress", "read", c.name, "--run", copyRun(t, runDir), "--rows", fmt.Sprint(rows), "--read-dc", dc,
			"--read-consistency", "LOCAL_QUORUM", "--missing-deadline", "0s", "-o", "json")
		if got := decode[load.StressResult](t, r); got.Read == nil || got.Read.Found != int64(rows) {
			t.Errorf("want %d rows in %s: %s", rows, dc, r)
		}
	}
}

// becomes changes the cluster to another size, by the plan, and holds the ring that
// comes of it against that plan.
func (c cluster) becomes(t *testing.T, text string, flags ...string) topology.Plan {
	t.Helper()
	file := c.spec(t, text)
	r := c.must(t, append([]string{"plan", "-f", file, "-o", "json"}, flags...)...)
	for _, problem := range documentedShapes(t).check("plan", []byte(r.stdout)) {
		t.Error(problem)
	}
	planned := decode[topology.Plan](t, r)
	if planned.Change == nil {
		t.Fatal("the plan has no change")
	}
	start := time.Now()
	c.must(t, append([]string{"up", "-f", file}, flags...)...)
	t.Logf("changed in %.1f s: %v", time.Since(start).Seconds(), stepIDs(planned))
	c.isPlanned(t, planned)
	return planned
}

func stepIDs(p topology.Plan) []string {
	var ids []string
	for _, s := range p.Change.Steps {
		ids = append(ids, s.ID())
	}
	return ids
}

// isPlanned holds the ring against a plan: nodes, tokens, shares, seeds.
func (c cluster) isPlanned(t *testing.T, p topology.Plan) {
	t.Helper()
	r := c.must(t, "ring", c.name, "-o", "json")
	ring := decode[ringcheck.Ring](t, r)
	owns := map[string]float64{}
	for _, n := range p.Change.Nodes {
		owns[n.Name] = n.OwnsAfter
	}
	live := map[string]ringcheck.Node{}
	for _, dc := range ring.Datacenters {
		for _, n := range dc.Nodes {
			live[n.Name] = n
		}
	}
	if len(live) != len(p.Nodes) {
		t.Errorf("%d nodes are planned: %s", len(p.Nodes), r)
	}
	inv, _ := c.inventory(t, c.name)
	for _, n := range p.Nodes {
		got := live[n.Name]
		if !slices.Equal(got.Tokens, n.Tokens) || got.OwnsEffective == nil || math.Abs(*got.OwnsEffective-owns[n.Name]) > 1e-3 {
			t.Errorf("%s is planned with %v and %.3f of the rows: %s", n.Name, n.Tokens, owns[n.Name], r)
		}
		made, err := inv.Node(n.Name)
		if err != nil || made.Seed != n.Seed || made.Index != n.Index {
			t.Errorf("%s was made as %+v, %v", n.Name, made, err)
			continue
		}
		yaml, err := os.ReadFile(filepath.Join(made.Layout.Conf, "cassandra.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if seeds := `seeds: "` + strings.Join(inv.Seeds(), ",") + `"`; !strings.Contains(string(yaml), seeds) {
			t.Errorf("%s is not in cassandra.yaml of %s", seeds, n.Name)
		}
	}
	for _, left := range []string{"change.json", "change.journal"} {
		if _, err := os.Stat(filepath.Join(c.state, "clusters", c.name, left)); !os.IsNotExist(err) {
			t.Errorf("after the change there is %s: %v", left, err)
		}
	}
}

// A node more, and what is refused on the way.
func TestGrow(t *testing.T) {
	beside(t, 3)
	const rows = 2000
	c, runDir := filled(t, "grow", oldest, rows)
	more := c.spec(t, sized(c.name, oldest, 2, 1))

	// What can't be changed is not begun.
	for name, tt := range map[string]struct {
		text string
		code int
		want string
	}{
		"another version":    {sized(c.name, newest, 2, 1), 8, "cassandra: "},
		"another datacenter": {sized(c.name, oldest, 1, 1) + "  - {region: eu-west-1, nodes: 1}\n", 8, "a datacenter in eu-west-1, which the cluster has none in"},
	} {
		t.Run(name, func(t *testing.T) { checkSays(t, c.want(t, tt.code, "up", "-f", c.spec(t, tt.text)), tt.want) })
	}
	checkSays(t, c.want(t, 2, "up", c.name, "--replace-node", "us-east-1-1"), "us-east-1-1 runs", "crossring: hint: crossring", "stop grow:us-east-1-1")
	checkSays(t, c.want(t, 2, "up", c.name, "--replace-node", "us-east-1-7"), `no node "us-east-1-7"`)
	checkSays(t, c.want(t, 2, "up", c.name, "--remove-node", "us-east-1-1"), "lower nodes in the spec")
	checkSays(t, c.want(t, 2, "up", "-f", more, "--remove-node", "us-east-1-1"), "us-east-1-1 is to go, but its zone us-east-1a keeps 2 nodes")
	c.must(t, "stop", c.name+":us-west-2-1")
	checkSays(t, c.want(t, 4, "up", "-f", more), "us-west-2-1", "did not answer")
	c.must(t, "up", c.name)

	servers := c.servers(t)
	// Ctrl-C in the middle of it: the same goes on from there.
	inv, _ := c.inventory(t, c.name)
	cut := c.start(t, "up", "-f", more)
	if step := c.awaitStep(t, cut, inv.Local.Dir, nil); step != "join us-east-1-2" {
		t.Errorf("begun with %q", step)
	}
	cut.signal(t, os.Interrupt)
	if r := cut.wait(t); r.code != fail.ExitInterrupted || !strings.Contains(r.stderr, "crossring: hint: crossring up "+c.name) {
		t.Errorf("want exit 130 and the way on: %s", r)
	}
	p := c.becomes(t, sized(c.name, oldest, 2, 1))
	if want := []string{"join us-east-1-2", "cleanup us-east-1-1"}; !slices.Equal(stepIDs(p), want) {
		t.Errorf("the steps are %q, want %q", stepIDs(p), want)
	}
	if b := p.Change.Steps[0].Bytes; b == nil || *b <= 0 {
		t.Errorf("the plan does not say how many bytes move: %+v", p.Change.Steps[0])
	}
	for name, pid := range c.servers(t) {
		if old, was := servers[name]; was && old != pid {
			t.Errorf("%s was started again", name)
		}
	}
	c.hasAll(t, runDir, rows, "us-east", "us-west-2")
	// It is the cluster's spec now.
	c.must(t, "up", "-f", more)

	// A keyspace that needs both nodes keeps both.
	c.must(t, "cql", c.name, "CREATE KEYSPACE pair WITH replication = {'class': 'NetworkTopologyStrategy', 'us-east': 2}")
	fewer := c.spec(t, sized(c.name, oldest, 1, 1))
	for _, verb := range []string{"plan", "up"} {
		r := c.want(t, 2, verb, "-f", fewer)
		checkSays(t, r, "keyspace pair has 2 replicas in us-east: 2 nodes less 1 leave 1")
		if verb == "plan" && !strings.Contains(r.stdout, "us-east-1-2 hands over what it has and goes") {
			t.Errorf("the plan is not shown: %s", r)
		}
	}
	c.must(t, "ring", c.name)
}

func TestGrowAndShrink(t *testing.T) {
	needLong(t)
	beside(t, 4)
	const rows = 100_000
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			c, runDir := filled(t, "sizes", version, rows)
			both := []string{"us-east", "us-west-2"}
			c.hasAll(t, runDir, rows, both...)
			for _, size := range [][2]int{{2, 2}, {2, 1}} {
				c.becomes(t, sized(c.name, version, size[0], size[1]))
				c.hasAll(t, runDir, rows, both...)
			}
			inv, _ := c.inventory(t, c.name)
			c.must(t, "down", c.name)
			c.checkGone(t, inv)
		})
	}
}

// grows says whether a cell's cluster also changes its size: that of each version once.
// The operations that a change is made of have other names and rules in each series.
func (c cell) grows() bool {
	return long() && c.provider == "local" && c.shape.nodes() == 2
}

// growsAndShrinks has two nodes more in the first region, and then the one in the middle go.
func (c cluster) growsAndShrinks(t *testing.T, at cell, runDir string, rows int) {
	t.Helper()
	sized := func(east int) string {
		at.shape.zones = slices.Clone(at.shape.zones)
		at.shape.zones[0].nodes = east
		return strings.Replace(at.spec(""), "name: "+at.name()+"\n", "name: "+c.name+"\n", 1)
	}
	inv, _ := c.inventory(t, c.name)
	dcs := []string{inv.Nodes[0].Datacenter, inv.Nodes[1].Datacenter}
	c.becomes(t, sized(3))
	c.hasAll(t, runDir, rows, dcs...)
	// Those that stay keep their names.
	p := c.becomes(t, sized(2), "--remove-node", "us-east-1-2")
	if names := []string{p.Nodes[0].Name, p.Nodes[1].Name}; !slices.Equal(names, []string{"us-east-1-1", "us-east-1-3"}) {
		t.Errorf("nodes %q are left", names)
	}
	c.hasAll(t, runDir, rows, dcs...)
}

// Virtual nodes don't move; a new one takes its share from the others.
func TestGrowWithVirtualNodes(t *testing.T) {
	needLong(t)
	beside(t, 3)
	const rows = 2000
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			text := func(east int) string { return sized("vnodes", version, east, 1) + "num_tokens: 8\n" }
			c := newHome(t).up(t, "vnodes", text(1))
			runDir := c.fill(t, rows)
			for _, east := range []int{2, 1} {
				c.becomes(t, text(east))
				c.hasAll(t, runDir, rows, "us-east", "us-west-2")
			}
		})
	}
}

func TestReplaceADeadNode(t *testing.T) {
	needLong(t)
	beside(t, 3)
	const rows = 20_000
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			c, runDir := filled(t, "replaced", version, rows)
			// A seed, too.
			kill9(t, c.servers(t)["us-west-2-1"])
			eventually(t, patience, "the keeper saw it", func() bool { return c.servers(t)["us-west-2-1"] == 0 })
			inv, _ := c.inventory(t, c.name)
			n, err := inv.Node("us-west-2-1")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(n.Layout.Data); err != nil { // its disk is what died
				t.Fatal(err)
			}
			c.must(t, "up", c.name, "--replace-node", "us-west-2-1")
			c.must(t, "ring", c.name)
			c.hasAll(t, runDir, rows, "us-east", "us-west-2")
			c.must(t, "restart", c.name+":us-west-2-1")
			c.awaitWhole(t)
			c.hasAll(t, runDir, rows, "us-west-2")
		})
	}
}

// openStep is the step of a change that has been begun and has not ended; "" is none.
func (c cluster) openStep(t *testing.T, dir string) string {
	t.Helper()
	return openIntent(t, filepath.Join(dir, "change.journal"))
}

// awaitStep waits until a command has begun a step that is not among the killed ones,
// or has ended without.
func (c cluster) awaitStep(t *testing.T, up *started, dir string, killed map[string]bool) string {
	t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-up.ended:
			return ""
		case <-tick.C:
		case <-end:
			t.Fatalf("begins no other step, and does not end: %s", up.result())
		}
		if step := c.openStep(t, dir); step != "" && !killed[step] {
			return step
		}
	}
}

// A change is killed once in each of its steps, and goes on.
func TestKillDuringChange(t *testing.T) {
	needLong(t)
	beside(t, 4)
	const rows = 5000
	r := dice(t)
	h := newHome(t)
	c := h.up(t, "killed", sized("killed", oldest, 2, 1))
	runDir := c.fill(t, rows)
	inv, _ := c.inventory(t, c.name)
	kill9(t, c.servers(t)["us-west-2-1"])
	eventually(t, patience, "the keeper saw it", func() bool { return c.servers(t)["us-west-2-1"] == 0 })

	stays, err := inv.Node("us-east-1-2")
	if err != nil {
		t.Fatal(err)
	}
	stuck := filepath.Join(stays.Layout.Conf, "cassandra.yaml.new")
	killedIn := func(text string, flags ...string) {
		file := c.spec(t, text)
		args := append([]string{"up", "-f", file}, flags...)
		planned := decode[topology.Plan](t, c.must(t, append([]string{"plan", "-f", file, "-o", "json"}, flags...)...))
		killed := map[string]bool{}
		// The seeds are written in no time: here one of the files can't be.
		if err := syscall.Mkfifo(stuck, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 3 * len(planned.Change.Steps) {
			up := c.start(t, args...)
			step := c.awaitStep(t, up, inv.Local.Dir, killed)
			if step == "" {
				if got := up.wait(t); got.code != 0 {
					t.Fatalf("want exit 0: %s", got)
				}
				break
			}
			if !strings.HasPrefix(step, "cleanup") && !strings.HasPrefix(step, "seeds") {
				select { // at a random moment of it: there is nothing to wait for
				case <-time.After(time.Duration(r.Float64() * float64(3*time.Second))):
				case <-up.ended:
				}
			}
			_ = up.cmd.Process.Kill() // it may have ended
			up.wait(t)
			t.Logf("killed in %q, with %q open", step, c.openStep(t, inv.Local.Dir))
			killed[step] = true
			if strings.HasPrefix(step, "move") {
				// The node is at it, for half a minute and more, and answers meanwhile.
				ring := decode[ringcheck.Ring](t, h.run(t.Context(), "ring", c.name, "-o", "json"))
				if mismatchKinds(ring)[ringcheck.KindUnreachable] {
					t.Errorf("a node does not answer in %s: %+v", step, ring.Mismatches)
				}
			}
			if step == topology.StepSeeds {
				if err := os.Remove(stuck); err != nil {
					t.Fatal(err)
				}
			}
			c.hasAll(t, runDir, rows, "us-east")
			// Another change has to wait.
			checkSays(t, c.want(t, 8, "up", "-f", c.spec(t, sized(c.name, oldest, 4, 1))), "is being changed to another spec")
			args = []string{"up", c.name}
		}
		for _, s := range planned.Change.Steps {
			if !killed[s.ID()] {
				t.Errorf("was not killed in %s", s.ID())
			}
		}
		c.isPlanned(t, planned)
		c.hasAll(t, runDir, rows, "us-east", "us-west-2")
	}
	killedIn(sized(c.name, oldest, 3, 1), "--replace-node", "us-west-2-1")
	killedIn(sized(c.name, oldest, 2, 1), "--remove-node", "us-east-1-1")
	inv, _ = c.inventory(t, c.name)
	c.must(t, "down", c.name)
	c.checkGone(t, inv)
}
