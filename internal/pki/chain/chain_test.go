package chain

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"
)

// issue makes a certificate; without a parent it signs itself. The verdicts on
// whole chains are held against OpenSSL's and Java's in package run.
func issue(t testing.TB, name string, ca bool, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, IsCA: ca,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if ca {
		tmpl.KeyUsage = x509.KeyUsageCertSign
	}
	if parent == nil {
		parent, by = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

func TestOrder(t *testing.T) {
	root, rootKey := issue(t, "root", true, nil, nil)
	inter, interKey := issue(t, "intermediate", true, root, rootKey)
	leaf, _ := issue(t, "leaf", false, inter, interKey)
	alien, _ := issue(t, "alien", false, nil, nil)
	for _, tt := range []struct {
		name string
		sent []*x509.Certificate
		want []string // each is in what is said, in this order
	}{
		{"right", []*x509.Certificate{leaf, inter}, nil},
		{"leaf alone", []*x509.Certificate{leaf}, []string{"the leaf was sent alone"}},
		{"self-signed alone", []*x509.Certificate{alien}, nil},
		{"with the root", []*x509.Certificate{leaf, inter, root}, []string{"the root was sent, too"}},
		{"upside down", []*x509.Certificate{root, inter, leaf}, []string{"the leaf, certificate 2, comes first", "issuer of certificate 2 is certificate 1", "issuer of certificate 1 is certificate 0", "the root was sent, too"}},
		{"a CA first", []*x509.Certificate{inter, leaf}, []string{"the leaf, certificate 1, comes first", "issuer of certificate 1 is certificate 0"}},
		{"swapped", []*x509.Certificate{leaf, root, inter}, []string{"issuer of certificate 0 is certificate 2", "issuer of certificate 2 is certificate 1", "the root was sent, too"}},
		{"gap", []*x509.Certificate{leaf, root}, []string{"certificate 1, \"CN=root\", is not part", "missing: the issuer of certificate 0, \"CN=intermediate\""}},
		{"stranger last", []*x509.Certificate{leaf, inter, alien}, []string{"certificate 2, \"CN=alien\", is not part"}},
		{"stranger between", []*x509.Certificate{leaf, alien, inter}, []string{"issuer of certificate 0 is certificate 2", "certificate 1, \"CN=alien\", is not part"}},
		{"stranger first", []*x509.Certificate{alien, leaf, inter}, []string{"certificate 1, \"CN=leaf\", is not part", "certificate 2, \"CN=intermediate\", is not part"}},
		{"twice", []*x509.Certificate{leaf, inter, inter}, []string{"certificate 2 was sent before"}},
		{"leaf twice", []*x509.Certificate{leaf, leaf, inter}, []string{"certificate 1 was sent before"}},
		{"CAs alone", []*x509.Certificate{inter, root}, []string{"there is no leaf", "the root was sent, too"}},
		{"a CA alone", []*x509.Certificate{inter}, []string{"only a CA was sent"}},
		{"nothing", nil, []string{"no certificate was sent"}},
	} {
		got := Order(tt.sent)
		ok := len(got) == len(tt.want)
		for i := range min(len(got), len(tt.want)) {
			ok = ok && strings.Contains(got[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A missing issuer is explained by what each certificate at hand lacks.
func TestTried(t *testing.T) {
	root, rootKey := issue(t, "root", true, nil, nil)
	twin, _ := issue(t, "root", true, nil, nil)
	other, _ := issue(t, "other", true, nil, nil)
	leaf, _ := issue(t, "leaf", false, root, rootKey)
	got := Verify(leaf, nil, Options{Roots: []*x509.Certificate{twin, other}, At: time.Now()})
	if got.OK || len(got.Tried) != 2 || got.Tried[0].Code != 30 || got.Tried[1].Code != 29 || got.Tried[0].Name != "AKID_SKID_MISMATCH" {
		t.Errorf("%+v", got)
	}
}

// What a node's leaf has to be beyond what OpenSSL asks of a purpose: for internode
// it is an error, for one side alone a warning.
func TestServe(t *testing.T) {
	root, rootKey := issue(t, "root", true, nil, nil)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve := func(c elliptic.Curve) crypto.Signer {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	modulus := func(bits int) crypto.Signer {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	const sign, agree, encipher = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyAgreement, x509.KeyUsageKeyEncipherment
	for _, tt := range []struct {
		name                      string
		key                       crypto.Signer
		usage                     x509.KeyUsage
		internode, server, client int // the first code; -1 is ok with a warning
	}{
		{"P-256", curve(elliptic.P256()), sign, 0, 0, 0},
		{"P-256 without a key usage", curve(elliptic.P256()), 0, 0, 0, 0},
		{"P-384", curve(elliptic.P384()), sign, 0, 0, 0},
		{"P-521 for both", curve(elliptic.P521()), sign | agree, 0, 0, 0},
		{"P-256 for keyAgreement alone", curve(elliptic.P256()), agree, 26, -1, -1},
		{"P-256 for keyEncipherment alone", curve(elliptic.P256()), encipher, 26, -1, 26},
		{"P-256 for contentCommitment alone", curve(elliptic.P256()), x509.KeyUsageContentCommitment, 26, 26, 26},
		{"P-224", curve(elliptic.P224()), sign, 50, -1, -1},
		{"Ed25519", ed, sign, 50, -1, -1},
		{"RSA 2048", modulus(2048), sign | encipher, 0, 0, 0},
		{"RSA 2048 for keyEncipherment alone", modulus(2048), encipher, 26, -1, 26},
		{"RSA 1024", modulus(1024), sign, 66, 66, 66},
		{"RSA 1536", modulus(1536), sign, 66, 66, 66},
	} {
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: "node"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: tt.usage,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, root, tt.key.Public(), rootKey)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		for purpose, want := range map[string]int{Internode: tt.internode, Server: tt.server, Client: tt.client} {
			got := Verify(leaf, nil, Options{Roots: []*x509.Certificate{root}, Purpose: purpose, At: time.Now()})
			code := 0
			switch {
			case len(got.Errors) > 0:
				code = got.Errors[0].Code
			case len(got.Warnings) > 0:
				code = -1
			}
			if code != want || got.OK != (want <= 0) {
				t.Errorf("%s for %s: %+v, %+v, want %d", tt.name, purpose, got.Errors, got.Warnings, want)
			}
		}
	}
}

func TestCanonical(t *testing.T) {
	name := func(tag int, value string) []byte {
		type pair struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		type set []pair
		der, err := asn1.MarshalWithParams(set{{asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.RawValue{Tag: tag, Bytes: []byte(value)}}}, "set")
		if err != nil {
			t.Fatal(err)
		}
		all, err := asn1.Marshal(asn1.RawValue{Tag: 16, IsCompound: true, Bytes: der})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	same := canonical(name(12, "Ring CA"))
	for _, n := range [][]byte{name(19, "Ring CA"), name(12, " ring  ca "), name(30, "\x00R\x00i\x00n\x00g\x00 \x00C\x00A"), name(20, "RING CA")} {
		if canonical(n) != same {
			t.Errorf("%q differs from %q", canonical(n), same)
		}
	}
	if canonical(name(12, "RingCA")) == same || canonical([]byte{1, 2}) == same {
		t.Error("names that differ are the same")
	}
}

// Every error has OpenSSL's name, its words and a hint; and every bit is explained.
func TestWords(t *testing.T) {
	for number, c := range codes() {
		if number < 1 || c.name == "" || c.message == "" || c.hint == "" || strings.HasSuffix(c.hint, ".") {
			t.Errorf("%d: %+v", number, c)
		}
	}
	var all x509.KeyUsage
	for _, u := range Usages() {
		if u.Meaning == "" || strings.Contains(u.Meaning, "\n") || all&u.Bit != 0 {
			t.Errorf("%+v", u)
		}
		all |= u.Bit
	}
	if all != 1<<9-1 {
		t.Errorf("bits %b are explained", all)
	}
}

// What helps a leaf does not help a CA: renewing the leaf of a CA that has expired,
// or asking a CA for clientAuth.
func TestHintsOfCAs(t *testing.T) {
	for code, no := range map[int]string{codeExpired: "pki renew", codeRevoked: "pki issue", codeInvalidPurpose: "digitalSignature", codeNotYetValid: "back-date", codeSignatureFailure: "the certificate was damaged"} {
		leaf, ca := problem(0, code, "", "").Hint, problem(1, code, "", "").Hint
		if !strings.Contains(leaf, no) || ca == "" || strings.Contains(ca, no) {
			t.Errorf("%d: %q for a leaf, %q for a CA", code, leaf, ca)
		}
	}
}

// What comes over a wire is anything: the walk ends on it.
func FuzzVerify(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		got := Verify(c, []*x509.Certificate{c}, Options{Purpose: Internode, IP: "10.0.0.1", Host: "a", At: time.Unix(1e9, 0)})
		if got.OK || len(got.Chain) == 0 {
			t.Errorf("nothing is trusted, and %+v", got)
		}
		Order([]*x509.Certificate{c, c})
	})
}
