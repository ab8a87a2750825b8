package verbs

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/store"
)

// kind is a chain of a kind that x509-limbo has, made here.
type kind struct {
	limboCase
	// code is what openssl verify says first, 0 for ok. pki verify has to say the
	// same, unless differs says why not; ours is its own first code then.
	code    int
	differs string
	ours    int
	// suite says why the suite expects another result than OpenSSL's.
	suite string
}

// kinds collects them.
type kinds struct {
	*mint
	all         []kind
	root, inter *issued
}

const (
	success = "SUCCESS"
	failure = "FAILURE"
)

func pemOf(all ...*issued) []string {
	var out []string
	for _, c := range all {
		out = append(out, string(store.EncodeCertificates([]*x509.Certificate{c.cert})))
	}
	return out
}

// add takes a chain, leaf first, below the root.
func (k *kinds) add(id string, code int, chain []*issued, edits ...func(*kind)) {
	c := kind{code: code, ours: code}
	c.ID, c.Kind, c.Expected = id, "SERVER", success
	if code != 0 {
		c.Expected = failure
	}
	c.Trusted, c.Peer, c.Untrusted = pemOf(k.root), pemOf(chain[0])[0], pemOf(chain[1:]...)
	for _, e := range edits {
		e(&c)
	}
	k.all = append(k.all, c)
}

// differing says that pki verify's first code is another, and why.
func differing(ours int, why string) func(*kind) {
	return func(c *kind) { c.ours, c.differs = ours, why }
}

// expecting says that the suite expects another result than OpenSSL's, and why.
func expecting(result, why string) func(*kind) {
	return func(c *kind) { c.Expected, c.suite = result, why }
}

func trusting(all ...*issued) func(*kind) { return func(c *kind) { c.Trusted = pemOf(all...) } }

func forPeer(what, value string) func(*kind) {
	return func(c *kind) { c.PeerName = &peerName{what, value} }
}

func asClientKind(c *kind) { c.limboCase.Kind = "CLIENT" }

func withLists(lists ...*x509.RevocationList) func(*kind) {
	return func(c *kind) {
		for _, l := range lists {
			c.CRLs = append(c.CRLs, string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: l.Raw})))
		}
	}
}

func mustDER(v any, params string) []byte {
	der, err := asn1.MarshalWithParams(v, params)
	if err != nil {
		panic(err)
	}
	return der
}

func sequence(parts ...[]byte) []byte {
	return mustDER(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Join(parts, nil)}, "")
}

func tagged(tag int, compound bool, value []byte) []byte {
	return mustDER(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: value}, "")
}

// General names, as DER.
func email(s string) []byte   { return tagged(1, false, []byte(s)) }
func dns(s string) []byte     { return tagged(2, false, []byte(s)) }
func uri(s string) []byte     { return tagged(6, false, []byte(s)) }
func address(b []byte) []byte { return tagged(7, false, b) }
func rid(b []byte) []byte     { return tagged(8, false, b) }

func directory(name pkix.Name) []byte {
	return tagged(4, true, mustDER(name.ToRDNSequence(), ""))
}

func other(oid asn1.ObjectIdentifier, s string) []byte {
	return tagged(0, true, append(mustDER(oid, ""), tagged(0, true, mustDER(s, "utf8"))...))
}

func network(s string) []byte {
	ip, n, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	return address(append(append([]byte{}, n.IP...), n.Mask...))
}

func withExtension(oid asn1.ObjectIdentifier, critical bool, value []byte) edit {
	return func(t *x509.Certificate) {
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}

// called gives a certificate these alternative names and no others.
func called(names ...[]byte) edit {
	return withExtension(asn1.ObjectIdentifier{2, 5, 29, 17}, false, sequence(names...))
}

// constrained gives a CA name constraints; "" of a list is one that is not there.
func constrained(permitted, excluded [][]byte) edit {
	tree := func(tag int, names [][]byte) []byte {
		if names == nil {
			return nil
		}
		var subtrees []byte
		for _, n := range names {
			subtrees = append(subtrees, sequence(n)...)
		}
		return tagged(tag, true, subtrees)
	}
	return withExtension(asn1.ObjectIdentifier{2, 5, 29, 30}, true, sequence(tree(0, permitted), tree(1, excluded)))
}

// keyOf names the issuer's key, which Go leaves out where issuer and subject have
// one name.
func keyOf(ca *issued) edit {
	return func(t *x509.Certificate) { t.AuthorityKeyId = ca.cert.SubjectKeyId }
}

func (k *kinds) leafBelow(ca *issued, edits ...edit) []*issued {
	return []*issued{k.leaf(ca, edits...), ca}
}

// below is a leaf with a name under a CA with constraints.
func (k *kinds) below(permitted, excluded [][]byte, edits ...edit) []*issued {
	return k.leafBelow(k.ca("constrained", k.root, constrained(permitted, excluded)), edits...)
}

func one(name []byte) [][]byte { return [][]byte{name} }

// nameKinds are name constraints of every type.
func (k *kinds) nameKinds() {
	upn := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	mailbox := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 9}
	for _, n := range []struct {
		id         string
		name       []byte
		in, out    []byte
		unknowable bool // to anybody: constraints of this type bind nobody's code
	}{
		{id: "dns", name: dns("a.node.example"), in: dns("example"), out: dns("other.example")},
		{id: "dns-itself", name: dns("node.example"), in: dns("node.example"), out: dns("a.node.example")},
		{id: "dns-not-a-label", name: dns("badexample"), in: dns(""), out: dns("example")},
		{id: "dns-leading-dot", name: dns("a.example"), in: dns(".example"), out: dns(".a.example")},
		{id: "dns-case", name: dns("A.Node.Example"), in: dns("nODE.example"), out: dns("mode.example")},
		{id: "dns-wildcard", name: dns("*.node.example"), in: dns("node.example"), out: dns("other.example")},
		{id: "email-host", name: email("user@example.com"), in: email("example.com"), out: email("other.com")},
		{id: "email-host-not-below", name: email("user@a.example.com"), in: email("a.example.com"), out: email("example.com")},
		{id: "email-below", name: email("user@a.example.com"), in: email(".example.com"), out: email(".a.example.com")},
		{id: "email-mailbox", name: email("user@example.com"), in: email("user@EXAMPLE.com"), out: email("User@example.com")},
		{id: "uri-host", name: uri("https://node.example:7000/x"), in: uri("node.example"), out: uri("example")},
		{id: "uri-below", name: uri("https://a.node.example/x"), in: uri(".node.example"), out: uri(".a.node.example")},
		{id: "directory", name: directory(pkix.Name{Organization: []string{"Acme"}, CommonName: "node"}),
			in: directory(pkix.Name{Organization: []string{"crossring"}}), out: directory(pkix.Name{Organization: []string{"elsewhere"}})},
		{id: "ip4", name: address([]byte{10, 0, 0, 1}), in: network("10.0.0.0/8"), out: network("192.0.2.0/24")},
		{id: "ip4-whole", name: address([]byte{10, 0, 0, 1}), in: network("0.0.0.0/0"), out: network("10.0.0.2/32")},
		{id: "ip6", name: address(net.ParseIP("2001:db8::1")), in: network("2001:db8::/32"), out: network("2001:db9::/32")},
		{id: "ip4-against-ip6", name: address([]byte{10, 0, 0, 1}), in: network("10.0.0.1/32"), out: network("::/0")},
		{id: "mailbox-utf8", name: other(mailbox, "usér@example.com"), in: email("example.com"), out: email("other.com")},
		{id: "other", name: other(upn, "user@example.com"), in: other(upn, "user@example.com"), out: other(upn, "x"), unknowable: true},
		{id: "registered-id", name: rid([]byte{0x2a, 3, 4}), in: rid([]byte{0x2a, 3, 4}), out: rid([]byte{0x2a, 3, 5}), unknowable: true},
	} {
		if n.id == "directory" { // the subject is a name of this kind, too: it decides
			n.name = dns("node.example")
		}
		codes := []int{0, 47, 48, 0}
		if n.unknowable {
			codes = []int{51, 51, 51, 51}
		}
		id := "rfc5280::nc::" + n.id + "::"
		k.add(id+"permitted-match", codes[0], k.below(one(n.in), nil, called(n.name)))
		k.add(id+"permitted-mismatch", codes[1], k.below(one(n.out), nil, called(n.name)))
		k.add(id+"excluded-match", codes[2], k.below(nil, one(n.in), called(n.name)))
		k.add(id+"excluded-mismatch", codes[3], k.below(nil, one(n.out), called(n.name)))
	}
	plain := called(dns("node.example"))
	k.add("rfc5280::nc::second-permitted-match", 0, k.below([][]byte{dns("a.example"), dns("node.example")}, nil, plain))
	k.add("rfc5280::nc::permitted-and-excluded", 48, k.below(one(dns("example")), one(dns("node.example")), plain))
	k.add("rfc5280::nc::other-type-does-not-bind", 0, k.below(one(email("example.com")), nil, plain))
	mail := func(t *x509.Certificate) {
		t.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1},
			Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte("user@example.com")}}}
	}
	k.add("rfc5280::nc::email-in-subject", 47, k.below(one(email("other.com")), nil, plain, mail))
	k.add("rfc5280::nc::email-in-subject-permitted", 0, k.below(one(email("example.com")), nil, plain, mail))
	mail8 := func(t *x509.Certificate) {
		t.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "user@example.com"}}
	}
	k.add("rfc5280::nc::email-in-subject-of-another-type", 53, k.below(one(email("example.com")), nil, plain, mail8))
	k.add("webpki::nc::host-in-common-name", 47, k.below(one(dns("other.example")), nil, called(address([]byte{10, 0, 0, 1})), commonName("node.example")))
	k.add("webpki::nc::common-name-beside-dns-names", 0, k.below(one(dns("example")), nil, plain, commonName("node.test")))
	k.add("webpki::nc::common-name-of-one-label", 0, k.below(one(dns("other.example")), nil, called(address([]byte{10, 0, 0, 1})), commonName("node")))
	k.add("rfc5280::nc::invalid-email", 53, k.below(one(email("example.com")), nil, called(email("nobody"))))
	k.add("rfc5280::nc::uri-without-a-host", 53, k.below(one(uri("example.com")), nil, called(uri("urn:x"))))
	for _, ranged := range []struct {
		id   string
		more []byte
		code int
	}{{"minimum-0", tagged(0, false, []byte{0}), 0}, {"minimum-1", tagged(0, false, []byte{1}), 49}, {"maximum", tagged(1, false, []byte{9}), 49}} {
		value := sequence(tagged(0, true, sequence(dns("example"), ranged.more)))
		ca := k.ca("ranged", k.root, withExtension(asn1.ObjectIdentifier{2, 5, 29, 30}, false, value))
		k.add("rfc5280::nc::"+ranged.id, ranged.code, k.leafBelow(ca, plain))
	}
	bound := k.ca("bound root", nil, constrained(one(dns("other.example")), nil))
	k.add("rfc5280::nc::in-the-root", 47, []*issued{k.leaf(bound, plain)}, trusting(bound))
	ca := k.ca("constrained", k.root, constrained(one(directory(pkix.Name{Organization: []string{"crossring"}})), nil))
	stranger := k.ca("stranger", ca, func(t *x509.Certificate) { t.Subject.Organization = []string{"elsewhere"} })
	k.add("rfc5280::nc::binds-intermediates", 47, []*issued{k.leaf(stranger, plain), stranger, ca})
	tight := k.ca("rolled", k.root, constrained(one(directory(pkix.Name{Organization: []string{"elsewhere"}})), nil))
	again := k.ca("rolled", tight, keyOf(tight))
	k.add("rfc5280::nc::self-issued-is-free", 47, []*issued{k.leaf(again, plain), again, tight})
	many := make([][]byte, 1100)
	for i := range many {
		many[i] = dns(fmt.Sprintf("n%d.test", i))
	}
	k.add("pathological::nc-dos", 1, k.below(nil, many, called(append([][]byte{dns("node.example")}, many...)...)))
}

// hostKinds are names and wildcards.
func (k *kinds) hostKinds() {
	host := func(id string, code int, name, want string, edits ...func(*kind)) {
		k.add("webpki::san::"+id, code, k.leafBelow(k.inter, called(dns(name))), append([]func(*kind){forPeer("DNS", want)}, edits...)...)
	}
	const partial = "the suite refuses wildcards that are part of a label; OpenSSL takes them"
	host("exact", 0, "node.example", "NODE.example")
	host("mismatch", 62, "node.example", "mode.example")
	host("wildcard", 0, "*.nodes.example", "a.nodes.example")
	host("wildcard-of-two-labels", 62, "*.nodes.example", "a.b.nodes.example")
	host("host-with-a-leading-dot", 0, "*.nodes.example", ".nodes.example",
		differing(62, "OpenSSL takes a host with a leading dot for all hosts below it; pki verify asks for a host"), expecting(failure, "it is no host"))
	host("wildcard-at-the-start", 0, "*de.nodes.example", "node.nodes.example", expecting(failure, partial))
	host("wildcard-at-the-end", 0, "no*.nodes.example", "node.nodes.example", expecting(failure, partial))
	host("wildcard-for-nothing-at-the-end", 0, "node*.nodes.example", "node.nodes.example", expecting(failure, partial))
	host("wildcard-in-the-middle", 62, "n*de.nodes.example", "node.nodes.example")
	host("wildcard-second-label", 62, "node.*.example", "node.nodes.example")
	host("wildcard-twice", 62, "*.*.example", "node.nodes.example")
	host("wildcard-before-one-label", 62, "*.example", "node.example", expecting(success, "the suite takes a wildcard right below the top; OpenSSL wants two labels behind it"))
	host("wildcard-and-punycode", 0, "*.nodes.example", "xn--ber-goa.nodes.example")
	host("part-of-a-label-and-punycode", 62, "xn*.nodes.example", "xn--ber-goa.nodes.example")
	host("hyphen-before-a-wildcard", 62, "node-*.nodes.example", "node-1.nodes.example")
	host("underscore", 0, "a_b.nodes.example", "a_b.nodes.example", expecting(failure, "the suite refuses an underscore in a name; OpenSSL compares it"))
	host("trailing-dot", 62, "node.example", "node.example.")
	host("address-as-dns-name-for-a-name", 62, "10.0.0.1", "node.example")
	k.add("webpki::san::ip", 0, k.leafBelow(k.inter, called(address([]byte{10, 0, 0, 1}))), forPeer("IP", "10.0.0.1"))
	k.add("webpki::san::ip-mapped", 64, k.leafBelow(k.inter, called(address(net.ParseIP("::ffff:10.0.0.1")))), forPeer("IP", "10.0.0.1"))
	k.add("webpki::san::ip-as-dns-name", 64, k.leafBelow(k.inter, called(dns("10.0.0.1"))), forPeer("IP", "10.0.0.1"))
	const cn = "the suite, as browsers, takes no name from the common name; OpenSSL does where there is no DNS name"
	k.add("webpki::cn::no-san", 0, k.leafBelow(k.inter, names(nil), commonName("node.example")), forPeer("DNS", "node.example"), expecting(failure, cn))
	k.add("webpki::cn::beside-an-address", 0, k.leafBelow(k.inter, called(address([]byte{10, 0, 0, 1})), commonName("node.example")), forPeer("DNS", "node.example"), expecting(failure, cn))
	k.add("webpki::cn::not-in-san", 62, k.leafBelow(k.inter, called(dns("other.example")), commonName("node.example")), forPeer("DNS", "node.example"))
}

// extensionKinds are usages, critical extensions and places in the chain.
func (k *kinds) extensionKinds() {
	leaf := func(id string, code int, edits ...edit) { k.add(id, code, k.leafBelow(k.inter, edits...)) }
	const strict = "Go does not read it: pki verify says why"
	ca := func(id string, code int, edits ...edit) { k.add(id, code, k.leafBelow(k.ca("ca", k.root, edits...))) }
	key := k.leaf(k.inter).cert.AuthorityKeyId
	k.add("rfc5280::aki::critical", 34, k.leafBelow(k.inter, withExtension(asn1.ObjectIdentifier{2, 5, 29, 35}, true, sequence(tagged(0, false, key)))), differing(unread, strict))
	k.add("rfc5280::ski::critical", 34, k.leafBelow(k.inter, withExtension(asn1.ObjectIdentifier{2, 5, 29, 14}, true, mustDER([]byte("12345678"), ""))), differing(unread, strict))
	leaf("rfc5280::aki::other-serial", 20, withExtension(asn1.ObjectIdentifier{2, 5, 29, 35}, false,
		sequence(tagged(0, false, key), tagged(1, true, directory(k.root.cert.Subject)), tagged(2, false, []byte{1}))))
	leaf("rfc5280::aki::other-key", 20, withExtension(asn1.ObjectIdentifier{2, 5, 29, 35}, false, sequence(tagged(0, false, []byte("x")))))
	ca("rfc5280::aki::ca-without", 0, noKeyID)
	leaf("rfc5280::unknown-critical-extension-ee", 34, critical)
	ca("rfc5280::unknown-critical-extension-ica", 34, critical)
	proxy := sequence(sequence(mustDER(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 1}, "")))
	leaf("rfc3820::proxy", 40, names(nil), withExtension(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 14}, true, proxy))
	netscape := func(bits byte) edit {
		return withExtension(asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 1}, false, mustDER(asn1.BitString{Bytes: []byte{bits}, BitLength: 8}, ""))
	}
	leaf("netscape::server", 0, netscape(0x40))
	leaf("netscape::client-as-server", 26, netscape(0x80))
	k.add("netscape::server-as-client", 26, k.leafBelow(k.inter, netscape(0x40)), asClientKind)
	ca("netscape::ca-without-constraints", 79, noBasics, usage(0), netscape(0x04))
	oldRoot := k.ca("netscape root", nil, noBasics, usage(0), netscape(0x04))
	k.add("netscape::root", 0, []*issued{k.leaf(oldRoot)}, trusting(oldRoot), expecting(failure, "the suite wants basic constraints in a root"))
	mailRoot := k.ca("netscape root", nil, noBasics, usage(0), netscape(0x02))
	k.add("netscape::root-for-mail", 26, []*issued{k.leaf(mailRoot)}, trusting(mailRoot))
	leaf("rfc5280::policies::critical", 0, withExtension(asn1.ObjectIdentifier{2, 5, 29, 32}, true, sequence(sequence(mustDER(asn1.ObjectIdentifier{1, 2, 3}, "")))))
	ca("rfc5280::pc::explicit-policy", 0, withExtension(asn1.ObjectIdentifier{2, 5, 29, 36}, true, sequence(tagged(0, false, []byte{0}))))
	blocks := sequence(sequence(mustDER([]byte{0, 1}, ""), sequence(mustDER(asn1.BitString{Bytes: []byte{10}, BitLength: 8}, ""))))
	k.add("rfc3779::unnested", 46, k.leafBelow(k.inter, withExtension(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 7}, false, blocks)),
		differing(50, "address blocks are for routers: pki verify does not check them, and says so"))
	leaf("rfc5280::eku::any", 26, extended(x509.ExtKeyUsageAny))
	leaf("rfc5280::eku::client", 26, extended(asClient))
	ca("webpki::eku::ca-for-clients", 26, extended(asClient))
	ca("rfc5280::ca-without-certsign", 79, usage(x509.KeyUsageCRLSign))
	ca("rfc5280::ca-false", 79, noCA)
	self := k.sign(k.template("rolled", []edit{func(t *x509.Certificate) { t.IsCA, t.KeyUsage = true, certSign }, pathLen(0)}), k.ec(), k.root)
	rolled := k.ca("rolled", self, keyOf(self))
	k.add("pathlen::self-issued-does-not-count", 0, []*issued{k.leaf(rolled), rolled, self})
	deeper := k.ca("deeper", self)
	k.add("pathlen::exceeded", 25, []*issued{k.leaf(deeper), deeper, self})
	long := k.ca("long root", nil, during(-day, 90*day))
	longInter := k.ca("long", long, during(-day, 60*day))
	c := k.leaf(longInter)
	for _, v := range []struct {
		id   string
		code int
		at   time.Time
		more []func(*kind)
	}{
		{"notafter-before", 0, c.cert.NotAfter.Add(-time.Second), nil},
		{"notafter-exact", 10, c.cert.NotAfter, []func(*kind){expecting(success, "RFC 5280 counts the last second in; OpenSSL does not")}},
		{"notafter-after", 10, c.cert.NotAfter.Add(time.Second), nil},
		{"notbefore-exact", 0, c.cert.NotBefore, nil},
		{"notbefore-before", 9, c.cert.NotBefore.Add(-time.Second), nil},
	} {
		when := v.at.UTC().Format(time.RFC3339)
		k.add("rfc5280::validity::"+v.id, v.code, []*issued{c, longInter}, append(v.more, trusting(long), func(c *kind) { c.Time = &when })...)
	}
}

// listKinds are revocation lists.
func (k *kinds) listKinds() {
	node := k.leaf(k.inter)
	chain := []*issued{node, k.inter}
	list := func(edits ...func(*x509.RevocationList)) *x509.RevocationList { return k.listWith(k.inter, edits...) }
	add := func(id string, code int, edits ...func(*x509.RevocationList)) {
		k.add("crl::"+id, code, chain, withLists(list(edits...)))
	}
	revoke := func(reason int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: node.cert.SerialNumber, RevocationTime: k.now.Add(-time.Hour), ReasonCode: reason})
		}
	}
	extra := func(oid asn1.ObjectIdentifier, critical bool, value []byte) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
		}
	}
	scope := func(parts ...[]byte) func(*x509.RevocationList) {
		return extra(asn1.ObjectIdentifier{2, 5, 29, 28}, true, sequence(parts...))
	}
	yes := []byte{0xff}
	point := func(url string) []byte { return tagged(0, true, tagged(0, true, uri(url))) }
	number := func(n int64) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) { l.Number = big.NewInt(n) }
	}
	delta := func(base int64) func(*x509.RevocationList) {
		return extra(asn1.ObjectIdentifier{2, 5, 29, 27}, true, mustDER(big.NewInt(base), ""))
	}
	unknown := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 55555, 1}
	add("not-revoked", 0)
	add("revoked", 23, revoke(0))
	add("revoked-for-a-reason", 23, revoke(1))
	add("taken-off", 0, revoke(8))
	add("expired", 12, func(l *x509.RevocationList) { l.NextUpdate = k.now.Add(-time.Hour) })
	add("not-yet-valid", 11, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = k.now.Add(time.Hour), k.now.Add(day) })
	add("unknown-critical", 36, extra(unknown, true, []byte{5, 0}))
	add("unknown-not-critical", 0, extra(unknown, false, []byte{5, 0}))
	add("unknown-critical-in-an-entry", 36, func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(5), RevocationTime: k.now, ExtraExtensions: []pkix.Extension{{Id: unknown, Critical: true, Value: []byte{5, 0}}}}}
	})
	add("only-cas", 44, scope(tagged(2, false, yes)))
	add("only-users", 0, scope(tagged(1, false, yes)))
	add("only-attributes", 44, scope(tagged(5, false, yes)))
	add("only-cas-and-users", 3, scope(tagged(1, false, yes), tagged(2, false, yes)))
	add("indirect", 3, scope(tagged(4, false, yes)))
	add("some-reasons", 3, scope(tagged(3, false, []byte{1, 0x40})))
	add("part-that-is-not-named", 44, scope(point("http://crl.example/1")))
	k.add("crl::delta-alone", 0, chain, withLists(list(delta(1), number(2))),
		differing(3, "OpenSSL before 3.0.20 takes a delta for the whole list"), expecting(failure, "a delta is not the whole list"))
	authority := k.ca("policy", k.root, usage(certSign|digital))
	k.add("crl::only-users-for-a-ca", 44, []*issued{authority}, withLists(k.listWith(k.root, scope(tagged(1, false, yes)))), func(c *kind) { c.Expected = failure })
	named := func(url string, more ...[]byte) *issued {
		return k.leaf(k.inter, withExtension(asn1.ObjectIdentifier{2, 5, 29, 31}, false, sequence(sequence(append([][]byte{point(url)}, more...)...))))
	}
	one := named("http://crl.example/1")
	k.add("crl::part-that-is-named", 0, []*issued{one, k.inter}, withLists(list(scope(point("http://crl.example/1")))))
	k.add("crl::other-part-than-named", 44, []*issued{one, k.inter}, withLists(list(scope(point("http://crl.example/2")))))
	k.add("crl::whole-for-a-named-part", 0, []*issued{one, k.inter}, withLists(list()))
	k.add("crl::right-part-of-two", 0, []*issued{one, k.inter}, withLists(list(scope(point("http://crl.example/2"))), list(scope(point("http://crl.example/1")))))
	for_ := named("http://crl.example/1", tagged(1, false, []byte{1, 0x40}))
	k.add("crl::part-for-some-reasons", 3, []*issued{for_, k.inter}, withLists(list()))
	elsewhere := named("http://crl.example/1", tagged(2, true, directory(pkix.Name{CommonName: "another"})))
	k.add("crl::of-another-issuer-than-named", 0, []*issued{elsewhere, k.inter}, withLists(list()))
	newer := list()
	k.add("crl::newer-of-two", 0, chain, withLists(list(revoke(0), func(l *x509.RevocationList) { l.ThisUpdate = k.now.Add(-3 * time.Hour) }), newer))
	k.add("crl::delta-revokes", 0, chain, withLists(list(), list(delta(1), number(2), revoke(0))),
		differing(23, "openssl verify reads no deltas unless told to; pki verify takes what they revoke"), expecting(failure, "a delta that is at hand counts"))
	k.add("crl::delta-of-a-later-list", 0, chain, withLists(list(), list(delta(5), number(6), revoke(0))))
	k.add("crl::delta-takes-back", 23, chain, withLists(list(revoke(0)), list(delta(1), number(2), revoke(8))))
	mute := k.ca("mute", k.root, usage(certSign))
	speaks := *mute.cert
	speaks.KeyUsage |= x509.KeyUsageCRLSign
	k.add("crl::issuer-may-not-sign", 35, k.leafBelow(mute), withLists(k.listWith(&issued{&speaks, mute.key})))
	k.add("crl::issuer-mismatch", 3, chain, withLists(k.listWith(k.ca("another", k.root))))
	k.add("crl::other-key-of-that-name", 3, chain, withLists(k.listWith(k.ca("intermediate", k.root))))
	k.add("crl::damaged", 8, chain, withLists(damagedList(k.mint, k.inter)))
}

// listWith is a revocation list of a CA, changed.
func (m *mint) listWith(ca *issued, edits ...func(*x509.RevocationList)) *x509.RevocationList {
	m.t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: m.now.Add(-2 * time.Hour), NextUpdate: m.now.Add(day)}
	for _, e := range edits {
		e(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, ca.cert, ca.key)
	if err != nil {
		m.t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		m.t.Fatal(err)
	}
	return parsed
}

// signatureKinds are keys and signatures that openssl makes: Go makes few of them.
func (k *kinds) signatureKinds(openssl string) {
	dir := k.t.TempDir()
	run := func(args ...string) {
		k.t.Helper()
		cmd := exec.CommandContext(k.t.Context(), openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			k.t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	file := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			k.t.Fatal(err)
		}
		return string(data)
	}
	write(k.t, filepath.Join(dir, "ca.cnf"), []byte("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"))
	write(k.t, filepath.Join(dir, "leaf.cnf"), []byte("keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:node.example\n"))
	// key makes a key; they take long, so one of a kind does.
	made := map[string]string{}
	key := func(args []string) string {
		id := strings.Join(args, " ")
		if made[id] == "" {
			made[id] = fmt.Sprintf("key%d.pem", len(made))
			run(append([]string{"genpkey", "-out", made[id]}, args...)...)
		}
		return made[id]
	}
	// signed is a CA with a key and a leaf with another, signed with options.
	signed := func(id string, code int, caKey, leafKey []string, sign []string, edits ...func(*kind)) {
		k.t.Helper()
		caFile, leafFile := key(caKey), key(leafKey)
		run(append([]string{"req", "-new", "-key", caFile, "-subj", "/CN=ca of " + id, "-out", "ca.csr"}, sign...)...)
		run(append([]string{"x509", "-req", "-in", "ca.csr", "-signkey", caFile, "-days", "30", "-extfile", "ca.cnf", "-out", "ca.pem"}, sign...)...)
		run("req", "-new", "-key", leafFile, "-subj", "/CN=node", "-out", "leaf.csr")
		run(append([]string{"x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", caFile, "-CAcreateserial", "-days", "20", "-extfile", "leaf.cnf", "-out", "leaf.pem"}, sign...)...)
		c := kind{code: code, ours: code}
		c.ID, c.Kind, c.Expected = "signatures::"+id, "SERVER", success
		if code != 0 {
			c.Expected = failure
		}
		c.Trusted, c.Peer = []string{file("ca.pem")}, file("leaf.pem")
		for _, e := range edits {
			e(&c)
		}
		k.all = append(k.all, c)
	}
	rsa := []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	ec := func(curve string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve}
	}
	pss := func(hash, mask, salt string) []string {
		return []string{"-" + hash, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_mgf1_md:" + mask, "-sigopt", "rsa_pss_saltlen:" + salt}
	}
	signed("pss-salt-32", 0, rsa, ec("P-256"), pss("sha256", "sha256", "32"))
	signed("pss-salt-20", 0, rsa, ec("P-256"), pss("sha256", "sha256", "20"))
	signed("pss-salt-0", 0, rsa, ec("P-256"), pss("sha384", "sha384", "0"))
	signed("pss-longest-salt", 0, rsa, ec("P-256"), pss("sha512", "sha512", "max"))
	signed("pss-sha-1", 68, rsa, ec("P-256"), pss("sha1", "sha1", "20"))
	signed("pss-two-hashes", 0, rsa, ec("P-256"), pss("sha256", "sha1", "20"), differing(50, "Go checks RSA-PSS with one hash for both alone: pki verify says that it can't"))
	signed("pss-key", 0, []string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"}, ec("P-256"), []string{"-sha256"})
	signed("pss-key-with-parameters", 0, []string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_pss_keygen_md:sha256",
		"-pkeyopt", "rsa_pss_keygen_mgf1_md:sha256", "-pkeyopt", "rsa_pss_keygen_saltlen:32"}, ec("P-256"), []string{"-sha256", "-sigopt", "rsa_pss_saltlen:32"})
	signed("rsa-sha-224", 0, rsa, ec("P-256"), []string{"-sha224"})
	signed("rsa-sha-1", 68, rsa, ec("P-256"), []string{"-sha1"})
	signed("rsa-md5", 68, rsa, ec("P-256"), []string{"-md5"})
	signed("ecdsa-p384-sha-512", 0, ec("P-384"), ec("P-521"), []string{"-sha512"})
	signed("p-224", 0, ec("P-224"), ec("P-224"), []string{"-sha256"})
	signed("rsa-1024-leaf", 66, rsa, []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"}, []string{"-sha256"})
	signed("rsa-1024-ca", 67, []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"}, ec("P-256"), []string{"-sha256"})
	signed("rsa-2040-leaf", 0, rsa, []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2040"}, []string{"-sha256"})
	signed("rsa-1900-leaf", 66, rsa, []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1900"}, []string{"-sha256"})
	signed("rsa-512-leaf", 66, rsa, []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512"}, []string{"-sha256"})
	signed("ed25519", 0, []string{"-algorithm", "ED25519"}, []string{"-algorithm", "ED25519"}, nil)
	const rare = "Go has no such curve: pki verify says that it can't check it"
	signed("ed448-ca", 0, []string{"-algorithm", "ED448"}, ec("P-256"), nil, differing(50, rare))
	signed("ed448-leaf", 0, ec("P-256"), []string{"-algorithm", "ED448"}, nil, differing(50, rare))
	signed("sm2-ca", 0, ec("SM2"), ec("P-256"), []string{"-sm3"}, differing(20, rare))
	signed("brainpool-leaf", 0, ec("P-256"), ec("brainpoolP256r1"), nil, differing(unread, rare))
	dsa := func(bits, q, hash string, code int, edits ...func(*kind)) {
		run("genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:"+bits, "-pkeyopt", "dsa_paramgen_q_bits:"+q, "-out", "dsa"+bits)
		signed("dsa-"+bits, code, []string{"-paramfile", "dsa" + bits}, ec("P-256"), []string{"-" + hash}, edits...)
	}
	dsa("1024", "160", "sha256", 67)
	dsa("2048", "224", "sha256", 0)
}

// unread stands for a file that pki verify can't read, and says so.
const unread = -1

// TestLimboKinds makes chains of the kinds that C2SP's x509-limbo has, and of kinds
// that its authors left out, and holds pki verify against openssl verify and against
// the result that the suite expects. Every difference has its reason beside it.
func TestLimboKinds(t *testing.T) {
	openssl := needOpenSSL(t)
	m := newMint(t)
	k := &kinds{mint: m}
	m.lenient = true
	k.root = m.ca("root", nil)
	k.inter = m.ca("intermediate", k.root, pathLen(0))
	k.nameKinds()
	k.hostKinds()
	k.extensionKinds()
	k.inter = m.ca("intermediate", k.root)
	k.listKinds()
	k.signatureKinds(openssl)
	var table strings.Builder
	counts := map[string]int{}
	for _, c := range k.all {
		ours, theirs, skip := judgeLimbo(t, openssl, c.limboCase)
		if skip != "" {
			t.Errorf("%s: %s", c.ID, skip)
			continue
		}
		counts["chains"]++
		first := func(v limboVerdict) int {
			code := 0
			switch {
			case v.ok:
			case strings.HasPrefix(v.words, "not readable"):
				code = unread
			default:
				if _, err := fmt.Sscanf(v.words, "%d@", &code); err != nil {
					t.Errorf("no code in %q: %v", v.words, err)
				}
			}
			return code
		}
		if first(theirs) != c.code && first(theirs) != c.ours { // another OpenSSL may agree
			t.Errorf("%s: openssl says %s, want %d first", c.ID, theirs.words, c.code)
		}
		if first(ours) != c.ours {
			t.Errorf("%s: pki verify says %s, want %d first", c.ID, ours.words, c.ours)
		}
		if c.ours == c.code && !strings.HasPrefix(ours.words, theirs.words) && !subset(theirs.words, ours.words) {
			t.Errorf("%s: openssl says %s, and pki verify not all of it: %s", c.ID, theirs.words, ours.words)
		}
		if ours.ok && !theirs.ok {
			t.Errorf("%s: a wrong ok: openssl says %s", c.ID, theirs.words)
		}
		if ours.ok == theirs.ok {
			counts["verdict as openssl"]++
		}
		if ours.ok == (c.Expected == success) {
			counts["verdict as expected"]++
		}
		if (c.ours != c.code) != (c.differs != "") {
			t.Errorf("%s: the codes are %d and %d, and the reason %q", c.ID, c.ours, c.code, c.differs)
		}
		if theirs.ok != (c.Expected == success) && c.suite == "" {
			t.Errorf("%s: expected %s, openssl says %s, and nothing explains it", c.ID, c.Expected, theirs.words)
		}
		for _, why := range []string{c.differs, c.suite} {
			if why != "" {
				fmt.Fprintf(&table, "%-50s expected %-7s pki verify %-14.14s openssl %-10s %s\n", c.ID, c.Expected, ours.words, theirs.words, why)
			}
		}
	}
	t.Logf("%v\n%s", counts, table.String())
}

// subset says that each word of one is in the other.
func subset(one, all string) bool {
	for _, w := range strings.Fields(one) {
		if !strings.Contains(" "+all+" ", " "+w+" ") {
			return false
		}
	}
	return true
}
