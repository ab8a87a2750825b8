package chain

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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
func issue(t *testing.T, name string, ca bool, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
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
		want string // in what is said; "" is nothing
	}{
		{"right", []*x509.Certificate{leaf, inter}, ""},
		{"leaf alone", []*x509.Certificate{leaf}, ""},
		{"with the root", []*x509.Certificate{leaf, inter, root}, "the root was sent, too"},
		{"upside down", []*x509.Certificate{root, inter, leaf}, "the leaf comes first"},
		{"swapped", []*x509.Certificate{leaf, root, inter}, "out of order: the issuer of certificate 0 is certificate 2"},
		{"gap", []*x509.Certificate{leaf, root}, "missing: the issuer of certificate 0"},
		{"alien", []*x509.Certificate{leaf, inter, alien}, "missing: the issuer of certificate 1"},
		{"twice", []*x509.Certificate{leaf, inter, inter}, ""},
		{"nothing", nil, "no certificate was sent"},
	} {
		got := strings.Join(Order(tt.sent), "; ")
		if tt.want == "" && tt.name != "twice" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q", tt.name, got)
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
		if number < 2 || c.name == "" || c.message == "" || c.hint == "" || strings.HasSuffix(c.hint, ".") {
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
