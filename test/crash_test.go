package test

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/health"
	"crossring/internal/load"
	"crossring/internal/run"
	"crossring/ringcheck"
)

// dice is for tests that do things at random moments. CROSSRING_SEED repeats a run,
// as far as a computer with other work on it lets it.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("CROSSRING_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CROSSRING_SEED: %v", err)
		}
	}
	t.Logf("CROSSRING_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// awaitWhole waits until the ring is as planned, which takes a while after a
// node or a line was away.
func (c cluster) awaitWhole(t *testing.T) {
	t.Helper()
	var got result
	defer func() {
		if t.Failed() {
			t.Log(got)
		}
	}()
	eventually(t, patience, "the ring is as planned", func() bool {
		got = c.run(t.Context(), "ring", c.name)
		return got.code == 0
	})
}

// lines asks for the network between the regions.
func (c cluster) lines(t *testing.T) health.Network {
	t.Helper()
	return decode[health.Network](t, c.must(t, "fault", "show", c.name, "-o", "json"))
}

func mismatchKinds(r ringcheck.Ring) map[string]bool {
	kinds := map[string]bool{}
	for _, m := range r.Mismatches {
		kinds[m.Kind] = true
	}
	return kinds
}

func TestKeeperOfARunningClusterDies(t *testing.T) {
	t.Parallel()
	sparing(t, oldest, func(t *testing.T, version string, c cluster) {
		before := c.servers(t)
		if len(before) != 2 {
			t.Fatalf("servers before: %v", before)
		}
		t.Cleanup(func() { c.run(context.Background(), "up", c.name) }) // for those who share it
		kill9(t, c.keeper(t))
		eventually(t, patience, "the keeper is gone", func() bool { return c.keeper(t) == 0 })

		r := c.want(t, 4, "status", c.name, "-o", "json")
		ring := decode[ringcheck.Ring](t, r)
		if !mismatchKinds(ring)["keeper"] || !strings.Contains(r.stderr, "crossring: hint: crossring up "+c.name) {
			t.Errorf("status should say that the keeper is gone, and what to do: %s", r)
		}
		if got := c.servers(t); !maps.Equal(got, before) {
			t.Errorf("without a keeper the servers are %v; they were %v", got, before)
		}
		checkSays(t, c.want(t, 1, "fault", "show", c.name), "keeper of cluster "+c.name)

		c.must(t, "up", c.name)
		if got := c.servers(t); !maps.Equal(got, before) {
			t.Errorf("after up the servers are %v; they were %v", got, before)
		}
		eventually(t, patience, "the regions are connected again", func() bool {
			net := c.lines(t)
			return len(net.Lines) == 1 && net.Lines[0].Connections > 0 && len(net.RTT) == 1
		})
		c.awaitWhole(t)
		// What is written here is read there: the new keeper carries it.
		// At ALL, for what the servers sent into the connections of the old one is lost,
		// and 1.2 makes up for it with hints that it hands over every ten minutes.
		var written result
		eventually(t, patience, "rows are written in both regions", func() bool {
			written = c.run(t.Context(), "stress", "write", c.name, "--rows", "1000", "--write-consistency", "ALL", "-o", "json")
			return written.code == 0
		})
		c.readBack(t, decode[load.StressResult](t, written).RunDir, 1000)
		// And it owns what it did not start.
		c.must(t, "restart", c.name+":2")
		c.awaitWhole(t)
		if got := c.servers(t); len(got) != 2 || got["us-east-1-1"] != before["us-east-1-1"] || got["us-west-2-1"] == before["us-west-2-1"] {
			t.Errorf("after a restart of node 2 the servers are %v; they were %v", got, before)
		}
	})
}

func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, version string, c cluster) {
		t.Cleanup(func() { c.run(context.Background(), "up", c.name) })
		old := c.servers(t)["us-west-2-1"]
		kill9(t, old)
		eventually(t, patience, "the keeper saw the end of the server", func() bool {
			return c.servers(t)["us-west-2-1"] == 0
		})
		r := c.want(t, 4, "status", c.name, "-o", "json")
		ring := decode[ringcheck.Ring](t, r)
		for _, dc := range ring.Datacenters {
			for _, n := range dc.Nodes {
				want := ringcheck.Said(ringcheck.Up)
				if n.Name == "us-west-2-1" {
					want = ringcheck.Down
				}
				if n.Status != want {
					t.Errorf("%s is %s, want %s: %s", n.Name, n.Status, want, r)
				}
			}
		}
		checkSays(t, r, "the server of us-west-2-1 does not run", "crossring start "+c.name+":2")
		c.must(t, "up", c.name)
		c.must(t, "ring", c.name)
		if now := c.servers(t)["us-west-2-1"]; now == 0 || now == old {
			t.Errorf("the server's pid is %d; it was %d", now, old)
		}
		// A server that is still dying is not taken for one that runs.
		kill9(t, c.servers(t)["us-west-2-1"])
		c.must(t, "start", c.name+":2")
		c.awaitNamed(t)
	})
}

// awaitNamed is awaitWhole for a server that was killed and started at once. 1.2 can
// miss what its neighbour told the server before, and never knows its datacenter then;
// ring says which restart helps, and it has to.
func (c cluster) awaitNamed(t *testing.T) {
	t.Helper()
	const calm = 30 * time.Second // until then it is only the gossip that has not come round
	settled := time.Now().Add(calm)
	restart := regexp.MustCompile(`(?m)^crossring: hint: crossring restart (` + regexp.QuoteMeta(c.name) + `:\S+)$`)
	var helps string
	eventually(t, patience, "the ring is as planned, or says what helps", func() bool {
		r := c.run(t.Context(), "ring", c.name)
		if m := restart.FindStringSubmatch(r.stderr); m != nil && time.Now().After(settled) {
			helps = m[1]
		}
		return r.code == 0 || helps != ""
	})
	if helps != "" {
		t.Logf("a neighbour does not know the datacenter of %s: it is started anew", helps)
		c.must(t, "restart", helps)
	}
	c.awaitWhole(t)
}

func TestDownWithoutKeeper(t *testing.T) {
	beside(t, standIns(2))
	for _, how := range []string{"running", "stopped", "inventory lost"} {
		t.Run(how, func(t *testing.T) {
			h := processHome(t)
			h.up(t, "orphan", oneByOne("orphan", oldest))
			if how == "stopped" {
				h.must(t, "stop", "orphan")
			}
			inv, _ := h.inventory(t, "orphan")
			kill9(t, h.keeper(t))
			if how == "inventory lost" {
				for _, name := range []string{"inventory.json", "inventory.copy.json"} {
					if err := os.Remove(filepath.Join(h.state, "clusters", "orphan", name)); err != nil {
						t.Fatal(err)
					}
				}
				// Nothing is made beside what runs.
				r := h.want(t, 8, "up", "-f", h.spec(t, oneByOne("orphan", oldest)))
				checkSays(t, r, "its inventory is lost", "crossring down orphan")
			}
			h.must(t, "down", "orphan")
			h.checkGone(t, inv)
			checkSays(t, h.want(t, 1, "down", "orphan"), `there is no cluster "orphan"`)
		})
	}
}

func TestKeeperAndServersDie(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	c := h.up(t, "crashed", oneByOne("crashed", oldest))
	before := c.servers(t)
	for _, p := range c.processes(t) {
		kill9(t, p.pid)
	}
	eventually(t, patience, "all of it is gone", func() bool { return len(c.processes(t)) == 0 })
	r := c.want(t, 4, "status", c.name)
	checkSays(t, r, "keeper of cluster crashed")
	got := decode[run.Listing](t, c.must(t, "ls", "-o", "json"))
	if len(got.Clusters) != 1 || got.Clusters[0].Keeper || got.Clusters[0].Running != 0 {
		t.Errorf("ls of a dead cluster: %+v", got)
	}
	c.must(t, "up", c.name)
	c.must(t, "ring", c.name)
	for node, pid := range c.servers(t) {
		if pid == before[node] {
			t.Errorf("%s has pid %d, as before its death", node, pid)
		}
	}
	inv, _ := h.inventory(t, c.name)
	c.must(t, "down", c.name)
	h.checkGone(t, inv)
}

// A hung keeper can't be asked to go, nor be waited for.
func TestDownWithAHungKeeper(t *testing.T) {
	beside(t, standIns(2))
	h := processHome(t)
	h.up(t, "hung", oneByOne("hung", oldest))
	inv, _ := h.inventory(t, "hung")
	stopProcess(t, h.keeper(t))
	h.must(t, "down", "hung")
	h.checkGone(t, inv)
}
