package test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crossring/internal/journal"
	"crossring/internal/load"
	"crossring/internal/pki/verbs"
	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/topology"
	"crossring/internal/trust"
	"crossring/internal/until"
	"crossring/stress/results"
)

// secureRing is the spec of two regions of two nodes with TLS, and every row on all.
func secureRing(name, version string) string {
	return sized(name, version, 2, 2) + "keyspace: {replication: {us-east: 2, us-west-2: 2}}\ntls: {}\n"
}

// TestRotate gives the nodes new certificates, and then another CA, while rows are
// written, and kills the command in one step of each kind.
func TestRotate(t *testing.T) {
	needLong(t)
	beside(t, 4)
	for _, tt := range []struct {
		version     string
		rate        int
		consistency string
		connections string
	}{
		{newest, 300, "LOCAL_QUORUM", "renew:200req"}, // nobody goes away
		{releasetest.Of("3.11"), 100, "ONE", "shared"},
		{oldest, 100, "ONE", "shared"},
	} {
		t.Run(tt.version, func(t *testing.T) {
			rel, err := release.Find(tt.version)
			if err != nil {
				t.Fatal(err)
			}
			c := newHome(t).up(t, "rotate", secureRing("rotate", tt.version))
			inv, _ := c.inventory(t, c.name)
			if rel.HotReload {
				refusesWhenDown(t, c)
			}
			before := c.servers(t)
			old := peerOf(t, c, filepath.Join(inv.Local.Dir, "ca"))
			r := dice(t)

			loading := c.start(t, "stress", "write", c.name, "--rows", manyRows, "--rate", strconv.Itoa(tt.rate), "--write-consistency", tt.consistency,
				"--connections", tt.connections, "-o", "json")
			c.written(t, nil)
			start := time.Now()
			c.rotates(t, r, inv, rel.HotReload, nil, "certificate us-east-1-2")
			nodes := time.Since(start)
			checkVisits(t, inv, old, false) // it is the same CA

			start = time.Now()
			c.rotates(t, r, inv, rel.HotReload, []string{"--ca"}, "trust us-east-1-1", "certificate crossring", "certificate us-west-2-1", "distrust us-east-1-2")
			ca := time.Since(start)
			select {
			case <-loading.ended:
				t.Fatalf("the load ended: %s", loading.result())
			default:
			}
			loading.signal(t, os.Interrupt)
			wr := loading.wait(t)
			got := decode[load.StressResult](t, wr)
			checkCutShort(t, wr, got.Write)

			checkVisits(t, inv, old, true)
			checkVisits(t, inv, peerOf(t, c, filepath.Join(inv.Local.Dir, "ca")), false)
			after := c.servers(t)
			for name, pid := range before {
				if (after[name] == pid) != rel.HotReload {
					t.Errorf("%s had pid %d, and has %d", name, pid, after[name])
				}
			}
			read := c.readAtAll(t, got)
			if rel.HotReload {
				c.reconnects(t)
				verifies(t, c, inv) // of 2 + 2 nodes one that is wrong is named from both regions
			}
			t.Logf("%s: nodes in %.0f s, CA in %.0f s; of %d rows at %d/s and %s: acknowledged %d, failed %d, unknown %d; acknowledged and lost %d, wrong %d; connections %+v",
				tt.version, nodes.Seconds(), ca.Seconds(), got.Write.Rows, tt.rate, tt.consistency, got.Write.Acknowledged, got.Write.Failed, got.Write.Unknown,
				*read.MissingAcknowledged, read.Wrong, *got.Write.Connections)
		})
	}
}

// readAtAll reads what was written from every replica, and holds it against what was
// acknowledged.
func (c cluster) readAtAll(t *testing.T, wrote load.StressResult) *results.ReadSummary {
	t.Helper()
	r := c.run(t.Context(), "stress", "read", c.name, "--run", wrote.RunDir, "--read-dc", "us-east", "--read-consistency", "ALL",
		"--rate", "0", "--connections", "shared", "--in-flight", "64", "--missing-deadline", "0s", "-o", "json")
	read := decode[load.StressResult](t, r).Read
	if read == nil || read.MissingAcknowledged == nil {
		t.Fatalf("no summary of the read: %s", r)
	}
	if read.Rows != wrote.Write.Rows || *read.MissingAcknowledged != 0 || read.Wrong != 0 || read.Failed != 0 || read.Found < wrote.Write.Acknowledged {
		t.Errorf("of %d rows %d were acknowledged; found %d, acknowledged and lost %d, wrong %d, not readable %d: %s", wrote.Write.Rows,
			wrote.Write.Acknowledged, read.Found, *read.MissingAcknowledged, read.Wrong, read.Failed, r)
	}
	return read
}

// rotates rotates, killing the command once in each of some steps, and holds what
// comes of it against what the nodes show.
func (c cluster) rotates(t *testing.T, r *rand.Rand, inv topology.Inventory, hot bool, flags []string, kills ...string) {
	t.Helper()
	file := filepath.Join(inv.Local.Dir, "rotation.journal")
	args := append([]string{"pki", "rotate", c.name, "-o", "json"}, flags...)
	moment := 20 * time.Second // a restart takes about that
	if hot {
		moment = 200 * time.Millisecond
	}
	for i, step := range kills {
		drained := !hot && i == len(kills)-1
		s := c.start(t, args...)
		eventually(t, 4*patience, "step "+step+" is under way", func() bool {
			select {
			case <-s.ended:
				t.Fatalf("ends before step %s: %s", step, s.result())
			default:
			}
			return openIntent(t, file) == step
		})
		if !drained {
			select { // at a random moment of it: there is nothing to wait for
			case <-time.After(time.Duration(r.Float64() * float64(moment))):
			case <-s.ended:
			}
		}
		_ = s.cmd.Process.Kill() // it may have ended
		s.wait(t)
		if drained {
			// As when it is killed after it had the node write all down, and before it stops it.
			_, node, _ := strings.Cut(step, " ")
			c.must(t, "nodetool", c.name+":"+node, "drain")
		}
		t.Logf("killed in %q, with %q open", step, openIntent(t, file))
		if len(flags) > 0 {
			// Growing has to wait, and status says so.
			checkSays(t, c.want(t, 8, "up", "-f", c.spec(t, strings.Replace(secureRing(c.name, inv.Plan.Version), "nodes: 2", "nodes: 3", 1))), "are being rotated", "pki rotate "+c.name)
		}
		args = []string{"pki", "rotate", c.name, "-o", "json"} // goes on, whatever it was
	}
	res := c.must(t, args...)
	for _, problem := range documentedShapes(t).check("pki-rotate", []byte(res.stdout)) {
		t.Error(problem)
	}
	c.isRotated(t, inv, decode[trust.RotateResult](t, res))
}

// isRotated holds what a rotation says against the servers and the files.
func (c cluster) isRotated(t *testing.T, inv topology.Inventory, res trust.RotateResult) {
	t.Helper()
	if !res.Done || len(res.Certificates) != len(inv.Nodes)+1 {
		t.Errorf("the answer is %+v", res)
	}
	said := map[string]verbs.Certificate{}
	for _, cert := range res.Certificates {
		said[cert.Name] = cert.Certificate
	}
	for _, n := range inv.Nodes {
		for _, port := range []int{inv.Plan.InternodePort(n), n.Ports.Native} {
			cert := shownBy(t, net.JoinHostPort(n.PrivateAddress, strconv.Itoa(port)))
			if want := said[n.Name]; cert.SerialNumber.Text(16) != want.Serial || cert.Issuer.String() != want.Issuer {
				t.Errorf("port %d of %s shows %x of %s, not %s of %s", port, n.Name, cert.SerialNumber, cert.Issuer, want.Serial, want.Issuer)
			}
		}
	}
	for _, left := range []string{"rotation.json", "rotation.journal", "ca-next", filepath.Join("tls", "next")} {
		if _, err := os.Stat(filepath.Join(inv.Local.Dir, left)); !os.IsNotExist(err) {
			t.Errorf("after the rotation there is %s: %v", left, err)
		}
	}
	c.must(t, "ring", c.name)
	c.must(t, "cql", c.name, "SELECT cluster_name FROM system.local")
}

// shownBy is the certificate that a server shows.
func shownBy(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	var shown *x509.Certificate
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		shown = s.PeerCertificates[0]
		return nil
	}})
	if err == nil {
		conn.Close()
	}
	if shown == nil {
		t.Fatalf("%s shows no certificate: %v", address, err)
	}
	return shown
}

// peerOf is an identity of a CA that servers take while they trust it: for where
// this test dials from.
func peerOf(t *testing.T, c cluster, ca string) *tls.Certificate {
	t.Helper()
	return peerFrom(t, c, ca, "127.0.0.1")
}

// peerFrom is peerOf for another address to dial from.
func peerFrom(t *testing.T, c cluster, ca, source string) *tls.Certificate {
	t.Helper()
	out := t.TempDir()
	c.must(t, "pki", "issue", "peer", "--dir", ca, "--out", out, "--key", "rsa-2048", "--ip", source)
	pair, err := tls.LoadX509KeyPair(filepath.Join(out, "node.pem"), filepath.Join(out, "node.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// checkVisits dials both ports of every real server with an identity, all at once:
// a server that takes it is listened to for a while.
func checkVisits(t *testing.T, inv topology.Inventory, cert *tls.Certificate, refused bool) {
	t.Helper()
	var all sync.WaitGroup
	for _, n := range inv.Nodes {
		for _, port := range []int{inv.Plan.InternodePort(n), n.Ports.Native} {
			all.Go(func() {
				err := visit(t, net.JoinHostPort(n.PrivateAddress, strconv.Itoa(port)), cert)
				if (err != nil) != refused {
					t.Errorf("port %d of %s: refused is %t, want %t: %v", port, n.Name, err != nil, refused, err)
				}
				if err != nil && !strings.Contains(err.Error(), "remote error: tls") && err != io.EOF && !strings.Contains(err.Error(), "reset") {
					t.Errorf("port %d of %s: not refused by the server: %v", port, n.Name, err)
				}
			})
		}
	}
	all.Wait()
}

// reconnects has nodes make new connections to each other with what they read while
// they ran: between regions by a reset, inside one by the restart of a node.
func (c cluster) reconnects(t *testing.T) {
	t.Helper()
	c.must(t, "fault", "reset", c.name, east, west)
	c.must(t, "fault", "heal", c.name, east, west)
	c.must(t, "restart", c.name+":us-east-1-2")
	c.awaitWhole(t)
	// Every replica answers.
	c.must(t, "stress", "write", c.name, "--rows", "200", "--write-consistency", "ALL")
}

func refusesWhenDown(t *testing.T, c cluster) {
	t.Helper()
	c.must(t, "stop", c.name+":us-west-2-2")
	checkSays(t, c.want(t, 4, "pki", "rotate", c.name), "us-west-2-2 is ", "start "+c.name+":us-west-2-2")
	c.must(t, "start", c.name+":us-west-2-2")
	c.awaitWhole(t)
}

// openIntent is what a journal says has begun and has not ended; "" is nothing.
func openIntent(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	open := ""
	for line := range strings.Lines(string(data)) {
		var e journal.Entry
		switch {
		case json.Unmarshal([]byte(line), &e) != nil: // it is being written
		case e.Phase == journal.PhaseIntent:
			open = e.ID
		case e.ID == open:
			open = ""
		}
	}
	return open
}

// rotatesInPlace replaces certificates and CA of a running cluster of two nodes that
// read their stores again, in the two commands that clients of others need.
func rotatesInPlace(t *testing.T, c cluster, inv topology.Inventory) {
	t.Helper()
	start := time.Now()
	before := c.servers(t)
	old := peerOf(t, c, filepath.Join(inv.Local.Dir, "ca"))
	checkSays(t, c.want(t, 2, "pki", "rotate", c.name, "--until", until.Trust.String()), "--ca")
	c.isRotated(t, inv, decode[trust.RotateResult](t, c.must(t, "pki", "rotate", c.name, "-o", "json")))
	r := c.must(t, "pki", "rotate", c.name, "--ca", "--until", until.Trust.String(), "-o", "json")
	if half := decode[trust.RotateResult](t, r); half.Done || half.Method != "reload" || len(half.Steps) != 2+len(inv.Nodes) {
		t.Errorf("until %s: %s", until.Trust, r)
	}
	next := peerOf(t, c, filepath.Join(inv.Local.Dir, "ca-next"))
	checkVisits(t, inv, old, false)
	checkVisits(t, inv, next, false)
	if r := c.must(t, "status", c.name); !strings.Contains(r.stderr, "crossring pki rotate "+c.name) {
		t.Errorf("status says that a rotation is under way: %s", r)
	}
	c.isRotated(t, inv, decode[trust.RotateResult](t, c.must(t, "pki", "rotate", c.name, "-o", "json")))
	checkVisits(t, inv, old, true)
	checkVisits(t, inv, next, false)
	if after := c.servers(t); !maps.Equal(before, after) {
		t.Errorf("servers were %v, and are %v", before, after)
	}
	if _, err := os.Stat(filepath.Join(inv.Local.Dir, "ca-1")); err != nil {
		t.Errorf("the old CA: %v", err)
	}
	t.Logf("rotated certificates and CA of two nodes in place, in %.1f s", time.Since(start).Seconds())
}
