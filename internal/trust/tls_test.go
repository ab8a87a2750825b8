package trust

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/cluster/clustertest"

	"crossring/internal/cluster"
	"crossring/internal/deploy/sshhost/sshdtest"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/places"
	"crossring/internal/release"
	"crossring/internal/topology"
)

// secured is a cluster with TLS that nothing was started of.
func secured(t *testing.T, version string, nodes int) (cluster.World, cluster.Cluster) {
	t.Helper()
	rel, err := release.Find(version)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := clustertest.Quiet()
	w.StateDir, w.Connections = dir, &places.Connections{}
	t.Cleanup(func() {
		if err := w.Connections.Close(); err != nil {
			t.Error(err)
		}
	})
	c := cluster.Cluster{Dir: filepath.Join(dir, "clusters", "lab"), Rel: rel}
	c.Inv.Plan = topology.Plan{Name: "lab", ClusterName: "Lab", Version: rel.Version, Provider: "local",
		TLS: &topology.TLSPlan{Internode: true, Client: true, Key: rel.TLSKey, Days: 397, Name: "CN={node},OU={region},O={cluster}"}}
	for i := range nodes {
		n := topology.Node{Name: "us-east-1-" + string(rune('1'+i)), Index: i + 1, Region: "us-east-1",
			PublicAddress: "203.0.113.1" + string(rune('1'+i)), PrivateAddress: "10.0.0.1" + string(rune('1'+i))}
		n.Layout = topology.HostLayout(filepath.Join(dir, n.Name), topology.Disks{Data: "fs1", Commitlog: "fs2", SavedCaches: "fs2"})
		c.Inv.Nodes = append(c.Inv.Nodes, n)
	}
	c.Inv.Local = &topology.Local{ID: "x", Dir: c.Dir}
	if c.Place, err = places.For("local", w.Deps()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return w, c
}

// holdsIdentity holds a node's stores against the cluster's CA.
func holdsIdentity(t *testing.T, w cluster.World, c cluster.Cluster, n topology.Node) {
	t.Helper()
	password, err := c.StorePassword()
	if err != nil {
		t.Fatal(err)
	}
	file := path.Join(n.Layout.TLSDir(), "node"+verbs.Extension(storeKind(c)))
	for _, address := range []string{n.PublicAddress, n.PrivateAddress} {
		res, err := PKI(w).VerifyChain(t.Context(), verbs.VerifyRequest{
			Leaf: file, Password: password, Roots: []string{filepath.Join(c.Dir, cluster.AuthorityDir, "ca.pem")}, Purpose: "internode", IP: address,
		})
		if err != nil || !res.OK {
			t.Errorf("%s %s for %s: %+v, %v", c.Rel.Series, n.Name, address, res.Errors, err)
		}
	}
	trust, err := os.ReadFile(path.Join(n.Layout.TLSDir(), "ca"+verbs.Extension(storeKind(c))))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := store.Read(trust, password); err != nil || len(got.Chain) != 1 || got.Key != nil {
		t.Errorf("trust store of %s: %+v, %v", n.Name, got, err)
	}
}

func TestLocalIdentities(t *testing.T) {
	for _, rel := range release.All() {
		w, c := secured(t, rel.Version, 1)
		ctx := t.Context()
		if err := Ensure(ctx, w, c); err != nil {
			t.Fatal(err)
		}
		n := c.Inv.Nodes[0]
		holdsIdentity(t, w, c, n)
		if cfg, err := c.ClientTLS(); err != nil || len(cfg.Certificates) != 1 || cfg.RootCAs == nil || cfg.InsecureSkipVerify || cfg.VerifyConnection == nil {
			t.Errorf("%s: %v, %v", rel.Series, cfg, err)
		}
		if all := Certificates(w, c); len(all) != 3 || all[0].Kind != "ca" || all[1].Name != n.Name || all[1].Days < 395 || all[2].Kind != "client" {
			t.Errorf("%s: status has %+v", rel.Series, all)
		}
		// Again it changes nothing, and a month before the end it renews.
		file := path.Join(n.Layout.TLSDir(), "node"+verbs.Extension(storeKind(c)))
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := Ensure(ctx, w, c); err != nil {
			t.Fatal(err)
		}
		if same, _ := os.ReadFile(file); string(same) != string(before) {
			t.Errorf("%s: a certificate that is good is made again", rel.Series)
		}
		var said []string
		w.Say = func(format string, args ...any) { said = append(said, format) }
		w.Now = func() time.Time { return time.Now().Add(370 * 24 * time.Hour) }
		Expiring(w, c)
		if len(said) != 2 || !strings.Contains(said[0], "expires on") {
			t.Errorf("%s: said of expiry: %q", rel.Series, said)
		}
		if err := Ensure(ctx, w, c); err != nil {
			t.Fatal(err)
		}
		if renewed, _ := os.ReadFile(file); string(renewed) == string(before) {
			t.Errorf("%s: a certificate that ends is not renewed", rel.Series)
		}
	}
}

// From 3.11 on neighbours of one region come from 127.0.0.1 on one computer.
func TestNeighboursAddresses(t *testing.T) {
	for version, want := range map[string]int{"2.2": 2, "3.11": 3, "4.1": 3, "5.0": 3} {
		_, c := secured(t, version, 2)
		if got, err := nodeAddresses(c, c.Inv.Nodes[0]); err != nil || len(got) != want {
			t.Errorf("%s: %v, %v, want %d", version, got, err, want)
		}
	}
	_, c := secured(t, "5.0", 1)
	if got, err := nodeAddresses(c, c.Inv.Nodes[0]); err != nil || len(got) != 2 {
		t.Errorf("alone in its region: %v, %v", got, err)
	}
}

// TestRemoteIdentities has real keys made over a real sshd.
func TestRemoteIdentities(t *testing.T) {
	for _, program := range []string{"openssl", "keytool"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the machine's side needs %s, which is not here: %v", program, err)
		}
	}
	s := sshdtest.Start(t, "127.0.0.1")
	versions, nodes := []string{"1.2", "3.11", "5.0"}, 2
	if testing.Short() {
		versions, nodes = []string{"1.2", "5.0"}, 1
	}
	for _, version := range versions {
		w, c := secured(t, version, nodes)
		c.Inv.Plan.Provider, c.Inv.Local = "hosts", nil
		var err error
		if c.Place, err = places.For("hosts", w.Deps()); err != nil {
			t.Fatal(err)
		}
		c.Inv.Remote = &topology.Remote{ID: "lab-" + version, Dir: c.Dir}
		for i := range c.Inv.Nodes {
			c.Inv.Nodes[i].Host = &topology.Host{Address: s.Address, Port: s.Port, User: s.User, Identity: s.Identity, HostKeys: []string{s.HostKey}, Root: filepath.Join(w.StateDir, c.Inv.Nodes[i].Name)}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		if err := Ensure(ctx, w, c); err != nil {
			cancel()
			t.Fatalf("%s: %v", version, err)
		}
		for _, n := range c.Inv.Nodes {
			holdsIdentity(t, w, c, n)
			files, err := os.ReadDir(n.Layout.TLSDir())
			if err != nil || len(files) != 3 {
				t.Errorf("%s: files %v, %v", version, files, err) // and no key that waits
			}
			// What left the machine is no key.
			chain, err := os.ReadFile(path.Join(n.Layout.TLSDir(), chainFile))
			if err != nil || strings.Contains(string(chain), "PRIVATE KEY") {
				t.Errorf("%s: %v", version, err)
			}
		}
		d, err := pki.Open(filepath.Join(c.Dir, cluster.AuthorityDir), "")
		if err != nil || len(d.Entries()) != nodes+1 {
			t.Errorf("%s: %v, %v", version, d.Entries(), err)
		}
		if err := Ensure(ctx, w, c); err != nil {
			t.Error(err)
		}
		if d, err := pki.Open(filepath.Join(c.Dir, cluster.AuthorityDir), ""); err != nil || len(d.Entries()) != nodes+1 {
			t.Errorf("%s: a second time it issued again: %v, %v", version, d.Entries(), err)
		}
		cancel()
	}
}

// A CA is limited to what its nodes can ever be, and no further.
func TestLimitsOfAClusterCA(t *testing.T) {
	for _, tt := range []struct {
		public, private, name string
		ips, dns              int
	}{
		{"127.62.1.1", "127.62.129.1", "CN={node},O={cluster}", 1, 1},
		{"127.62.1.1", "127.62.129.1", "CN={node}.example.com,O={cluster}", 1, 0},
		{"203.0.113.1", "10.0.0.1", "CN={node}", 0, 0},
		{"203.0.113.1", "127.0.0.1", "CN={node}", 0, 0},
		{"", "", "CN={node}", 0, 0},
	} {
		c := cluster.Cluster{Inv: topology.Inventory{Plan: topology.Plan{ClusterName: "a", TLS: &topology.TLSPlan{Name: tt.name}},
			Nodes: []topology.Node{{Name: "us-east-1-1", Region: "us-east-1", PublicAddress: tt.public, PrivateAddress: tt.private}}}}
		if l := limits(c); len(l.IPs) != tt.ips || len(l.DNS) != tt.dns {
			t.Errorf("%+v: %+v", tt, l)
		}
	}
}
