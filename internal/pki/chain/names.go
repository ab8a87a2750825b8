package chain

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode/utf16"
)

// canonical is a name as it is compared: types in their order, values without
// regard to string type, case and runs of spaces (RFC 5280, 7.1, as OpenSSL does).
func canonical(raw []byte) string {
	var seq []asn1.RawValue
	if rest, err := asn1.Unmarshal(raw, &seq); err != nil || len(rest) > 0 {
		return string(raw)
	}
	var b strings.Builder
	for _, set := range seq {
		b.WriteByte('/')
		for rest := set.Bytes; len(rest) > 0; {
			var pair struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			var err error
			if rest, err = asn1.Unmarshal(rest, &pair); err != nil {
				return string(raw)
			}
			fmt.Fprintf(&b, "+%s=%s", pair.Type, strings.Join(strings.Fields(strings.ToLower(text(pair.Value))), " "))
		}
	}
	return b.String()
}

// text is a string value of any of the types that names have.
func text(v asn1.RawValue) string {
	switch v.Tag {
	case asn1.TagBMPString:
		var units []uint16
		for i := 0; i+1 < len(v.Bytes); i += 2 {
			units = append(units, uint16(v.Bytes[i])<<8|uint16(v.Bytes[i+1]))
		}
		return string(utf16.Decode(units))
	case asn1.TagT61String: // Latin 1, as everybody reads it
		runes := make([]rune, len(v.Bytes))
		for i, b := range v.Bytes {
			runes[i] = rune(b)
		}
		return string(runes)
	}
	return string(v.Bytes)
}

// Name is a raw distinguished name as RFC 2253 writes it.
func Name(raw []byte) string {
	var seq pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &seq); err != nil {
		return fmt.Sprintf("%x", raw)
	}
	if len(seq) == 0 {
		return "(no name)"
	}
	return seq.String()
}

// authorityKey reads the authority key identifier: the key's, and the issuer's
// serial number and name, of which any may be missing.
func authorityKey(c *x509.Certificate) (id []byte, serial *big.Int, issuer string) {
	for _, e := range c.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 35}) {
			continue
		}
		var v struct {
			ID     []byte        `asn1:"optional,tag:0"`
			Issuer asn1.RawValue `asn1:"optional,tag:1"`
			Serial *big.Int      `asn1:"optional,tag:2"`
		}
		if _, err := asn1.Unmarshal(e.Value, &v); err != nil {
			return c.AuthorityKeyId, nil, ""
		}
		// Of the general names only a directory name, [4], is compared.
		var name asn1.RawValue
		if _, err := asn1.Unmarshal(v.Issuer.Bytes, &name); err == nil && name.Class == asn1.ClassContextSpecific && name.Tag == 4 {
			issuer = canonical(name.Bytes)
		}
		return v.ID, v.Serial, issuer
	}
	return nil, nil, ""
}

// stamp writes a time as people read it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// KeyName is the kind and size of a certificate's key: "ECDSA P-256", "RSA 2048".
func KeyName(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	}
	return c.PublicKeyAlgorithm.String()
}

// Describe puts a certificate into words.
func Describe(depth int, c *x509.Certificate, trusted bool) Link {
	return Link{
		Depth: depth, Subject: Name(c.RawSubject), Issuer: Name(c.RawIssuer), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		Key: KeyName(c), KeyUsage: keyUsages(c), ExtKeyUsage: extKeyUsages(c), Trusted: trusted,
	}
}

// Usage is one bit of the key usage extension.
type Usage struct {
	Bit     x509.KeyUsage
	Name    string // as RFC 5280 has it
	Meaning string // one line
}

// Usages are all bits, in their order.
func Usages() []Usage {
	return []Usage{
		{x509.KeyUsageDigitalSignature, "digitalSignature", "signs handshakes: every ECDHE suite and all of TLS 1.3 need it, of clients always"},
		{x509.KeyUsageContentCommitment, "nonRepudiation", "signs documents that its owner can't disown; nothing in TLS needs it"},
		{x509.KeyUsageKeyEncipherment, "keyEncipherment", "lets a client send a secret under an RSA key: the TLS_RSA_* suites, which 1.2 has, need it; ECDSA keys can't"},
		{x509.KeyUsageDataEncipherment, "dataEncipherment", "encrypts data itself, without a session key; nothing in TLS needs it"},
		{x509.KeyUsageKeyAgreement, "keyAgreement", "agrees on a secret with the key itself: static ECDH suites, which are out of use; ECDHE does not need it"},
		{x509.KeyUsageCertSign, "keyCertSign", "signs certificates: every CA needs it, and no node should have it"},
		{x509.KeyUsageCRLSign, "cRLSign", "signs revocation lists: a CA that publishes them needs it"},
		{x509.KeyUsageEncipherOnly, "encipherOnly", "narrows keyAgreement to encrypting"},
		{x509.KeyUsageDecipherOnly, "decipherOnly", "narrows keyAgreement to decrypting"},
	}
}

func keyUsages(c *x509.Certificate) []string {
	names := []string{}
	for _, u := range Usages() {
		if c.KeyUsage&u.Bit != 0 {
			names = append(names, u.Name)
		}
	}
	return names
}

func extKeyUsages(c *x509.Certificate) []string {
	known := map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageAny: "anyExtendedKeyUsage", x509.ExtKeyUsageServerAuth: "serverAuth", x509.ExtKeyUsageClientAuth: "clientAuth",
		x509.ExtKeyUsageCodeSigning: "codeSigning", x509.ExtKeyUsageEmailProtection: "emailProtection",
		x509.ExtKeyUsageTimeStamping: "timeStamping", x509.ExtKeyUsageOCSPSigning: "OCSPSigning",
	}
	names := []string{}
	for _, u := range c.ExtKeyUsage {
		if n, ok := known[u]; ok {
			names = append(names, n)
		} else {
			names = append(names, fmt.Sprintf("usage %d", u))
		}
	}
	for _, oid := range c.UnknownExtKeyUsage {
		names = append(names, oid.String())
	}
	return names
}
