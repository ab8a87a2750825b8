// Package chain verifies a certificate chain by a walk of its own, and says every
// error at every depth by the number and the name that OpenSSL 3 gives it. The
// order of the checks is that of OpenSSL's X509_verify_cert, so that the first
// error is the one that openssl verify prints first; unlike it, the walk goes on.
//
// The package is pure: trust, time and revocation lists are handed in.
package chain

import (
	"bytes"
	"crypto/x509"
	"time"
)

// Purposes that a chain can be verified for. Internode is both: a Cassandra node
// dials and is dialled with one certificate.
const (
	Server    = "server"
	Client    = "client"
	Internode = "internode"
)

// Options is what a chain is held against.
type Options struct {
	Roots []*x509.Certificate // trusted; only one that signed itself ends a chain
	// Untrusted are further certificates to build the chain from.
	Untrusted []*x509.Certificate
	CRLs      []*x509.RevocationList
	// Revoked are serial numbers, decimal, with the reason that a responder gave.
	Revoked map[string]string
	Purpose string // Server, Client, Internode; "" does not check it
	IP      string // an address that must be among the SANs; "" does not check
	Host    string // a name that must be
	At      time.Time
	// CheckCRL asks for a list of the leaf's issuer: without one that is an error.
	CheckCRL bool
}

// Problem is one error at one depth; 0 is the leaf.
type Problem struct {
	Depth   int    `json:"depth"`
	Code    int    `json:"code"` // OpenSSL 3's
	Name    string `json:"name"` // OpenSSL 3's, X509_V_ERR_ left off
	Subject string `json:"subject"`
	Message string `json:"message"`
	Hint    string `json:"hint"` // what to ask the CA for
}

// Link is one certificate of the chain.
type Link struct {
	Depth       int       `json:"depth"`
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Key         string    `json:"key"` // "ECDSA P-256", "RSA 2048"
	KeyUsage    []string  `json:"key_usage"`
	ExtKeyUsage []string  `json:"ext_key_usage"`
	Trusted     bool      `json:"trusted"` // it is one of the roots
}

// Report is what came of a verification.
type Report struct {
	OK     bool      `json:"ok"`
	Chain  []Link    `json:"chain"`
	Errors []Problem `json:"errors"`
	// Tried are certificates that were at hand as an issuer and are not it, and why:
	// what openssl verify -issuer_checks once printed.
	Tried []Problem `json:"tried"`
}

// walk is one verification.
type walk struct {
	o         Options
	chain     []*x509.Certificate
	untrusted int // how many of the chain, from the leaf, are not from the roots
	report    Report
}

// Verify walks from a leaf to a root. sent are the certificates that came with the
// leaf, in their order; they count as untrusted.
func Verify(leaf *x509.Certificate, sent []*x509.Certificate, o Options) Report {
	w := &walk{o: o, report: Report{Chain: []Link{}, Errors: []Problem{}, Tried: []Problem{}}}
	w.o.Untrusted = append(append([]*x509.Certificate{}, sent...), o.Untrusted...)
	w.build(leaf)
	w.extensions()
	w.strength()
	w.identity()
	w.revocation()
	w.signatures()
	w.constraints()
	for i, c := range w.chain {
		w.report.Chain = append(w.report.Chain, Describe(i, c, i >= w.untrusted))
	}
	w.report.OK = len(w.report.Errors) == 0
	return w.report
}

// fail notes an error at a depth, once.
func (w *walk) fail(depth, code int, detail string) {
	subject := ""
	if depth < len(w.chain) {
		subject = Name(w.chain[depth].RawSubject)
	}
	for _, p := range w.report.Errors {
		if p.Depth == depth && p.Code == code {
			return
		}
	}
	w.report.Errors = append(w.report.Errors, problem(depth, code, subject, detail))
}

// build grows the chain from the leaf: trusted issuers before untrusted ones, of
// several one that is valid now.
func (w *walk) build(leaf *x509.Certificate) {
	w.chain, w.untrusted = []*x509.Certificate{leaf}, 1
	for len(w.chain) < 100 {
		top := w.chain[len(w.chain)-1]
		if likelyIssued(top, top) == 0 {
			if w.untrusted == len(w.chain) && contains(w.o.Roots, top) {
				w.untrusted--
			}
			break
		}
		next := w.pick(top, w.o.Roots)
		if next == nil && w.untrusted == len(w.chain) {
			if next = w.pick(top, w.o.Untrusted); next != nil {
				w.untrusted++
			}
		}
		if next == nil {
			w.tried(top)
			break
		}
		w.chain = append(w.chain, next)
	}
	last := len(w.chain) - 1
	top := w.chain[last]
	switch self := likelyIssued(top, top) == 0; {
	case self && w.untrusted <= last: // ends in a root
	case self && last == 0:
		w.fail(0, codeDepthZeroSelfSigned, "")
	case self:
		w.fail(last, codeSelfSignedInChain, "")
	case w.untrusted <= last:
		w.fail(last, codeNoIssuer, "its issuer is "+quoted(top.RawIssuer))
	default:
		w.fail(last, codeNoIssuerLocally, "its issuer is "+quoted(top.RawIssuer))
	}
}

func quoted(name []byte) string { return `"` + Name(name) + `"` }

// pick finds an issuer of c that is not in the chain yet: the first that is valid
// now, else the one that ends last.
func (w *walk) pick(c *x509.Certificate, from []*x509.Certificate) *x509.Certificate {
	var best *x509.Certificate
	for _, i := range from {
		if likelyIssued(i, c) != 0 || contains(w.chain, i) {
			continue
		}
		if !w.o.At.Before(i.NotBefore) && !w.o.At.After(i.NotAfter) {
			return i
		}
		if best == nil || i.NotAfter.After(best.NotAfter) {
			best = i
		}
	}
	return best
}

// tried says of everything that was at hand why it did not issue c.
func (w *walk) tried(c *x509.Certificate) {
	depth := len(w.chain) - 1
	for _, i := range append(append([]*x509.Certificate{}, w.o.Roots...), w.o.Untrusted...) {
		if contains(w.chain, i) {
			continue
		}
		if code := likelyIssued(i, c); code != 0 {
			w.report.Tried = append(w.report.Tried, problem(depth, code, Name(i.RawSubject), ""))
		}
	}
}

func contains(list []*x509.Certificate, c *x509.Certificate) bool {
	for _, o := range list {
		if bytes.Equal(o.Raw, c.Raw) {
			return true
		}
	}
	return false
}

// likelyIssued says whether issuer can have issued c by name, key identifiers and
// kind of key, without a look at the signature: 0, or OpenSSL's code of why not.
func likelyIssued(issuer, c *x509.Certificate) int {
	if canonical(issuer.RawSubject) != canonical(c.RawIssuer) {
		return codeSubjectIssuerMismatch
	}
	id, serial, hasIssuer := authorityKey(c)
	if len(id) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(id, issuer.SubjectKeyId) {
		return codeAKIDSKIDMismatch
	}
	if serial != nil && serial.Cmp(issuer.SerialNumber) != 0 || hasIssuer != "" && hasIssuer != canonical(issuer.RawIssuer) {
		return codeAKIDIssuerSerialMismatch
	}
	if kind := signatureKind(c.SignatureAlgorithm); kind != x509.UnknownPublicKeyAlgorithm && issuer.PublicKeyAlgorithm != kind {
		return codeSignatureAlgorithmMismatch
	}
	return 0
}

// signatureKind is the kind of key that makes a signature.
func signatureKind(a x509.SignatureAlgorithm) x509.PublicKeyAlgorithm {
	switch a {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
		return x509.RSA
	case x509.ECDSAWithSHA1, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return x509.ECDSA
	case x509.PureEd25519:
		return x509.Ed25519
	}
	return x509.UnknownPublicKeyAlgorithm
}
