package verbs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/fail"
	"crossring/internal/pki/openssltest"
	"crossring/internal/pki/store"
)

// pem writes certificates, and the key of the first, into a file.
func (m *mint) pem(dir, name string, withKey bool, certs ...*issued) string {
	m.t.Helper()
	var list []*x509.Certificate
	for _, c := range certs {
		list = append(list, c.cert)
	}
	data := store.EncodeCertificates(list)
	if withKey {
		key, err := store.EncodeKey(certs[0].key)
		if err != nil {
			m.t.Fatal(err)
		}
		data = append(key, data...)
	}
	path := filepath.Join(dir, name)
	write(m.t, path, data)
	return path
}

// TestVerifyServer holds what pki verify --connect says of chains that OpenSSL's server
// serves against what is wrong with each.
func TestVerifyServer(t *testing.T) {
	needOpenSSL(t)
	m := newMint(t)
	dir := t.TempDir()
	root := m.ca("root", nil)
	inter := m.ca("intermediate", root, pathLen(0))
	foreign := m.ca("foreign root", nil)
	top := m.ca("policy", root)
	low := m.ca("issuing", top)
	node, old := m.leaf(inter), m.leaf(inter, during(-10*day, -time.Hour))
	gone := m.leaf(inter)
	client, stranger := m.leaf(inter), m.leaf(foreign)
	trust := m.pem(dir, "roots.pem", false, root)
	lists := filepath.Join(dir, "crl.pem")
	write(t, lists, pemLists(m.list(inter, m.now.Add(day), gone)))
	serve := func(c *issued, rest []*issued, args ...string) string {
		t.Helper()
		all := []string{"-cert", m.pem(dir, "cert.pem", false, c), "-key", m.pem(dir, "key.pem", true, c)}
		if len(rest) > 0 {
			all = append(all, "-cert_chain", m.pem(dir, "chain.pem", false, rest...))
		}
		return openssltest.Serve(t, "", append(all, args...)...)
	}
	mutual := []string{"-Verify", "4", "-verify_return_error", "-CAfile", trust, "-chainCAfile", trust}
	whole := serve(node, []*issued{inter})
	asking := serve(node, []*issued{inter}, mutual...)
	for _, tt := range []struct {
		name    string
		address string
		edit    func(*VerifyRequest)
		client  *issued
		code    int // of the first error; 0 is none
		order   string
		asked   string
		taken   any // of a client's certificate; nil is not known
	}{
		{name: "whole", address: whole},
		{name: "for a name that it has", address: whole, edit: func(r *VerifyRequest) { r.Host = "node.example" }},
		{name: "for a name that it has not", address: whole, edit: func(r *VerifyRequest) { r.Host = "other.example" }, code: 62},
		{name: "for an address that it has not", address: whole, edit: func(r *VerifyRequest) { r.IP = "10.0.0.2" }, code: 64},
		{name: "dialled at an address that it has not", address: serve(m.leaf(inter, names(nil, "10.0.0.9")), []*issued{inter}), code: 64},
		{name: "the intermediate is missing", address: serve(node, nil), code: 20, order: "the leaf was sent alone"},
		{name: "out of order", address: serve(m.leaf(low), []*issued{top, low}), order: "out of order"},
		{name: "the root was sent, too", address: serve(node, []*issued{inter, root}), order: "the root was sent, too"},
		{name: "expired", address: serve(old, []*issued{inter}), code: 10},
		{name: "a foreign CA", address: serve(m.leaf(foreign), nil), code: 20, order: "the leaf was sent alone"},
		{name: "revoked", address: serve(gone, []*issued{inter}), edit: func(r *VerifyRequest) { r.CRL = []string{lists} }, code: 23},
		{name: "not revoked", address: whole, edit: func(r *VerifyRequest) { r.CRL = []string{lists} }},
		{name: "before its birth", address: whole, edit: func(r *VerifyRequest) { r.At = m.now.Add(-2 * time.Hour) }, code: 9},
		{name: "in a year", address: whole, edit: func(r *VerifyRequest) { r.At = m.now.Add(365 * day) }, code: 10},
		{name: "for a client's use", address: serve(m.leaf(inter, extended(asClient)), []*issued{inter}), code: 26},
		{name: "between nodes, without clientAuth", address: serve(m.leaf(inter, extended(asServer)), []*issued{inter}), edit: func(r *VerifyRequest) { r.Purpose = "internode" }, code: 26},
		{name: "a client who may", address: asking, client: client, asked: "asked", taken: true},
		{name: "a client of a foreign CA", address: asking, client: stranger, code: 50, asked: "refused", taken: false},
		{name: "nobody, where one has to be", address: asking, asked: "required"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			r := VerifyRequest{Leaf: tt.address, Roots: []string{trust}}
			if tt.edit != nil {
				tt.edit(&r)
			}
			cfg := &tls.Config{MinVersion: version, MaxVersion: version}
			if tt.client != nil {
				cfg.Certificates = []tls.Certificate{{PrivateKey: tt.client.key, Certificate: [][]byte{tt.client.cert.Raw, inter.cert.Raw}}}
				if tt.client == stranger {
					cfg.Certificates[0].Certificate = cfg.Certificates[0].Certificate[:1]
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			res, err := quiet().VerifyServer(ctx, r, nil, cfg)
			cancel()
			name := tt.name + " in " + tls.VersionName(version)
			if res.OK != (tt.code == 0) || res.OK != (err == nil) || len(res.Errors) > 0 && res.Errors[0].Code != tt.code {
				t.Errorf("%s: ok %t, %+v, %v; want %d first", name, res.OK, res.Errors, err, tt.code)
			}
			if err != nil && fail.CodeOf(err) != fail.ExitFailure {
				t.Errorf("%s: exit code %d of %v", name, fail.CodeOf(err), err)
			}
			if len(res.Served) == 0 || res.Connection == nil {
				t.Fatalf("%s: it was not looked at: %+v, %v", name, res, err)
			}
			if got := strings.Join(res.Order, "; "); got != tt.order && (tt.order == "" || !strings.Contains(got, tt.order)) {
				t.Errorf("%s: order %q, want %q", name, got, tt.order)
			}
			seen := res.Connection
			if asked := word(tt.asked, "no"); seen.ClientCertificate != asked {
				t.Errorf("%s: the client's certificate is %q, want %q", name, seen.ClientCertificate, asked)
			}
			if (seen.Taken != nil) != (tt.taken != nil) || seen.Taken != nil && *seen.Taken != tt.taken {
				t.Errorf("%s: it was taken: %v, want %v", name, seen.Taken, tt.taken)
			}
			if tt.asked == "" && !seen.Resumed {
				t.Errorf("%s: a second connection was not resumed: %+v", name, seen)
			}
		}
	}
}

// Where nobody is, nothing is known of a certificate, and that is another exit code than
// a chain that is not right. Who answers in plain text is no TLS server.
func TestVerifyNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	res, err := quiet().VerifyServer(t.Context(), VerifyRequest{Leaf: address}, nil, nil)
	if fail.CodeOf(err) != fail.ExitPrerequisite || res.OK || len(res.Errors) != 1 || len(res.Served) != 0 {
		t.Errorf("nobody: %+v, %v", res, err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	go func() {
		for {
			c, err := plain.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
				c.Close()
			}
		}
	}()
	res, err = quiet().VerifyServer(t.Context(), VerifyRequest{Leaf: plain.Addr().String()}, nil, nil)
	if fail.CodeOf(err) != fail.ExitFailure || res.OK || len(res.Errors) != 1 {
		t.Errorf("plain text: %+v, %v", res, err)
	}
}

// A file of roots that has a key in it is said, and counts all the same.
func TestTrustWithAKey(t *testing.T) {
	m := newMint(t)
	dir := t.TempDir()
	root := m.ca("root", nil)
	both := m.pem(dir, "both.pem", true, root)
	res, err := quiet().VerifyChain(t.Context(), VerifyRequest{Leaf: m.pem(dir, "leaf.pem", false, m.leaf(root)), Roots: []string{both}})
	if err != nil || !res.OK || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0].Message, "holds a private key") {
		t.Errorf("%+v, %v", res, err)
	}
}

func pemLists(lists ...*x509.RevocationList) []byte {
	var out []byte
	for _, l := range lists {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: l.Raw})...)
	}
	return out
}
