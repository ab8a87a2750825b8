// Package pki is a certificate authority for the nodes of a ring: a root, an
// intermediate for each region where that is wanted, node certificates from
// signing requests, and a revocation list. The keys of nodes are made where the
// nodes are; an authority sees requests only.
//
// Authority works on keys and certificates in memory. Dir keeps one on disk.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"time"

	"crossring/internal/fail"
	"crossring/internal/plain"
)

// Kinds of keys. Cassandra 1.2 speaks suites for RSA alone unless it is told.
const (
	ECDSAP256 = "ecdsa-p256"
	ECDSAP384 = "ecdsa-p384"
	RSA2048   = "rsa-2048"
	RSA3072   = "rsa-3072"
)

// KeyKinds lists them.
func KeyKinds() []string { return []string{ECDSAP256, ECDSAP384, RSA2048, RSA3072} }

// Lifetimes, and how far NotBefore lies back: clocks of two regions differ, and a
// certificate is used the moment it is made.
const (
	RootLife         = 10 * 365 * 24 * time.Hour
	IntermediateLife = 5 * 365 * 24 * time.Hour
	NodeLife         = 397 * 24 * time.Hour
	BackDate         = time.Hour
	ListLife         = 7 * 24 * time.Hour
)

// The longest lives that are signed for. Those of nodes are as long as the default of a CA.
const (
	MaxRootLife = 100 * 365 * 24 * time.Hour
	MaxNodeLife = 10 * 365 * 24 * time.Hour
	MaxListLife = 10 * 365 * 24 * time.Hour
)

// NewKey makes a private key.
func NewKey(kind string) (crypto.Signer, error) {
	switch kind {
	case ECDSAP256, "":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	}
	return nil, unknownKind(kind)
}

func unknownKind(kind string) error {
	return fmt.Errorf("%q is no kind of key; there are %s", kind, strings.Join(KeyKinds(), ", "))
}

// NoAddressError says that a node's certificate was asked for without its addresses.
type NoAddressError struct {
	Name string
	Dir  string // of the authority; "" where it has none
}

func (*NoAddressError) Error() string {
	return "a node's certificate needs its addresses: without them nobody who checks can connect to it"
}

// ExitCode is that of a wrong command line.
func (*NoAddressError) ExitCode() int { return fail.ExitUsage }

// Hint is the command that gives them.
func (e *NoAddressError) Hint() string {
	words := []string{"crossring", "pki", "issue", e.Name}
	if e.Dir != "" {
		words = append(words, "--dir", e.Dir)
	}
	return plain.Command(append(words, "--ip", "ADDRESS")...) + "   # or --client"
}

// KindOf is the kind of key that a public key is of, or the one of the same algorithm
// that is next to it; "" is another algorithm.
func KindOf(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize > 256 {
			return ECDSAP384
		}
		return ECDSAP256
	case *rsa.PublicKey:
		if key.N.BitLen() > 2048 {
			return RSA3072
		}
		return RSA2048
	}
	return ""
}

// Authority signs certificates: a root or an intermediate.
type Authority struct {
	// Chain is its certificate and those above it, the root last.
	Chain []*x509.Certificate
	// Key may be one that cannot be read out, as of a token.
	Key crypto.Signer
}

// Close ends the session of a key in a token. One in memory needs none.
func (a Authority) Close() error {
	if c, ok := a.Key.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Cert is the authority's own certificate.
func (a Authority) Cert() *x509.Certificate { return a.Chain[0] }

// Root is the certificate that is to be trusted.
func (a Authority) Root() *x509.Certificate { return a.Chain[len(a.Chain)-1] }

// NewRoot makes a root over a key.
func NewRoot(key crypto.Signer, name pkix.Name, now time.Time, life time.Duration, limits Limits) (Authority, error) {
	t, err := caTemplate(key, name, now, life)
	if err != nil {
		return Authority{}, err
	}
	limits.apply(t)
	t.MaxPathLen, t.MaxPathLenZero = 1, false
	cert, err := sign(t, t, key.Public(), key)
	if err != nil {
		return Authority{}, fmt.Errorf("sign root %s: %w", name, err)
	}
	return Authority{Chain: []*x509.Certificate{cert}, Key: key}, nil
}

// Intermediate makes an authority below a, which can issue for nodes only.
func (a Authority) Intermediate(key crypto.Signer, name pkix.Name, now time.Time, life time.Duration, where Where) (Authority, error) {
	t, err := caTemplate(key, name, now, life)
	if err != nil {
		return Authority{}, err
	}
	t.MaxPathLen, t.MaxPathLenZero = 0, true
	t.NotAfter = earlier(t.NotAfter, a.Cert().NotAfter)
	// Again: Java passes over what is written in the root.
	r := a.Cert()
	t.PermittedDNSDomains, t.PermittedIPRanges, t.PermittedDNSDomainsCritical = r.PermittedDNSDomains, r.PermittedIPRanges, r.PermittedDNSDomainsCritical
	t.CRLDistributionPoints, t.OCSPServer = where.CRL, where.OCSP
	cert, err := sign(t, a.Cert(), key.Public(), a.Key)
	if err != nil {
		return Authority{}, fmt.Errorf("sign intermediate %s: %w", name, err)
	}
	return Authority{Chain: append([]*x509.Certificate{cert}, a.Chain...), Key: key}, nil
}

func caTemplate(key crypto.Signer, name pkix.Name, now time.Time, life time.Duration) (*x509.Certificate, error) {
	if err := CheckLife(life, MaxRootLife); err != nil {
		return nil, err
	}
	serial, err := newSerial(rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: name, NotBefore: now.Add(-BackDate), NotAfter: now.Add(life),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, SubjectKeyId: id,
	}, nil
}

// Limits are the names that an authority signs for, for others to hold it to; where a
// list is empty it signs for any.
type Limits struct {
	IPs []netip.Prefix
	DNS []string // domains, with all below them
}

func (l Limits) none() bool { return len(l.IPs) == 0 && len(l.DNS) == 0 }

// apply writes the limits into a CA's certificate, critically.
func (l Limits) apply(t *x509.Certificate) {
	if l.none() {
		return
	}
	t.PermittedDNSDomainsCritical = true
	t.PermittedDNSDomains = l.DNS
	for _, p := range l.IPs {
		p = p.Masked()
		t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
}

// Request asks for a node's certificate.
type Request struct {
	CSR *x509.CertificateRequest
	// Subject and SANs replace those of the request: a node does not name itself.
	Subject pkix.Name
	IPs     []netip.Addr // public and private
	DNS     []string
	Now     time.Time
	Life    time.Duration // 0 is NodeLife
	// ClientOnly makes a certificate that cannot be a server's.
	ClientOnly bool
	// Where names where others can ask for a revocation.
	Where Where
}

// Where are the addresses at which others learn whether a certificate was revoked. They
// are written into what is signed.
type Where struct {
	CRL  []string `json:"crl,omitempty"`  // URLs of revocation lists
	OCSP []string `json:"ocsp,omitempty"` // URLs of responders
}

// Issue signs a node's certificate and returns it with the chain to be sent: the
// intermediates, without the root. It is good for both ends of a connection, since
// a node dials and is dialled.
func (a Authority) Issue(r Request) ([]*x509.Certificate, error) {
	if len(r.IPs) == 0 && len(r.DNS) == 0 && !r.ClientOnly {
		return nil, &NoAddressError{Name: r.Subject.CommonName}
	}
	life := r.Life
	if life == 0 {
		life = NodeLife
	}
	if err := a.check(r, life); err != nil {
		return nil, err
	}
	serial, err := newSerial(rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := keyID(r.CSR.PublicKey)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: r.Subject, DNSNames: once(r.DNS), SubjectKeyId: id,
		NotBefore: r.Now.Add(-BackDate), NotAfter: r.Now.Add(life),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	for _, above := range a.Chain {
		t.NotAfter = earlier(t.NotAfter, above.NotAfter)
	}
	if _, ok := r.CSR.PublicKey.(*rsa.PublicKey); ok {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment // for the TLS_RSA_* suites of 1.2
	}
	if r.ClientOnly {
		t.ExtKeyUsage = t.ExtKeyUsage[1:]
	}
	var ips []netip.Addr
	for _, ip := range r.IPs {
		ips = append(ips, ip.Unmap())
	}
	for _, ip := range once(ips) {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
	}
	t.CRLDistributionPoints, t.OCSPServer = r.Where.CRL, r.Where.OCSP
	cert, err := sign(t, a.Cert(), r.CSR.PublicKey, a.Key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", r.Subject, err)
	}
	return append([]*x509.Certificate{cert}, a.Chain[:len(a.Chain)-1]...), nil
}

// NewCSR asks for a certificate for a key, in the node's place.
func NewCSR(key crypto.Signer, name pkix.Name) (*x509.CertificateRequest, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: name}, key)
	if err != nil {
		return nil, fmt.Errorf("make signing request of %s: %w", name, err)
	}
	return x509.ParseCertificateRequest(der)
}

// Revoked is a certificate that counts no more.
type Revoked struct {
	Serial *big.Int
	At     time.Time
}

// List signs a revocation list that counts for life, PEM's content being its Raw bytes.
func (a Authority) List(revoked []Revoked, number int64, now time.Time, life time.Duration) (*x509.RevocationList, error) {
	if err := CheckLife(life, MaxListLife); err != nil {
		return nil, err
	}
	t := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: now.Add(-BackDate), NextUpdate: now.Add(life)}
	for _, r := range revoked {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.Serial, RevocationTime: r.At})
	}
	der, err := x509.CreateRevocationList(rand.Reader, t, a.Cert(), a.Key)
	if err != nil {
		return nil, fmt.Errorf("sign revocation list of %s: %w", a.Cert().Subject, err)
	}
	return x509.ParseRevocationList(der)
}

func sign(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial is a positive number of 127 random bits.
func newSerial(random io.Reader) (*big.Int, error) {
	n, err := rand.Int(random, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

// keyID is the leading 160 bits of the key's SHA-256 (RFC 7093, method 1).
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return sum[:20], nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
