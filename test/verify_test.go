package test

import (
	"crypto/x509/pkix"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossring/internal/failif"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// verifies has pki verify look at a ring that is right, as every region dials it, and
// then at the same with one node that is wrong: that one is named, from every region.
func verifies(t *testing.T, c cluster, inv topology.Inventory) {
	t.Helper()
	shapes := documentedShapes(t)
	ask := func(code int) verbs.ClusterVerifyResult {
		t.Helper()
		r := c.want(t, code, "pki", "verify", c.name, "-o", "json")
		for _, problem := range shapes.check("pki-verify-cluster", []byte(r.stdout)) {
			t.Errorf("%s: %s", problem, r)
		}
		return decode[verbs.ClusterVerifyResult](t, r)
	}
	zones := map[string]bool{}
	for _, n := range inv.Nodes {
		zones[n.Region] = true
	}
	got := ask(0)
	if !got.OK || len(got.Wrong)+len(got.Unreached) != 0 || got.FirstEnds == nil {
		t.Errorf("a ring that is right: %+v, %+v", got.Wrong, got.Unreached)
	}
	for _, n := range inv.Nodes {
		roles := map[string][]string{}
		for _, way := range got.Ways {
			if way.Node != n.Name {
				continue
			}
			roles[way.Role] = append(roles[way.Role], way.FromRegion)
			if !way.OK || way.Connection.Taken == nil || !*way.Connection.Taken || way.Connection.Resumption == "unknown" {
				t.Errorf("%s from %s by a %s: %+v, %+v", n.Name, way.FromRegion, way.Role, way.Errors, way.Connection)
			}
		}
		regions := slices.Compact(slices.Sorted(slices.Values(append(roles[verbs.RoleNode], roles[verbs.RoleClient]...))))
		if len(regions) != len(zones) || len(roles[verbs.RoleClient]) != 1 {
			t.Errorf("%s is dialled from %v", n.Name, roles)
		}
	}
	node := inv.Nodes[len(inv.Nodes)-1]
	server := net.JoinHostPort(node.PrivateAddress, strconv.Itoa(node.Ports.Native))
	own := filepath.Join(c.state, "clusters", c.name, "tls")
	r := c.must(t, "pki", "verify", "--connect", server, "--ca", filepath.Join(own, "ca.pem"), "--client-cert", filepath.Join(own, "client.pem"), "-o", "json")
	for _, problem := range shapes.check("pki-verify", []byte(r.stdout)) {
		t.Errorf("%s: %s", problem, r)
	}
	if one := decode[verbs.VerifyResult](t, r); !one.OK || one.Connection.Taken == nil || !*one.Connection.Taken ||
		one.Connection.Resumed != resumes(inv.Plan.Version, strings.TrimPrefix(one.Connection.Version, "TLS ")) || len(one.Served) == 0 {
		t.Errorf("one server: %s", r)
	}
	ls := decode[verbs.ListResult](t, held(t, shapes, "pki-ls", c.must(t, "pki", "ls", c.name, "-o", "json")))
	if len(ls.Issued) < len(inv.Nodes)+1 || ls.NextEnd == nil || len(ls.Issuers) != 1 {
		t.Errorf("what was issued: %+v", ls)
	}
	held(t, shapes, "ring", c.must(t, "status", c.name, "--fail-if", "certificate.days<30", "-o", "json"))
	r = held(t, shapes, "ring", c.want(t, 6, "status", c.name, "--fail-if", "certificate.days<4000", "--fail-if", "nodes.down>0", "-o", "json"))
	if got := decode[struct {
		Certificates []ringcheck.Certificate
		Breaches     []failif.Breach
	}](t, r); len(got.Breaches) != 1 || len(got.Certificates) != len(inv.Nodes)+2 {
		t.Errorf("expiry: %s", r)
	}
	if rel, err := release.Find(inv.Plan.Version); err != nil || !rel.HotReload || !rel.PEMStores {
		return // it would have to be started anew
	}
	kinds := map[string]int{"an address of another": 64}
	if len(inv.Nodes) > 2 { // each takes seconds
		kinds["the end of its life"], kinds["a foreign CA"] = 10, 20
	}
	file := filepath.Join(node.Layout.TLSDir(), "node.pem")
	right, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for kind, code := range kinds {
		if err := pki.WriteFile(file, wrongIdentity(t, c, inv, node, code), 0o600); err != nil {
			t.Fatal(err)
		}
		c.must(t, "nodetool", c.name+":"+node.Name, "reloadssl")
		got := ask(1)
		if len(got.Wrong) == 0 || slices.ContainsFunc(got.Wrong, func(w verbs.WrongNode) bool { return w.Node != node.Name }) {
			t.Errorf("%s: wrong is %+v", kind, got.Wrong)
			continue
		}
		from := slices.Sorted(slices.Values(got.Wrong[0].From))
		if got.Wrong[0].Code != code || len(from) != len(zones) || len(got.Unreached) != 0 {
			t.Errorf("%s: %+v, unreached %+v", kind, got.Wrong[0], got.Unreached)
		}
		if r := c.want(t, 1, "pki", "verify", c.name); !strings.Contains(r.stdout, node.Name+", seen from ") || !strings.Contains(r.stderr, node.Name) {
			t.Errorf("%s: %s", kind, r)
		}
	}
	if err := pki.WriteFile(file, right, 0o600); err != nil {
		t.Fatal(err)
	}
	c.must(t, "nodetool", c.name+":"+node.Name, "reloadssl")
	ask(0)
}

// held holds a document against its table.
func held(t *testing.T, all shapes, table string, r result) result {
	t.Helper()
	for _, problem := range all.check(table, []byte(r.stdout)) {
		t.Errorf("%s: %s", problem, r)
	}
	return r
}

// wrongIdentity is a store for a node that pki verify finds an error with.
func wrongIdentity(t *testing.T, c cluster, inv topology.Inventory, node topology.Node, code int) []byte {
	t.Helper()
	d := &pki.Dir{Path: filepath.Join(t.TempDir(), "foreign")}
	now := time.Now()
	life := 30 * 24 * time.Hour
	addresses := []netip.Addr{netip.MustParseAddr(node.PublicAddress), netip.MustParseAddr(node.PrivateAddress), netip.MustParseAddr("127.0.0.1")}
	switch code {
	case 64:
		addresses = []netip.Addr{netip.MustParseAddr("127.9.9.9")} // what the CA of this computer is limited to
	case 10:
		now, life = now.Add(-30*time.Minute), 20*time.Minute
	}
	var err error
	if code == 20 {
		err = d.Init(t.Context(), pki.Setup{Cluster: "foreign", Now: now})
	} else {
		// A copy, so that the cluster's own keeps no record of it.
		if err = os.CopyFS(d.Path, os.DirFS(filepath.Join(c.state, "clusters", c.name, "ca"))); err == nil {
			err = os.Chmod(filepath.Join(d.Path, "ca.key"), 0o600)
		}
		if err == nil {
			d, err = pki.Open(d.Path, "")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewKey(inv.Plan.TLS.Key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.NewCSR(key, pkix.Name{CommonName: node.Name})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := d.Issue(t.Context(), pki.NodeRequest{Name: node.Name, Region: node.Region, CSR: csr, IPs: addresses, Life: life, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	data, err := store.Encode(store.PEM, key, chain, "", now)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
