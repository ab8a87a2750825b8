package store

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
)

// P7 is a PKCS#7 bundle, as some CAs hand chains out: certificates without an
// order, and no key.
const P7 = "pkcs7"

var oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// isPKCS7 says that DER is a PKCS#7 of signed data.
func isPKCS7(der []byte) bool {
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"optional"`
	}
	_, err := asn1.Unmarshal(der, &outer)
	return err == nil && outer.Type.Equal(oidSignedData)
}

// readPKCS7 reads the certificates of a bundle. What was signed, if anything, is
// not looked at.
func readPKCS7(der []byte) (Contents, error) {
	c := Contents{Kind: P7}
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil || !outer.Type.Equal(oidSignedData) {
		return c, fmt.Errorf("read PKCS#7: %w", errors.Join(err, errors.New("it is no signed data")))
	}
	var body asn1.RawValue
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &body); err != nil {
		return c, fmt.Errorf("read PKCS#7: %w", err)
	}
	var all []*x509.Certificate
	for rest := body.Bytes; len(rest) > 0; {
		var part asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &part); err != nil {
			return c, fmt.Errorf("read PKCS#7: %w", err)
		}
		if part.Class != asn1.ClassContextSpecific || part.Tag != 0 {
			continue // version, digests, content; lists and signers behind
		}
		for certs := part.Bytes; len(certs) > 0; {
			var raw asn1.RawValue
			if certs, err = asn1.Unmarshal(certs, &raw); err != nil {
				return c, fmt.Errorf("read PKCS#7: %w", err)
			}
			cert, err := parseCertificate(raw.FullBytes, fmt.Sprintf("certificate %d of the bundle", len(all)+1))
			if err != nil {
				return c, err
			}
			all = append(all, cert)
		}
	}
	c.Chain, c.Others = arrange(leafOf(all), all)
	return c, nil
}

// leafOf finds the one certificate of a set that issued none of the others and is
// no CA; nil when there is none, or more than one.
func leafOf(all []*x509.Certificate) *x509.Certificate {
	var found *x509.Certificate
	for _, c := range all {
		if c.IsCA {
			continue
		}
		if found != nil {
			return nil
		}
		found = c
	}
	return found
}
