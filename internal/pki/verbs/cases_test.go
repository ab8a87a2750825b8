package verbs

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
	"net"
	"testing"
	"time"
)

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// mint makes certificates for the mutated chains.
type mint struct {
	t    *testing.T
	now  time.Time
	rsa  *rsa.PrivateKey // made once: they take long
	next int64
	// lenient makes certificates, too, that package x509 does not read back.
	lenient bool
}

func newMint(t *testing.T) *mint {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &mint{t: t, now: time.Now(), rsa: key, next: 1000}
}

type edit func(*x509.Certificate)

func (m *mint) ec() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	return key
}

// sign makes a certificate; without a parent it signs itself.
func (m *mint) sign(t *x509.Certificate, key crypto.Signer, parent *issued) *issued {
	m.t.Helper()
	p := issued{t, key}
	if parent != nil {
		p = *parent
	}
	der, err := x509.CreateCertificate(rand.Reader, t, p.cert, key.Public(), p.key)
	if err != nil {
		m.t.Fatalf("%s: %v", t.Subject, err)
	}
	return m.parse(der, key)
}

func (m *mint) parse(der []byte, key crypto.Signer) *issued {
	m.t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil && m.lenient {
		return &issued{&x509.Certificate{Raw: der}, key}
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return &issued{c, key}
}

// template has what any certificate has; the edits change it.
func (m *mint) template(name string, edits []edit) *x509.Certificate {
	m.next++
	t := &x509.Certificate{
		SerialNumber: big.NewInt(m.next), Subject: pkix.Name{CommonName: name, Organization: []string{"crossring"}},
		NotBefore: m.now.Add(-time.Hour), NotAfter: m.now.Add(30 * 24 * time.Hour), BasicConstraintsValid: true,
	}
	for _, e := range edits {
		e(t)
	}
	return t
}

func (m *mint) ca(name string, parent *issued, edits ...edit) *issued {
	return m.caWith(m.ec(), name, parent, edits...)
}

func (m *mint) caWith(key crypto.Signer, name string, parent *issued, edits ...edit) *issued {
	m.t.Helper()
	is := func(t *x509.Certificate) { t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign }
	return m.sign(m.template(name, append([]edit{is}, edits...)), key, parent)
}

// leaf has the addresses 127.0.0.1 and 10.0.0.1 and the name node.example.
func (m *mint) leaf(parent *issued, edits ...edit) *issued {
	return m.leafWith(m.ec(), parent, edits...)
}

func (m *mint) leafWith(key crypto.Signer, parent *issued, edits ...edit) *issued {
	m.t.Helper()
	is := func(t *x509.Certificate) {
		t.KeyUsage = x509.KeyUsageDigitalSignature
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)}
		t.DNSNames = []string{"node.example"}
	}
	return m.sign(m.template("node", append([]edit{is}, edits...)), key, parent)
}

// damaged has one bit of its signature flipped.
func (m *mint) damaged(c *issued) *issued {
	der := append([]byte{}, c.cert.Raw...)
	der[len(der)-1] ^= 1
	return m.parse(der, c.key)
}

// list is a revocation list of a CA.
func (m *mint) list(ca *issued, next time.Time, revoked ...*issued) *x509.RevocationList {
	m.t.Helper()
	t := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: m.now.Add(-2 * time.Hour), NextUpdate: next}
	for _, r := range revoked {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.cert.SerialNumber, RevocationTime: m.now.Add(-time.Hour)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, t, ca.cert, ca.key)
	if err != nil {
		m.t.Fatal(err)
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		m.t.Fatal(err)
	}
	return l
}

// Edits.
func during(from, to time.Duration) edit {
	return func(t *x509.Certificate) {
		at := t.NotBefore.Add(time.Hour)
		t.NotBefore, t.NotAfter = at.Add(from), at.Add(to)
	}
}

func usage(u x509.KeyUsage) edit { return func(t *x509.Certificate) { t.KeyUsage = u } }

func extended(u ...x509.ExtKeyUsage) edit {
	return func(t *x509.Certificate) { t.ExtKeyUsage = u }
}

func pathLen(n int) edit {
	return func(t *x509.Certificate) { t.MaxPathLen, t.MaxPathLenZero = n, n == 0 }
}

func noCA(t *x509.Certificate)     { t.IsCA = false }
func noBasics(t *x509.Certificate) { t.BasicConstraintsValid, t.IsCA = false, false }

func names(dns []string, ips ...string) edit {
	return func(t *x509.Certificate) {
		t.DNSNames, t.IPAddresses = dns, nil
		for _, ip := range ips {
			t.IPAddresses = append(t.IPAddresses, net.ParseIP(ip))
		}
	}
}

func commonName(cn string) edit { return func(t *x509.Certificate) { t.Subject.CommonName = cn } }

// critical adds an extension that nobody knows.
func critical(t *x509.Certificate) {
	t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 55555, 1}, Critical: true, Value: []byte{5, 0}})
}

// plainKeys makes a parent whose children name no authority key.
func plainKeys(p *issued) *issued {
	c := *p.cert
	c.SubjectKeyId = nil
	return &issued{&c, p.key}
}

// noKeyID leaves the subject key identifier out, where Go would make one.
func noKeyID(t *x509.Certificate) { t.SubjectKeyId = []byte{} }

// spelled writes the name of a certificate with another string type or in another
// case; the DER is made by hand, since Go writes PrintableString where it can.
func spelled(tag int, cn string) edit {
	return func(t *x509.Certificate) {
		type pair struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		text := func(oid asn1.ObjectIdentifier, s string) []pair {
			return []pair{{oid, asn1.RawValue{Tag: tag, Bytes: []byte(s)}}}
		}
		type set []pair
		var body []byte
		for _, p := range [][]pair{text(asn1.ObjectIdentifier{2, 5, 4, 10}, "crossring"), text(asn1.ObjectIdentifier{2, 5, 4, 3}, cn)} {
			der, err := asn1.MarshalWithParams(set(p), "set")
			if err != nil {
				panic(err)
			}
			body = append(body, der...)
		}
		t.RawSubject, _ = asn1.Marshal(asn1.RawValue{Class: 0, Tag: 16, IsCompound: true, Bytes: body})
	}
}

func edKey(t *testing.T) crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
