package trust

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/names"
	"crossring/internal/pki/store"
	"crossring/internal/release"
)

// bureau signs what it is asked for, elsewhere.
type bureau struct {
	t     *testing.T
	below pki.Authority
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	authority := func(dn string, sign func(key pki.Authority, name string) (pki.Authority, error)) pki.Authority {
		key, err := pki.NewKey("")
		if err != nil {
			t.Fatal(err)
		}
		a, err := sign(pki.Authority{Key: key}, dn)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	root := authority("CN=Root,O=Bureau", func(k pki.Authority, dn string) (pki.Authority, error) {
		name, err := names.ParseDN(dn, nil)
		if err != nil {
			return k, err
		}
		return pki.NewRoot(k.Key, name, time.Now(), pki.RootLife, pki.Limits{})
	})
	return &bureau{t, authority("CN=Issuing,O=Bureau", func(k pki.Authority, dn string) (pki.Authority, error) {
		name, err := names.ParseDN(dn, nil)
		if err != nil {
			return k, err
		}
		return root.Intermediate(k.Key, name, time.Now(), pki.IntermediateLife, pki.Where{})
	})}
}

// trust writes the bureau's root.
func (b *bureau) trust() string {
	path := filepath.Join(b.t.TempDir(), "root.pem")
	if err := os.WriteFile(path, store.EncodeCertificates([]*x509.Certificate{b.below.Root()}), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// sign answers one request with all that is in it; edit changes what is signed.
func (b *bureau) sign(l *pki.UnsignedError, edit func(*pki.Request)) {
	b.t.Helper()
	data, err := os.ReadFile(l.Request)
	if err != nil {
		b.t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		b.t.Fatal(err)
	}
	name, err := names.ParseDN("CN=signed elsewhere", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r := pki.Request{CSR: csr, Subject: name, Now: time.Now(), Life: 90 * 24 * time.Hour, ClientOnly: l.Use == "client"}
	for _, ip := range csr.IPAddresses {
		a, _ := netip.AddrFromSlice(ip)
		r.IPs = append(r.IPs, a)
	}
	if edit != nil {
		edit(&r)
	}
	chain, err := b.below.Issue(r)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(l.Signed, store.EncodeCertificates(chain), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// A cluster whose certificates are signed elsewhere says which it lacks, all at once,
// takes those that are right, and says of the others why they are not.
func TestSignedElsewhere(t *testing.T) {
	for _, rel := range release.All() {
		w, c := secured(t, rel.Version, 2)
		b := newBureau(t)
		c.Inv.Plan.TLS.Trust = b.trust()
		if err := AuthorityReady(t.Context(), w, c.Inv.Plan); err != nil {
			t.Fatal(err)
		}
		lacks := func() []*pki.UnsignedError {
			t.Helper()
			err := Ensure(t.Context(), w, c)
			var e *UnsignedError
			if !errors.As(err, &e) || fail.CodeOf(err) != fail.ExitPrerequisite {
				t.Fatalf("%s: %v", rel.Series, err)
			}
			return e.Lacks
		}
		first := lacks()
		if len(first) != 3 || first[0].Name != cluster.ClientName || len(first[1].For) < 2 || len(first[1].Wrong) != 0 {
			t.Fatalf("%s: %v", rel.Series, first)
		}
		was, err := os.ReadFile(first[1].Request)
		if err != nil {
			t.Fatal(err)
		}
		// Asked again, the requests are the same: what is being signed stays right.
		lacks()
		if is, err := os.ReadFile(first[1].Request); err != nil || string(is) != string(was) {
			t.Errorf("%s: the request is another one: %v", rel.Series, err)
		}
		b.sign(first[0], nil)
		for what, tt := range map[string]struct {
			edit func(*pki.Request)
			says string
		}{
			"an address is missing": {func(r *pki.Request) { r.IPs = r.IPs[:1] }, "error 64"},
			"for clients alone":     {func(r *pki.Request) { r.ClientOnly = true }, "error 26"},
			"ended":                 {func(r *pki.Request) { r.Now, r.Life = r.Now.Add(-30*time.Minute), time.Minute }, "error 10"},
			"before its birth":      {func(r *pki.Request) { r.Now = r.Now.Add(3 * time.Hour) }, "error 9"},
			"for another key":       {func(r *pki.Request) { r.CSR = requestOf(t, first[2].Request) }, "another key"},
		} {
			b.sign(first[1], tt.edit)
			if now := lacks(); len(now) != 2 || len(now[0].Wrong) == 0 || !strings.Contains(now[0].Error(), tt.says) {
				t.Errorf("%s: %s: %v", rel.Series, what, now)
			}
		}
		// A chain of another environment.
		newBureau(t).sign(first[1], nil)
		if now := lacks(); len(now) != 2 || !strings.Contains(now[0].Error(), "error 20") {
			t.Errorf("%s: another environment's: %v", rel.Series, now)
		}
		if err := os.WriteFile(first[1].Signed, []byte("no certificate"), 0o644); err != nil {
			t.Fatal(err)
		}
		if now := lacks(); len(now) != 2 || !strings.Contains(now[0].Error(), "can't be read") {
			t.Errorf("%s: no certificate: %v", rel.Series, now)
		}
		b.sign(first[1], nil)
		b.sign(first[2], nil)
		for range 2 {
			if err := Ensure(t.Context(), w, c); err != nil {
				t.Fatalf("%s: %v", rel.Series, err)
			}
		}
		for _, n := range c.Inv.Nodes {
			holdsIdentity(t, w, c, n)
			if _, err := os.Stat(filepath.Join(n.Layout.TLSDir(), pendingKey)); err == nil {
				t.Errorf("%s: a key still waits", rel.Series)
			}
		}
		if cfg, err := c.ClientTLS(); err != nil || len(cfg.Certificates) != 1 {
			t.Errorf("%s: %v, %v", rel.Series, cfg, err)
		}
		if all := Certificates(w, c); len(all) != 4 {
			t.Errorf("%s: status has %+v", rel.Series, all)
		}
		// Near the end others are asked for, and meanwhile those in use serve.
		said := 0
		w.Say = func(format string, args ...any) {
			if strings.Contains(fmt.Sprintf(format, args...), "goes on until it ends") {
				said++
			}
		}
		w.Now = func() time.Time { return time.Now().Add(70 * 24 * time.Hour) }
		if err := Ensure(t.Context(), w, c); err != nil || said != 3 {
			t.Errorf("%s: near the end: %d warnings, %v", rel.Series, said, err)
		}
		w.Now = func() time.Time { return time.Now().Add(100 * 24 * time.Hour) }
		if now := lacks(); len(now) != 3 {
			t.Errorf("%s: after the end: %v", rel.Series, now)
		}
		if err := (&rotator{World: w, Cluster: c}).prepareFor(t.Context(), RotateRequest{Name: "lab"}); fail.CodeOf(err) != fail.ExitUsage {
			t.Errorf("%s: rotate: %v", rel.Series, err)
		}
	}
}

func requestOf(t *testing.T, path string) *x509.CertificateRequest {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// What is to be trusted is one root, and no more.
func TestTrustOfElsewhere(t *testing.T) {
	b := newBureau(t)
	root := store.EncodeCertificates([]*x509.Certificate{b.below.Root()})
	key, err := store.EncodeKey(b.below.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		says string
	}{
		{"right", root, ""},
		{"with a key in it", append(key, root...), "private key in it"},
		{"an intermediate", store.EncodeCertificates(b.below.Chain[:1]), "is no root"},
		{"two", store.EncodeCertificates(b.below.Chain), "2 certificates"},
		{"none", []byte("nothing"), "this is no PEM"},
	} {
		w, c := secured(t, "5.0", 1)
		c.Inv.Plan.TLS.Trust = filepath.Join(t.TempDir(), "root.pem")
		if err := os.WriteFile(c.Inv.Plan.TLS.Trust, tt.data, 0o600); err != nil {
			t.Fatal(err)
		}
		err := AuthorityReady(t.Context(), w, c.Inv.Plan)
		if (err == nil) != (tt.says == "") || err != nil && (!strings.Contains(err.Error(), tt.says) || fail.CodeOf(err) != fail.ExitPrerequisite) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	w, c := secured(t, "5.0", 1)
	c.Inv.Plan.TLS.Trust = filepath.Join(t.TempDir(), "none.pem")
	if err := AuthorityReady(t.Context(), w, c.Inv.Plan); fail.CodeOf(err) != fail.ExitPrerequisite {
		t.Errorf("no file: %v", err)
	}
}
