package test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/load"
	"crossring/internal/report"
	"crossring/internal/topology"
	"crossring/provision/local/procs"
	"crossring/ringcheck"
	"crossring/stress/results"
)

const (
	east = "us-east-1"
	west = "us-west-2"
)

// awaitSeparate waits until each region takes the other for dead.
func (c cluster) awaitSeparate(t *testing.T) {
	t.Helper()
	eventually(t, patience, "each region takes the other for dead", func() bool {
		r := c.run(t.Context(), "status", c.name, "-o", "json")
		if r.code != 4 {
			return false
		}
		for _, dc := range decode[ringcheck.Ring](t, r).Datacenters {
			for _, n := range dc.Nodes {
				if n.SeenUpBy == nil || *n.SeenUpBy != len(dc.Nodes) {
					return false
				}
			}
		}
		return true
	})
}

func checkRead(t *testing.T, r result, s *results.ReadSummary, rows int64) {
	t.Helper()
	if s == nil {
		t.Fatalf("no summary of the read: %s", r)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if s.Rows != rows || s.Found+s.Missing+s.Wrong+s.Failed != rows || s.MissingAtFirstRead != s.FoundLater+s.Missing {
		t.Errorf("of %d rows: found %d (%d of them later), missing %d (%d at first), wrong %d, failed %d", rows,
			s.Found, s.FoundLater, s.Missing, s.MissingAtFirstRead, s.Wrong, s.Failed)
	}
}

func TestPartitionDuringWrite(t *testing.T) {
	beside(t, 2)
	const rows = 8000
	h := newHome(t)
	c := h.up(t, "cut", oneByOne("cut", oldest))
	// Slow enough for the line to be cut in the middle.
	w := c.start(t, "stress", "write", c.name, "--rows", fmt.Sprint(rows), "--rate", "2000", "-o", "json")
	c.written(t, nil)
	c.must(t, "fault", "partition", c.name, east, west)
	// Whether the nodes have noticed or not, status knows.
	const inForce, heals = "in force: partition us-east-1 - us-west-2, since ", "crossring fault heal cut us-east-1 us-west-2"
	if r := c.run(t.Context(), "status", c.name); !strings.Contains(r.stderr, inForce) || !strings.Contains(r.stderr, heals) {
		t.Errorf("want %q and %q: %s", inForce, heals, r)
	}
	r := w.wait(t)
	written := decode[load.StressResult](t, r)
	if written.Write == nil {
		t.Fatalf("no summary of the write: %s", r)
	}
	if err := written.Write.Check(); err != nil {
		t.Error(err)
	}
	sum := written.Write.Acknowledged + written.Write.Failed + written.Write.Unknown
	if sum != rows || written.Write.Acknowledged == 0 || (r.code == 0) != (written.Write.Acknowledged == rows) {
		t.Errorf("one replica is within reach, so rows are acknowledged; what is not makes a failure: %s", r)
	}
	if got := written.Write.Coordinators; len(got) != 1 {
		t.Errorf("the write is pinned to one datacenter, but %v answered", got)
	}

	// In the other region what came before the cut is there, and nothing after it.
	r = c.want(t, 6, "stress", "read", c.name, "--missing-deadline", "1s", "-o", "json")
	read := decode[load.StressResult](t, r).Read
	checkRead(t, r, read, rows)
	if read.Found == 0 || read.Missing == 0 || read.Wrong != 0 || read.MissingAcknowledged == nil || *read.MissingAcknowledged > read.Missing {
		t.Errorf("want some rows found, the others missing, none wrong: %s", r)
	}
	if !strings.Contains(r.stderr, fmt.Sprintf("%d missing", read.Missing)) {
		t.Errorf("want the missing rows named: %s", r)
	}
	doc := decode[report.Document](t, c.must(t, "report", written.RunDir, "-o", "json"))
	checkRead(t, r, doc.Read, rows)
	if len(doc.Faults) != 1 || doc.Faults[0].Kind != "partition" || doc.Faults[0].Until != nil || doc.Faults[0].Since.IsZero() {
		t.Errorf("want the partition in the report: %+v", doc.Faults)
	}
	text := c.must(t, "report", written.RunDir).stdout
	if !strings.Contains(text, "Faults of the network") || !strings.Contains(text, "partition us-east-1 - us-west-2") {
		t.Errorf("want the partition in the report:\n%s", text)
	}
	if want := fmt.Sprintf("missing %s + wrong 0", report.Count(read.Missing)); !strings.Contains(text, want) {
		t.Errorf("want %q in the report:\n%s", want, text)
	}

	// The coordinator keeps hints for a node that it takes for dead, and delivers
	// them when it hears of it again. A second read watches them arrive.
	c.awaitSeparate(t)
	checkSays(t, c.want(t, 4, "status", c.name), "as seen by us-east-1-1", "as seen by us-west-2-1", "crossring: hint: "+heals)
	again := copyRun(t, written.RunDir)
	s := c.start(t, "stress", "read", c.name, "--run", again, "--missing-deadline", "240s", "-o", "json")
	eventually(t, patience, "the second read has begun", func() bool {
		info, err := os.Stat(filepath.Join(again, "read.1", "read.raw"))
		return err == nil && info.Size() > 4096
	})
	c.must(t, "fault", "heal", c.name, east, west)
	r = s.wait(t)
	late := decode[load.StressResult](t, r).Read
	checkRead(t, r, late, rows)
	t.Logf("missing before %d; after the line was mended found later %d, missing %d; lag %+v", read.Missing, late.FoundLater, late.Missing, late.Lag)
	if late.FoundLater == 0 || late.Lag.Count == 0 || late.Lag.Max <= 0 {
		t.Errorf("want rows found later, and how much later: %s", r)
	}
	if (r.code == 0) != (late.Missing+late.Failed == 0) || (r.code != 0 && r.code != 6) {
		t.Errorf("want exit 0 if all came, 6 if not: %s", r)
	}
	c.awaitWhole(t)
}

// storageTraffic sorts the established storage connections that nodes opened:
// opener to the address at the other end, both as names and addresses of inv.
func storageTraffic(t *testing.T, inv topology.Inventory, servers map[string]int) map[string]map[netip.Addr]int {
	t.Helper()
	socks, err := procs.Sockets()
	if err != nil {
		t.Fatal(err)
	}
	slot := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(inv.Local.Slot), 0, 0}), 16)
	opened := map[string]map[netip.Addr]int{}
	for _, s := range socks {
		if s.Listening || s.Remote.Port() != 7000 || !slot.Contains(s.Remote.Addr()) {
			continue
		}
		for name, pid := range servers {
			if procs.HasSocket(pid, s.Inode) {
				if opened[name] == nil {
					opened[name] = map[netip.Addr]int{}
				}
				opened[name][s.Remote.Addr()]++
			}
		}
	}
	return opened
}

func TestTwoRegionsOfTwo(t *testing.T) {
	needLong(t)
	beside(t, 4)
	h := newHome(t)
	spec := strings.ReplaceAll(oneByOne("square", newest), "nodes: 1", "nodes: 2")
	c := h.up(t, "square", strings.Replace(spec, "heap_mb: 512", "heap_mb: 384", 1))
	inv, _ := h.inventory(t, c.name)
	c.checkPrivateInside(t, inv)

	t.Run("both nodes of each side take part", func(t *testing.T) {
		doc := decode[report.Document](t, c.must(t, "repro", c.name, "--rows", "4000", "--missing-deadline", "120s", "-o", "json"))
		for dc, got := range map[string]map[string]int64{"us-east": doc.Write.Coordinators, "us-west-2": doc.Read.Coordinators} {
			nodes := inv.InDatacenter(dc)
			if len(got) != len(nodes) {
				t.Errorf("%s: coordinators %v", dc, got)
			}
			for _, n := range nodes {
				if got[n.PublicAddress] == 0 {
					t.Errorf("%s: %s (%s) got no attempts: %v", dc, n.Name, n.PublicAddress, got)
				}
			}
		}
	})

	t.Run("regions that are cut off from each other", func(t *testing.T) {
		c.must(t, "fault", "partition", c.name, east, west)
		c.awaitSeparate(t)
		// Each restarts a node of its own, whose neighbour sees it up.
		for _, node := range []string{"2", "4"} {
			c.must(t, "restart", c.name+":"+node)
		}
		c.awaitSeparate(t)
		c.must(t, "fault", "heal", c.name, east, west)
		c.must(t, "up", c.name)
		c.awaitWhole(t)
		c.checkPrivateInside(t, inv)
	})
}

// checkPrivateInside fails the test unless nodes of one region speak with each
// other privately, and nodes of two regions by the public addresses.
func (c cluster) checkPrivateInside(t *testing.T, inv topology.Inventory) {
	t.Helper()
	var bad, inside, between []string
	eventually(t, patience, "the nodes of each region are connected privately, and the regions publicly", func() bool {
		bad, inside, between = nil, nil, nil
		for opener, remotes := range storageTraffic(t, inv, c.servers(t)) {
			from, err := inv.Node(opener)
			if err != nil {
				t.Fatal(err)
			}
			for addr := range remotes {
				to, err := inv.Node(addr.String())
				if err != nil {
					t.Fatal(err)
				}
				private := addr.String() == to.PrivateAddress
				line := fmt.Sprintf("%s to %s at %s", from.Name, to.Name, addr)
				switch {
				case (from.Region == to.Region) != private:
					bad = append(bad, line)
				case private && from.Name != to.Name:
					inside = append(inside, line)
				case !private:
					between = append(between, line)
				}
			}
		}
		// Each node and its neighbour, both ways; each node and both of the others.
		return len(bad) == 0 && len(inside) == 4 && len(between) == 8
	})
	t.Logf("inside: %q", inside)
	t.Logf("between: %q", between)
}
