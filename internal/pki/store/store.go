// Package store reads and writes the files that keys and certificates lie in:
// PEM, PKCS#12 and Java's JKS. It says what a file is when it is not what was
// hoped for, and which command makes it so.
package store

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// Kinds of files. Legacy is PKCS#12 as Java 7 and 8 read it, with 3DES and SHA-1.
const (
	PEM    = "pem"
	PKCS12 = "pkcs12"
	Legacy = "pkcs12-legacy"
	JKS    = "jks"
)

// Kinds lists them.
func Kinds() []string { return []string{PEM, PKCS12, Legacy, JKS} }

// Alias is the name of the entry in stores that name theirs.
const Alias = "crossring"

// Contents is what a file holds: a private key, certificates, or both. The chain of
// a PEM file comes in its order; in that of a store, whose entries have none, the
// key's own certificate is the first, then its issuer and so on.
type Contents struct {
	Kind  string
	Key   crypto.Signer // nil when there is none
	Chain []*x509.Certificate
	// Others are certificates of a store that do not belong to the key's chain.
	Others []*x509.Certificate
	// Settings say what some of the certificates are to be trusted for.
	Settings []Setting
}

// All are all certificates of the file.
func (c Contents) All() []*x509.Certificate {
	return append(append([]*x509.Certificate{}, c.Chain...), c.Others...)
}

// Setting is what OpenSSL's TRUSTED CERTIFICATE says besides: uses that a
// certificate is trusted for, and those that it is not to be trusted for.
type Setting struct {
	Certificate   *x509.Certificate
	Trust, Reject []asn1.ObjectIdentifier
}

// SeveralKeysError says that a store has several private keys, of which Java takes
// the one that it likes.
type SeveralKeysError struct {
	Kind    string
	Aliases []string // empty where they can't be told
}

func (e *SeveralKeysError) Error() string {
	names := ""
	if len(e.Aliases) > 0 {
		names = ": " + strings.Join(e.Aliases, ", ")
	}
	return "this " + e.Kind + " store has several private keys" + names + "; a node's has one"
}

// Hint takes one out.
func (e *SeveralKeysError) Hint() string {
	return "keytool -importkeystore -srckeystore FILE -srcalias ALIAS -destkeystore ONE.p12 -deststoretype PKCS12   # keytool -list tells the aliases"
}

// UnreadableError says that a certificate can't be read, and what is rare about it.
type UnreadableError struct {
	What string // which certificate
	Err  error
}

func (e *UnreadableError) Error() string {
	return e.What + " can't be judged, since it can't be read: " + e.Err.Error()
}

// Unwrap gives package x509's reason.
func (e *UnreadableError) Unwrap() error { return e.Err }

// Hint looks at it by other means.
func (e *UnreadableError) Hint() string {
	return "openssl x509 -in FILE -noout -text   # ask the CA for a key of ECDSA P-256, or RSA of 2048 bits, if it is that"
}

func parseCertificate(der []byte, what string) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &UnreadableError{What: what, Err: err}
	}
	return c, nil
}

// arrange puts a leaf first, then its issuer and so on, by name; what is left over
// comes apart. Without a leaf everything is left in its order.
func arrange(leaf *x509.Certificate, all []*x509.Certificate) (chain, others []*x509.Certificate) {
	if leaf == nil {
		return all, nil
	}
	rest := slices.Clone(all)
	take := func(fits func(*x509.Certificate) bool) *x509.Certificate {
		i := slices.IndexFunc(rest, fits)
		if i < 0 {
			return nil
		}
		c := rest[i]
		rest = slices.Delete(rest, i, i+1)
		return c
	}
	for c := take(leaf.Equal); c != nil; {
		chain = append(chain, c)
		if bytes.Equal(c.RawIssuer, c.RawSubject) {
			break
		}
		below := c
		c = take(func(o *x509.Certificate) bool {
			return bytes.Equal(o.RawSubject, below.RawIssuer) && (len(below.AuthorityKeyId) == 0 || len(o.SubjectKeyId) == 0 || bytes.Equal(below.AuthorityKeyId, o.SubjectKeyId))
		})
	}
	return chain, rest
}

// KindError says that a file is of another kind than needed, or of none.
type KindError struct {
	Got  string // in words; empty when it cannot be told
	Want string
	Fix  string // the command that makes it one of the right kind; may be empty
}

func (e *KindError) Error() string {
	if e.Got == "" {
		return "this is no " + e.Want
	}
	return fmt.Sprintf("this is %s, and not %s", e.Got, e.Want)
}

// Hint is the command that makes the file right.
func (e *KindError) Hint() string { return e.Fix }

// PasswordError says that a store does not open with the password given, or that
// it was changed since it was written: the two cannot be told apart.
type PasswordError struct{ Kind string }

func (e *PasswordError) Error() string {
	return "the password does not open this " + e.Kind + " store, or the store is damaged"
}

// Hint tells how to find out which.
func (e *PasswordError) Hint() string {
	if e.Kind == JKS {
		return "keytool -list -keystore FILE   # asks for the password"
	}
	return "openssl pkcs12 -info -noout -in FILE   # asks for the password; -legacy for old ones"
}

// Detect tells what kind of file data is: PEM, PKCS12, JKS, P7, "der" for a single
// certificate, or "" when it is none of them. A PKCS#12 file is told from other
// DER by its version, the integer 3 right at its start.
func Detect(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return JKS
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return PEM
	case len(data) > 4 && data[0] == 0x30 && data[1] == 0x80:
		return "ber"
	case len(data) > 8 && data[0] == 0x30 && bytes.Contains(data[:min(8, len(data))], []byte{0x02, 0x01, 0x03}):
		return PKCS12
	case len(data) > 2 && data[0] == 0x30:
		if isPKCS7(data) {
			return P7
		}
		return "der"
	}
	return ""
}

// Read reads a file of any kind. The password is for PKCS#12 and JKS; of those it
// reads key stores and trust stores.
func Read(data []byte, password string) (Contents, error) {
	return read(data, password, true)
}

// ReadTrust reads the certificates of a file of any kind. Keys that are in it may be
// many, and need not open.
func ReadTrust(data []byte, password string) (Contents, error) {
	return read(data, password, false)
}

func read(data []byte, password string, keys bool) (Contents, error) {
	switch kind := Detect(data); kind {
	case PEM:
		return readPEM(data)
	case PKCS12:
		return readPKCS12(data, password)
	case JKS:
		return readJKS(data, password, keys)
	case P7:
		return readPKCS7(data)
	case "ber":
		return Contents{}, &KindError{Got: "BER with parts of indefinite length", Want: "DER, PEM, PKCS#12 or JKS",
			Fix: "openssl pkcs12 -in FILE -nodes | openssl pkcs12 -export -out NEW.p12   # for PKCS#12; openssl pkcs7 -inform DER -in FILE -print_certs for PKCS#7"}
	case "der":
		c, err := parseCertificate(data, "the file, which is DER,")
		if err != nil {
			return Contents{}, err
		}
		return Contents{Kind: kind, Chain: []*x509.Certificate{c}}, nil
	}
	if bytes.HasPrefix(data, []byte{0xce, 0xce, 0xce, 0xce}) {
		return Contents{}, &KindError{Got: "a JCEKS store", Want: "PEM, PKCS#12 or JKS",
			Fix: "keytool -importkeystore -srckeystore FILE -srcstoretype JCEKS -destkeystore FILE.p12 -deststoretype PKCS12"}
	}
	if bytes.Contains(bytes.ReplaceAll(data, []byte{0}, nil), []byte("BEGIN ")) { // it is meant to be PEM
		if d := diagnose(data); d != nil {
			return Contents{}, d
		}
	}
	return Contents{}, &KindError{Want: "PEM, PKCS#12, PKCS#7, JKS or DER"}
}

func readPKCS12(data []byte, password string) (Contents, error) {
	c := Contents{Kind: PKCS12}
	key, first, rest, err := pkcs12.DecodeChain(data, password)
	if err == nil {
		signer, ok := key.(crypto.Signer)
		if !ok {
			return c, fmt.Errorf("read PKCS#12: a key of type %T", key)
		}
		all := append([]*x509.Certificate{first}, rest...)
		c.Key = signer
		c.Chain, c.Others = arrange(ownOf(signer, all), all)
		return c, nil
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption) {
		return c, &PasswordError{PKCS12}
	}
	certs, trustErr := pkcs12.DecodeTrustStore(data, password)
	if trustErr == nil {
		c.Chain = certs
		return c, nil
	}
	// The library has no types for what follows.
	switch text := err.Error(); {
	case strings.Contains(text, "exactly one key bag"):
		return c, &SeveralKeysError{Kind: PKCS12}
	case strings.Contains(text, "private key missing"):
		return c, &KindError{Got: "a PKCS#12 store without a key, whose certificates are not marked as trusted: Java finds it empty", Want: "a key store or a trust store",
			Fix: "openssl pkcs12 -in FILE -nokeys -out CA.pem   # PEM, which can be trusted as it is"}
	case strings.Contains(text, "certificate missing"):
		return c, &KindError{Got: "a PKCS#12 store with a key and no certificate", Want: "a key store", Fix: "openssl pkcs12 -export -inkey KEY.pem -in CERT.pem -out FILE"}
	}
	return c, fmt.Errorf("read PKCS#12: %w", err)
}

// ownOf finds a key's own certificate; nil when there is none.
func ownOf(key crypto.Signer, all []*x509.Certificate) *x509.Certificate {
	for _, c := range all {
		if pub, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && pub.Equal(key.Public()) {
			return c
		}
	}
	return nil
}

func readJKS(data []byte, password string, keys bool) (Contents, error) {
	c := Contents{Kind: JKS}
	ks := keystore.New(keystore.WithOrderedAliases())
	if err := ks.Load(bytes.NewReader(data), []byte(password)); err != nil {
		// The digest over the whole file is keyed with the password.
		return c, errors.Join(&PasswordError{JKS}, err)
	}
	var own []string // aliases of keys
	for _, alias := range ks.Aliases() {
		var stored []keystore.Certificate
		if ks.IsPrivateKeyEntry(alias) {
			own = append(own, alias)
			chain, err := ks.GetPrivateKeyEntryCertificateChain(alias)
			if err != nil {
				return c, fmt.Errorf("read JKS: %w", err)
			}
			stored = chain
		} else if e, err := ks.GetTrustedCertificateEntry(alias); err == nil {
			stored = []keystore.Certificate{e.Certificate}
		}
		for _, s := range stored {
			cert, err := parseCertificate(s.Content, "the certificate "+alias)
			if err != nil {
				return c, err
			}
			c.Chain = append(c.Chain, cert)
		}
	}
	if !keys || len(own) == 0 {
		return c, nil
	}
	if len(own) > 1 {
		return c, &SeveralKeysError{Kind: JKS, Aliases: own}
	}
	e, err := ks.GetPrivateKeyEntry(own[0], []byte(password))
	if err != nil {
		return c, fmt.Errorf("read key %s of JKS (Cassandra wants its password to be that of the store): %w", own[0], err)
	}
	if c.Key, err = parsePKCS8(e.PrivateKey); err != nil {
		return c, err
	}
	if len(e.CertificateChain) == 0 {
		return c, &KindError{Got: "a JKS store with a key and no certificate", Want: "a key store", Fix: "keytool -importcert -alias " + own[0] + " -file CERT.pem -keystore FILE"}
	}
	first, err := parseCertificate(e.CertificateChain[0].Content, "the certificate "+own[0])
	if err != nil {
		return c, err
	}
	c.Chain, c.Others = arrange(first, c.Chain)
	return c, nil
}

// Encode writes a key and its chain, leaf first, as a file of a kind. The stores
// have one password, for themselves and the key: Cassandra has but one setting.
// PEM has none. now is the date of the entry, where the kind has one.
func Encode(kind string, key crypto.Signer, chain []*x509.Certificate, password string, now time.Time) ([]byte, error) {
	if len(chain) == 0 {
		return nil, errors.New("a key store without a certificate")
	}
	switch kind {
	case PEM:
		k, err := EncodeKey(key)
		if err != nil {
			return nil, err
		}
		return append(k, EncodeCertificates(chain)...), nil
	case PKCS12, Legacy:
		enc := pkcs12.Modern
		if kind == Legacy {
			enc = pkcs12.LegacyDES
		}
		return enc.Encode(key, chain[0], chain[1:], password)
	case JKS:
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("encode key: %w", err)
		}
		e := keystore.PrivateKeyEntry{CreationTime: now, PrivateKey: der}
		for _, c := range chain {
			e.CertificateChain = append(e.CertificateChain, keystore.Certificate{Type: "X509", Content: c.Raw})
		}
		ks := keystore.New()
		if err := ks.SetPrivateKeyEntry(Alias, e, []byte(password)); err != nil {
			return nil, fmt.Errorf("write JKS: %w", err)
		}
		return saveJKS(ks, password)
	}
	return nil, fmt.Errorf("%q is no kind of store; there are pem, pkcs12, pkcs12-legacy and jks", kind)
}

// GuardRounds is how often PBKDF2-HMAC-SHA-256 is gone through for a key that lies
// under a passphrase of people: what OWASP's cheat sheet on password storage asks for.
const GuardRounds = 600_000

// EncodeGuarded writes the key of a CA as PKCS#12 under a passphrase, which it makes
// slow to guess. Read opens it as any other.
func EncodeGuarded(key crypto.Signer, chain []*x509.Certificate, passphrase string) ([]byte, error) {
	if len(chain) == 0 {
		return nil, errors.New("a key store without a certificate")
	}
	return pkcs12.Modern.WithIterations(GuardRounds).Encode(key, chain[0], chain[1:], passphrase)
}

// EncodeTrust writes certificates to be trusted as a file of a kind.
func EncodeTrust(kind string, roots []*x509.Certificate, password string, now time.Time) ([]byte, error) {
	switch kind {
	case PEM:
		return EncodeCertificates(roots), nil
	case PKCS12:
		return pkcs12.Modern.EncodeTrustStore(roots, password)
	case Legacy:
		return pkcs12.LegacyDES.EncodeTrustStore(roots, password)
	case JKS:
		ks := keystore.New(keystore.WithOrderedAliases())
		for i, c := range roots {
			e := keystore.TrustedCertificateEntry{CreationTime: now, Certificate: keystore.Certificate{Type: "X509", Content: c.Raw}}
			if err := ks.SetTrustedCertificateEntry(fmt.Sprintf("%s-ca-%d", Alias, i+1), e); err != nil {
				return nil, fmt.Errorf("write JKS: %w", err)
			}
		}
		return saveJKS(ks, password)
	}
	return nil, fmt.Errorf("%q is no kind of store; there are pem, pkcs12, pkcs12-legacy and jks", kind)
}

func saveJKS(ks keystore.KeyStore, password string) ([]byte, error) {
	var b bytes.Buffer
	if err := ks.Store(&b, []byte(password)); err != nil {
		return nil, fmt.Errorf("write JKS: %w", err)
	}
	return b.Bytes(), nil
}

// EncodeCertificates writes certificates as PEM, one after the other.
func EncodeCertificates(certs []*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
