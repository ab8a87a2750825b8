package verbs

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
)

// What can't be written is refused before anything is issued.
func TestIssueRefuses(t *testing.T) {
	w := quiet()
	dir := filepath.Join(t.TempDir(), "ca")
	for _, s := range []pki.Setup{{Key: "dsa"}, {RootDN: "hello"}, {NodeDN: "CN={foo}"}} {
		if _, err := w.NewAuthority(t.Context(), dir, "", s); fail.CodeOf(err) != fail.ExitUsage {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := w.NewAuthority(t.Context(), dir, "", pki.Setup{Cluster: "gk"}); err != nil {
		t.Fatal(err)
	}
	ips := []netip.Addr{netip.MustParseAddr("203.0.113.1")}
	for name, tt := range map[string]struct {
		r    IssueRequest
		code int
	}{
		"format":         {IssueRequest{IPs: ips, Formats: []string{store.PEM, "der"}}, fail.ExitUsage},
		"no address":     {IssueRequest{Formats: []string{store.PEM}}, fail.ExitUsage},
		"kind of key":    {IssueRequest{IPs: ips, KeyKind: "dsa"}, fail.ExitUsage},
		"key elsewhere":  {IssueRequest{IPs: ips, CSR: "node.csr", Formats: []string{store.JKS}}, fail.ExitUsage},
		"key of another": {IssueRequest{Client: true, CSR: "node.csr", Formats: []string{store.PEM, store.PKCS12}}, fail.ExitUsage},
	} {
		r := tt.r
		r.Dir, r.Name, r.Out = dir, "n1", filepath.Join(t.TempDir(), "out")
		if _, err := w.Issue(t.Context(), r); fail.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(r.Out); !os.IsNotExist(err) {
			t.Errorf("%s: %s was made: %v", name, r.Out, err)
		}
	}
	d, err := pki.Open(dir, "")
	if err != nil || len(d.Entries()) != 0 {
		t.Errorf("issued: %v, %v", d.Entries(), err)
	}
}

// Both kinds of PKCS#12 side by side are files of their own, and each opens as its kind.
func TestIssueBothPKCS12(t *testing.T) {
	w := quiet()
	base := t.TempDir()
	dir := filepath.Join(base, "ca")
	if _, err := w.NewAuthority(t.Context(), dir, "", pki.Setup{Cluster: "gk"}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		kinds, files []string
	}{
		"both":     {[]string{store.PKCS12, store.Legacy}, []string{"ca-legacy.p12", "ca.p12", "node-legacy.p12", "node.p12"}},
		"reversed": {[]string{store.Legacy, store.PKCS12}, []string{"ca-legacy.p12", "ca.p12", "node-legacy.p12", "node.p12"}},
		"old one":  {[]string{store.Legacy}, []string{"ca.p12", "node.p12"}},
	} {
		out := filepath.Join(base, name)
		res, err := w.Issue(t.Context(), IssueRequest{Dir: dir, Name: "n1", Out: out, Password: "a password", Formats: tt.kinds,
			IPs: []netip.Addr{netip.MustParseAddr("203.0.113.1")}})
		if err != nil {
			t.Fatal(err)
		}
		var files []string
		stores := map[string]bool{}
		for _, path := range res.Files {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if stores[string(data)] {
				t.Errorf("%s: %s holds what another file holds", name, path)
			}
			stores[string(data)] = true
			if _, err := store.Read(data, "a password"); err != nil {
				t.Errorf("%s: %s: %v", name, path, err)
			}
			files = append(files, filepath.Base(path))
		}
		if slices.Sort(files); !slices.Equal(files, tt.files) {
			t.Errorf("%s: wrote %v, want %v", name, files, tt.files)
		}
	}
}

// Without a word about it a key is of the CA's kind, and what is renewed stays of its
// kind and in its region.
func TestKindOfKeyStays(t *testing.T) {
	w := quiet()
	for _, kind := range pki.KeyKinds() {
		base := t.TempDir()
		dir := filepath.Join(base, "ca")
		if _, err := w.NewAuthority(t.Context(), dir, "", pki.Setup{Cluster: "gk", Key: kind}); err != nil {
			t.Fatal(err)
		}
		other := pki.ECDSAP384
		if kind == other {
			other = pki.RSA2048
		}
		for _, tt := range []struct{ name, asked, want string }{{"n1", "", kind}, {"n2", other, other}} {
			r := IssueRequest{Dir: dir, Name: tt.name, Region: "eu-west-1", KeyKind: tt.asked, Out: filepath.Join(base, tt.name),
				IPs: []netip.Addr{netip.MustParseAddr("203.0.113.1")}, Formats: []string{store.PEM}}
			first, err := w.Issue(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			again, err := w.Renew(t.Context(), IssueRequest{Dir: dir, Name: tt.name, Out: r.Out, Formats: r.Formats})
			if err != nil {
				t.Fatal(err)
			}
			d, err := pki.Open(dir, "")
			if err != nil {
				t.Fatal(err)
			}
			_, cert, err := d.Latest(tt.name)
			if err != nil || pki.KindOf(cert.PublicKey) != tt.want {
				t.Errorf("CA of %s, asked for %q: got %s, %v", kind, tt.asked, pki.KindOf(cert.PublicKey), err)
			}
			if again.Certificate.Subject != first.Certificate.Subject || again.Certificate.Serial == first.Certificate.Serial || again.Certificate.Key != first.Certificate.Key {
				t.Errorf("renewed: %+v, was %+v", again.Certificate, first.Certificate)
			}
		}
	}
}
