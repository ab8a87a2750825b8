package test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/release"
	"crossring/internal/topology"
	"crossring/ringcheck"
)

// byHand starts the server of a node as its files say, but for lines of cassandra.yaml, with
// nobody of crossring's to look after it, until the test ends.
func byHand(t *testing.T, inv topology.Inventory, n topology.Node, lines map[string]string) {
	t.Helper()
	file := filepath.Join(n.Layout.Conf, "cassandra.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for old, line := range lines {
		if !bytes.Contains(text, []byte("\n"+old+"\n")) {
			t.Fatalf("%s has no line %q", file, old)
		}
		text = bytes.Replace(text, []byte("\n"+old+"\n"), []byte("\n"+line+"\n"), 1)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	rel, err := release.Of(inv.Plan.Version)
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(inv.Local.Java, "-Dcrossring.test=by-hand", "@"+filepath.Join(n.Layout.Conf, "jvm.options"), rel.Main)
	server.Dir, server.Env = n.Layout.Root, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.Layout.Home, "TMPDIR=" + n.Layout.Tmp, "LANG=C.UTF-8"}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
}

// TestAttachSecured is about a cluster that asks for passwords, rights and certificates, whose
// servers were started by hand. What docs/attach.md says of one is typed.
func TestAttachSecured(t *testing.T) {
	needLong(t)
	beside(t, 2)
	h := newHome(t)
	c := h.up(t, "guarded", oneByOne("guarded", newest)+"tls: {client: true, internode: false}\n")
	inv, _ := h.inventory(t, c.name)
	h.must(t, "stop", c.name)
	for _, n := range inv.Nodes {
		byHand(t, inv, n, map[string]string{"authenticator: AllowAllAuthenticator": "authenticator: PasswordAuthenticator", "authorizer: AllowAllAuthorizer": "authorizer: CassandraAuthorizer"})
	}
	at := points(inv)
	tls := filepath.Join(inv.Local.Dir, "tls")
	trust, identity := filepath.Join(tls, "ca.pem"), filepath.Join(tls, "client.pem")
	dir := t.TempDir()
	secret := func(name, password string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const password = "geheim'; \"77\" ü"
	super, wrong, right := secret("super", "cassandra"), secret("wrong", "not-it-at-all"), secret("right", password)
	other := newHome(t)
	with := func(name string, more ...string) []string {
		return append([]string{"attach", name, "--contact-points", at, "--keyspace", "attached_page"}, more...)
	}
	secured := []string{"--ca", trust, "--cert", identity, "--key", identity}
	// The first superuser is made some seconds after the start.
	var r result
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last attach: %s", r)
		}
	})
	eventually(t, patience, "the superuser is let in", func() bool {
		r = other.run(t.Context(), with("root", append(secured, "--user", "cassandra", "--password-file", super)...)...)
		if r.code == fail.ExitRing { // attached, while the servers have not found each other yet
			other.must(t, "detach", "root")
		}
		return r.code == 0
	})
	ca := filepath.Join(dir, "ca")
	other.must(t, "pki", "init", "--dir", ca)
	for _, bad := range []struct {
		code int
		args []string
		says []string
	}{
		{fail.ExitUsage, []string{"--user", "cassandra", "--password-file", super}, []string{"speaks TLS, not plain text", "add --ca FILE"}},
		{fail.ExitPrerequisite, secured, []string{"asks for a user and a password", "add --user ROLE"}},
		{fail.ExitPrerequisite, append(secured, "--user", "cassandra", "--password-file", wrong), []string{"does not let cassandra in"}},
		{fail.ExitUsage, append([]string{"--ca", filepath.Join(ca, "ca.pem"), "--cert", identity, "--key", identity, "--user", "cassandra"}, "--password-file", super), []string{"does not vouch for"}},
	} {
		r := other.want(t, bad.code, with("bad", bad.args...)...)
		checkSays(t, r, bad.says...)
		if strings.Contains(r.stderr+r.stdout, "not-it-at-all") {
			t.Errorf("the password is shown: %s", r)
		}
	}

	cql := func(statement string) { other.must(t, "cql", "root", statement) }
	// As it is, roles are in one of the two datacenters alone.
	cql(`ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy', '` + inv.Nodes[0].Datacenter + `': 1, '` + inv.Nodes[1].Datacenter + `': 1}`)
	cql(`CREATE ROLE "reader" WITH PASSWORD = '` + strings.ReplaceAll(password, "'", "''") + `' AND LOGIN = true`)
	as := append(secured, "--user", "reader", "--password-file", right)
	if err := os.Chmod(right, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "both datacenters know the role", func() bool {
		r = other.run(t.Context(), with("reader", as...)...)
		if r.code == fail.ExitRing {
			other.must(t, "detach", "reader")
		}
		return r.code == 0
	})
	grants := []string{`GRANT CREATE ON ALL KEYSPACES TO "reader";`, `GRANT SELECT ON KEYSPACE "system_views" TO "reader";`}
	for _, want := range append(grants, "warning: others may read "+right) {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("want %s: %s", want, r)
		}
	}
	// The ring is there, with less in it.
	ring := decode[ringcheck.Ring](t, other.must(t, "ring", "reader", "-o", "json"))
	if len(ring.Mismatches) > 0 || len(ring.Datacenters) != 2 || ring.Datacenters[0].Nodes[0].LoadGossiped != "" {
		t.Errorf("%+v", ring)
	}
	checkSays(t, other.want(t, fail.ExitPrerequisite, "repro", "reader", "--rows", "100"), grants[0])
	other.must(t, "detach", "reader")
	for _, g := range grants {
		cql(g)
	}
	if r := other.must(t, with("reader", as...)...); strings.Contains(r.stderr, "GRANT") {
		t.Errorf("%s", r)
	}
	// What a role may do is remembered by the nodes for two seconds.
	eventually(t, patience, "the role may make the keyspace", func() bool { return other.run(t.Context(), "repro", "reader", "--rows", "100").code == 0 })
	keptSecret(t, other.state, password)
	other.must(t, "detach", "reader", "--drop-keyspace")
	if typed := typeAttachPage(t, other, true, "10.0.0.1", inv.Nodes[0].PrivateAddress, "prod.password", right, "ca.pem", trust, "client.pem", identity, "client.key", identity); typed < 3 {
		t.Errorf("%d commands on the page; is this how they are read?", typed)
	}
}

// keptSecret sees that a password is in one file alone, which nobody else may read.
func keptSecret(t *testing.T, dir, password string) {
	t.Helper()
	found := 0
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(data, []byte(password)) {
			return err
		}
		info, err := d.Info()
		if found++; err == nil && (info.Mode().Perm() != 0o600 || filepath.Base(path) != "login.password") {
			t.Errorf("%s of mode %s has the password", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if found != 1 {
		t.Errorf("%d files have the password", found)
	}
}
