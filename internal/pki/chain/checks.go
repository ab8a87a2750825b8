package chain

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

var (
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
)

func has(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	for _, e := range c.Extensions {
		if e.Id.Equal(oid) {
			return true
		}
	}
	return false
}

// allows says that a key usage allows one of the bits: without the extension all.
func allows(c *x509.Certificate, bits x509.KeyUsage) bool {
	return !has(c, oidKeyUsage) || c.KeyUsage&bits != 0
}

// isCA is OpenSSL's check_ca: key usage first, then basic constraints. Without
// them a root of version 1 passes, and what has keyCertSign; but said is false then,
// and an intermediate has to say it.
func isCA(c *x509.Certificate) (is, said bool) {
	if !allows(c, x509.KeyUsageCertSign) {
		return false, false
	}
	if has(c, oidBasicConstraints) {
		return c.IsCA, c.IsCA
	}
	v1root := c.Version == 1 && canonical(c.RawSubject) == canonical(c.RawIssuer)
	return v1root || has(c, oidKeyUsage), false
}

// extensions checks each certificate for its place in the chain.
func (w *walk) extensions() {
	below := 0 // intermediates below this one that are not self-issued
	for i, c := range w.chain {
		for _, oid := range c.UnhandledCriticalExtensions {
			w.fail(i, codeUnhandledCritical, "extension "+oid.String())
		}
		is, said := isCA(c)
		if i > 0 && (!is || !said && i+1 < len(w.chain)) {
			w.fail(i, codeInvalidCA, caDetail(c))
		}
		w.purpose(i, c)
		if i > 1 && c.BasicConstraintsValid && c.MaxPathLen >= 0 && (c.MaxPathLen > 0 || c.MaxPathLenZero) && below > c.MaxPathLen {
			w.fail(i, codePathLength, fmt.Sprintf("it allows %d CAs below it, and there are %d", c.MaxPathLen, below))
		}
		if i > 0 && canonical(c.RawSubject) != canonical(c.RawIssuer) {
			below++
		}
	}
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
	type need struct {
		name string
		eku  x509.ExtKeyUsage
		bits x509.KeyUsage
	}
	server := need{"serverAuth", x509.ExtKeyUsageServerAuth, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement}
	client := need{"clientAuth", x509.ExtKeyUsageClientAuth, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement}
	ca, _ := isCA(c)
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
			w.fail(i, codeInvalidPurpose, "its key usage is "+strings.Join(keyUsages(c), ", ")+", which "+n.name+" cannot use")
		}
	}
}

// strength is OpenSSL's security level 1: 80 bits. From there TLS refuses RSA below
// 1,024 bits, and signatures with MD5 and SHA-1.
func (w *walk) strength() {
	for i, c := range w.chain {
		if bits := keyBits(c); bits > 0 && bits < 80 {
			code := codeCAKeyTooSmall
			if i == 0 {
				code = codeEEKeyTooSmall
			}
			w.fail(i, code, "its key is "+KeyName(c))
		}
		// A root's own signature is never looked at.
		if i == len(w.chain)-1 {
			break
		}
		switch c.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
			w.fail(i, codeCAMDTooWeak, "it is signed with "+c.SignatureAlgorithm.String())
		}
	}
}

// keyBits is the strength of a key in bits of a symmetric one, after NIST SP
// 800-57; 0 when unknown.
func keyBits(c *x509.Certificate) int {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		switch n := k.N.BitLen(); {
		case n >= 3072:
			return 128
		case n >= 2048:
			return 112
		case n >= 1024:
			return 80
		}
		return 1
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize / 2
	}
	return 0
}

// identity checks name and address against the SANs. An address is never taken
// from the common name.
func (w *walk) identity() {
	leaf := w.chain[0]
	if w.o.Host != "" {
		if err := hostMatches(leaf, w.o.Host); err != nil {
			w.fail(0, codeHostnameMismatch, sans(leaf)+"; "+w.o.Host+" is not there")
		}
	}
	if w.o.IP != "" {
		want, err := netip.ParseAddr(w.o.IP)
		found := false
		for _, ip := range leaf.IPAddresses {
			have, ok := netip.AddrFromSlice(ip)
			found = found || ok && err == nil && have.Unmap() == want.Unmap()
		}
		if !found {
			w.fail(0, codeIPMismatch, sans(leaf)+"; "+w.o.IP+" is not there")
		}
	}
}

// hostMatches is Go's check, with what OpenSSL does otherwise: for a certificate
// without any DNS name the common name counts, and a wildcard has two labels behind
// it at least.
func hostMatches(c *x509.Certificate, host string) error {
	names := c.DNSNames
	if len(names) == 0 && c.Subject.CommonName != "" {
		names = []string{c.Subject.CommonName}
	}
	fit := &x509.Certificate{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}}}}
	for _, n := range names {
		if !strings.HasPrefix(n, "*.") || strings.Count(n, ".") > 1 {
			fit.DNSNames = append(fit.DNSNames, n)
		}
	}
	return fit.VerifyHostname(strings.TrimSuffix(host, "."))
}

func sans(c *x509.Certificate) string {
	var all []string
	for _, n := range c.DNSNames {
		all = append(all, "DNS:"+n)
	}
	for _, ip := range c.IPAddresses {
		all = append(all, "IP:"+ip.String())
	}
	if len(all) == 0 {
		return "it has no alternative names"
	}
	return "its alternative names are " + strings.Join(all, ", ")
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
			if !weak(c, issuer) && issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
				w.fail(i, codeSignatureFailure, "it does not verify with the key of "+quoted(issuer.RawSubject))
			}
		} else if i == 0 && w.untrusted > 0 && likelyIssued(c, c) != 0 {
			w.fail(0, codeLeafSignature, "")
		}
		if w.o.At.Before(c.NotBefore) {
			w.fail(i, codeNotYetValid, "valid from "+stamp(c.NotBefore)+", it is "+stamp(w.o.At))
		}
		if w.o.At.After(c.NotAfter) {
			w.fail(i, codeExpired, "valid until "+stamp(c.NotAfter)+", it is "+stamp(w.o.At))
		}
	}
}

// weak says that Go will not verify a signature of its kind; strength has said it.
func weak(c, issuer *x509.Certificate) bool {
	bits := keyBits(issuer)
	return bits > 0 && bits < 80 || c.SignatureAlgorithm == x509.MD5WithRSA || c.SignatureAlgorithm == x509.MD2WithRSA
}
