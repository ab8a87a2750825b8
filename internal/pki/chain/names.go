package chain

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// canonical is a name as it is compared: types in their order, values without
// regard to string type, case and runs of spaces (RFC 5280, 7.1, as OpenSSL does).
func canonical(raw []byte) string {
	parts, ok := relativeNames(raw)
	if !ok {
		return "raw:" + string(raw)
	}
	return strings.Join(parts, "")
}

// relativeNames are the parts of a name in their order, each in the form that is
// compared. Every piece has its length before it, so that no value can look like
// two parts.
func relativeNames(raw []byte) (parts []string, ok bool) {
	var seq []asn1.RawValue
	if rest, err := asn1.Unmarshal(raw, &seq); err != nil || len(rest) > 0 {
		return nil, false
	}
	for _, set := range seq {
		pairs, ok := attributes(set)
		if !ok {
			return nil, false
		}
		var words []string
		for _, p := range pairs {
			words = append(words, sized(p.Type.String())+sized(comparable(p.Value)))
		}
		slices.Sort(words) // a set has no order
		parts = append(parts, sized(strings.Join(words, "")))
	}
	return parts, true
}

func sized(s string) string { return strconv.Itoa(len(s)) + ":" + s }

// attribute is one type and value of a name.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

func attributes(set asn1.RawValue) (all []attribute, ok bool) {
	for rest := set.Bytes; len(rest) > 0; {
		var pair attribute
		var err error
		if rest, err = asn1.Unmarshal(rest, &pair); err != nil {
			return nil, false
		}
		all = append(all, pair)
	}
	return all, true
}

// subjectValues are the values of one type of attribute in a subject.
func subjectValues(c *x509.Certificate, oid asn1.ObjectIdentifier) []asn1.RawValue {
	var seq []asn1.RawValue
	if _, err := asn1.Unmarshal(c.RawSubject, &seq); err != nil {
		return nil
	}
	var all []asn1.RawValue
	for _, set := range seq {
		pairs, _ := attributes(set)
		for _, p := range pairs {
			if p.Type.Equal(oid) {
				all = append(all, p.Value)
			}
		}
	}
	return all
}

// comparable is a value as names are compared by it. Only ASCII loses its case,
// and only strings do: anything else has to be the same byte for byte.
func comparable(v asn1.RawValue) string {
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagBMPString, universalString, asn1.TagPrintableString, asn1.TagT61String, asn1.TagIA5String, visibleString:
	default:
		return string(v.FullBytes)
	}
	words := strings.FieldsFunc(text(v), func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) })
	return "s" + lowerASCII(strings.Join(words, " "))
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Tags that package asn1 has no name for.
const (
	visibleString   = 26
	universalString = 28
)

// text is a string value of any of the types that names have.
func text(v asn1.RawValue) string {
	switch v.Tag {
	case asn1.TagBMPString:
		var units []uint16
		for i := 0; i+1 < len(v.Bytes); i += 2 {
			units = append(units, uint16(v.Bytes[i])<<8|uint16(v.Bytes[i+1]))
		}
		return string(utf16.Decode(units))
	case universalString:
		var runes []rune
		for i := 0; i+3 < len(v.Bytes); i += 4 {
			runes = append(runes, rune(binary.BigEndian.Uint32(v.Bytes[i:])))
		}
		return string(runes)
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
func authorityKey(extensions []pkix.Extension) (id []byte, serial *big.Int, issuer string) {
	for _, e := range extensions {
		if !e.Id.Equal(oidAuthorityKey) {
			continue
		}
		var v struct {
			ID     []byte        `asn1:"optional,tag:0"`
			Issuer asn1.RawValue `asn1:"optional,tag:1"`
			Serial *big.Int      `asn1:"optional,tag:2"`
		}
		if _, err := asn1.Unmarshal(e.Value, &v); err != nil {
			return nil, nil, ""
		}
		// Of the general names the first directory name is compared.
		names, _ := generalNames(v.Issuer.Bytes)
		for _, n := range names {
			if n.tag == nameDirectory {
				issuer = canonical(n.value)
				break
			}
		}
		return v.ID, v.Serial, issuer
	}
	return nil, nil, ""
}

// stamp writes a time as people read it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

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
