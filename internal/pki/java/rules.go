// Package java says what Java makes of a certificate chain, which is who decides on a
// ring: by the rules of the versions that Cassandra runs on and, where there is a JDK, by
// asking it.
package java

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"slices"
	"strings"

	"crossring/internal/pki/chain"
)

// Names of the judges.
const (
	OpenSSL = "openssl" // whose rules pki verify has
	Java    = "java"
)

// Verdict is what one judge says.
type Verdict struct {
	Judge string `json:"judge"`
	// Asked says that a JDK here was asked; else it is by the rules.
	Asked   bool   `json:"asked"`
	Version string `json:"version"` // of the JDK, or of that whose rules they are
	OK      bool   `json:"ok"`
	Message string `json:"message"` // why not; "" where it is
	// Reason names why the verdict is another than pki verify's, as docs/tls.md has it, and
	// Why says it. Both are empty where it is the same.
	Reason string `json:"reason"`
	Why    string `json:"why"`
}

// Version is the Java whose rules Rules has.
const Version = "17"

var (
	oidKeyUsage        = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidExtKeyUsage     = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// Codes of OpenSSL's that the rules look at.
const (
	codeNoIssuer      = 2
	codeExpired       = 10
	codeNotYetValid   = 9
	codeNoLocalIssuer = 20
	codePathLength    = 25
	codeHost          = 62
	codeAddress       = 64
	codeLeafKeyWeak   = 66
	codeCAKeyWeak     = 67
	codeCADigestWeak  = 68
)

// revocation are the codes of lists and of OCSP.
func revocation() []int { return []int{3, 8, 11, 12, 23, 35, 36, 44, 73, 74, 75} }

// reasons say why Java's verdict may be another, by the names in docs/tls.md.
func reasons() map[string]string {
	return map[string]string{
		"intermediate-anchor":        "Java takes any certificate of the trust store as an anchor, and OpenSSL goes on to a root",
		"anchor-dates":               "Java does not look at the dates of what it trusts",
		"anchor-path-length":         "Java does not look at the path length of what it trusts",
		"anchor-name-constraints":    "Java does not look at the name constraints of what it trusts",
		"anchor-without-constraints": "Java refuses an anchor without basic constraints",
		"any-extended-usage":         "Java takes anyExtendedKeyUsage for every use",
		"extended-usage-of-ca":       "Java looks at the leaf's extended usage alone",
		"usage-of-the-suite":         "Java asks for digitalSignature, which ECDHE and TLS 1.3 need",
		"small-curve":                "Java speaks TLS on P-256, P-384 and P-521 alone, from 16 on",
		"small-rsa":                  "Java takes RSA of 1,024 bits and more",
		"sha-1":                      "Java takes SHA-1 below roots of one's own",
		"short-wildcard":             "Java takes a wildcard with one label behind it",
		"no-revocation":              "Cassandra's Java asks for no revocation",
		"crossring":                  "the error is a verdict of crossring's own, which Java has not got",
	}
}

// Rules judges a chain by the rules of Java's TLS. report is what chain.Verify said of the
// same.
func Rules(leaf *x509.Certificate, sent []*x509.Certificate, o chain.Options, report chain.Report) Verdict {
	j := &judge{o: o, leaf: leaf}
	j.run(sent)
	v := Verdict{Judge: Java, Version: Version, OK: len(j.wrong) == 0}
	if !v.OK {
		v.Message = j.wrong[0].text
	}
	if v.OK != report.OK {
		v.Reason = j.why(report)
		v.Why = reasons()[v.Reason]
	}
	return v
}

// finding is what Java refuses a chain for, and the reason that it has and OpenSSL has not;
// "" is that both do.
type finding struct{ text, reason string }

type judge struct {
	o     chain.Options
	leaf  *x509.Certificate
	wrong []finding
	freed []string // reasons for which something that OpenSSL refuses is taken
}

func (j *judge) refuse(reason, format string, args ...any) {
	j.wrong = append(j.wrong, finding{fmt.Sprintf(format, args...), reason})
}

// why names the reason of a difference.
func (j *judge) why(report chain.Report) string {
	if report.OK {
		return j.wrong[0].reason
	}
	if len(j.freed) > 0 {
		return j.freed[0]
	}
	if slices.ContainsFunc(report.Errors, func(p chain.Problem) bool { return slices.Contains(revocation(), p.Code) }) {
		return "no-revocation"
	}
	return "crossring"
}

// run finds a path to something that is trusted, and judges it.
func (j *judge) run(sent []*x509.Certificate) {
	path := j.path([]*x509.Certificate{j.leaf}, append(slices.Clone(sent), j.o.Untrusted...))
	anchor := path[len(path)-1]
	if !contains(j.o.Roots, anchor) {
		j.refuse("", "it finds no path to what is trusted: the issuer %q is not at hand, or has another key", chain.Name(anchor.RawIssuer))
		return
	}
	if len(path) > 1 {
		j.chainOf(path, anchor)
	} else if !selfSigned(anchor) {
		j.freed = append(j.freed, "intermediate-anchor")
	}
	j.uses(path)
	j.identity()
}

// path leads from a leaf upwards to a certificate that is trusted, by names and
// signatures. Of several the first is taken whose certificates count now. Where there is
// none, it is as far as it got.
func (j *judge) path(below, hand []*x509.Certificate) []*x509.Certificate {
	top := below[len(below)-1]
	if contains(j.o.Roots, top) {
		return below
	}
	best := below
	for _, list := range [][]*x509.Certificate{j.o.Roots, hand} {
		for _, fresh := range []bool{true, false} {
			for _, c := range list {
				counts := !j.o.At.Before(c.NotBefore) && !j.o.At.After(c.NotAfter)
				if counts != fresh || contains(below, c) || !chain.Signed(c, top) || len(below) > 20 {
					continue
				}
				p := j.path(append(slices.Clone(below), c), hand)
				if contains(j.o.Roots, p[len(p)-1]) {
					return p
				}
				if len(p) > len(best) {
					best = p
				}
			}
		}
	}
	return best
}

func contains(list []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(list, c.Equal)
}

func selfSigned(c *x509.Certificate) bool { return chain.Signed(c, c) }

// chainOf judges the certificates of a path as OpenSSL does, and takes back what Java sees
// in another way.
func (j *judge) chainOf(path []*x509.Certificate, anchor *x509.Certificate) {
	last := len(path) - 1
	o := chain.Options{Roots: []*x509.Certificate{chain.WithoutConstraints(anchor)}, At: j.o.At}
	for _, p := range chain.Verify(j.leaf, path[1:last], o).Errors {
		atAnchor := p.Depth == last
		switch {
		case atAnchor && (p.Code == codeNoIssuer || p.Code == codeNoLocalIssuer):
			j.freed = append(j.freed, "intermediate-anchor")
		case atAnchor && (p.Code == codeExpired || p.Code == codeNotYetValid):
			j.freed = append(j.freed, "anchor-dates")
		case atAnchor && p.Code == codePathLength:
			j.freed = append(j.freed, "anchor-path-length")
		case p.Code == codeCADigestWeak && sha1(path[p.Depth]):
			j.freed = append(j.freed, "sha-1")
		case (p.Code == codeLeafKeyWeak || p.Code == codeCAKeyWeak) && enough(path[p.Depth]):
			j.freed = append(j.freed, smallReason(path[p.Depth]))
		default:
			j.refuse("", "%s at depth %d", p.Message, p.Depth)
		}
	}
	if has(anchor, oidNameConstraints) {
		j.freed = append(j.freed, "anchor-name-constraints")
	}
	if !anchor.BasicConstraintsValid && anchor.Version >= 3 {
		j.refuse("anchor-without-constraints", "the anchor %q has no basic constraints", chain.Name(anchor.RawSubject))
	}
}

func sha1(c *x509.Certificate) bool {
	return strings.Contains(strings.ReplaceAll(strings.ToLower(chain.SignatureName(c)), "-", ""), "sha1")
}

// enough says whether a key is strong enough for Java, which is less than OpenSSL's
// security level 2 asks for.
func enough(c *x509.Certificate) bool {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= 1024
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize >= 224
	}
	return false
}

func smallReason(c *x509.Certificate) string {
	if _, ok := c.PublicKey.(*rsa.PublicKey); ok {
		return "small-rsa"
	}
	return "small-curve"
}

// uses judges what the leaf may be used for.
func (j *judge) uses(path []*x509.Certificate) {
	c := j.leaf
	type use struct {
		name string
		eku  x509.ExtKeyUsage
	}
	server, client := use{"serverAuth", x509.ExtKeyUsageServerAuth}, use{"clientAuth", x509.ExtKeyUsageClientAuth}
	var needs []use
	switch j.o.Purpose {
	case chain.Server:
		needs = []use{server}
	case chain.Client:
		needs = []use{client}
	case chain.Internode:
		needs = []use{server, client}
	}
	if len(needs) == 0 {
		return
	}
	if k, ok := c.PublicKey.(*ecdsa.PublicKey); ok && k.Curve == elliptic.P224() {
		j.refuse("small-curve", "its key is ECDSA P-224, a curve that Java's TLS does not speak")
	}
	usage := has(c, oidKeyUsage)
	for _, n := range needs {
		any := slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
		switch {
		case has(c, oidExtKeyUsage) && !any && !slices.Contains(c.ExtKeyUsage, n.eku):
			j.refuse("", "its extended key usage is without %s", n.name)
		case has(c, oidExtKeyUsage) && any && !slices.Contains(c.ExtKeyUsage, n.eku):
			j.freed = append(j.freed, "any-extended-usage")
		}
		if usage && c.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
			j.refuse("usage-of-the-suite", "its key usage is without digitalSignature")
		}
		for _, ca := range path[1:] {
			if has(ca, oidExtKeyUsage) && !slices.Contains(ca.ExtKeyUsage, n.eku) {
				j.freed = append(j.freed, "extended-usage-of-ca")
			}
		}
	}
}

// identity judges the address or the name that the leaf is to be for.
func (j *judge) identity() {
	o := chain.Options{At: j.o.At, IP: j.o.IP, Host: j.o.Host}
	for _, p := range chain.Verify(j.leaf, nil, o).Errors {
		switch {
		case p.Code == codeHost && j.shortWildcard():
			j.freed = append(j.freed, "short-wildcard")
		case p.Code == codeHost || p.Code == codeAddress:
			j.refuse("", "%s", p.Message)
		}
	}
}

// shortWildcard says whether a name such as *.example stands for the host.
func (j *judge) shortWildcard() bool {
	if net.ParseIP(j.o.Host) != nil {
		return false
	}
	_, rest, ok := strings.Cut(strings.ToLower(j.o.Host), ".")
	return ok && !strings.Contains(rest, ".") && slices.ContainsFunc(j.leaf.DNSNames, func(n string) bool { return strings.ToLower(n) == "*."+rest })
}

func has(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
}
