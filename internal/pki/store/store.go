// Package store reads and writes the files that keys and certificates lie in:
// PEM, PKCS#12 and Java's JKS. It says what a file is when it is not what was
// hoped for, and which command makes it so.
package store

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
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

// Contents is what a file holds: a private key, certificates, or both. A chain
// comes in the order of the file, the key's own certificate first.
type Contents struct {
	Kind  string
	Key   crypto.Signer // nil when there is none
	Chain []*x509.Certificate
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

// Detect tells what kind of file data is: PEM, PKCS12, JKS, "der" for a single
// certificate, or "" when it is none of them. A PKCS#12 file is told from other
// DER by its version, the integer 3 right at its start.
func Detect(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return JKS
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return PEM
	case len(data) > 8 && data[0] == 0x30 && bytes.Contains(data[:min(8, len(data))], []byte{0x02, 0x01, 0x03}):
		return PKCS12
	case len(data) > 2 && data[0] == 0x30:
		return "der"
	}
	return ""
}

// Read reads a file of any kind. The password is for PKCS#12 and JKS; of those it
// reads key stores and trust stores.
func Read(data []byte, password string) (Contents, error) {
	switch kind := Detect(data); kind {
	case PEM:
		return readPEM(data)
	case PKCS12:
		return readPKCS12(data, password)
	case JKS:
		return readJKS(data, password)
	case "der":
		c, err := x509.ParseCertificate(data)
		if err != nil {
			return Contents{}, fmt.Errorf("read DER: %w", err)
		}
		return Contents{Kind: kind, Chain: []*x509.Certificate{c}}, nil
	}
	if bytes.HasPrefix(data, []byte{0xce, 0xce, 0xce, 0xce}) {
		return Contents{}, &KindError{Got: "a JCEKS store", Want: "PEM, PKCS#12 or JKS",
			Fix: "keytool -importkeystore -srckeystore FILE -srcstoretype JCEKS -destkeystore FILE.p12 -deststoretype PKCS12"}
	}
	return Contents{}, &KindError{Want: "PEM, PKCS#12, JKS or DER"}
}

func readPKCS12(data []byte, password string) (Contents, error) {
	c := Contents{Kind: PKCS12}
	key, leaf, rest, err := pkcs12.DecodeChain(data, password)
	if err == nil {
		signer, ok := key.(crypto.Signer)
		if !ok {
			return c, fmt.Errorf("read PKCS#12: a key of type %T", key)
		}
		c.Key, c.Chain = signer, append([]*x509.Certificate{leaf}, rest...)
		return c, nil
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption) {
		return c, &PasswordError{PKCS12}
	}
	certs, trustErr := pkcs12.DecodeTrustStore(data, password)
	if trustErr != nil {
		return c, fmt.Errorf("read PKCS#12: %w", err)
	}
	c.Chain = certs
	return c, nil
}

func readJKS(data []byte, password string) (Contents, error) {
	c := Contents{Kind: JKS}
	ks := keystore.New(keystore.WithOrderedAliases())
	if err := ks.Load(bytes.NewReader(data), []byte(password)); err != nil {
		// The digest over the whole file is keyed with the password.
		return c, errors.Join(&PasswordError{JKS}, err)
	}
	parse := func(der []byte) error {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("read JKS: %w", err)
		}
		c.Chain = append(c.Chain, cert)
		return nil
	}
	for _, alias := range ks.Aliases() {
		if ks.IsPrivateKeyEntry(alias) && c.Key == nil {
			e, err := ks.GetPrivateKeyEntry(alias, []byte(password))
			if err != nil {
				return c, fmt.Errorf("read key %s of JKS (Cassandra wants its password to be that of the store): %w", alias, err)
			}
			if c.Key, err = parsePKCS8(e.PrivateKey); err != nil {
				return c, err
			}
			own := c.Chain
			c.Chain = nil
			for _, cert := range e.CertificateChain {
				if err := parse(cert.Content); err != nil {
					return c, err
				}
			}
			c.Chain = append(c.Chain, own...)
			continue
		}
		if e, err := ks.GetTrustedCertificateEntry(alias); err == nil {
			if err := parse(e.Certificate.Content); err != nil {
				return c, err
			}
		}
	}
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
