package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/topology"
)

// A ring with TLS that ccm makes.
func TestTLSByCCM(t *testing.T) {
	needLong(t)
	for _, version := range []string{newest} {
		t.Run(version, func(t *testing.T) {
			ccm := venv(t, ccmVersion)
			h := newHome(t)
			c := h.up(t, "byccm", ccmSpec("byccm", version, ccm, []int{1, 1}, "")+"tls: {}\n")
			inv, _ := h.inventory(t, c.name)
			secureElsewhere(t, c, inv)
			nodeKeys(t, h, inv)
			refusals(t, h, inv, inv.Nodes[0].PrivateAddress, "127.0.0.1")
			h.must(t, "down", c.name)
			h.nothingOfCCM(t, inv)
		})
	}
}

// secureElsewhere sees that a ring with TLS is whole, carries the experiment, and is
// what it was after a node was started again.
func secureElsewhere(t *testing.T, c cluster, inv topology.Inventory) {
	t.Helper()
	c.must(t, "ring", c.name)
	const rows = 1000
	doc := decode[report.Document](t, c.must(t, "repro", c.name, "--rows", "1000", "--write-consistency", "ALL", "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Fatalf("%+v, %+v", doc.Write, doc.Read)
	}
	if doc.Write.Connections == nil || doc.Write.Connections.FullHandshakes == 0 || doc.Read.Connections == nil || doc.Read.Connections.FullHandshakes == 0 {
		t.Errorf("the load did not speak TLS: %+v, %+v", doc.Write.Connections, doc.Read.Connections)
	}
	c.must(t, "cql", c.name+":2", "SELECT data_center FROM system.local")
	c.must(t, "restart", c.name+":2")
	// What to copy names the settings where they are.
	_, printed, _ := strings.Cut(c.must(t, "up", c.name).stdout, "--cqlshrc ")
	rc, _, _ := strings.Cut(printed, " ")
	if _, err := os.Stat(rc); err != nil || !filepath.IsAbs(rc) {
		t.Errorf("cqlshrc is at %q: %v", rc, err)
	}
	up := decode[run.UpResult](t, c.must(t, "up", c.name, "-o", "json"))
	if up.Ring == nil || len(up.Ring.Mismatches) != 0 {
		t.Errorf("after a restart: %+v", up.Ring)
	}
}
