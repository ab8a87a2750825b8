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
	"math/big"
	"slices"
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
	// Settings say of trusted certificates, by their DER, what they are trusted for.
	// Those that are not in it are trusted for everything.
	Settings map[string]Setting
	CRLs     []*x509.RevocationList
	// Answers are OCSP responses about the leaf, DER, as responders gave them.
	Answers [][]byte
	Purpose string // Server, Client, Internode; "" does not check it
	IP      string // an address that must be among the SANs; "" does not check
	Host    string // a name that must be
	At      time.Time
	// CheckCRL asks for a list of the leaf's issuer: without one that is an error.
	CheckCRL bool
	// CheckOCSP asks for an answer that says that the leaf is good.
	CheckOCSP bool
}

// Setting is what OpenSSL's TRUSTED CERTIFICATE carries: uses by their OIDs, dotted.
// With a list of uses to trust, no other is.
type Setting struct{ Trust, Reject []string }

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
	// Warnings are what the verdict does not hang on.
	Warnings []Warning `json:"warnings"`
	// Tried are certificates that were at hand as an issuer and are not it, and why:
	// what openssl verify -issuer_checks once printed.
	Tried []Problem `json:"tried"`
}

// Warning is something to mind about a chain that may well be right.
type Warning struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// walk is one verification.
type walk struct {
	o         Options
	chain     []*x509.Certificate
	untrusted int  // how many of the chain, from the leaf, are not from the roots
	explicit  bool // the last one is trusted for this use by name, so no root is needed
	report    Report
}

// Verify walks from a leaf to a root. sent are the certificates that came with the
// leaf, in their order; they count as untrusted.
func Verify(leaf *x509.Certificate, sent []*x509.Certificate, o Options) Report {
	w := start(leaf, sent, o)
	w.first(sent)
	w.weakLeaf()
	w.build()
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

func start(leaf *x509.Certificate, sent []*x509.Certificate, o Options) *walk {
	w := &walk{o: o, report: Report{Chain: []Link{}, Errors: []Problem{}, Warnings: []Warning{}, Tried: []Problem{}}}
	w.o.Untrusted = append(append([]*x509.Certificate{}, sent...), o.Untrusted...)
	w.chain, w.untrusted = []*x509.Certificate{leaf}, 1
	return w
}

// first says that a CA stands where the leaf should. OpenSSL takes the first
// certificate for the leaf, whatever it is, and so does a server that is given the
// file.
func (w *walk) first(sent []*x509.Certificate) {
	if !w.chain[0].IsCA {
		return
	}
	for _, c := range sent {
		if !c.IsCA {
			w.fail(0, codeApplication, "a CA stands first, and the leaf, "+quoted(c.RawSubject)+", behind it")
			w.report.Errors[len(w.report.Errors)-1].Hint = "put the leaf first in the file, then the CA that issued it"
			return
		}
	}
}

// Issuer is the certificate that Verify would put above the leaf; nil when none is
// at hand.
func Issuer(leaf *x509.Certificate, sent []*x509.Certificate, o Options) *x509.Certificate {
	w := start(leaf, sent, o)
	w.build()
	if len(w.chain) < 2 {
		return nil
	}
	return w.chain[1]
}

func (w *walk) failed(depth, code int) bool {
	return slices.ContainsFunc(w.report.Errors, func(p Problem) bool { return p.Depth == depth && p.Code == code })
}

func (w *walk) warn(message, hint string) {
	w.report.Warnings = append(w.report.Warnings, Warning{message, hint})
}

// fail notes an error at a depth, once.
func (w *walk) fail(depth, code int, detail string) {
	subject := ""
	if depth < len(w.chain) {
		subject = Name(w.chain[depth].RawSubject)
	}
	if w.failed(depth, code) {
		return
	}
	w.report.Errors = append(w.report.Errors, problem(depth, code, subject, detail))
}

// build grows the chain from the leaf: trusted issuers before untrusted ones, of
// several one that is valid now. It ends with a root, or with a certificate that is
// trusted for this use by name.
func (w *walk) build() {
	for len(w.chain) < 100 && !w.explicit {
		top := w.chain[len(w.chain)-1]
		if likelyIssued(top, top) == 0 {
			if w.untrusted == len(w.chain) && contains(w.o.Roots, top) {
				w.untrusted--
				w.trust(len(w.chain) - 1)
			}
			break
		}
		next := w.pick(top, w.o.Roots)
		trusted := next != nil
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
		if trusted && !w.trust(len(w.chain)-1) {
			break
		}
	}
	last := len(w.chain) - 1
	top := w.chain[last]
	switch self := likelyIssued(top, top) == 0; {
	case w.explicit || w.failed(last, codeRejected):
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

// Uses that a trust setting can be about.
const (
	useServer = "1.3.6.1.5.5.7.3.1"
	useClient = "1.3.6.1.5.5.7.3.2"
	useAny    = "2.5.29.37.0"
)

// trust looks at the setting of a trusted certificate, and says whether to go on.
func (w *walk) trust(i int) bool {
	set, ok := w.o.Settings[string(w.chain[i].Raw)]
	if !ok {
		return true
	}
	uses := map[string][]string{Server: {useServer}, Client: {useClient}, Internode: {useServer, useClient}, "": {useAny}}[w.o.Purpose]
	named := func(list []string, use string) bool {
		return slices.Contains(list, use) || slices.Contains(list, useAny)
	}
	w.explicit = len(set.Trust) > 0
	for _, use := range uses {
		if named(set.Reject, use) || len(set.Trust) > 0 && !named(set.Trust, use) {
			w.explicit = false
			w.fail(i, codeRejected, "its file says that it is not to be trusted for this use")
			return false
		}
	}
	return true
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
	id, serial, name := authorityKey(c.Extensions)
	if code := namesKey(issuer, id, serial, name); code != 0 {
		return code
	}
	switch kind := signatureOf(c.Raw).kind; {
	case kind == "" || keyOf(issuer).kind == kind || kind == kindPSS && keyOf(issuer).kind == kindRSA:
		return 0
	case keyOf(issuer).key == nil:
		return 0 // it can't be told, and is said where it is verified
	}
	return codeSignatureAlgorithmMismatch
}

// namesKey says whether an authority key identifier can mean a certificate: by its
// key's identifier, and by its serial number and its issuer's name.
func namesKey(c *x509.Certificate, id []byte, serial *big.Int, issuer string) int {
	if len(id) > 0 && len(c.SubjectKeyId) > 0 && !bytes.Equal(id, c.SubjectKeyId) {
		return codeAKIDSKIDMismatch
	}
	if serial != nil && serial.Cmp(c.SerialNumber) != 0 || issuer != "" && issuer != canonical(c.RawIssuer) {
		return codeAKIDIssuerSerialMismatch
	}
	return 0
}
