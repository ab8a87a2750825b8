package test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossring/internal/flight"
	"crossring/internal/pki/store"
	"crossring/internal/pki/verbs"
	"crossring/internal/report"
	"crossring/internal/run"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// TestTLSOnHosts is a ring with TLS on machines of their own, which are namespaces
// with a real sshd each, behind a NAT: rows written in one region and read in the
// other by loaders on the machines, those whom the real servers must refuse, and keys
// that do not leave their machine.
func TestTLSOnHosts(t *testing.T) {
	needLong(t)
	beside(t, 2, hostAddresses)
	for _, version := range []string{newest, oldest} {
		t.Run(version, func(t *testing.T) {
			l := newLab(t)
			l.machines = l.machines[:2]
			secureHosts(t, l, version)
		})
	}
}

func secureHosts(t *testing.T, l *lab, version string) {
	h := newHome(t)
	must := func(args ...string) result { t.Helper(); return l.must(t, h, args...) }
	t.Cleanup(func() { l.run(context.Background(), h, "down", "lab", "--no-collect") })
	up := decode[run.UpResult](t, must("up", "-f", l.specOf(t, version, "tls: {}\n"), "-o", "json"))
	inv := up.Inventory
	if up.Ring == nil || len(up.Ring.Mismatches) != 0 || len(up.Ring.Datacenters) != 2 {
		t.Fatalf("%+v", up.Ring)
	}
	keys := nodeKeys(t, h, inv)
	staysThere(t, h, inv, keys)

	const rows = 2000
	doc := decode[report.Document](t, must("repro", "lab", "--rows", fmt.Sprint(rows), "-o", "json"))
	if doc.Write == nil || doc.Write.Acknowledged != rows || doc.Read == nil || doc.Read.Found != rows {
		t.Fatalf("%+v, %+v", doc.Write, doc.Read)
	}
	if doc.Write.Connections == nil || doc.Write.Connections.FullHandshakes == 0 || doc.Read.Connections == nil || doc.Read.Connections.FullHandshakes == 0 {
		t.Errorf("the loaders did not speak TLS: %+v, %+v", doc.Write.Connections, doc.Read.Connections)
	}
	for _, raw := range []string{"write-us-east-1-1.raw", "read.1/read-us-west-2-1.raw"} { // of the loaders there
		if _, err := os.Stat(filepath.Join(doc.RunDir, raw)); err != nil {
			t.Error(err)
		}
	}
	must("cql", "lab:2", "SELECT data_center FROM system.local")
	answersTLS(t, decode[flight.PreflightResult](t, must("preflight", "lab", "--bandwidth", "0s", "-o", "json")))
	l.inside(t, "op", func() { refusals(t, h, inv, l.machines[0].public, operatorSeenAs) })
	must("ring", "lab")

	// The same certificates, and the same keys, after a restart.
	must("restart", "lab:2")
	must("ring", "lab")
	if again := nodeKeys(t, h, inv); !slices.EqualFunc(keys, again, func(a, b []byte) bool { return bytes.Equal(a, b) }) {
		t.Error("a restart made new keys")
	}
	must("down", "lab") // and fetches logs and configuration
	staysThere(t, h, inv, keys)
	for _, m := range l.machines {
		if _, err := os.Stat(m.root); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", m.root, err)
		}
	}
}

// TestTLSOnHostsSignedElsewhere has keys made on machines, and their certificates signed by
// openssl elsewhere.
func TestTLSOnHostsSignedElsewhere(t *testing.T) {
	needLong(t)
	beside(t, 2, hostAddresses)
	l := newLab(t)
	l.machines = l.machines[:2]
	h := newHome(t)
	t.Cleanup(func() { l.run(context.Background(), h, "down", "lab", "--no-collect") })
	dir := t.TempDir()
	companyCA(t, &h, dir)
	r := l.run(t.Context(), h, "up", "-f", l.specOf(t, newest, "tls: {trust: "+filepath.Join(dir, "co.pem")+"}\n"))
	if checkSays(t, r, "to be signed elsewhere: 3 certificates", "crossring up lab"); r.code != 7 {
		t.Fatal(r)
	}
	own := filepath.Join(h.state, "clusters", "lab", "ca")
	before, err := os.ReadFile(filepath.Join(own, "requests", "us-east-1-1.csr"))
	if err != nil {
		t.Fatal(err)
	}
	if r := l.run(t.Context(), h, "up", "lab"); r.code != 7 {
		t.Error(r)
	}
	if again, err := os.ReadFile(filepath.Join(own, "requests", "us-east-1-1.csr")); err != nil || !bytes.Equal(before, again) {
		t.Errorf("the request is another one now: %v", err)
	}
	signsElsewhere(t, dir, own, 3)
	up := decode[run.UpResult](t, l.must(t, h, "up", "lab", "-o", "json"))
	if up.Ring == nil || len(up.Ring.Mismatches) != 0 {
		t.Fatalf("%+v", up.Ring)
	}
	staysThere(t, h, up.Inventory, nodeKeys(t, h, up.Inventory))
	if got := decode[verbs.ClusterVerifyResult](t, l.must(t, h, "pki", "verify", "lab", "-o", "json")); !got.OK || len(got.Ways) != 4 {
		t.Errorf("%+v, %d ways", got.Wrong, len(got.Ways))
	}
	l.must(t, h, "repro", "lab", "--rows", "500")
	l.must(t, h, "down", "lab")
}

// answersTLS sees that every port that a running ring with TLS has answers in it.
func answersTLS(t *testing.T, res flight.PreflightResult) {
	t.Helper()
	checkRunningPreflight(t, res)
	for _, p := range res.Paths {
		if p.Purpose != "ssh" && !strings.HasPrefix(p.TLS, "TLS 1.") {
			t.Errorf("%s to %s port %d: TLS %q", p.From, p.To, p.Port, p.TLS)
		}
	}
}

// nodeKeys are the secret parts of the nodes' keys, as they lie in their stores, which
// nobody else may read and beside which lies nothing that they were made of.
func nodeKeys(t *testing.T, h home, inv topology.Inventory) (secrets [][]byte) {
	t.Helper()
	password, err := state.ReadPassword(filepath.Join(h.state, "clusters", inv.Plan.Name, "tls", "password"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range inv.Nodes {
		found, err := filepath.Glob(filepath.Join(n.Layout.TLSDir(), "*"))
		if err != nil || len(found) != 3 {
			t.Errorf("%s has %v (%v), want a key store, a trust store and the chain", n.Name, found, err)
		}
		for _, file := range found {
			if !strings.HasPrefix(filepath.Base(file), "node.") {
				continue
			}
			info, err := os.Stat(file)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v (%v)", file, info.Mode(), err)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := store.Read(data, password)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			secrets = append(secrets, secretOf(t, c.Key))
		}
	}
	if len(secrets) != len(inv.Nodes) {
		t.Fatalf("%d keys of %d nodes", len(secrets), len(inv.Nodes))
	}
	return secrets
}

func secretOf(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		secret, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return secret
	case *rsa.PrivateKey:
		return k.Primes[0].Bytes()
	}
	t.Fatalf("a key of kind %T", key)
	return nil
}

// staysThere looks for keys in all that the operator keeps. The client's own is there,
// and has to be found.
func staysThere(t *testing.T, h home, inv topology.Inventory, secrets [][]byte) {
	t.Helper()
	client := filepath.Join(h.state, "clusters", inv.Plan.Name, "tls", "client.pem")
	if data, err := os.ReadFile(client); err == nil { // until down
		c, err := store.Read(data, "")
		if err != nil {
			t.Fatal(err)
		}
		if at := holders(t, h.state, secretOf(t, c.Key)); !slices.Equal(at, []string{client}) {
			t.Errorf("the client's key is in %v", at)
		}
	}
	for _, secret := range secrets {
		if at := holders(t, h.state, secret); len(at) > 0 {
			t.Errorf("a node's key is in %v", at)
		}
	}
}

// holders are the files that have a key in them, as it is or as PEM has it. A store
// of Java's would hide it, so there may be none.
func holders(t *testing.T, dir string, secret []byte) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all := slices.Clone(data)
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			all = append(all, block.Bytes...)
		}
		if bytes.Contains(all, secret) {
			list = append(list, path)
		}
		if kind := store.Detect(data); kind == store.JKS || kind == store.PKCS12 {
			t.Errorf("%s is a key store", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
