package responder

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki"
	"crossring/internal/pki/openssltest"
	"crossring/internal/pki/store"
)

// served is a CA with an intermediate for one region, and its responder.
func served(t *testing.T, passphrase string) (*pki.Dir, *httptest.Server) {
	t.Helper()
	d := &pki.Dir{Path: filepath.Join(t.TempDir(), "ca"), Passphrase: passphrase}
	if err := d.Init(t.Context(), pki.Setup{Cluster: "lab", Regions: []string{"us-east-1"}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), Config{Dir: d.Path, Passphrase: passphrase, Now: time.Now, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(r)
	t.Cleanup(func() {
		s.Close()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, s
}

func issue(t *testing.T, d *pki.Dir, name, region string) *x509.Certificate {
	t.Helper()
	key, err := pki.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.NewCSR(key, pkix.Name{CommonName: name})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := d.Issue(t.Context(), pki.NodeRequest{Name: name, Region: region, CSR: csr, IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return chain[0]
}

// TestOpenSSLAsks has openssl ocsp ask, by POST, about certificates that are good, that
// are revoked while it runs, and that nobody issued; and openssl verify read the lists.
func TestOpenSSLAsks(t *testing.T) {
	openssl := openssltest.Program(t)
	d, s := served(t, "")
	dir := t.TempDir()
	file := func(name string, c ...*x509.Certificate) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, store.EncodeCertificates(c), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	issuers, err := d.Issuers()
	if err != nil {
		t.Fatal(err)
	}
	root, inter := file("root.pem", issuers[0].Cert), file("inter.pem", issuers[1].Cert)
	run := func(args ...string) string {
		t.Helper()
		out, _ := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput()
		return string(out)
	}
	ask := func(issuer, leaf string, more ...string) string {
		t.Helper()
		return run(append([]string{"ocsp", "-issuer", issuer, "-cert", leaf, "-url", s.URL + OCSPPath, "-CAfile", root, "-VAfile", issuer}, more...)...)
	}
	fetch := func(name string) string {
		t.Helper()
		resp, err := http.Get(s.URL + CRLPath + name + ".crl")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/pkix-crl" {
			t.Fatalf("%s: %v, %v", name, resp.Status, err)
		}
		der := filepath.Join(dir, name+".crl")
		if err := os.WriteFile(der, data, 0o600); err != nil {
			t.Fatal(err)
		}
		run("crl", "-inform", "DER", "-in", der, "-out", der+".pem")
		return der + ".pem"
	}
	for _, region := range []string{"", "us-east-1"} {
		issuer, name := root, pki.RootName
		if region != "" {
			issuer, name = inter, region
		}
		c := issue(t, d, "n"+region, region)
		leaf := file("leaf"+region+".pem", c)
		for _, hash := range []string{"-sha1", "-sha256"} {
			// The option of the hash goes before the certificate that it is for.
			if out := run("ocsp", "-issuer", issuer, hash, "-cert", leaf, "-url", s.URL+OCSPPath, "-CAfile", root, "-VAfile", issuer); !strings.Contains(out, leaf+": good") || !strings.Contains(out, "Response verify OK") {
				t.Errorf("%s, %s: %s", name, hash, out)
			}
		}
		list := fetch(name)
		verify := func() string {
			return run("verify", "-CAfile", root, "-untrusted", inter, "-crl_check", "-CRLfile", list, leaf)
		}
		if out := verify(); !strings.Contains(out, ": OK") {
			t.Errorf("%s: %s", name, out)
		}
		if _, _, err := d.Revoke(t.Context(), time.Now(), pki.ListLife, "n"+region); err != nil {
			t.Fatal(err)
		}
		if out := ask(issuer, leaf); !strings.Contains(out, leaf+": revoked") || !strings.Contains(out, "Response verify OK") {
			t.Errorf("%s, revoked: %s", name, out)
		}
		list = fetch(name)
		if out := verify(); !strings.Contains(out, "certificate revoked") {
			t.Errorf("%s, revoked: %s", name, out)
		}
		if out := run("ocsp", "-issuer", issuer, "-serial", "0x1234", "-url", s.URL+OCSPPath, "-CAfile", root, "-VAfile", issuer); !strings.Contains(out, "0x1234: unknown") {
			t.Errorf("%s, a number that nobody gave: %s", name, out)
		}
	}
	if out := ask(root, inter); !strings.Contains(out, inter+": good") {
		t.Errorf("the intermediate: %s", out)
	}
	other := &pki.Dir{Path: filepath.Join(dir, "other")}
	if err := other.Init(t.Context(), pki.Setup{Cluster: "other", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Root()
	if err != nil {
		t.Fatal(err)
	}
	if out := ask(file("foreign.pem", foreign), file("foreign-leaf.pem", issue(t, other, "n", ""))); !strings.Contains(out, "unauthorized (6)") {
		t.Errorf("another CA's: %s", out)
	}
}

// What is no request is answered as such, and nothing but what is to be had is.
func TestWhatItRefuses(t *testing.T) {
	_, s := served(t, "secret")
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/", "", 404}, {"GET", "/crl/nobody.crl", "", 404}, {"GET", "/crl/root.pem", "", 404}, {"GET", "/crl/../index.json", "", 404},
		{"GET", "/crl/..%2findex.crl", "", 404}, {"POST", "/crl/root.crl", "", 404}, {"GET", "/ocsp", "", 405}, {"PUT", "/ocsp", "x", 405},
		{"GET", "/ocsp/%%%", "", 400}, {"GET", "/ocsp/!!!", "", 400}, {"POST", "/ocsp", strings.Repeat("x", maxRequest+1), 413},
		{"GET", "/crl/root.crl", "", 200}, {"HEAD", "/crl/us-east-1.crl", "", 200}, {"GET", "/ca/root.cer", "", 200}, {"GET", "/ca/ca.key", "", 404},
	} {
		req, err := http.NewRequest(tt.method, s.URL, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//" + req.URL.Host + tt.path
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			if tt.status == 400 { // the client itself may not send it
				continue
			}
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%s %s: %s, want %d", tt.method, tt.path, resp.Status, tt.status)
		}
	}
	resp, err := http.Post(s.URL+OCSPPath, "application/ocsp-request", bytes.NewReader([]byte("no DER")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || fmt.Sprintf("%x", got) != "30030a0101" {
		t.Errorf("malformed: %x, %v", got, err)
	}
}

func FuzzOCSP(f *testing.F) {
	d := &pki.Dir{Path: filepath.Join(f.TempDir(), "ca")}
	if err := d.Init(f.Context(), pki.Setup{Cluster: "lab", Now: time.Now()}); err != nil {
		f.Fatal(err)
	}
	r, err := Open(f.Context(), Config{Dir: d.Path, Now: time.Now, Log: func(string, ...any) {}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("0\x00"))
	f.Fuzz(func(t *testing.T, der []byte) {
		if out, said := r.ocsp(der); len(out) == 0 || said == "" {
			t.Errorf("%x: %x, %q", der, out, said)
		}
	})
}
