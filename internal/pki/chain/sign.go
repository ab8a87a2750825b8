package chain

import (
	"crypto"
	//lint:ignore SA1019 old CAs have such keys: they are judged, not made
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // the hashes that signatures name
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

// Signatures are verified here and not by package x509, which refuses those that
// it finds too old, and does not tell a signature that is wrong from one that it
// does not know.

// unjudged is what this program cannot check.
type unjudged struct{ what string }

func (u *unjudged) Error() string { return u.what + ", which crossring can't check" }

var errSignature = errors.New("the signature is wrong")

// Kinds of keys, as openssl names them.
const (
	kindRSA     = "RSA"
	kindPSS     = "RSA-PSS"
	kindEC      = "EC"
	kindDSA     = "DSA"
	kindEd25519 = "ED25519"
)

// scheme is a way to sign.
type scheme struct {
	oid  string
	kind string // of the key
	hash crypto.Hash
	name string
}

// schemes are those that can be checked, and some that are known by name alone.
func schemes() []scheme {
	return []scheme{
		{"1.2.840.113549.1.1.4", kindRSA, crypto.MD5, "MD5-RSA"},
		{"1.2.840.113549.1.1.5", kindRSA, crypto.SHA1, "SHA1-RSA"},
		{"1.3.14.3.2.29", kindRSA, crypto.SHA1, "SHA1-RSA"},
		{"1.2.840.113549.1.1.14", kindRSA, crypto.SHA224, "SHA224-RSA"},
		{"1.2.840.113549.1.1.11", kindRSA, crypto.SHA256, "SHA256-RSA"},
		{"1.2.840.113549.1.1.12", kindRSA, crypto.SHA384, "SHA384-RSA"},
		{"1.2.840.113549.1.1.13", kindRSA, crypto.SHA512, "SHA512-RSA"},
		{"1.2.840.113549.1.1.10", kindPSS, 0, "RSA-PSS"}, // its parameters name the hash
		{"1.2.840.10045.4.1", kindEC, crypto.SHA1, "ECDSA-SHA1"},
		{"1.2.840.10045.4.3.1", kindEC, crypto.SHA224, "ECDSA-SHA224"},
		{"1.2.840.10045.4.3.2", kindEC, crypto.SHA256, "ECDSA-SHA256"},
		{"1.2.840.10045.4.3.3", kindEC, crypto.SHA384, "ECDSA-SHA384"},
		{"1.2.840.10045.4.3.4", kindEC, crypto.SHA512, "ECDSA-SHA512"},
		{"2.16.840.1.101.3.4.3.10", kindEC, crypto.SHA3_256, "ECDSA-SHA3-256"},
		{"2.16.840.1.101.3.4.3.11", kindEC, crypto.SHA3_384, "ECDSA-SHA3-384"},
		{"2.16.840.1.101.3.4.3.12", kindEC, crypto.SHA3_512, "ECDSA-SHA3-512"},
		{"1.2.840.10040.4.3", kindDSA, crypto.SHA1, "DSA-SHA1"},
		{"2.16.840.1.101.3.4.3.1", kindDSA, crypto.SHA224, "DSA-SHA224"},
		{"2.16.840.1.101.3.4.3.2", kindDSA, crypto.SHA256, "DSA-SHA256"},
		{"2.16.840.1.101.3.4.3.3", kindDSA, crypto.SHA384, "DSA-SHA384"},
		{"2.16.840.1.101.3.4.3.4", kindDSA, crypto.SHA512, "DSA-SHA512"},
		{"1.3.101.112", kindEd25519, 0, "Ed25519"},
		{"1.3.101.113", "ED448", 0, "Ed448"},
		{"1.2.156.10197.1.501", "SM2", 0, "SM2 with SM3"},
		{"2.16.840.1.101.3.4.3.14", kindRSA, 0, "SHA3-256-RSA"},
		{"2.16.840.1.101.3.4.3.15", kindRSA, 0, "SHA3-384-RSA"},
		{"2.16.840.1.101.3.4.3.16", kindRSA, 0, "SHA3-512-RSA"},
		{"1.3.36.3.3.1.2", kindRSA, 0, "RIPEMD160-RSA"},
		{"1.2.840.113549.1.1.2", kindRSA, 0, "MD2-RSA"},
	}
}

// signature is one as it stands under a certificate, a list or an answer.
type signature struct {
	scheme
	pss    pssParameters
	params error // why the parameters can't be taken
	signed []byte
	value  []byte
}

// signedObject is what certificates, lists and answers have in common.
type signedObject struct {
	Signed    asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Value     asn1.BitString
}

// signatureOf reads the signature of a certificate or a list from its DER.
func signatureOf(der []byte) signature {
	var o signedObject
	if _, err := asn1.Unmarshal(der, &o); err != nil {
		return signature{params: err}
	}
	return readSignature(o)
}

func readSignature(o signedObject) signature {
	s := signature{scheme: scheme{oid: o.Algorithm.Algorithm.String(), name: "algorithm " + o.Algorithm.Algorithm.String()},
		signed: o.Signed.FullBytes, value: o.Value.RightAlign()}
	for _, known := range schemes() {
		if known.oid == s.oid {
			s.scheme = known
		}
	}
	if s.kind == kindPSS {
		s.pss, s.params = readPSS(o.Algorithm.Parameters.FullBytes)
		s.hash = s.pss.hash
		s.name = strings.Replace(s.pss.hash.String(), "-", "", 1) + "-RSAPSS"
	}
	return s
}

// bits is the strength of the signature's hash, 0 when unknown. SHA-1 and MD5 have
// less than half of their length, as OpenSSL counts.
func (s signature) bits() int {
	switch s.hash {
	case crypto.MD5:
		return 39
	case crypto.SHA1:
		return 63
	case 0:
		if s.kind == kindEd25519 {
			return 128
		}
		return 0
	}
	return s.hash.Size() * 4
}

// verify checks the signature with a key: nil, errSignature, or *unjudged.
func (s signature) verify(key publicKey) error {
	if s.params != nil {
		return &unjudged{"it is signed with parameters that are rare: " + s.params.Error()}
	}
	if key.key == nil {
		return &unjudged{"its issuer's key is " + key.name}
	}
	if s.hash == 0 && s.kind != kindEd25519 || s.hash != 0 && s.hash != crypto.MD5 && !s.hash.Available() {
		return &unjudged{"it is signed with " + s.name}
	}
	var digest []byte
	if s.hash == crypto.MD5 {
		return &unjudged{"it is signed with MD5, which anybody can forge"}
	} else if s.hash != 0 {
		h := s.hash.New()
		h.Write(s.signed)
		digest = h.Sum(nil)
	}
	good := false
	switch k := key.key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 1024 {
			return &unjudged{fmt.Sprintf("its issuer's key is RSA %d", k.N.BitLen())}
		}
		switch {
		case s.kind == kindPSS:
			if key.pss != nil && (key.pss.hash != s.pss.hash || key.pss.salt > s.pss.salt) {
				return errSignature // the key is for other parameters
			}
			good = rsa.VerifyPSS(k, s.hash, digest, s.value, &rsa.PSSOptions{SaltLength: s.pss.salt, Hash: s.hash}) == nil
		case s.kind == kindRSA && !key.onlyPSS:
			good = rsa.VerifyPKCS1v15(k, s.hash, digest, s.value) == nil
		}
	case *ecdsa.PublicKey:
		good = s.kind == kindEC && ecdsa.VerifyASN1(k, digest, s.value)
	case ed25519.PublicKey:
		good = s.kind == kindEd25519 && ed25519.Verify(k, s.signed, s.value)
	case *dsa.PublicKey:
		good = s.kind == kindDSA && verifyDSA(k, digest, s.value)
	}
	if !good {
		return errSignature
	}
	return nil
}

func verifyDSA(k *dsa.PublicKey, digest, sig []byte) bool {
	var v struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(sig, &v); err != nil || len(rest) > 0 {
		return false
	}
	size := (k.Q.BitLen() + 7) / 8
	return dsa.Verify(k, digest[:min(size, len(digest))], v.R, v.S)
}

// pssParameters are those of RFC 4055. Go's verifier takes one hash for both.
type pssParameters struct {
	hash crypto.Hash
	salt int
}

var errPSS = errors.New("RSA-PSS with two hashes, or one that is rare")

func readPSS(der []byte) (pssParameters, error) {
	var v struct {
		Hash    pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:0"`
		Mask    pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:1"`
		Salt    int                      `asn1:"explicit,optional,tag:2,default:20"`
		Trailer int                      `asn1:"explicit,optional,tag:3,default:1"`
	}
	if rest, err := asn1.Unmarshal(der, &v); err != nil || len(rest) > 0 {
		return pssParameters{}, errPSS
	}
	hash, mask := crypto.SHA1, crypto.SHA1
	if v.Hash.Algorithm != nil {
		hash = hashOf(v.Hash.Algorithm)
	}
	if v.Mask.Algorithm != nil {
		var inner pkix.AlgorithmIdentifier
		if _, err := asn1.Unmarshal(v.Mask.Parameters.FullBytes, &inner); err != nil || v.Mask.Algorithm.String() != "1.2.840.113549.1.1.8" {
			return pssParameters{}, errPSS
		}
		mask = hashOf(inner.Algorithm)
	}
	p := pssParameters{hash, v.Salt}
	if hash == 0 || hash != mask || v.Trailer != 1 || v.Salt < 0 {
		return p, errPSS
	}
	return p, nil
}

func hashOf(oid asn1.ObjectIdentifier) crypto.Hash {
	return map[string]crypto.Hash{
		"1.3.14.3.2.26": crypto.SHA1, "2.16.840.1.101.3.4.2.4": crypto.SHA224, "2.16.840.1.101.3.4.2.1": crypto.SHA256,
		"2.16.840.1.101.3.4.2.2": crypto.SHA384, "2.16.840.1.101.3.4.2.3": crypto.SHA512,
	}[oid.String()]
}

// publicKey is a certificate's key; key is nil when it is of a kind that can't be
// used here.
type publicKey struct {
	key     crypto.PublicKey
	kind    string
	name    string
	onlyPSS bool
	pss     *pssParameters // what the key is limited to
}

// keyOf reads the key of a certificate. Package x509 leaves keys out that are for
// RSA-PSS alone.
func keyOf(c *x509.Certificate) publicKey {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return publicKey{key: k, kind: kindRSA, name: fmt.Sprintf("RSA %d", k.N.BitLen())}
	case *ecdsa.PublicKey:
		return publicKey{key: k, kind: kindEC, name: "ECDSA " + k.Curve.Params().Name}
	case ed25519.PublicKey:
		return publicKey{key: k, kind: kindEd25519, name: "Ed25519"}
	case *dsa.PublicKey:
		return publicKey{key: k, kind: kindDSA, name: fmt.Sprintf("DSA %d", k.P.BitLen())}
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki); err != nil {
		return publicKey{name: "not readable"}
	}
	oid := spki.Algorithm.Algorithm.String()
	if oid == "1.2.840.113549.1.1.10" {
		return pssKey(spki.Algorithm.Parameters.FullBytes, spki.Key.RightAlign())
	}
	known := map[string]string{"1.3.101.113": "Ed448", "1.3.101.110": "X25519", "1.3.101.111": "X448", "1.2.840.10045.2.1": "of a curve that is rare"}
	if name, ok := known[oid]; ok {
		return publicKey{kind: name, name: name}
	}
	return publicKey{kind: oid, name: "of the kind " + oid}
}

func pssKey(params, der []byte) publicKey {
	k, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return publicKey{kind: kindPSS, name: "RSA-PSS, and not readable"}
	}
	key := publicKey{key: k, kind: kindPSS, name: fmt.Sprintf("RSA-PSS %d", k.N.BitLen()), onlyPSS: true}
	if len(params) > 0 && params[0] == 0x30 {
		p, err := readPSS(params)
		if err != nil {
			return publicKey{kind: kindPSS, name: "RSA-PSS with parameters that are rare"}
		}
		key.pss = &p
	}
	return key
}

// KeyName is the kind and size of a certificate's key: "ECDSA P-256", "RSA 2048".
func KeyName(c *x509.Certificate) string { return keyOf(c).name }

// SignatureName is how a certificate is signed: "SHA256-RSA", "ECDSA-SHA256".
func SignatureName(c *x509.Certificate) string { return signatureOf(c.Raw).name }

// bits is the strength of a key in bits of a symmetric one, as OpenSSL counts; 0
// when unknown.
func (k publicKey) bits() int {
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return fieldBits(key.N.BitLen())
	case *dsa.PublicKey:
		return min(fieldBits(key.P.BitLen()), key.Q.BitLen()/2)
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize / 2
	case ed25519.PublicKey:
		return 128
	}
	return 0
}

// fieldBits is the strength of a modulus: the estimate of the number field sieve
// from NIST's FIPS 140-2 implementation guidance, 7.5, to the next multiple of 8,
// which is what OpenSSL takes. The sizes of SP 800-57 have their own figures.
func fieldBits(n int) int {
	switch {
	case n < 8:
		return 0
	case n == 2048:
		return 112
	case n == 3072:
		return 128
	case n == 4096:
		return 152
	}
	x := float64(n) * math.Ln2
	estimate := (1.923*math.Cbrt(x*math.Log(x)*math.Log(x)) - 4.69) / math.Ln2
	bits := (int(estimate) + 4) / 8 * 8
	if n <= 7680 {
		return min(bits, 192)
	}
	return min(bits, 1200)
}

// Signed says whether one certificate issued another, by name, identifiers and signature.
// A signature that can't be checked here counts.
func Signed(issuer, c *x509.Certificate) bool {
	if likelyIssued(issuer, c) != 0 {
		return false
	}
	var unknown *unjudged
	err := signatureOf(c.Raw).verify(keyOf(issuer))
	return err == nil || errors.As(err, &unknown)
}

// WithoutConstraints is a certificate as one reads it who passes over its name
// constraints.
func WithoutConstraints(c *x509.Certificate) *x509.Certificate {
	bare := *c
	bare.Extensions = slices.DeleteFunc(slices.Clone(c.Extensions), func(e pkix.Extension) bool { return e.Id.Equal(oidNameConstraints) })
	return &bare
}
