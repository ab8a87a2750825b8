package verbs

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/store"
)

// hints are all the commands that an error offers.
func hints(err error) string {
	var all []string
	var visit func(error)
	visit = func(err error) {
		if h, ok := err.(interface{ Hint() string }); ok {
			all = append(all, h.Hint())
		}
		switch e := err.(type) {
		case interface{ WrappedErrors() []error }:
			for _, inner := range e.WrappedErrors() {
				visit(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				visit(inner)
			}
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				visit(inner)
			}
		}
	}
	visit(err)
	return strings.Join(all, "\n")
}

// TestBadInput is what users bring: each is refused for what is wrong with it, and
// most with the command that mends it.
func TestBadInput(t *testing.T) {
	m := newMint(t)
	root := m.ca("root", nil)
	node := m.leaf(root)
	rsaNode := m.leafWith(m.rsa, root)
	certs := func(all ...*issued) []byte {
		var list []*x509.Certificate
		for _, c := range all {
			list = append(list, c.cert)
		}
		return store.EncodeCertificates(list)
	}
	pkcs8 := func(c *issued) []byte {
		data, err := store.EncodeKey(c.key)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	block := func(kind string, der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	sec1 := func(c *issued) []byte {
		der, err := x509.MarshalECPrivateKey(c.key.(*ecdsa.PrivateKey))
		return block("EC PRIVATE KEY", der, err)
	}
	encode := func(kind string) []byte {
		data, err := store.Encode(kind, node.key, []*x509.Certificate{node.cert}, "right", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	truncated := certs(node, root)
	truncated = truncated[:len(truncated)-60]
	for _, tt := range []struct {
		name     string
		leaf     []byte
		key      []byte
		password string
		ip       string
		is       func(error) bool
		hint     string // is part of it
	}{
		{name: "key of another", leaf: certs(node), key: pkcs8(rsaNode), is: as[*store.MismatchError], hint: "openssl pkey"},
		{name: "key of another in the file", leaf: append(pkcs8(rsaNode), certs(node)...), is: as[*store.MismatchError], hint: "openssl pkey"},
		{name: "PKCS#1 key", leaf: certs(rsaNode), key: block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(m.rsa), nil), is: as[*store.LegacyKeyError], hint: "openssl pkcs8 -topk8"},
		{name: "SEC1 key", leaf: certs(node), key: sec1(node), is: as[*store.LegacyKeyError], hint: "openssl pkcs8 -topk8"},
		{name: "encrypted key", leaf: certs(node), key: block("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}, nil), is: as[*store.LegacyKeyError], hint: "openssl pkcs8 -topk8"},
		{name: "no key in the key file", leaf: certs(node), key: certs(node), is: as[*store.KindError]},
		{name: "store as key file", leaf: certs(node), key: encode(store.PKCS12), is: as[*store.KindError], hint: "openssl pkcs12"},
		{name: "wrong password of PKCS#12", leaf: encode(store.PKCS12), password: "wrong", is: as[*store.PasswordError], hint: "openssl pkcs12"},
		{name: "wrong password of old PKCS#12", leaf: encode(store.Legacy), password: "wrong", is: as[*store.PasswordError], hint: "openssl pkcs12"},
		{name: "wrong password of JKS", leaf: encode(store.JKS), password: "wrong", is: as[*store.PasswordError], hint: "keytool"},
		{name: "JCEKS", leaf: []byte{0xce, 0xce, 0xce, 0xce, 0, 0, 0, 2}, is: as[*store.KindError], hint: "keytool -importkeystore"},
		{name: "no store at all", leaf: []byte("hello\n"), is: as[*store.KindError]},
		{name: "truncated PEM", leaf: truncated, is: as[*store.DamageError], hint: "copy the file anew"},
		{name: "PEM cut in its first block", leaf: certs(node)[:200], is: as[*store.DamageError], hint: "copy the file anew"},
		{name: "DNS names only", leaf: certs(m.leaf(root, names([]string{"node.example"}))), ip: "10.0.0.1", is: failed(64)},
		{name: "foreign CA", leaf: certs(m.leaf(m.ca("foreign", nil))), is: failed(20)},
		{name: "clock a day off", leaf: certs(m.leaf(root, during(day, 2*day))), is: failed(9)},
		{name: "CA:FALSE issuer", leaf: certs(m.leaf(node, commonName("below")), node), is: failed(79)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			r := VerifyRequest{Leaf: filepath.Join(dir, "leaf"), Roots: []string{filepath.Join(dir, "roots.pem")}, Password: tt.password, IP: tt.ip}
			write(t, r.Leaf, tt.leaf)
			write(t, r.Roots[0], certs(root))
			if tt.key != nil {
				r.Key = filepath.Join(dir, "key.pem")
				write(t, r.Key, tt.key)
			}
			res, err := quiet().VerifyChain(t.Context(), r)
			if len(res.Errors) == 0 || res.Errors[0].Message == "" || res.Errors[0].Hint == "" {
				t.Errorf("not ok, and the answer does not say why: %+v", res)
			}
			if err == nil || res.OK || !tt.is(&verdictError{err, res}) || !strings.Contains(hints(err), tt.hint) {
				t.Errorf("ok %t, errors %+v, %v, hints %q", res.OK, res.Errors, err, hints(err))
			}
		})
	}
	// A good chain is good whoever may read the key beside it; it is said all the same.
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644} {
		for _, own := range []bool{true, false} {
			dir := t.TempDir()
			r := VerifyRequest{Leaf: filepath.Join(dir, "leaf"), Roots: []string{filepath.Join(dir, "roots.pem")}, Purpose: "internode"}
			write(t, r.Roots[0], certs(root))
			file := r.Leaf
			if own {
				r.Key = filepath.Join(dir, "key.pem")
				file = r.Key
				write(t, r.Leaf, certs(node))
				write(t, r.Key, pkcs8(node))
			} else {
				write(t, r.Leaf, append(pkcs8(node), certs(node)...))
			}
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			res, err := quiet().VerifyChain(t.Context(), r)
			if err != nil || !res.OK || len(res.Warnings) != 1 || res.Warnings[0].Hint != "chmod 600 "+file {
				t.Errorf("mode %o: ok %t, %+v, %v", mode, res.OK, res.Warnings, err)
			}
		}
	}
	// What is right passes, in every kind of store.
	for _, kind := range []string{store.PEM, store.PKCS12, store.Legacy, store.JKS} {
		dir := t.TempDir()
		r := VerifyRequest{Leaf: filepath.Join(dir, "leaf"), Roots: []string{filepath.Join(dir, "roots.pem")}, Password: "right", Purpose: "internode", IP: "10.0.0.1"}
		write(t, r.Leaf, encode(kind))
		write(t, r.Roots[0], certs(root))
		if res, err := quiet().VerifyChain(t.Context(), r); err != nil || !res.OK || len(res.Network) > 0 {
			t.Errorf("%s: %+v, %v", kind, res, err)
		}
	}
}

// verdictError carries what was found beside the error.
type verdictError struct {
	error
	res VerifyResult
}

func (v *verdictError) Unwrap() error { return v.error }

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func failed(code int) func(error) bool {
	return func(err error) bool {
		var v *verdictError
		return errors.As(err, &v) && len(v.res.Errors) > 0 && v.res.Errors[0].Code == code
	}
}
