package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crossring/internal/attach"
	"crossring/internal/fail"
	"crossring/internal/release"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/state"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// points are the contact points of a cluster's nodes.
func points(inv topology.Inventory) string {
	var all []string
	for _, n := range inv.Nodes {
		all = append(all, fmt.Sprintf("%s:%d", n.PrivateAddress, n.Ports.Native))
	}
	return strings.Join(all, ",")
}

// schema is what a cluster has of keyspaces, and of tables of those that are not Cassandra's own.
func (c cluster) schema(t *testing.T) string {
	t.Helper()
	inv, _ := c.inventory(t, c.name)
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		t.Fatal(err)
	}
	ask := "SELECT keyspace_name, strategy_class, strategy_options FROM system.schema_keyspaces; SELECT keyspace_name, columnfamily_name FROM system.schema_columnfamilies"
	if rel.SystemSchema {
		ask = "SELECT * FROM system_schema.keyspaces; SELECT keyspace_name, table_name, id FROM system_schema.tables"
	}
	return c.must(t, "cql", c.name+":1", ask, "-o", "json").stdout
}

// attached holds a cluster that was made by one crossring against what another one, which was
// only pointed at it, makes of it; and what is left when it is gone again.
func attached(t *testing.T, c cluster) {
	other := cluster{newHome(t), "theirs"}
	inv, _ := c.inventory(t, c.name)
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		t.Fatal(err)
	}
	const keyspace = "attached_one"
	before := c.schema(t)
	line := []string{"attach", other.name, "--contact-points", points(inv), "--keyspace", keyspace}
	shapes := documentedShapes(t)
	r := other.must(t, append(line, "-o", "json")...)
	for _, problem := range shapes.check("ring", []byte(r.stdout)) {
		t.Error(problem)
	}
	if got := c.schema(t); got != before {
		t.Errorf("attach changed the schema:\n%s\n%s", before, got)
	}
	theirs, _ := other.inventory(t, other.name)
	if theirs.Plan.Provider != attach.Provider || theirs.Plan.RTTMillis != nil {
		t.Errorf("%+v", theirs.Plan)
	}
	checkSays(t, other.want(t, fail.ExitBusy, line...), `there is a cluster "theirs" already`)
	// The same ring, from either side, by another way each; neither has a keyspace to tell of. A
	// node that has just started tells its load some seconds later.
	var made, found ringcheck.Ring
	eventually(t, patience, "every node has told its load", func() bool {
		made, found = decode[ringcheck.Ring](t, c.must(t, "ring", c.name, "-o", "json")), decode[ringcheck.Ring](t, other.must(t, "ring", other.name, "-o", "json"))
		for _, dc := range found.Datacenters {
			for _, n := range dc.Nodes {
				if rel.VirtualTables && n.LoadGossiped == "" {
					return false
				}
			}
		}
		return true
	})
	sameRing(t, rel, renamed(made), renamed(found))

	const rows = 300
	doc := decode[report.Document](t, other.must(t, "repro", other.name, "--rows", fmt.Sprint(rows), "-o", "json"))
	if doc.Provider != attach.Provider || doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Errorf("%+v, %+v", doc.Write, doc.Read)
	}
	if got := c.schema(t); got == before || !strings.Contains(got, keyspace) {
		t.Errorf("no keyspace of ours in %s", got)
	}
	refusals := map[string][]string{
		"servers of crossring's own":           {"up", "down", "start", "stop", "restart", "logs", "nodetool", "render", "preflight", "tunnel", "pki rotate"},
		"network of crossring's own":           {"fault show"},
		"machines of the nodes' own":           {"exec"},
		"connections from where its nodes are": {"pki verify"},
		"time to live":                         {"extend"},
	}
	for what, verbs := range refusals {
		for _, verb := range verbs {
			args := append(strings.Fields(verb), other.name)
			switch verb {
			case "nodetool":
				args = append(args, "info")
			case "exec":
				args = append(args, "true")
			case "extend":
				args = append(args, "--ttl", "1h")
			}
			checkSays(t, other.want(t, fail.ExitUsage, args...), "cluster theirs is of provider attached, which has no "+what)
		}
	}
	checkSays(t, other.want(t, fail.ExitUsage, "down", other.name), "detach theirs")
	checkSays(t, c.want(t, fail.ExitUsage, "detach", c.name), "was made by crossring", "down "+c.name)

	// Forgotten, and found again with its keyspace.
	if res := decode[run.DetachResult](t, other.must(t, "detach", other.name, "-o", "json")); !res.Detached || res.Dropped || res.Keyspace != keyspace {
		t.Errorf("%+v", res)
	}
	checkSays(t, other.want(t, fail.ExitBusy, append(line, "--replication", inv.Plan.Stress.WriteDC+"=1")...), "its replication is")
	other.must(t, line...)
	r = other.must(t, "detach", other.name, "--drop-keyspace", "-o", "json")
	for _, problem := range shapes.check("detach", []byte(r.stdout)) {
		t.Error(problem)
	}
	if res := decode[run.DetachResult](t, r); !res.Dropped {
		t.Errorf("%+v", res)
	}
	if got := c.schema(t); got != before {
		t.Errorf("left behind:\n%s\n%s", before, got)
	}
	if _, err := os.Stat(state.Dir(other.state, other.name)); !os.IsNotExist(err) {
		t.Errorf("its directory: %v", err)
	}
}

// renamed is a ring without what only the plan of whoever made it knows: names of nodes, and
// the keyspace that the plan is about.
func renamed(r ringcheck.Ring) ringcheck.Ring {
	r.Keyspace = ""
	r.Datacenters = slices.Clone(r.Datacenters)
	for i, dc := range r.Datacenters {
		r.Datacenters[i].Nodes = slices.Clone(dc.Nodes)
		for k := range dc.Nodes {
			r.Datacenters[i].Nodes[k].Name, r.Datacenters[i].Nodes[k].OwnsEffective = "", nil
		}
	}
	return r
}

// TestAttach points a second crossring at a cluster, and asks for others in bad ways.
func TestAttach(t *testing.T) {
	c := sharedCluster(t, newest)
	t.Run("a ring that another crossring made", func(t *testing.T) { attached(t, c) })
	t.Run("asked wrongly", func(t *testing.T) { attachedWrongly(t, c) })
}

// attachedWrongly asks for what can't be had of a cluster of plain text.
func attachedWrongly(t *testing.T, c cluster) {
	t.Helper()
	other := newHome(t)
	inv, _ := c.inventory(t, c.name)
	at := points(inv)
	ca := filepath.Join(t.TempDir(), "ca")
	newHome(t).must(t, "pki", "init", "--dir", ca)
	root := filepath.Join(ca, "ca.pem")
	for _, bad := range []struct {
		code int
		args []string
		says string
	}{
		{fail.ExitFailure, []string{"--contact-points", "127.0.0.1:1"}, "no answer at 127.0.0.1:1"},
		{fail.ExitFailure, []string{"--contact-points", "no-such-host.invalid"}, "no answer at no-such-host.invalid:9042"},
		{fail.ExitUsage, []string{"--contact-points", "0.0.0.0,a b", "--keyspace", "system", "--replication", "x", "--cert", "/none"}, "--contact-points: "},
		{fail.ExitUsage, nil, "no contact point is named"},
		{fail.ExitUsage, []string{"--contact-points", at, "--replication", "mars=1"}, "there is no datacenter mars"},
		{fail.ExitUsage, []string{"--contact-points", at, "--user", "me"}, "there is no terminal to ask for a password on"},
		{fail.ExitUsage, []string{"--contact-points", at, "--password-file", "x"}, "add --user ROLE"},
		{fail.ExitUsage, []string{"--contact-points", at, "--ca", root}, "speaks plain text, not TLS"},
		{fail.ExitUsage, []string{"--contact-points", at, "--ca", c.state}, "--ca: "},
	} {
		checkSays(t, other.want(t, bad.code, append([]string{"attach", "lab"}, bad.args...)...), bad.says)
	}
	if left, err := os.ReadDir(filepath.Join(other.state, "clusters")); len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// typeAttachPage types the commands of docs/attach.md, those with a user or those without, and
// says how many there were.
func typeAttachPage(t *testing.T, h home, secured bool, replace ...string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "attach.md"))
	if err != nil {
		t.Fatal(err)
	}
	typed := 0
	for _, block := range regexp.MustCompile("(?s)\n```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(block[1], "--user") != secured {
			continue
		}
		for line := range strings.Lines(block[1]) {
			words := strings.Fields(strings.NewReplacer(append(replace, "NAME", "page")...).Replace(line))
			if words[0] != "crossring" {
				t.Fatalf("%q is no command of crossring's", line)
			}
			if words[1] == "attach" {
				words = append(words, "--keyspace", "attached_page") // others use the usual one
			}
			h.must(t, words[1:]...)
			typed++
		}
	}
	return typed
}

// TestAttachPage types what docs/attach.md says of a cluster without passwords, and has the same
// on releases of other protocols, and contact points of two of them.
func TestAttachPage(t *testing.T) {
	needLong(t)
	c := sharedCluster(t, newest)
	inv, _ := c.inventory(t, c.name)
	if typed := typeAttachPage(t, newHome(t), false, "10.0.0.1", inv.Nodes[0].PrivateAddress, "10.0.1.1", inv.Nodes[1].PrivateAddress); typed < 5 {
		t.Errorf("%d commands on the page; is this how they are read?", typed)
	}
	c.awaitWhole(t)
}

// TestAttachEveryRelease points a second crossring at a cluster of each release.
func TestAttachEveryRelease(t *testing.T) {
	needLong(t)
	each(t, func(t *testing.T, version string, c cluster) {
		if version != newest {
			attached(t, c)
			a, _ := c.inventory(t, c.name)
			b, _ := sharedCluster(t, newest).inventory(t, sharedCluster(t, newest).name)
			checkSays(t, newHome(t).want(t, fail.ExitUsage, "attach", "two", "--contact-points", points(a)+","+points(b)), "are of two clusters")
		}
	})
}
