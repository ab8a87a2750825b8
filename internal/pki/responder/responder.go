// Package responder answers, over HTTP, whether certificates of a CA were revoked: by
// OCSP (RFC 6960) and by the CA's revocation lists (RFC 5280). It is for labs: the CA's
// own keys sign the answers, so the machine that serves them has those.
package responder

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"crossring/internal/pki"

	"golang.org/x/crypto/ocsp"
)

// Lives of what is signed.
const (
	AnswerLife = 24 * time.Hour
	backDate   = 5 * time.Minute // clocks differ
)

// Responder serves the lists and the answers of one CA. What is revoked while it runs it
// says from then on.
type Responder struct {
	dir, passphrase string
	listLife        time.Duration
	answerLife      time.Duration
	now             func() time.Time
	log             func(format string, args ...any)

	mu      sync.Mutex // a token's session serves one at a time
	signers []signer
}

// signer is one authority, with its key.
type signer struct {
	name string
	pki.Authority
}

// Config of a Responder.
type Config struct {
	Dir, Passphrase string
	ListLife        time.Duration // of a list; 0 is pki.ListLife
	AnswerLife      time.Duration // of an answer; 0 is AnswerLife
	Now             func() time.Time
	Log             func(format string, args ...any) // a line for each request
}

// Open opens a CA's keys, all of them: it signs with each. Close ends that.
func Open(ctx context.Context, cfg Config) (*Responder, error) {
	r := &Responder{dir: cfg.Dir, passphrase: cfg.Passphrase, listLife: cfg.ListLife, answerLife: cfg.AnswerLife, now: cfg.Now, log: cfg.Log}
	if r.listLife == 0 {
		r.listLife = pki.ListLife
	}
	if r.answerLife == 0 {
		r.answerLife = AnswerLife
	}
	d, err := pki.Open(cfg.Dir, cfg.Passphrase)
	if err != nil {
		return nil, err
	}
	issuers, err := d.Issuers()
	if err != nil {
		return nil, err
	}
	for _, i := range issuers {
		a, err := d.Signer(ctx, i.Name)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.signers = append(r.signers, signer{i.Name, a})
	}
	return r, nil
}

// Close ends the sessions of keys in a token.
func (r *Responder) Close() error {
	var errs []error
	for _, s := range r.signers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Paths below which there is something.
const (
	OCSPPath = "/ocsp"
	CRLPath  = "/crl/" // and the issuer's name, .crl
	CAPath   = "/ca/"  // and the issuer's name, .cer
)

// Names are those of the issuers, the root's first.
func (r *Responder) Names() []string {
	var all []string
	for _, s := range r.signers {
		all = append(all, s.name)
	}
	return all
}

// maxRequest is more than any OCSP request has.
const maxRequest = 64 << 10

// ServeHTTP answers one request. It takes GET and, for OCSP, POST.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	status, kind, body, said := r.answer(req)
	r.log("%s %s from %s: %d %s", req.Method, req.URL.Path, req.RemoteAddr, status, said)
	if status != http.StatusOK {
		http.Error(w, said, status)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	if req.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever asked has gone
	}
}

func (r *Responder) answer(req *http.Request) (status int, kind string, body []byte, said string) {
	path := req.URL.EscapedPath()
	get := req.Method == http.MethodGet || req.Method == http.MethodHead
	file := func(prefix, ending string) (signer, bool) {
		name, ok := strings.CutPrefix(path, prefix)
		if name, ok2 := strings.CutSuffix(name, ending); ok && ok2 && get {
			for _, s := range r.signers {
				if url.PathEscape(s.name) == name {
					return s, true
				}
			}
		}
		return signer{}, false
	}
	if s, ok := file(CAPath, ".cer"); ok {
		return http.StatusOK, "application/pkix-cert", s.Cert().Raw, "certificate of " + s.name
	}
	if s, ok := file(CRLPath, ".crl"); ok {
		list, err := r.list(req.Context(), s)
		if err != nil {
			return http.StatusInternalServerError, "", nil, err.Error()
		}
		return http.StatusOK, "application/pkix-crl", list.Raw, fmt.Sprintf("list %s of %s, %d revoked", list.Number, s.name, len(list.RevokedCertificateEntries))
	}
	encoded, byGet := strings.CutPrefix(path, OCSPPath+"/")
	switch {
	case path == OCSPPath && req.Method == http.MethodPost:
		der, err := io.ReadAll(io.LimitReader(req.Body, maxRequest+1))
		if err != nil || len(der) > maxRequest {
			return http.StatusRequestEntityTooLarge, "", nil, "this is no OCSP request"
		}
		body, said = r.ocsp(der)
	case byGet && get:
		text, err := url.PathUnescape(encoded)
		var der []byte
		if err == nil {
			der, err = base64.StdEncoding.DecodeString(text)
		}
		if err != nil {
			return http.StatusBadRequest, "", nil, "this is no OCSP request: " + err.Error()
		}
		body, said = r.ocsp(der)
	case path == OCSPPath || byGet:
		return http.StatusMethodNotAllowed, "", nil, "OCSP is asked by POST, or by GET with the request in the path"
	default:
		return http.StatusNotFound, "", nil, "there are " + OCSPPath + ", " + CRLPath + "ISSUER.crl and " + CAPath + "ISSUER.cer"
	}
	return http.StatusOK, "application/ocsp-response", body, said
}

// list is the newest one of an issuer, signed anew where something was revoked since, or
// where half of its life is over.
func (r *Responder) list(ctx context.Context, s signer) (*x509.RevocationList, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, err := pki.Open(r.dir, r.passphrase)
	if err != nil {
		return nil, err
	}
	lists, err := d.Current(ctx, r.now(), r.listLife)
	if err != nil {
		return nil, err
	}
	for _, l := range lists {
		if bytes.Equal(l.RawIssuer, s.Cert().RawSubject) && l.CheckSignatureFrom(s.Cert()) == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("there is no list of %s", s.name)
}

// ocsp answers one request, in DER, and says in words what it answered.
func (r *Responder) ocsp(der []byte) ([]byte, string) {
	req, err := ocsp.ParseRequest(der)
	if err != nil {
		return ocsp.MalformedRequestErrorResponse, "malformed: " + err.Error()
	}
	s, ok := r.issuerOf(req)
	if !ok {
		return ocsp.UnauthorizedErrorResponse, "unauthorized: it is about another CA's certificate"
	}
	d, err := pki.Open(r.dir, r.passphrase)
	if err != nil {
		return ocsp.InternalErrorErrorResponse, err.Error()
	}
	now := r.now()
	t := ocsp.Response{
		Status: ocsp.Unknown, SerialNumber: req.SerialNumber, IssuerHash: req.HashAlgorithm,
		ThisUpdate: now.Add(-backDate).UTC().Truncate(time.Second), NextUpdate: now.Add(r.answerLife).UTC().Truncate(time.Second),
	}
	said := "unknown"
	switch at, issued := r.issued(d, s, req.SerialNumber); {
	case !issued:
	case at == nil:
		t.Status, said = ocsp.Good, "good"
	default:
		t.Status, t.RevokedAt, said = ocsp.Revoked, at.UTC(), "revoked"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out, err := ocsp.CreateResponse(s.Cert(), s.Cert(), t, s.Key)
	if err != nil {
		return ocsp.InternalErrorErrorResponse, err.Error()
	}
	return out, fmt.Sprintf("serial %x of %s is %s", req.SerialNumber, s.name, said)
}

// issued says whether an issuer issued a number, and when that was revoked; nil is that
// it counts.
func (r *Responder) issued(d *pki.Dir, s signer, serial *big.Int) (*time.Time, bool) {
	for _, e := range d.Entries() {
		name := e.Issuer
		if name == "" {
			name = pki.RootName
		}
		if name == s.name && e.Serial == serial.String() {
			return e.RevokedAt, true
		}
	}
	if s.name == pki.RootName { // and what is below it
		for _, other := range r.signers {
			if other.name != pki.RootName && other.Cert().SerialNumber.Cmp(serial) == 0 {
				return nil, true
			}
		}
	}
	return nil, false
}

// issuerOf finds the authority that a request is about, by the hashes of its name and of
// its key.
func (r *Responder) issuerOf(req *ocsp.Request) (signer, bool) {
	if !req.HashAlgorithm.Available() {
		return signer{}, false
	}
	for _, s := range r.signers {
		if bytes.Equal(sum(req.HashAlgorithm, s.Cert().RawSubject), req.IssuerNameHash) && bytes.Equal(sum(req.HashAlgorithm, publicKey(s.Cert())), req.IssuerKeyHash) {
			return s, true
		}
	}
	return signer{}, false
}

func sum(h crypto.Hash, data []byte) []byte {
	w := h.New()
	w.Write(data)
	return w.Sum(nil)
}

// publicKey is the key's bit string, without its algorithm.
func publicKey(c *x509.Certificate) []byte {
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &info); err != nil {
		return nil
	}
	return info.Key.RightAlign()
}
