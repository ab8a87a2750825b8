package chain

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"
)

// What a responder sends is anything, and is not believed unless it is signed.
func FuzzReadAnswer(f *testing.F) {
	root, _ := issue(f, "root", true, nil, nil)
	f.Add([]byte{0x30, 0x03, 0x0a, 0x01, 0x03})
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		if a, err := ReadAnswer(der, root, root, time.Unix(1e9, 0)); err == nil {
			t.Errorf("%x is believed: %v", der, a)
		}
	})
}

// Extensions come from anybody: they are read, or refused, and the walk ends.
func FuzzExtensions(f *testing.F) {
	f.Add([]byte{0x30, 0}, []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, constraints, names []byte) {
		nc, err := constraintsOf(withRaw(oidNameConstraints, constraints))
		all, _ := altNames(withRaw(oidAltNames, names))
		if err == nil && nc != nil {
			for _, n := range all {
				nc.check(n)
				_ = n.String()
			}
		}
		_, _ = readScope(names)
		pointsOf(withRaw(oidCRLPoints, names))
		_, _ = readPSS(names)
		canonical(names)
		matchesHost(string(constraints), string(names))
	})
}

func withRaw(oid asn1.ObjectIdentifier, value []byte) *x509.Certificate {
	return &x509.Certificate{Extensions: []pkix.Extension{{Id: oid, Value: value}}}
}
