package verbs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/store"

	"golang.org/x/crypto/ocsp"
)

// TestOCSPAnswers has a responder give answers of every kind over HTTP, and holds
// pki verify --ocsp against openssl ocsp, which is given the same bytes.
func TestOCSPAnswers(t *testing.T) {
	openssl := needOpenSSL(t)
	m := newMint(t)
	root := m.ca("root", nil)
	inter := m.ca("intermediate", root)
	var answer []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/ocsp-response")
		if _, err := w.Write(answer); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	asked := func(t *x509.Certificate) { t.OCSPServer = []string{server.URL} }
	node := m.leaf(inter, asked)
	other := m.leaf(inter)
	signing := extended(x509.ExtKeyUsageOCSPSigning)
	responder := m.leaf(inter, signing, commonName("responder"))
	foreign := m.ca("foreign", nil)
	sameName := m.ca("intermediate", root)
	rsaInter := m.caWith(m.rsa, "rsa intermediate", root)
	rsaNode := m.leaf(rsaInter, asked)

	good := ocsp.Response{Status: ocsp.Good, SerialNumber: node.cert.SerialNumber, ThisUpdate: m.now.Add(-time.Hour), NextUpdate: m.now.Add(day)}
	with := func(edit func(*ocsp.Response)) ocsp.Response {
		r := good
		edit(&r)
		return r
	}
	make := func(issuer, signer *issued, r ocsp.Response) []byte {
		t.Helper()
		if signer.cert != issuer.cert {
			r.Certificate = signer.cert
		}
		der, err := ocsp.CreateResponse(issuer.cert, signer.cert, r, signer.key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	damaged := append([]byte{}, make(inter, inter, good)...)
	damaged[len(damaged)-1] ^= 1
	withStranger := with(func(r *ocsp.Response) {}) // a stranger's certificate lies beside the issuer's own signature
	withStranger.Certificate = other.cert
	strange, err := ocsp.CreateResponse(inter.cert, inter.cert, withStranger, inter.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		answer  []byte
		code    int
		differs string // why openssl ocsp says otherwise
		says    string // in the message
		leaf    *issued
		under   *issued
	}{
		{name: "issuer", answer: make(inter, inter, good)},
		{name: "delegate", answer: make(inter, responder, good)},
		{name: "issuer, with a stranger's certificate beside it", answer: strange},
		{name: "without a next one", answer: make(inter, inter, with(func(r *ocsp.Response) { r.NextUpdate = time.Time{} }))},
		{name: "SHA-256 in the identifier", answer: make(inter, inter, with(func(r *ocsp.Response) { r.IssuerHash = crypto.SHA256 })), differs: "openssl ocsp looks for SHA-1 alone unless it is told"},
		{name: "RSA", answer: make(rsaInter, rsaInter, with(func(r *ocsp.Response) { r.SerialNumber = rsaNode.cert.SerialNumber })), leaf: rsaNode, under: rsaInter},
		{name: "clock a minute ahead", answer: make(inter, inter, with(func(r *ocsp.Response) { r.ThisUpdate = m.now.Add(time.Minute) }))},
		{name: "revoked", answer: make(inter, inter, with(func(r *ocsp.Response) { r.Status, r.RevokedAt, r.RevocationReason = ocsp.Revoked, m.now, 1 })), code: 23, says: "reason 1"},
		{name: "revoked, says the delegate", answer: make(inter, responder, with(func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, m.now })), code: 23},
		{name: "unknown", answer: make(inter, inter, with(func(r *ocsp.Response) { r.Status = ocsp.Unknown })), code: 75},
		{name: "another leaf of the CA", answer: make(inter, other, good), code: 74, says: "OCSPSigning"},
		{name: "the leaf itself", answer: make(inter, node, good), code: 74, says: "OCSPSigning"},
		{name: "delegate for any use", answer: make(inter, m.leaf(inter, extended(x509.ExtKeyUsageAny), commonName("any")), good), code: 74, says: "OCSPSigning"},
		{name: "delegate that expired", answer: make(inter, m.leaf(inter, signing, commonName("old"), during(-10*day, -time.Hour)), good), code: 74, says: "not valid at this time"},
		{name: "delegate of another CA", answer: make(inter, m.leaf(foreign, signing, commonName("responder")), good), code: 74, says: "another CA"},
		{name: "delegate of a CA of that name", answer: make(inter, m.leaf(sameName, signing, commonName("responder")), good), code: 74, says: "another CA"},
		{name: "delegate of the CA above", answer: make(inter, m.leaf(root, signing, commonName("responder")), good), code: 74, says: "another CA"},
		{name: "delegate, damaged", answer: make(inter, m.damaged(responder), good), code: 74, says: "signature is wrong"},
		{name: "another CA", answer: make(inter, foreign, good), code: 74},
		{name: "a CA of that name", answer: make(inter, sameName, good), code: 74},
		{name: "another issuer's number", answer: make(foreign, inter, good), code: 74, says: "about another certificate"},
		{name: "another certificate's", answer: make(inter, inter, with(func(r *ocsp.Response) { r.SerialNumber = other.cert.SerialNumber })), code: 74, says: "about another certificate"},
		{name: "stale", answer: make(inter, inter, with(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = m.now.Add(-2*day), m.now.Add(-day) })), code: 74, says: "stale"},
		{name: "revoked, and stale", answer: make(inter, inter, with(func(r *ocsp.Response) {
			r.Status, r.RevokedAt, r.ThisUpdate, r.NextUpdate = ocsp.Revoked, m.now, m.now.Add(-2*day), m.now.Add(-day)
		})), code: 74, says: "stale"},
		{name: "old, without a next one", answer: make(inter, inter, with(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = m.now.Add(-30*day), time.Time{} })), code: 74, says: "stale",
			differs: "openssl ocsp takes an answer without an end for ever unless it is given -status_age; pki verify for a week"},
		{name: "from tomorrow on", answer: make(inter, inter, with(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = m.now.Add(day), m.now.Add(2*day) })), code: 74, says: "holds from"},
		{name: "damaged", answer: damaged, code: 74, says: "signature is wrong"},
		{name: "unknown critical extension", answer: make(inter, inter, with(func(r *ocsp.Response) {
			r.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 55555, 1}, Critical: true, Value: []byte{5, 0}}}
		})), code: 74, says: "critical", differs: "openssl ocsp looks at no extension of an answer"},
		{name: "unauthorized", answer: ocsp.UnauthorizedErrorResponse, code: 74, says: "unauthorized"},
		{name: "try later", answer: ocsp.TryLaterErrorResponse, code: 74, says: "tryLater"},
		{name: "nonsense", answer: []byte("hello"), code: 74, says: "can't be read"},
		{name: "nothing", answer: nil, code: 74, says: "can't be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf, under := node, inter
			if tt.leaf != nil {
				leaf, under = tt.leaf, tt.under
			}
			answer = tt.answer
			dir := t.TempDir()
			writeCase(t, dir, "sent", []*issued{leaf, under})
			writeCase(t, dir, "roots", []*issued{root})
			writeCase(t, dir, "leaf", []*issued{leaf})
			writeCase(t, dir, "issuer", []*issued{under})
			write(t, filepath.Join(dir, "answer.der"), tt.answer)
			res, err := quiet().VerifyChain(t.Context(), VerifyRequest{
				Leaf: filepath.Join(dir, "sent.pem"), Roots: []string{filepath.Join(dir, "roots.pem")}, OCSP: true})
			code, message := 0, ""
			if len(res.Errors) > 0 {
				code, message = res.Errors[0].Code, res.Errors[0].Message
			}
			if code != tt.code || res.OK != (tt.code == 0) || res.OK != (err == nil) || !strings.Contains(message, tt.says) {
				t.Errorf("ok %t, %v, %+v", res.OK, err, res.Errors)
			}
			if len(res.Network) == 0 || !strings.Contains(fmt.Sprint(res.Network), server.URL) {
				t.Errorf("the responder was not asked: %v", res.Network)
			}
			cmd := exec.CommandContext(t.Context(), openssl, "ocsp", "-respin", "answer.der", "-issuer", "issuer.pem", "-cert", "leaf.pem", "-CAfile", "roots.pem", "-verify_other", "issuer.pem", "-no_nonce")
			cmd.Dir = dir
			out, _ := cmd.CombinedOutput()
			theirs := bytes.Contains(out, []byte("Response verify OK")) && bytes.Contains(out, []byte("leaf.pem: good")) && !bytes.Contains(out, []byte("WARNING"))
			if theirs == res.OK && tt.differs != "" || theirs != res.OK && tt.differs == "" {
				t.Errorf("pki verify says ok %t, openssl ocsp, with %q to explain it:\n%s", res.OK, tt.differs, out)
			}
		})
	}
	// Nobody answers: that is no ok.
	server.Close()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sent.pem"), store.EncodeCertificates([]*x509.Certificate{node.cert, inter.cert}))
	writeCase(t, dir, "roots", []*issued{root})
	res, err := quiet().VerifyChain(t.Context(), VerifyRequest{Leaf: filepath.Join(dir, "sent.pem"), Roots: []string{filepath.Join(dir, "roots.pem")}, OCSP: true})
	if err == nil || res.OK || len(res.Errors) != 2 || res.Errors[0].Code != 74 {
		t.Errorf("without a responder: %+v, %v", res, err)
	}
}
