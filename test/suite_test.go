package test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/deploy/sshhost/sshdtest"
	"crossring/internal/fail"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// place is a provider as the suite needs it: where clusters can stand.
type place struct {
	provider string
	lanes    []lane
	plain    bool // its clusters have no TLS: containers never; these hosts share 127.0.0.1, as which all come
	// cannot says why this computer can't run a cell there; "" if it can.
	cannot func(c cell) string
	// lay makes what the cluster of a cell stands on. It ends with the test.
	lay func(t *testing.T, h home, c cell) ground
}

// ground is what one cluster stands on.
type ground struct {
	// home is where the program is run: the one that was given, or as one gets to the place.
	home home
	spec string // path of the cluster's spec
	// kill ends a node's server as a crash does.
	kill func(t *testing.T, p topology.Process)
	dead func(p topology.Process) bool
	// gone fails the test for whatever is left after down.
	gone func(t *testing.T, inv topology.Inventory)
}

// places are those that the suite is run on. A provider joins by a row here.
func places() []place {
	can := func(cell) string { return "" }
	return []place{
		{"local", nil, false, can, layLocal},
		{"hosts", []lane{hostAddresses}, true, withSSHD, layHosts},
		{"ccm", []lane{ccmAddresses}, false, withCCM, layCCM},
		{"containers", []lane{podmanEngine}, true, withPodman, layContainers},
	}
}

// layLocal needs nothing but the spec.
func layLocal(t *testing.T, h home, c cell) ground {
	t.Helper()
	return ground{
		home: h,
		spec: h.spec(t, c.spec("")),
		kill: func(t *testing.T, p topology.Process) { kill9(t, p.PID) },
		dead: noProcess,
		gone: func(t *testing.T, inv topology.Inventory) { h.checkGone(t, inv) },
	}
}

func withSSHD(cell) string {
	if _, err := os.Stat("/usr/sbin/sshd"); err != nil {
		return "there is no sshd: apt-get install openssh-server"
	}
	return ""
}

// layHosts starts an sshd for every node, with a directory that stands for the
// machine's /. The nodes' addresses are beyond those of local clusters. That the
// machines share this computer's processors is not for crossring to know, so the spec
// gives the request timeouts that it gives clusters on one computer.
func layHosts(t *testing.T, h home, c cell) ground {
	t.Helper()
	var inv strings.Builder
	inv.WriteString("version: crossring/v1\nhosts:\n")
	var roots []string
	for i, z := range c.shape.zones {
		for n := range z.nodes {
			m := sshdtest.Start(t, "127.0.0.1")
			root := filepath.Join(t.TempDir(), "machine")
			fmt.Fprintf(&inv, "  - {address: %s, port: %d, user: %s, identity_file: %s, host_keys: [%q]", m.Address, m.Port, m.User, m.Identity, m.HostKey)
			fmt.Fprintf(&inv, ", region: %s, zone: %s, public: %s, root: %s, jolokia_port: %d}\n", z.region, z.zone(), machineAddress(t, i, n), root, jolokiaPort(t, len(roots)))
			roots = append(roots, root)
		}
	}
	hosts := filepath.Join(t.TempDir(), "hosts.yaml")
	writeFile(t, hosts, inv.String())
	return ground{
		home: h,
		spec: h.spec(t, c.spec("hosts: "+hosts+"\n"+sharedProcessors)),
		kill: func(t *testing.T, p topology.Process) { kill9(t, p.PID) }, // the machines are this one
		dead: noProcess,
		gone: func(t *testing.T, _ topology.Inventory) {
			for _, root := range roots {
				if _, err := os.Stat(root); !os.IsNotExist(err) {
					t.Errorf("%s is left (%v)", root, err)
				}
			}
			left, err := os.ReadDir(filepath.Join(h.state, "clusters"))
			if err != nil || len(left) > 0 {
				t.Errorf("directories of clusters are left: %v (%v)", left, err)
			}
		},
	}
}

// sharedProcessors is a spec's settings for machines that are one computer in truth.
// All releases know the keys by these names.
const sharedProcessors = `settings:
  read_request_timeout_in_ms: 10000
  range_request_timeout_in_ms: 30000
  write_request_timeout_in_ms: 10000
  truncate_request_timeout_in_ms: 60000
  request_timeout_in_ms: 10000
`

// suite is what every provider is held to: a cluster of the cell's shape goes up, a
// second up changes nothing, the ring is as planned, the experiment finds all of its
// rows, a node that is killed comes back with its data, and down leaves nothing. It
// returns how long up took.
func suite(t *testing.T, at place, c cell, rows int64) time.Duration {
	t.Helper()
	h := newHome(t)
	g := at.lay(t, h, c)
	h = g.home
	cl := cluster{h, c.name()}
	t.Cleanup(func() { h.takeDown(t, cl.name) })

	start := time.Now()
	up := decode[run.UpResult](t, h.must(t, "up", "-f", g.spec, "-o", "json"))
	took := time.Since(start)
	checkShape(t, c, up.Inventory)
	if up.Ring == nil {
		t.Fatal("up says nothing of the ring")
	}
	checkRing(t, *up.Ring, up.Inventory)
	if c.provider == "local" {
		cl.compareWithNodetool(t)
	}

	before := cl.states(t)
	again := decode[run.UpResult](t, h.must(t, "up", "-f", g.spec, "-o", "json"))
	checkRing(t, *again.Ring, up.Inventory)
	if after := cl.states(t); !maps.Equal(pidsOf(before), pidsOf(after)) {
		t.Errorf("a second up made the servers %v of %v", pidsOf(after), pidsOf(before))
	}

	doc := decode[report.Document](t, h.must(t, "repro", cl.name, "--rows", fmt.Sprint(rows), "-o", "json"))
	checkDocument(t, doc, up.Inventory, rows)
	checkOwnership(t, c, doc.RingAfter)
	// Containers and the lab's hosts are not reached from here as they are.
	if at.provider != "containers" && at.provider != "ec2" && up.Inventory.Plan.TLS == nil {
		h.checkByCQL(t, cl.name, *doc.RingAfter)
	}

	if c.provider == "local" {
		cl.compareWithNodetool(t)
		// With one keyspace of the user's, nodetool shows its ownership unasked.
		cl.compareWithNodetool(t, "crossring")
	}
	if c.tls {
		cl.isSecure(t, c, up.Inventory, doc)
	}

	cl.checkDoors(t)

	// The estimate of keys flushed the rows to disk. What a server had in its commit
	// log only, and had not marked as synced, it loses when it is killed, 2.2 the most.
	before = cl.states(t)
	victim := up.Inventory.InDatacenter("us-west-2")[len(up.Inventory.InDatacenter("us-west-2"))-1].Name
	g.kill(t, before[victim])
	eventually(t, patience, victim+" is seen to be dead", func() bool {
		r := decode[ringcheck.Ring](t, h.want(t, fail.ExitRing, "status", cl.name, "-o", "json"))
		return mismatchKinds(r)[ringcheck.KindUnreachable] && g.dead(before[victim])
	})
	h.must(t, "start", cl.name+":"+victim)
	cl.awaitWhole(t)
	after := cl.states(t)
	for name, p := range after {
		if !p.Running || (name == victim) == (p.PID == before[name].PID) {
			t.Errorf("after %s was killed and started, %s is %s; it was %s", victim, name, p, before[name])
		}
	}
	cl.readBack(t, doc.RunDir, int(min(rows, 5000)))
	if c.grows() {
		cl.growsAndShrinks(t, c, doc.RunDir, int(rows))
		after = cl.states(t)
	}

	h.must(t, "down", cl.name, "--yes")
	g.gone(t, up.Inventory)
	for name, p := range after {
		if !g.dead(p) {
			t.Errorf("process %d of %s is left", p.PID, name)
		}
	}
	h.want(t, fail.ExitFailure, "ring", cl.name)
	return took
}

// noProcess says that there is no such process on this computer.
func noProcess(p topology.Process) bool {
	_, err := os.Stat(fmt.Sprint("/proc/", p.PID))
	return os.IsNotExist(err)
}

// states asks for the nodes' servers. To start what runs changes nothing.
func (c cluster) states(t *testing.T) map[string]topology.Process {
	t.Helper()
	all := map[string]topology.Process{}
	for _, p := range decode[run.NodesResult](t, c.must(t, "start", c.name, "-o", "json")).Nodes {
		all[p.Node] = p
	}
	return all
}

func pidsOf(states map[string]topology.Process) map[string]int {
	pids := map[string]int{}
	for name, p := range states {
		pids[name] = p.PID
	}
	return pids
}

// checkShape holds what was made against what the cell asked for.
func checkShape(t *testing.T, c cell, inv topology.Inventory) {
	t.Helper()
	want, got := map[string]int{}, map[string]int{}
	for _, z := range c.shape.zones {
		dc, rack := z.names()
		want[dc+"/"+rack] += z.nodes
	}
	tokens := map[string]bool{}
	for _, n := range inv.Nodes {
		got[n.Datacenter+"/"+n.Rack]++
		if len(n.Tokens) != c.shape.tokens {
			t.Errorf("%s has %d tokens, want %d", n.Name, len(n.Tokens), c.shape.tokens)
		}
		for _, text := range n.Tokens {
			tokens[text] = true
		}
	}
	if !maps.Equal(got, want) || len(tokens) != len(inv.Nodes)*c.shape.tokens {
		t.Errorf("nodes by rack %v with %d tokens, want %v with %d", got, len(tokens), want, len(inv.Nodes)*c.shape.tokens)
	}
	if inv.Plan.Version != c.version || inv.Plan.Partitioner != c.partitioner || inv.Plan.Provider != c.provider {
		t.Errorf("it is %s on %s with %s", inv.Plan.Version, inv.Plan.Provider, inv.Plan.Partitioner)
	}
}

// checkOwnership holds that the shares of a datacenter's nodes add up to its
// replicas, and that each node is known by its tokens.
func checkOwnership(t *testing.T, c cell, r *ringcheck.Ring) {
	t.Helper()
	for _, dc := range r.Datacenters {
		sum := 0.0
		for _, n := range dc.Nodes {
			if n.OwnsEffective == nil {
				t.Errorf("%s has no share", n.Name)
				continue
			}
			sum += *n.OwnsEffective
			if len(n.Tokens) != c.shape.tokens {
				t.Errorf("the ring has %d tokens of %s, want %d", len(n.Tokens), n.Name, c.shape.tokens)
			}
		}
		if want := float64(c.shape.replicas(dc.Name)); math.Abs(sum-want) > 1e-3 {
			t.Errorf("the shares in %s add up to %g, want %g", dc.Name, sum, want)
		}
	}
}
