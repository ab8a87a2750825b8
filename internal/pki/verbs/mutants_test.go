package verbs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"time"
)

// mutant is one chain: what is sent, what is trusted, and what must come of it.
type mutant struct {
	name    string
	sent    []*issued // leaf first
	trust   []*issued
	purpose string // "" is server
	ip      string
	host    string
	crl     []*x509.RevocationList
	want    int // code of the first error; 0 is a chain that is right
	// java names the reason, as docs/tls.md has it, why Java's verdict is another.
	java string
}

const (
	day       = 24 * time.Hour
	certSign  = x509.KeyUsageCertSign
	digital   = x509.KeyUsageDigitalSignature
	asServer  = x509.ExtKeyUsageServerAuth
	asClient  = x509.ExtKeyUsageClientAuth
	utf8Tag   = 12
	printable = 19
)

// mutants makes the chains: root, intermediate and leaf, with one thing changed.
func mutants(m *mint) []mutant {
	root := m.ca("root", nil)
	inter := m.ca("intermediate", root, pathLen(0))
	node := m.leaf(inter)
	sent := func(all ...*issued) []*issued { return all }
	// below makes a leaf under a changed intermediate.
	below := func(edits ...edit) []*issued {
		i := m.ca("intermediate", root, edits...)
		return sent(m.leaf(i), i)
	}
	leaf := func(edits ...edit) []*issued { return sent(m.leaf(inter, edits...), inter) }
	trust := sent(root)
	foreign := m.ca("foreign root", nil)
	var all []mutant
	add := func(c mutant) {
		if c.trust == nil {
			c.trust = trust
		}
		all = append(all, c)
	}

	add(mutant{name: "server", sent: sent(node, inter)})
	add(mutant{name: "client", sent: sent(node, inter), purpose: "client"})
	add(mutant{name: "internode", sent: sent(node, inter), purpose: "internode", ip: "10.0.0.1"})
	add(mutant{name: "private-address", sent: sent(node, inter), ip: "127.0.0.1"})
	add(mutant{name: "host", sent: sent(node, inter), host: "node.example"})
	add(mutant{name: "wildcard", sent: leaf(names([]string{"*.nodes.example"})), host: "a.nodes.example"})
	add(mutant{name: "part-of-a-label", sent: leaf(names([]string{"no*.nodes.example"})), host: "node.nodes.example"})
	add(mutant{name: "short-wildcard", sent: leaf(names([]string{"*.example"})), host: "node.example", want: 62, java: "short-wildcard"})
	add(mutant{name: "ipv6", sent: leaf(names(nil, "fd00::1")), ip: "fd00::1"})
	add(mutant{name: "from-root", sent: sent(m.leaf(root))})
	add(mutant{name: "root-sent-too", sent: sent(node, inter, root)})
	add(mutant{name: "unrelated-sent-too", sent: sent(node, inter, foreign)})
	add(mutant{name: "leaf-sent-twice", sent: sent(node, node, inter)})
	add(mutant{name: "other-root-trusted-too", sent: sent(node, inter), trust: sent(foreign, root)})
	top := m.ca("policy", root)
	low := m.ca("issuing", top)
	add(mutant{name: "three-levels", sent: sent(m.leaf(low), low, top)})
	add(mutant{name: "out-of-order", sent: sent(m.leaf(low), top, low)})
	bare := m.ca("bare root", nil, noKeyID)
	add(mutant{name: "no-key-identifiers", sent: sent(m.leaf(plainKeys(bare))), trust: sent(bare)})
	twin := m.ca("root", nil)
	add(mutant{name: "two-roots-of-one-name", sent: sent(node, inter), trust: sent(twin, root)})
	add(mutant{name: "no-key-usage", sent: leaf(usage(0))})
	add(mutant{name: "no-extended-usage", sent: leaf(extended())})
	add(mutant{name: "without-a-name", sent: leaf(func(t *x509.Certificate) { t.Subject.CommonName, t.Subject.Organization = "", nil })})
	add(mutant{name: "pathlen-just-fits", sent: below(pathLen(0))})
	add(mutant{name: "expires-tomorrow", sent: leaf(during(-day, day))})
	rsaRoot := m.caWith(m.rsa, "rsa root", nil)
	add(mutant{name: "rsa", sent: sent(m.leafWith(m.rsa, rsaRoot, usage(digital|x509.KeyUsageKeyEncipherment))), trust: sent(rsaRoot)})
	add(mutant{name: "rsa-root-ec-leaf", sent: sent(m.leaf(rsaRoot)), trust: sent(rsaRoot)})
	add(mutant{name: "ed25519", sent: sent(m.leafWith(edKey(m.t), root))})
	crossA := m.ca("old root", nil)
	fresh := m.ca("new root", nil)
	cross := m.sign(m.template("new root", []edit{func(t *x509.Certificate) { t.IsCA, t.KeyUsage = true, certSign }}), fresh.key, crossA)
	add(mutant{name: "cross-signed", sent: sent(m.leaf(fresh), cross), trust: sent(crossA)})
	stale := m.caWith(inter.key, "intermediate", root, during(-10*day, -day))
	add(mutant{name: "stale-and-fresh-intermediate", sent: sent(node, stale, inter)})
	self := m.leaf(nil)
	add(mutant{name: "self-signed-and-trusted", sent: sent(self), trust: sent(self)})
	utf := m.ca("Ring CA", root, spelled(utf8Tag, "Ring CA"))
	other := &issued{m.caWith(utf.key, "Ring CA", root, spelled(printable, "Ring CA")).cert, utf.key}
	add(mutant{name: "other-string-type", sent: sent(m.leaf(plainKeys(other)), utf)})
	upper := &issued{m.caWith(utf.key, "Ring CA", root, spelled(utf8Tag, "RING  ca")).cert, utf.key}
	add(mutant{name: "other-case", sent: sent(m.leaf(plainKeys(upper)), utf)})
	permit := func(t *x509.Certificate) {
		t.PermittedDNSDomainsCritical, t.PermittedDNSDomains = true, []string{"example"}
	}
	add(mutant{name: "permitted-name", sent: below(permit)})
	clean := m.list(inter, m.now.Add(day))
	add(mutant{name: "not-on-the-list", sent: sent(node, inter), crl: []*x509.RevocationList{clean}})
	add(mutant{name: "name-in-cn-alone", sent: leaf(names(nil), commonName("node.example")), host: "node.example"})
	add(mutant{name: "leaf-is-a-ca", sent: leaf(func(t *x509.Certificate) { t.IsCA, t.KeyUsage = true, digital|certSign })})
	add(mutant{name: "critical-extended-usage", sent: leaf(extended(asServer))})

	// Time.
	add(mutant{name: "expired-leaf", sent: leaf(during(-10*day, -time.Hour)), want: 10})
	add(mutant{name: "expired-intermediate", sent: below(during(-10*day, -time.Hour)), want: 10})
	gone := m.ca("gone root", nil, during(-10*day, -time.Hour))
	add(mutant{name: "expired-root", sent: sent(m.leaf(gone)), trust: sent(gone), want: 10, java: "anchor-dates"})
	add(mutant{name: "future-leaf", sent: leaf(during(time.Hour, 10*day)), want: 9})
	add(mutant{name: "clock-a-day-off", sent: leaf(during(23*time.Hour, 10*day)), want: 9})
	add(mutant{name: "future-intermediate", sent: below(during(time.Hour, 10*day)), want: 9})
	soon := m.ca("soon root", nil, during(time.Hour, 10*day))
	add(mutant{name: "future-root", sent: sent(m.leaf(soon)), trust: sent(soon), want: 9, java: "anchor-dates"})
	add(mutant{name: "expired-and-wrong-address", sent: leaf(during(-10*day, -time.Hour)), ip: "10.0.0.2", want: 64})

	// Signatures and issuers.
	add(mutant{name: "flipped-bit", sent: sent(m.damaged(node), inter), want: 7})
	add(mutant{name: "flipped-bit-intermediate", sent: sent(node, m.damaged(inter)), want: 7})
	add(mutant{name: "self-signed", sent: sent(self), want: 18})
	add(mutant{name: "untrusted-root-sent", sent: sent(node, inter, root), trust: sent(foreign), want: 19})
	add(mutant{name: "intermediate-missing", sent: sent(node), want: 20})
	add(mutant{name: "foreign-ca", sent: sent(node, inter), trust: sent(foreign), want: 20})
	add(mutant{name: "same-name-other-key", sent: sent(m.leaf(root)), trust: sent(twin), want: 20})
	add(mutant{name: "same-name-other-key-no-identifier", sent: sent(m.leaf(plainKeys(bare))), trust: sent(m.ca("bare root", nil, noKeyID)), want: 7})
	add(mutant{name: "same-name-other-kind-of-key", sent: sent(m.leaf(plainKeys(bare))), trust: sent(m.caWith(m.rsa, "bare root", nil, noKeyID)), want: 20})
	add(mutant{name: "intermediate-as-anchor", sent: sent(node), trust: sent(inter), want: 2, java: "intermediate-anchor"})
	add(mutant{name: "leaf-as-anchor", sent: sent(node), trust: sent(node), want: 20, java: "intermediate-anchor"})
	loopA, loopB := m.ca("a", nil), m.ca("b", nil)
	ab := &issued{m.caWith(loopA.key, "a", loopB).cert, loopA.key}
	ba := &issued{m.caWith(loopB.key, "b", loopA).cert, loopB.key}
	add(mutant{name: "loop", sent: sent(m.leaf(loopA), ab, ba), want: 20})

	// What CAs may do.
	add(mutant{name: "ca-false", sent: below(noCA), want: 79})
	add(mutant{name: "issued-by-a-leaf", sent: sent(m.leaf(node, commonName("below")), node, inter), want: 79})
	add(mutant{name: "ca-without-certsign", sent: below(usage(x509.KeyUsageCRLSign)), want: 79})
	add(mutant{name: "ca-without-extensions", sent: below(noBasics, usage(0)), want: 79})
	add(mutant{name: "ca-with-key-usage-alone", sent: below(noBasics, usage(certSign)), want: 79})
	rootBare := m.ca("root with key usage alone", nil, noBasics)
	add(mutant{name: "root-with-key-usage-alone", sent: sent(m.leaf(rootBare)), trust: sent(rootBare), java: "anchor-without-constraints"})
	rootNoSign := m.ca("root without certsign", nil, usage(x509.KeyUsageCRLSign))
	add(mutant{name: "root-without-certsign", sent: sent(m.leaf(rootNoSign)), trust: sent(rootNoSign), want: 79})
	rootNoCA := m.ca("root that is none", nil, noCA)
	add(mutant{name: "root-ca-false", sent: sent(m.leaf(rootNoCA)), trust: sent(rootNoCA), want: 79})
	short := m.ca("short root", nil, pathLen(0))
	long := m.ca("intermediate", short)
	add(mutant{name: "root-pathlen-exceeded", sent: sent(m.leaf(long), long), trust: sent(short), want: 25, java: "anchor-path-length"})
	stub := m.ca("stub", root, pathLen(0))
	deeper := m.ca("deeper", stub)
	add(mutant{name: "pathlen-exceeded", sent: sent(m.leaf(deeper), deeper, stub), want: 25})

	// Purposes.
	add(mutant{name: "server-as-client", sent: leaf(extended(asServer)), purpose: "client", want: 26})
	add(mutant{name: "client-as-server", sent: leaf(extended(asClient)), want: 26})
	add(mutant{name: "server-as-internode", sent: leaf(extended(asServer)), purpose: "internode", want: 26})
	add(mutant{name: "for-mail", sent: leaf(extended(x509.ExtKeyUsageEmailProtection)), want: 26})
	add(mutant{name: "any-usage", sent: leaf(extended(x509.ExtKeyUsageAny)), want: 26, java: "any-extended-usage"})
	add(mutant{name: "usage-certsign-alone", sent: leaf(usage(certSign)), want: 26})
	add(mutant{name: "usage-encipherment-alone", sent: leaf(usage(x509.KeyUsageKeyEncipherment)), java: "usage-of-the-suite"})
	add(mutant{name: "usage-agreement-alone", sent: leaf(usage(x509.KeyUsageKeyAgreement)), java: "usage-of-the-suite"})
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	add(mutant{name: "p-224", sent: sent(m.leafWith(p224, root)), java: "small-curve"})
	add(mutant{name: "ca-for-clients-alone", sent: below(extended(asClient)), want: 26, java: "extended-usage-of-ca"})

	// Names.
	add(mutant{name: "other-address", sent: sent(node, inter), ip: "10.0.0.2", want: 64})
	add(mutant{name: "other-address-as-client", sent: sent(node, inter), ip: "10.0.0.2", purpose: "client", want: 64})
	add(mutant{name: "dns-names-only", sent: leaf(names([]string{"node.example"})), ip: "127.0.0.1", want: 64})
	add(mutant{name: "address-in-cn-alone", sent: leaf(names(nil), commonName("127.0.0.1")), ip: "127.0.0.1", want: 64})
	add(mutant{name: "address-as-dns-name", sent: leaf(names([]string{"127.0.0.1"})), ip: "127.0.0.1", want: 64})
	add(mutant{name: "no-names", sent: leaf(names(nil)), ip: "10.0.0.1", want: 64})
	add(mutant{name: "other-host", sent: sent(node, inter), host: "other.example", want: 62})
	add(mutant{name: "wildcard-too-deep", sent: leaf(names([]string{"*.example"})), host: "a.node.example", want: 62})
	add(mutant{name: "forbidden-name", sent: below(func(t *x509.Certificate) {
		t.PermittedDNSDomainsCritical, t.PermittedDNSDomains = true, []string{"corp"}
	}), want: 47})
	add(mutant{name: "excluded-name", sent: below(func(t *x509.Certificate) {
		t.PermittedDNSDomainsCritical, t.ExcludedDNSDomains = true, []string{"example"}
	}), want: 48})
	narrow := m.ca("narrow root", nil, func(t *x509.Certificate) {
		t.PermittedDNSDomainsCritical, t.PermittedDNSDomains = true, []string{"corp"}
	})
	add(mutant{name: "name-forbidden-by-the-root", sent: sent(m.leaf(narrow)), trust: sent(narrow), want: 47, java: "anchor-name-constraints"})
	add(mutant{name: "critical-unknown", sent: leaf(critical), want: 34})
	add(mutant{name: "critical-unknown-in-ca", sent: below(critical), want: 34})

	// Revocation and strength.
	lists := func(l *x509.RevocationList) []*x509.RevocationList { return []*x509.RevocationList{l} }
	add(mutant{name: "revoked", sent: sent(node, inter), crl: lists(m.list(inter, m.now.Add(day), node)), want: 23})
	add(mutant{name: "list-of-another", sent: sent(node, inter), crl: lists(m.list(foreign, m.now.Add(day))), want: 3})
	add(mutant{name: "list-expired", sent: sent(node, inter), crl: lists(m.list(inter, m.now.Add(-time.Hour))), want: 12})
	add(mutant{name: "list-forged", sent: sent(node, inter), crl: lists(forged(m, inter)), want: 3})
	add(mutant{name: "list-damaged", sent: sent(node, inter), crl: lists(damagedList(m, inter)), want: 8})
	weakRoot := m.caWith(m.rsa, "weak root", nil)
	add(mutant{name: "sha-1", sent: sent(m.leafWith(m.rsa, weakRoot, func(t *x509.Certificate) { t.SignatureAlgorithm = x509.SHA1WithRSA })), trust: sent(weakRoot), want: 68, java: "sha-1"})
	m.t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		m.t.Fatal(err)
	}
	add(mutant{name: "rsa-1024", sent: sent(m.leafWith(small, root)), want: 66, java: "small-rsa"})
	return all
}

// forged is a list of a CA that somebody else signed.
func forged(m *mint, ca *issued) *x509.RevocationList {
	liar := m.caWith(m.ec(), ca.cert.Subject.CommonName, nil)
	return m.list(liar, m.now.Add(day))
}

// damagedList has one bit of its signature flipped.
func damagedList(m *mint, ca *issued) *x509.RevocationList {
	der := append([]byte{}, m.list(ca, m.now.Add(day)).Raw...)
	der[len(der)-1] ^= 1
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		m.t.Fatal(err)
	}
	return l
}
