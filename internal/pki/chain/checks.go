package chain

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// allows says that a key usage allows one of the bits: without the extension all.
func allows(c *x509.Certificate, bits x509.KeyUsage) bool {
	return !has(c, oidKeyUsage) || c.KeyUsage&bits != 0
}

// isCA is OpenSSL's check_ca: key usage first, then basic constraints. Without
// them a root of version 1 passes, what has keyCertSign, and what Netscape's old
// extension calls a CA; but said is false then, and an intermediate has to say it.
func isCA(c *x509.Certificate) (is, said bool) {
	if !allows(c, x509.KeyUsageCertSign) {
		return false, false
	}
	if has(c, oidBasicConstraints) {
		return c.IsCA, c.IsCA
	}
	v1root := c.Version == 1 && likelyIssued(c, c) == 0
	kinds, ok := netscapeTypes(c)
	return v1root || has(c, oidKeyUsage) || ok && kinds&netscapeAnyCA != 0, false
}

// Bits of Netscape's certificate type.
const (
	netscapeClient = 0x80
	netscapeServer = 0x40
	netscapeTLSCA  = 0x04
	netscapeAnyCA  = 0x07
)

func netscapeTypes(c *x509.Certificate) (kinds byte, ok bool) {
	value, ok := extension(c.Extensions, oidNetscapeType)
	if !ok {
		return 0, false
	}
	var bits asn1.BitString
	if _, err := asn1.Unmarshal(value, &bits); err != nil || len(bits.Bytes) == 0 {
		return 0, true
	}
	return bits.Bytes[0], true
}

// handled are the critical extensions that the walk knows what to do with, which
// are OpenSSL's without those of RFC 3779 for address blocks. Policies are read by
// neither unless it is asked to.
func handled() []string {
	return []string{
		oidNetscapeType.String(), oidKeyUsage.String(), oidAltNames.String(), oidBasicConstraints.String(), oidCRLPoints.String(),
		oidExtKeyUsage.String(), oidOCSPNoCheck.String(), oidProxy.String(), oidNameConstraints.String(),
		"2.5.29.32", "2.5.29.33", "2.5.29.36", "2.5.29.54", // policies, their mappings and constraints
	}
}

// extensions checks each certificate for its place in the chain.
func (w *walk) extensions() {
	below := 0 // intermediates below this one that are not self-issued
	known := handled()
	for i, c := range w.chain {
		for _, e := range c.Extensions {
			if e.Critical && !slices.Contains(known, e.Id.String()) {
				w.fail(i, codeUnhandledCritical, "extension "+e.Id.String())
			}
		}
		if has(c, oidProxy) {
			w.fail(i, codeProxy, "")
		}
		if i == 0 && (has(c, oidAddressBlocks) || has(c, oidASNumbers)) {
			w.fail(i, codeApplication, "it has address blocks of RFC 3779, which crossring can't check")
		}
		is, said := isCA(c)
		if i > 0 && (!is || !said && i+1 < len(w.chain)) {
			w.fail(i, codeInvalidCA, caDetail(c))
		}
		w.purpose(i, c)
		if i > 1 && c.BasicConstraintsValid && c.MaxPathLen >= 0 && (c.MaxPathLen > 0 || c.MaxPathLenZero) && below > c.MaxPathLen {
			w.fail(i, codePathLength, fmt.Sprintf("it allows %d CAs below it, and there are %d", c.MaxPathLen, below))
		}
		if i > 0 && !selfIssued(c) {
			below++
		}
	}
}

func selfIssued(c *x509.Certificate) bool {
	return canonical(c.RawSubject) == canonical(c.RawIssuer)
}

func caDetail(c *x509.Certificate) string {
	switch {
	case has(c, oidBasicConstraints) && !c.IsCA:
		return "its basic constraints say CA:FALSE"
	case !allows(c, x509.KeyUsageCertSign):
		return "its key usage lacks keyCertSign"
	}
	return "it has no basic constraints"
}

// purpose checks usages, at the leaf and above it, as OpenSSL's check_purpose
// functions do: there an extended key usage binds CAs too.
func (w *walk) purpose(i int, c *x509.Certificate) {
	if w.explicit && i == len(w.chain)-1 {
		return // trusted for this use by name, whatever is in it
	}
	type need struct {
		name     string
		eku      x509.ExtKeyUsage
		bits     x509.KeyUsage
		netscape byte
	}
	server := need{"serverAuth", x509.ExtKeyUsageServerAuth, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement, netscapeServer}
	client := need{"clientAuth", x509.ExtKeyUsageClientAuth, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement, netscapeClient}
	ca, _ := isCA(c)
	kinds, netscape := netscapeTypes(c)
	if netscape && !has(c, oidBasicConstraints) && !has(c, oidKeyUsage) && kinds&netscapeTLSCA == 0 {
		ca = false // it calls itself a CA, but for other things
	}
	var needs []need
	switch w.o.Purpose {
	case Server:
		needs = []need{server}
	case Client:
		needs = []need{client}
	case Internode:
		needs = []need{server, client}
	}
	for _, n := range needs {
		gated := n.eku == x509.ExtKeyUsageServerAuth && (slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageNetscapeServerGatedCrypto) ||
			slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageMicrosoftServerGatedCrypto))
		switch {
		case has(c, oidExtKeyUsage) && !slices.Contains(c.ExtKeyUsage, n.eku) && !gated:
			w.fail(i, codeInvalidPurpose, "its extended key usage is "+strings.Join(extKeyUsages(c), ", ")+", without "+n.name)
		case i > 0 && !ca:
			w.fail(i, codeInvalidPurpose, caDetail(c))
		case i == 0 && !allows(c, n.bits):
			w.fail(i, codeInvalidPurpose, "its key usage is "+or(strings.Join(keyUsages(c), ", "), "empty")+", which "+n.name+" cannot use")
		case i == 0 && netscape && kinds&n.netscape == 0:
			w.fail(i, codeInvalidPurpose, "Netscape's certificate type in it is without "+n.name)
		}
	}
	if i == 0 {
		w.serve(c)
	}
}

// serve says whether a node can use the leaf at all. OpenSSL does not ask: a
// purpose is a matter of usages to it. For a node a key that no Cassandra can serve
// with is an error; for one side alone it is a warning, since others than Cassandra
// may stand there.
func (w *walk) serve(c *x509.Certificate) {
	key := keyOf(c)
	say := func(code int, detail, hint string) {
		switch w.o.Purpose {
		case Internode:
			w.fail(0, code, detail)
		case Server, Client:
			w.warn(detail, hint)
		}
	}
	const other = "make a new key: ECDSA P-256, or RSA of 2048 bits"
	switch key.kind {
	case kindRSA:
	case kindEC:
		if k, ok := key.key.(*ecdsa.PublicKey); ok && k.Curve == elliptic.P224() {
			say(codeApplication, "its key is ECDSA P-224, a curve that Java's TLS does not speak", other)
		}
	case kindEd25519:
		say(codeApplication, "its key is Ed25519, which Cassandra does not read", other)
	default:
		if key.key != nil {
			say(codeApplication, "its key is "+key.name+", which few speak TLS with, and crossring does not", other)
		}
	}
	if !allows(c, x509.KeyUsageDigitalSignature) && !w.failed(0, codeInvalidPurpose) {
		say(codeInvalidPurpose, "its key usage is "+or(strings.Join(keyUsages(c), ", "), "empty")+", and ECDHE and TLS 1.3 need digitalSignature: Java refuses it",
			"ask the CA for digitalSignature in the key usage")
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// level is OpenSSL's security level 2, its default since 3.2 and Debian's before:
// 112 bits, which is RSA of 2048. TLS refuses less there.
const level = 112

// weakLeaf is looked at before anything else, as OpenSSL does.
func (w *walk) weakLeaf() { w.weakKey(0, codeEEKeyTooSmall) }

func (w *walk) weakKey(i, code int) {
	key := keyOf(w.chain[i])
	if key.key == nil {
		w.fail(i, codeApplication, "its key is "+key.name+", which crossring can't check")
	} else if key.bits() < level {
		w.fail(i, code, fmt.Sprintf("its key is %s, as strong as %d bits, and %d are asked for", key.name, key.bits(), level))
	}
}

// strength checks the keys above the leaf, and the hashes of signatures. A root's
// own signature is never looked at.
func (w *walk) strength() {
	for i, c := range w.chain {
		if i > 0 {
			w.weakKey(i, codeCAKeyTooSmall)
		}
		if i == len(w.chain)-1 {
			break
		}
		if s := signatureOf(c.Raw); s.bits() > 0 && s.bits() < level {
			w.fail(i, codeCAMDTooWeak, "it is signed with "+s.name)
		}
	}
}

// signatures checks each signature with the key above it, and the times, from the
// top down.
func (w *walk) signatures() {
	last := len(w.chain) - 1
	for i := last; i >= 0; i-- {
		c := w.chain[i]
		if i < last {
			issuer := w.chain[i+1]
			if !allows(issuer, x509.KeyUsageCertSign) {
				w.fail(i+1, codeNoCertSign, "its key usage is "+strings.Join(keyUsages(issuer), ", "))
			}
			w.signature(i, c, issuer)
		} else if i == 0 && !w.explicit && likelyIssued(c, c) != 0 {
			w.fail(0, codeLeafSignature, "")
		}
		if w.o.At.Before(c.NotBefore) {
			w.fail(i, codeNotYetValid, "valid from "+stamp(c.NotBefore)+", it is "+stamp(w.o.At))
		}
		if !w.o.At.Before(c.NotAfter) { // its last second does not count, to OpenSSL
			w.fail(i, codeExpired, "valid until "+stamp(c.NotAfter)+", it is "+stamp(w.o.At))
		}
	}
}

func (w *walk) signature(i int, c, issuer *x509.Certificate) {
	s := signatureOf(c.Raw)
	var unknown *unjudged
	switch err := s.verify(keyOf(issuer)); {
	case err == nil:
	case errors.As(err, &unknown):
		// What is weak was said to be; there is no need to check it as well.
		if !w.failed(i, codeCAMDTooWeak) && !w.failed(i+1, codeCAKeyTooSmall) {
			w.fail(i, codeApplication, unknown.Error())
		}
	default:
		w.fail(i, codeSignatureFailure, "it does not verify with the key of "+quoted(issuer.RawSubject))
	}
}
