package test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/ringcheck"
	"crossring/ringcheck/nodetooltest"
)

// TestLikeNodetool holds ring and status of a live cluster against what its own nodetool
// prints, field by field, before and after there is a keyspace. TestMatrix does so in
// each of its local cells, of all releases and shapes.
func TestLikeNodetool(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			beside(t, 2)
			// One of the datacenters has a suffix.
			text := strings.Replace(oneByOne("judged", version), "zone: us-west-2a,", "zone: us-west-2a, dc_suffix: -b,", 1)
			c := newHome(t).up(t, "judged", text)
			c.compareWithNodetool(t)
			c.must(t, "repro", c.name, "--rows", "2000")
			c.compareWithNodetool(t)
			// With one keyspace of the user's, nodetool shows its ownership unasked.
			c.compareWithNodetool(t, "crossring")
			c.speaksCQL(t, version)
			c.takesLargestValues(t, version)
		})
	}
}

// takesLargestValues writes and reads rows of the largest value that a spec may ask for,
// and holds that the one that is a byte larger is refused before anything is sent.
func (c cluster) takesLargestValues(t *testing.T, version string) {
	t.Helper()
	rel, err := release.Find(version)
	if err != nil {
		t.Fatal(err)
	}
	repro := []string{"repro", c.name, "--rows", "4", "--in-flight", "1", "--value-bytes"}
	c.must(t, append(repro, strconv.Itoa(rel.MaxValueBytes))...)
	if r := c.want(t, 2, append(repro, strconv.Itoa(rel.MaxValueBytes+1))...); !strings.Contains(r.stderr, "--value-bytes: must be at most") {
		t.Error(r)
	}
}

// look is crossring's word and nodetool's on the same ring.
type look struct {
	before, after ringcheck.Ring // crossring's, around the rest
	ring, status  string         // crossring's text
	// nodetool's text, on each node
	theirRing, theirStatus map[string]string
}

// steady says that no load has changed while the look was taken.
func (l look) steady() bool {
	loads := func(r ringcheck.Ring) string {
		s := ""
		for _, dc := range r.Datacenters {
			for _, n := range dc.Nodes {
				if n.LoadBytes == nil {
					return "unknown"
				}
				s += fmt.Sprintf("%s %d\n", n.Address, *n.LoadBytes)
			}
		}
		return s
	}
	return loads(l.before) == loads(l.after)
}

// compareWithNodetool looks at the ring with both. keyspace is for nodetool only. Of many
// nodes the first and the last one's nodetool are asked.
func (c cluster) compareWithNodetool(t *testing.T, keyspace ...string) {
	t.Helper()
	var l look
	// Loads move for a while after a write: flushes, compactions.
	eventually(t, patience, "loads that hold still while crossring and nodetool look at them", func() bool {
		l = look{theirRing: map[string]string{}, theirStatus: map[string]string{}}
		l.before = decode[ringcheck.Ring](t, c.must(t, "ring", c.name, "-o", "json"))
		l.ring = c.must(t, "ring", c.name).stdout
		l.status = c.must(t, "status", c.name).stdout
		var asked []ringcheck.Node
		for _, dc := range l.before.Datacenters {
			asked = append(asked, dc.Nodes...)
		}
		if len(asked) > 3 {
			asked = []ringcheck.Node{asked[0], asked[len(asked)-1]}
		}
		for _, n := range asked {
			l.theirRing[n.Address] = c.must(t, append([]string{"nodetool", c.name + ":" + n.Name, "ring"}, keyspace...)...).stdout
			l.theirStatus[n.Address] = c.must(t, append([]string{"nodetool", c.name + ":" + n.Name, "status"}, keyspace...)...).stdout
		}
		l.after = decode[ringcheck.Ring](t, c.must(t, "ring", c.name, "-o", "json"))
		return l.steady()
	})
	for address, theirs := range l.theirRing {
		compareRingText(t, l.ring, theirs, address)
	}
	for address, theirs := range l.theirStatus {
		compareStatusText(t, l.status, theirs, address)
	}
	compareDocument(t, l)
}

// compareRingText holds the rows of "ring" against those of nodetool's on the node
// at asked. Loads of other nodes nodetool knows as last gossiped, up to a minute
// ago; its own it knows as it is.
func compareRingText(t *testing.T, ours, theirs, asked string) {
	t.Helper()
	got, err := nodetooltest.ParseRing([]byte(ours))
	if err != nil {
		t.Fatalf("crossring ring: %v\n%s", err, ours)
	}
	want, err := nodetooltest.ParseRing([]byte(theirs))
	if err != nil {
		t.Fatalf("nodetool ring: %v\n%s", err, theirs)
	}
	for i := range want {
		if want[i].Address != asked && i < len(got) {
			got[i].Load, want[i].Load = "", ""
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("ring:\n%+v\nnodetool on %s:\n%+v", got, asked, want)
	}
	compareRest(t, ours, theirs)
}

func compareStatusText(t *testing.T, ours, theirs, asked string) {
	t.Helper()
	got, err := nodetooltest.ParseStatus([]byte(ours))
	if err != nil {
		t.Fatalf("crossring status: %v\n%s", err, ours)
	}
	want, err := nodetooltest.ParseStatus([]byte(theirs))
	if err != nil {
		t.Fatalf("nodetool status: %v\n%s", err, theirs)
	}
	// Within a datacenter nodetool's order is that of a hash map.
	order := func(a, b nodetooltest.StatusRow) int {
		return strings.Compare(a.Datacenter+" "+a.Address, b.Datacenter+" "+b.Address)
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	for i := range want {
		if want[i].Address != asked && i < len(got) {
			got[i].Load, want[i].Load = "", ""
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("status:\n%+v\nnodetool on %s:\n%+v", got, asked, want)
	}
	compareRest(t, ours, theirs)
}

// compareRest holds what is around the rows: titles, headings, notes.
func compareRest(t *testing.T, ours, theirs string) {
	t.Helper()
	rest := func(text string) string {
		var lines []string
		for line := range strings.Lines(text) {
			fields := strings.Fields(line)
			if len(fields) > 0 && !strings.Contains(line, " 127.") && !strings.HasPrefix(line, "127.") {
				lines = append(lines, strings.Join(fields, " "))
			}
		}
		return strings.Join(lines, "\n")
	}
	if got, want := rest(ours), rest(theirs); got != want {
		t.Errorf("around the rows:\n%s\nnodetool has:\n%s", got, want)
	}
}

// compareDocument holds the JSON against what each node's nodetool says.
func compareDocument(t *testing.T, l look) {
	t.Helper()
	for _, dc := range l.after.Datacenters {
		for _, n := range dc.Nodes {
			if _, asked := l.theirStatus[n.Address]; !asked {
				continue
			}
			rows, err := nodetooltest.ParseStatus([]byte(l.theirStatus[n.Address]))
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(rows, func(r nodetooltest.StatusRow) bool { return r.Address == n.Address })
			if i < 0 {
				t.Errorf("nodetool does not know %s: %+v", n.Address, rows)
				continue
			}
			r := rows[i]
			if r.Datacenter != dc.Name || r.Rack != n.Rack || r.HostID != n.HostID ||
				r.Status != string(n.Status[:1]) || r.State != string(n.State[:1]) {
				t.Errorf("%+v in %s\nnodetool: %+v", n, dc.Name, r)
			}
			if tokens := theirTokens(t, l.theirRing[n.Address], n.Address); !slices.Equal(tokens, n.Tokens) {
				t.Errorf("%s has the tokens %v, nodetool says %v", n.Address, n.Tokens, tokens)
			}
			if got := ringcheck.Size(*n.LoadBytes, strings.Contains(r.Load, "iB")); got != r.Load {
				t.Errorf("load of %s is %s, nodetool says %s", n.Address, got, r.Load)
			}
			owns := n.OwnsEffective
			switch {
			case owns == nil && r.Effective:
				owns = n.OwnsSystem
			case owns == nil:
				owns = n.Owns
			}
			percent, err := strconv.ParseFloat(strings.TrimSuffix(r.Owns, "%"), 64)
			if err != nil || owns == nil || math.Abs(*owns*100-percent) > 0.051 { // one decimal is shown
				t.Errorf("%s owns %v, nodetool says %s", n.Address, owns, r.Owns)
			}
		}
	}
}

// theirTokens are a node's tokens in nodetool's ring, which is in their order.
func theirTokens(t *testing.T, ring, address string) []string {
	t.Helper()
	rows, err := nodetooltest.ParseRing([]byte(ring))
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, r := range rows {
		if r.Address == address {
			tokens = append(tokens, r.Token)
		}
	}
	return tokens
}

// TestNodetoolLeavesJMXOff holds that JMX is on while nodetool works, on the
// node's private address alone, and off again afterwards.
func TestNodetoolLeavesJMXOff(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ string, c cluster) {
		inv, _ := c.inventory(t, c.name)
		pid := c.servers(t)[inv.Nodes[0].Name]
		before := listeners(t, pid)
		done := c.start(t, "nodetool", c.name+":1", "status")
		during := map[string]bool{}
		end := time.After(patience)
	watch:
		for {
			for _, a := range listeners(t, pid) {
				during[a] = true
			}
			select {
			case <-done.ended:
				break watch
			case <-end:
				t.Fatalf("does not end: %s", done.result())
			case <-time.After(10 * time.Millisecond):
			}
		}
		if r := done.wait(t); r.code != 0 {
			t.Fatal(r)
		}
		for _, a := range before {
			delete(during, a)
		}
		want := inv.Nodes[0].PrivateAddress + ":7199"
		if len(during) != 1 || !during[want] {
			t.Errorf("while nodetool worked the server listened on %v besides, want %s", during, want)
		}
		if after := listeners(t, pid); !slices.Equal(after, before) {
			t.Errorf("listens on %v after nodetool, before on %v", after, before)
		}
		c.nobodyElseUses(t, inv, pid)
		r := c.want(t, 1, "nodetool", c.name+":1", "nonsense")
		if !strings.Contains(r.stderr, "crossring: error: nodetool nonsense on "+inv.Nodes[0].Name) {
			t.Errorf("a nodetool that fails should be named: %s", r)
		}
		if after := listeners(t, pid); !slices.Equal(after, before) {
			t.Errorf("listens on %v after a nodetool that failed, before on %v", after, before)
		}
	})
}

// nobodyElseUses stops nodetool while JMX is on for it, and holds that nobody else gets in,
// and that no process has a password among its arguments.
func (c cluster) nobodyElseUses(t *testing.T, inv topology.Inventory, server int) {
	t.Helper()
	done := c.start(t, "nodetool", c.name+":1", "status")
	tool := 0
	eventually(t, patience, "nodetool has begun", func() bool {
		for _, p := range c.processes(t) {
			if slices.ContainsFunc(p.args, func(a string) bool { return strings.HasPrefix(a, "@") && strings.Contains(a, "nodetool.args") }) {
				tool = p.pid
			}
		}
		return tool != 0
	})
	if err := syscall.Kill(tool, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.processes(t) {
		if slices.Contains(p.args, "-pw") {
			t.Errorf("process %d has a password among its arguments: %q", p.pid, p.args)
		}
	}
	at := inv.Nodes[0].PrivateAddress + ":7199"
	if !slices.Contains(listeners(t, server), at) {
		t.Errorf("JMX is not on at %s", at)
	}
	checkDoors(t, inv, c.state, map[int]string{server: "server"})
	if err := syscall.Kill(tool, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if r := done.wait(t); r.code != 0 {
		t.Error(r)
	}
	files, err := filepath.Glob(filepath.Join(inv.Nodes[0].Layout.Tmp, "*jmx*"))
	more, _ := filepath.Glob(filepath.Join(inv.Nodes[0].Layout.Tmp, "nodetool.args*"))
	if err != nil || len(files)+len(more) > 0 {
		t.Errorf("left of nodetool's password: %v %v (%v)", files, more, err)
	}
}
