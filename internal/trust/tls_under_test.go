package trust

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/names"
	"crossring/internal/release"
)

// company makes a root, and a CA directory whose intermediate that root signed.
func company(t *testing.T, passphrase string) (root *x509.Certificate, dir string) {
	t.Helper()
	key := func() pki.Authority {
		k, err := pki.NewKey("")
		if err != nil {
			t.Fatal(err)
		}
		return pki.Authority{Key: k}
	}
	name, err := names.ParseDN("CN=Root,O=Company", nil)
	if err != nil {
		t.Fatal(err)
	}
	top, err := pki.NewRoot(key().Key, name, time.Now(), pki.RootLife, pki.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if name, err = names.ParseDN("CN=Issuing,O=Company", nil); err != nil {
		t.Fatal(err)
	}
	sub, err := top.Intermediate(key().Key, name, time.Now(), pki.IntermediateLife, pki.Where{})
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "company")
	d := &pki.Dir{Path: dir, Passphrase: passphrase}
	if err := d.Init(t.Context(), pki.Setup{Cluster: "company", Now: time.Now(), Adopt: &pki.Adopt{Chain: sub.Chain, Key: sub.Key}}); err != nil {
		t.Fatal(err)
	}
	return top.Root(), dir
}

// Clusters under a company's CA have certificates of its intermediate, trust its root, and
// are both in its record: nodes of one name are told apart.
func TestIdentitiesUnderAnotherCA(t *testing.T) {
	root, dir := company(t, "") // each time that it signs a passphrase takes a third of a second
	for _, rel := range release.All() {
		w, c := secured(t, rel.Version, 2)
		c.Inv.Plan.Name = "on-" + strings.ReplaceAll(rel.Series, ".", "-")
		c.Inv.Plan.TLS.CA = dir
		if err := AuthorityReady(t.Context(), w, c.Inv.Plan); err != nil {
			t.Fatal(err)
		}
		for range 2 { // and again, which changes nothing
			if err := Ensure(t.Context(), w, c); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range c.Inv.Nodes {
			holdsIdentity(t, w, c, n)
		}
		own, err := pki.Open(filepath.Join(c.Dir, cluster.AuthorityDir), "")
		if err != nil || len(own.Entries()) != 3 || !own.Below() {
			t.Fatalf("%s: %v, %v", rel.Series, own.Entries(), err)
		}
		if got, err := own.Root(); err != nil || !got.Equal(root) {
			t.Errorf("%s: %v, %v", rel.Series, got, err)
		}
		if all := Certificates(w, c); len(all) != 4 {
			t.Errorf("%s: status has %+v", rel.Series, all)
		}
		if _, _, err := own.Revoke(t.Context(), time.Now(), pki.ListLife, c.Inv.Nodes[0].Name); err != nil {
			t.Error(err)
		}
		if err := (&rotator{World: w, Cluster: c}).prepareFor(t.Context(), RotateRequest{Name: "lab", CA: true}); fail.CodeOf(err) != fail.ExitUsage || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: another CA: %v", rel.Series, err)
		}
	}
	theirs, err := pki.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	seen, revoked := map[string]bool{}, 0
	for _, e := range theirs.Entries() {
		if seen[e.Name] || !strings.HasPrefix(e.Name, "on-") {
			t.Errorf("%s is there twice, or of nobody", e.Name)
		}
		seen[e.Name] = true
		if e.RevokedAt != nil {
			revoked++
		}
	}
	lists, err := theirs.Signed()
	if n := len(release.All()); len(seen) != 3*n || revoked != n || err != nil || len(lists) != 1 || len(lists[0].RevokedCertificateEntries) != n {
		t.Errorf("%d issued, %d revoked, %d lists, %v", len(seen), revoked, len(lists), err)
	}
}

// What keeps a CA from signing is said before anything is made.
func TestAuthorityReady(t *testing.T) {
	_, dir := company(t, "") // a passphrase takes a third of a second each time
	_, locked := company(t, "secret")
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good", "secret\n", 0o600)
	empty := t.TempDir()
	keyless := filepath.Join(t.TempDir(), "keyless")
	if err := os.CopyFS(keyless, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(keyless, "ca.key")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, dir, pass string
		later           time.Duration
		says            string
	}{
		{"right", dir, "", 0, ""},
		{"right, with a passphrase", locked, good, 0, ""},
		{"no CA there", empty, "", 0, "there is no CA in"},
		{"no directory", filepath.Join(empty, "none"), "", 0, "there is no CA in"},
		{"no passphrase", locked, "", 0, "no passphrase was given"},
		{"another passphrase", locked, write("other", "wrong\n", 0o600), 0, "password does not open"},
		{"a passphrase that others may read", locked, write("open", "secret\n", 0o644), 0, "others may read it"},
		{"no file of a passphrase", locked, filepath.Join(empty, "none"), 0, "no such file"},
		{"its key is missing", keyless, "", 0, "read key of the CA"},
		{"it has ended", dir, "", 12 * 365 * 24 * time.Hour, "ended on"},
		{"before its birth", dir, "", -48 * time.Hour, "counts from"},
	} {
		w, c := secured(t, "5.0", 1)
		w.Now = func() time.Time { return time.Now().Add(tt.later) }
		c.Inv.Plan.TLS.CA, c.Inv.Plan.TLS.CAPassphraseFile = tt.dir, tt.pass
		err := AuthorityReady(t.Context(), w, c.Inv.Plan)
		if (err == nil) != (tt.says == "") || err != nil && (!strings.Contains(err.Error(), tt.says) || fail.CodeOf(err) != fail.ExitPrerequisite) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			continue
		}
		if err := Ensure(t.Context(), w, c); err == nil {
			t.Errorf("%s: it signs all the same", tt.name)
		}
		var h interface{ Hint() string }
		if !errors.As(err, &h) {
			t.Errorf("%s: no hint", tt.name)
		}
	}
}
