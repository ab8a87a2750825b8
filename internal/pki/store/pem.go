package store

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"crossring/internal/plain"
)

// LegacyKeyError says that a private key is in a form that Cassandra does not
// read: from 4.1 on it reads PKCS#8 alone.
type LegacyKeyError struct {
	Form string // PKCS#1, SEC1, encrypted PKCS#8, encrypted PKCS#1
	// Key is the key itself, to go on with, where it is not encrypted.
	Key crypto.Signer
}

func (e *LegacyKeyError) Error() string {
	return fmt.Sprintf("the private key is %s; Cassandra reads PKCS#8 (BEGIN PRIVATE KEY) alone", e.Form)
}

// Hint is the command that converts it.
func (e *LegacyKeyError) Hint() string {
	return "openssl pkcs8 -topk8 -nocrypt -in KEY.pem -out KEY8.pem && chmod 600 KEY8.pem"
}

// TruncatedError says that a PEM file ends inside a block, or that a block is not
// whole.
type TruncatedError struct {
	Block string // what the block is called
	Whole int    // blocks before it that are whole
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("PEM is cut off or damaged in a %s block, after %d whole ones", e.Block, e.Whole)
}

// Hint says what to do.
func (e *TruncatedError) Hint() string {
	return "grep -c 'END CERTIFICATE' FILE   # then copy the file again, with its last line"
}

// readPEM reads every block. A key in a legacy form is read, and is an error
// besides.
func readPEM(data []byte) (Contents, error) {
	c := Contents{Kind: PEM}
	if d := diagnose(data); d != nil {
		return c, d
	}
	var legacy error
	whole, keys := 0, 0
	for rest := data; ; whole++ {
		block, next := pem.Decode(rest)
		if err := skipped(rest, block, next, whole); err != nil {
			if d := damagedBlock(rest); d != nil {
				d.Line += bytes.Count(data[:len(data)-len(rest)], []byte("\n"))
				d.Byte += len(data) - len(rest)
				return c, d
			}
			return c, err
		}
		if block == nil {
			break
		}
		rest = next
		switch {
		case block.Type == "CERTIFICATE" || block.Type == "TRUSTED CERTIFICATE" || block.Type == "X509 CERTIFICATE":
			if err := c.addCertificate(block); err != nil {
				return c, err
			}
		case block.Type == "PKCS7" || block.Type == "CMS" || block.Type == "PKCS #7 SIGNED DATA":
			bundle, err := readPKCS7(block.Bytes)
			if err != nil {
				return c, err
			}
			c.Chain, c.Others = append(c.Chain, bundle.Chain...), append(c.Others, bundle.Others...)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			keys++
			key, err := parseKey(block)
			var form *LegacyKeyError
			if l, ok := err.(*LegacyKeyError); ok {
				form = l
				legacy, key = form, form.Key
			} else if err != nil {
				return c, err
			}
			c.Key = key
		}
	}
	if whole == 0 {
		return c, &TruncatedError{Block: "PEM"}
	}
	if keys > 1 {
		return c, &SeveralKeysError{Kind: PEM}
	}
	return c, legacy
}

// addCertificate reads one, and the settings behind it that a TRUSTED CERTIFICATE
// has.
func (c *Contents) addCertificate(block *pem.Block) error {
	what := fmt.Sprintf("certificate %d of the file", len(c.Chain)+1)
	var raw asn1.RawValue
	behind, err := asn1.Unmarshal(block.Bytes, &raw)
	if err != nil {
		return &UnreadableError{What: what, Err: err}
	}
	der := block.Bytes
	if block.Type == "TRUSTED CERTIFICATE" {
		der = raw.FullBytes
	}
	cert, err := parseCertificate(der, what)
	if err != nil {
		return err
	}
	c.Chain = append(c.Chain, cert)
	if block.Type != "TRUSTED CERTIFICATE" || len(behind) == 0 {
		return nil
	}
	var seq asn1.RawValue
	if rest, err := asn1.Unmarshal(behind, &seq); err != nil || len(rest) > 0 {
		return &UnreadableError{What: what, Err: errors.Join(err, errors.New("what it is trusted for can't be read"))}
	}
	set := Setting{Certificate: cert}
	for rest := seq.Bytes; len(rest) > 0; {
		var part asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &part); err != nil {
			return &UnreadableError{What: what, Err: err}
		}
		var list *[]asn1.ObjectIdentifier
		switch {
		case part.Class == asn1.ClassUniversal && part.Tag == asn1.TagSequence:
			list = &set.Trust
		case part.Class == asn1.ClassContextSpecific && part.Tag == 0:
			list = &set.Reject
		default:
			continue // its alias, the identifier of its key
		}
		for oids := part.Bytes; len(oids) > 0; {
			var oid asn1.ObjectIdentifier
			if oids, err = asn1.Unmarshal(oids, &oid); err != nil {
				return &UnreadableError{What: what, Err: err}
			}
			*list = append(*list, oid)
		}
	}
	c.Settings = append(c.Settings, set)
	return nil
}

// skipped finds a BEGIN line that the decoder passed over, which it does in
// silence when the block's end or its base 64 is not right.
func skipped(rest []byte, block *pem.Block, next []byte, whole int) error {
	passed := rest[:len(rest)-len(next)]
	begins := bytes.Count(passed, []byte("-----BEGIN "))
	if block == nil {
		begins = bytes.Count(rest, []byte("-----BEGIN ")) + 1
	}
	if begins <= 1 {
		return nil
	}
	name := "PEM"
	if _, after, ok := bytes.Cut(rest, []byte("-----BEGIN ")); ok {
		label, _, _ := bytes.Cut(after, []byte("-----"))
		if len(label) < 40 {
			name = string(label)
		}
	}
	return &TruncatedError{Block: name, Whole: whole}
}

// ReadKey reads the first private key of a PEM file. One in a legacy form comes
// back together with a *LegacyKeyError.
func ReadKey(data []byte) (crypto.Signer, error) {
	if kind := Detect(data); kind != PEM {
		return nil, &KindError{Got: map[string]string{PKCS12: "a PKCS#12 store", JKS: "a JKS store", "der": "DER"}[kind], Want: "PEM",
			Fix: "openssl pkcs12 -in FILE -nodes -nocerts | openssl pkcs8 -topk8 -nocrypt -out KEY.pem"}
	}
	c, err := readPEM(data)
	if c.Key == nil && err == nil {
		return nil, &KindError{Got: "a file without a private key", Want: "a PEM private key"}
	}
	return c.Key, err
}

func parseKey(b *pem.Block) (crypto.Signer, error) {
	if b.Headers["DEK-Info"] != "" {
		return nil, &LegacyKeyError{Form: "encrypted in OpenSSL's old way"}
	}
	switch b.Type {
	case "PRIVATE KEY":
		return parsePKCS8(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read PKCS#1 key: %w", err)
		}
		return nil, &LegacyKeyError{Form: "PKCS#1 (BEGIN RSA PRIVATE KEY)", Key: key}
	case "EC PRIVATE KEY":
		key, err := x509.ParseECPrivateKey(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read SEC1 key: %w", err)
		}
		return nil, &LegacyKeyError{Form: "SEC1 (BEGIN EC PRIVATE KEY)", Key: key}
	case "ENCRYPTED PRIVATE KEY":
		return nil, &LegacyKeyError{Form: "encrypted PKCS#8"}
	}
	return nil, &LegacyKeyError{Form: b.Type}
}

func parsePKCS8(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read PKCS#8 key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read PKCS#8 key: a key of type %T cannot sign", key)
	}
	return signer, nil
}

// EncodeKey writes a private key as PKCS#8 PEM.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// MismatchError says that a private key is not the certificate's.
type MismatchError struct{ Subject string }

func (e *MismatchError) Error() string {
	return "the private key does not belong to the certificate of " + e.Subject
}

// Hint compares the two by hand.
func (e *MismatchError) Hint() string {
	return "openssl pkey -in KEY.pem -pubout; openssl x509 -in CERT.pem -noout -pubkey   # must be the same"
}

// Match checks that key is cert's, and that it is of a kind that Cassandra takes.
func Match(key crypto.Signer, cert *x509.Certificate) error {
	if _, ed := key.(ed25519.PrivateKey); ed {
		return &KindError{Got: "an Ed25519 key", Want: "RSA or EC, which is what Cassandra reads", Fix: "crossring pki issue NAME --key ecdsa-p256"}
	}
	pub, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(key.Public()) {
		return &MismatchError{Subject: cert.Subject.String()}
	}
	return nil
}

// OpenError says that others than the owner may read a private key.
type OpenError struct {
	Path string
	Mode fs.FileMode
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("%s holds a private key, and others may read it: its mode is %04o", e.Path, e.Mode)
}

// Hint closes it.
func (e *OpenError) Hint() string { return plain.Command("chmod", "600", e.Path) }

// Private checks that a key file is its owner's alone.
func Private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return &OpenError{Path: path, Mode: mode}
	}
	return nil
}
