package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/openssltest"
	"crossring/internal/pki/store"
)

func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(openssltest.Program(t), args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Requests of every kind of key that openssl makes: those that can't serve are refused,
// and nothing is noted.
func TestKeysOfRequests(t *testing.T) {
	dir := t.TempDir()
	d := &Dir{Path: filepath.Join(dir, "ca")}
	if err := d.Init(t.Context(), Setup{Cluster: "lab", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	issued := 0
	for _, tt := range []struct {
		name   string
		serves bool
		args   []string
	}{
		{"rsa 1024", false, []string{"-newkey", "rsa:1024"}},
		{"rsa 2047", false, []string{"-newkey", "rsa:2047"}},
		{"rsa 2048", true, []string{"-newkey", "rsa:2048"}},
		{"rsa 2048, exponent 3", true, []string{"-newkey", "rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"}},
		{"rsa-pss", false, []string{"-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"}},
		{"P-224", false, []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-224"}},
		{"P-256", true, []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}},
		{"P-384", true, []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"}},
		{"P-521", true, []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"}},
		{"secp256k1", false, []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"}},
		{"brainpool", false, []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"}},
		{"P-256 in full", false, []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"}},
		{"ed25519", false, []string{"-newkey", "ed25519"}},
		{"ed448", false, []string{"-newkey", "ed448"}},
		{"md5", false, []string{"-newkey", "rsa:2048", "-md5"}},
		{"sha1", true, []string{"-newkey", "rsa:2048", "-sha1"}},
	} {
		openssl(t, dir, append([]string{"req", "-new", "-nodes", "-subj", "/CN=x", "-keyout", "key.pem", "-out", "csr.pem"}, tt.args...)...)
		data, err := os.ReadFile(filepath.Join(dir, "csr.pem"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err == nil {
			_, err = d.Issue(t.Context(), NodeRequest{Name: "n", CSR: csr, Now: time.Now(), ClientOnly: true})
		}
		if (err == nil) != tt.serves {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.serves {
			issued++
		}
	}
	d, err := Open(d.Path, "")
	if err != nil || len(d.Entries()) != issued {
		t.Errorf("%d certificates are noted, and %d were issued: %v", len(d.Entries()), issued, err)
	}
	// The CA's own key is no node's.
	root, err := d.Root()
	if err != nil {
		t.Fatal(err)
	}
	key, err := d.readKey("ca", root)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := NewCSR(key, root.Subject)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Issue(t.Context(), NodeRequest{Name: "n", CSR: csr, Now: time.Now(), ClientOnly: true}); err == nil {
		t.Error("a certificate for the CA's own key is issued")
	}
}

// Every length of a life either is one, or is refused: no certificate ends before it
// begins.
func TestLives(t *testing.T) {
	now := time.Now()
	key, err := NewKey(ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for _, life := range []time.Duration{
		math.MinInt64, -day, -1, 1, day, MaxNodeLife, MaxNodeLife + 1, MaxRootLife, MaxRootLife + 1, math.MaxInt64,
	} {
		root, err := NewRoot(key, node(t, "n", "").CSR.Subject, now, life, Limits{})
		if (err == nil) != (life > 0 && life <= MaxRootLife) || err == nil && !root.Cert().NotAfter.Add(time.Second).After(now) {
			t.Errorf("a root of %s: %v", life, err)
		}
		d := &Dir{Path: filepath.Join(t.TempDir(), "ca")}
		if err := d.Init(t.Context(), Setup{Cluster: "lab", Now: now}); err != nil {
			t.Fatal(err)
		}
		r := node(t, "n", "")
		r.Life = life
		chain, err := d.Issue(t.Context(), r)
		if (err == nil) != (life > 0 && life <= MaxNodeLife) || err == nil && chain[0].NotAfter.Before(chain[0].NotBefore) {
			t.Errorf("a certificate of %s: %v", life, err)
		}
		if _, err := d.List(t.Context(), now, life); (err == nil) != (life > 0 && life <= MaxListLife) {
			t.Errorf("a list of %s: %v", life, err)
		}
	}
}

// A CA that has ended, or not begun by this machine's clock, signs nothing.
func TestEndedAuthority(t *testing.T) {
	now := time.Now()
	d := &Dir{Path: filepath.Join(t.TempDir(), "ca")}
	if err := d.Init(t.Context(), Setup{Cluster: "lab", Regions: []string{"us-east-1"}, Now: now}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		region string
		at     time.Duration
		works  bool
	}{
		{"", 0, true}, {"", RootLife - time.Hour, true}, {"", RootLife + time.Hour, false}, {"", -2 * BackDate, false},
		{"us-east-1", IntermediateLife - time.Hour, true}, {"us-east-1", IntermediateLife + time.Hour, false},
	} {
		r := node(t, "n", tt.region)
		r.Now = now.Add(tt.at)
		chain, err := d.Issue(t.Context(), r)
		var ended *EndedError
		if (err == nil) != tt.works || !tt.works && !errors.As(err, &ended) {
			t.Errorf("%q after %s: %v", tt.region, tt.at, err)
		}
		if err == nil && chain[0].NotAfter.Before(r.Now) {
			t.Errorf("%q after %s: ends on %s", tt.region, tt.at, chain[0].NotAfter)
		}
	}
}

// Others hold the limits that are written into a CA, Go as OpenSSL, and this side
// signs for nothing beyond them.
func TestLimits(t *testing.T) {
	dir := t.TempDir()
	limits := Limits{IPs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}, DNS: []string{"crossring.invalid"}}
	for _, regions := range [][]string{nil, {"us-east-1"}} {
		d := &Dir{Path: filepath.Join(dir, "ca", strings.Join(regions, ""))}
		if err := d.Init(t.Context(), Setup{Cluster: "lab", Regions: regions, Now: time.Now(), Limits: limits}); err != nil {
			t.Fatal(err)
		}
		root, err := d.Root()
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := d.authority(t.Context(), "us-east-1")
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			ips   string
			dns   []string
			inner bool
		}{
			{"127.1.2.3", nil, true}, {"2001:db8::1", nil, true}, {"128.0.0.1", nil, false}, {"2001:db9::1", nil, false},
			{"127.0.0.1", []string{"a.crossring.invalid"}, true}, {"127.0.0.1", []string{"example.com"}, false}, {"127.0.0.1", []string{"xcrossring.invalid"}, false},
		} {
			r := node(t, "us-east-1-1", "us-east-1")
			r.IPs, r.DNS = []netip.Addr{netip.MustParseAddr(tt.ips)}, tt.dns
			_, err := d.Issue(t.Context(), r)
			var limit *LimitError
			if (err == nil) != tt.inner || !tt.inner && !errors.As(err, &limit) {
				t.Errorf("%+v: %v", tt, err)
			}
			// As a thief of the key would, past the check.
			cert := forged(t, a, r)
			roots, between := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(root)
			for _, c := range a.Chain[:len(a.Chain)-1] {
				between.AddCert(c)
			}
			if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); (err == nil) != tt.inner {
				t.Errorf("Go, %+v: %v", tt, err)
			}
			path := filepath.Join(dir, "leaf.pem")
			if err := os.WriteFile(path, store.EncodeCertificates([]*x509.Certificate{cert}), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"verify", "-CAfile", filepath.Join(d.Path, rootCert)}
			if regions != nil {
				args = append(args, "-untrusted", filepath.Join(d.Path, "ca-us-east-1.pem"))
			}
			out, err := exec.Command("openssl", append(args, path)...).CombinedOutput()
			if (err == nil) != tt.inner {
				t.Errorf("openssl, %+v: %v %s", tt, err, out)
			}
		}
	}
}

// forged is a certificate that an authority's key signed without a look at its names.
func forged(t *testing.T, a Authority, r NodeRequest) *x509.Certificate {
	t.Helper()
	leaf := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: r.CSR.Subject, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), DNSNames: r.DNS}
	for _, ip := range r.IPs {
		leaf.IPAddresses = append(leaf.IPAddresses, ip.AsSlice())
	}
	cert, err := sign(leaf, a.Cert(), r.CSR.PublicKey, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// The keys of a CA are slow to guess, and those of before can still be opened.
func TestGuardedKeys(t *testing.T) {
	dir := t.TempDir()
	d := &Dir{Path: filepath.Join(dir, "ca"), Passphrase: "secret"}
	if err := d.Init(t.Context(), Setup{Cluster: "lab", Regions: []string{"r"}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"ca.p12", "ca-r.p12"} {
		says := openssl(t, d.Path, "pkcs12", "-info", "-noout", "-passin", "pass:secret", "-in", file)
		if n := strings.Count(says, "Iteration 600000"); n != 3 {
			t.Errorf("%s: %d of the certificate and the key, and the MAC, have 600,000 rounds:\n%s", file, n, says)
		}
	}
	root, err := d.Root()
	if err != nil {
		t.Fatal(err)
	}
	key, err := d.readKey("ca", root)
	if err != nil {
		t.Fatal(err)
	}
	old, err := store.Encode(store.PKCS12, key, []*x509.Certificate{root}, "secret", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.Path, "ca.p12"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if says := openssl(t, d.Path, "pkcs12", "-info", "-noout", "-passin", "pass:secret", "-in", "ca.p12"); !strings.Contains(says, "2048") {
		t.Fatalf("not as it was before:\n%s", says)
	}
	if _, err := d.Issue(t.Context(), node(t, "n", "")); err != nil {
		t.Error(err)
	}
}

// A number is taken as it is shown, whoever shows it.
func TestRevokeBySerial(t *testing.T) {
	d := &Dir{Path: filepath.Join(t.TempDir(), "ca")}
	if err := d.Init(t.Context(), Setup{Cluster: "lab", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for i, form := range []func(hex, decimal string) string{
		func(hex, _ string) string { return hex },
		func(hex, _ string) string { return strings.ToUpper(hex) },
		func(hex, _ string) string { return "0x" + hex },
		func(hex, _ string) string { return "serial=" + strings.ToUpper(hex) },
		func(hex, _ string) string {
			return "00:" + string(slices.Concat([]byte(hex[:2]), []byte(":"), []byte(hex[2:])))
		},
		func(_, decimal string) string { return decimal },
	} {
		chain, err := d.Issue(t.Context(), node(t, "n", ""))
		if err != nil {
			t.Fatal(err)
		}
		hex := chain[0].SerialNumber.Text(16)
		if len(hex)%2 == 1 {
			hex = "0" + hex
		}
		ref := form(hex, chain[0].SerialNumber.String())
		gone, path, err := d.Revoke(t.Context(), time.Now(), ListLife, ref)
		if err != nil || len(gone) != 1 || gone[0].Serial != chain[0].SerialNumber.String() {
			t.Errorf("%s: %v, %v", ref, gone, err)
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil || len(list.RevokedCertificateEntries) != i+1 || !list.NextUpdate.After(time.Now().Add(ListLife-time.Minute)) {
			t.Errorf("%+v, %v", list, err)
		}
		var revoked *RevokedError
		if _, _, err := d.Revoke(t.Context(), time.Now(), ListLife, ref); !errors.As(err, &revoked) {
			t.Errorf("again: %v", err)
		}
	}
}

// Of an authority that can't be made nothing is left, and of what was there nothing is
// lost; one that is made after it finds no trace.
func TestInitLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	d := &Dir{Path: filepath.Join(dir, "a", "b")}
	// The clock of a machine that is far off: the root is made, the intermediate is not.
	if err := d.Init(t.Context(), Setup{Cluster: "lab", Regions: []string{"r"}, Now: time.Now(), Limits: Limits{IPs: []netip.Prefix{{}}}}); err == nil {
		t.Fatal("a CA of limits that are none is made")
	}
	if has, err := os.ReadDir(dir); err != nil || len(has) > 0 {
		t.Errorf("left: %v, %v", has, err)
	}
	if err := d.Init(t.Context(), Setup{Cluster: "lab", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(d.Path, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	var exists *ExistsError
	if err := d.Init(t.Context(), Setup{Cluster: "lab", Now: time.Now()}); !errors.As(err, &exists) {
		t.Errorf("got %v", err)
	}
	after, err := os.ReadFile(filepath.Join(d.Path, "ca.key"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key of the CA that was there is another: %v", err)
	}
}
