package pki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crossring/internal/pki/chain"
	"crossring/internal/pki/names"
	"crossring/internal/pki/store"
	"crossring/internal/plain"
)

// Directories of a Dir whose certificates are signed elsewhere.
const (
	requestsDir = "requests" // what is to be signed, NAME.csr
	signedDir   = "signed"   // what was, NAME.pem, with the intermediates
)

// UnsignedError says that a certificate that is signed elsewhere is not here, or is not
// what was asked for.
type UnsignedError struct {
	Name    string
	Request string   // path of the signing request
	Signed  string   // path where the certificate is looked for
	For     []string // addresses that it has to have
	Use     string   // chain.Internode or chain.Client
	Wrong   []string // what is wrong with the one that is there; empty where none is
}

func (e *UnsignedError) Error() string {
	what := "serverAuth and clientAuth"
	if e.Use == chain.Client {
		what = "clientAuth"
	}
	text := fmt.Sprintf("%s lacks the certificate that is asked for in %s, with %s", e.Name, e.Request, what)
	if len(e.For) > 0 {
		text += " for " + strings.Join(e.For, ", ")
	}
	if len(e.Wrong) > 0 {
		return text + ": " + e.Signed + " is another one: " + strings.Join(e.Wrong, "; ")
	}
	return text + ": it is looked for in " + e.Signed
}

// ReadTrust reads the root under which certificates are signed elsewhere.
func ReadTrust(path string, now time.Time) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what is to be trusted: %w", err)
	}
	c, err := store.Read(data, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	all := c.All()
	if len(all) != 1 {
		return nil, fmt.Errorf("%s has %s; the one root is to be in it", path, plain.Count(len(all), "certificate"))
	}
	root := all[0]
	switch {
	case c.Key != nil:
		return nil, fmt.Errorf("%s has a private key in it: every node would get it with what it trusts", path)
	case !root.IsCA || root.CheckSignatureFrom(root) != nil:
		return nil, fmt.Errorf("%s has %s, which is no root: an intermediate comes with each certificate", path, root.Subject)
	case now.Before(root.NotBefore) || !now.Before(root.NotAfter):
		return nil, &EndedError{root.Subject.String(), root.NotBefore, root.NotAfter, now}
	}
	return root, nil
}

// Elsewhere says whether certificates are signed elsewhere.
func (d *Dir) Elsewhere() bool { return d.index.Elsewhere }

// initElsewhere makes the record of certificates that are signed elsewhere.
func (d *Dir) initElsewhere(s Setup) error {
	d.index.Elsewhere = true
	for _, name := range []string{requestsDir, signedDir} {
		if err := os.MkdirAll(filepath.Join(d.Path, name), 0o700); err != nil {
			return fmt.Errorf("make directory of requests: %w", err)
		}
	}
	if err := d.writeIndex(); err != nil {
		return err
	}
	return WriteFile(filepath.Join(d.Path, rootCert), store.EncodeCertificates([]*x509.Certificate{s.Elsewhere}), 0o644)
}

// NameOf is what the certificate of a request is to be called.
func (d *Dir) NameOf(r NodeRequest) (pkix.Name, error) {
	return names.ParseDN(d.index.NodeDN, map[string]string{"node": r.Name, "region": r.Region, "cluster": d.index.Cluster})
}

// RequestFor makes a signing request with all that the certificate is to have, for those
// who sign what they are asked for.
func (d *Dir) RequestFor(key crypto.Signer, r NodeRequest) (*x509.CertificateRequest, error) {
	subject, err := d.NameOf(r)
	if err != nil {
		return nil, err
	}
	t := &x509.CertificateRequest{Subject: subject, DNSNames: r.DNS}
	for _, ip := range r.IPs {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.Unmap().AsSlice()))
	}
	uses := []byte{0x30, 0x14, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2} // serverAuth, clientAuth
	if r.ClientOnly {
		uses = []byte{0x30, 0x0a, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2}
	}
	t.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 37}, Value: uses}, {Id: []int{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 7, 0x80}}} // digitalSignature
	der, err := x509.CreateCertificateRequest(rand.Reader, t, key)
	if err != nil {
		return nil, fmt.Errorf("make signing request of %s: %w", r.Name, err)
	}
	return x509.ParseCertificateRequest(der)
}

// collect writes a request to be signed, and takes the certificate if it is there.
func (d *Dir) collect(ctx context.Context, r NodeRequest) ([]*x509.Certificate, error) {
	unlock, err := d.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	root, err := d.Root()
	if err != nil {
		return nil, err
	}
	e := &UnsignedError{Name: r.Name, Request: filepath.Join(d.Path, requestsDir, r.Name+".csr"), Signed: filepath.Join(d.Path, signedDir, r.Name+".pem"), Use: chain.Internode}
	if r.ClientOnly {
		e.Use = chain.Client
	}
	for _, ip := range r.IPs {
		e.For = append(e.For, ip.String())
	}
	if err := writeRequest(e.Request, r.CSR); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(e.Signed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("read certificate of %s: %w", r.Name, err)
	}
	c, err := store.Read(data, "")
	if err != nil || len(c.Chain) == 0 {
		e.Wrong = []string{fmt.Sprintf("it can't be read: %v", err)}
		return nil, e
	}
	if e.Wrong = e.judge(r, c.Chain, root); len(e.Wrong) > 0 {
		return nil, e
	}
	sent := c.Chain
	if last := sent[len(sent)-1]; len(sent) > 1 && last.Equal(root) {
		sent = sent[:len(sent)-1] // it is not sent
	}
	return sent, d.note(r, sent, "elsewhere")
}

// judge says why a certificate is not what was asked for.
func (e *UnsignedError) judge(r NodeRequest, all []*x509.Certificate, root *x509.Certificate) []string {
	pub, ok := r.CSR.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(all[0].PublicKey) {
		return []string{"it is for another key than the request's, which may be newer"}
	}
	var wrong []string
	addresses := e.For
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	for _, ip := range addresses {
		for _, p := range chain.Verify(all[0], all[1:], chain.Options{Roots: []*x509.Certificate{root}, Purpose: e.Use, IP: ip, At: r.Now}).Errors {
			text := fmt.Sprintf("error %d at depth %d: %s", p.Code, p.Depth, p.Message)
			if !slices.Contains(wrong, text) {
				wrong = append(wrong, text)
			}
		}
	}
	return wrong
}

// writeRequest writes a request, unless it is there.
func writeRequest(path string, csr *x509.CertificateRequest) error {
	if data, err := os.ReadFile(path); err == nil {
		if block, _ := pem.Decode(data); block != nil {
			old, err := x509.ParseCertificateRequest(block.Bytes)
			if err == nil && bytes.Equal(old.RawSubjectPublicKeyInfo, csr.RawSubjectPublicKeyInfo) {
				return nil
			}
		}
	}
	return WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr.Raw}), 0o644)
}

// note keeps what was issued, and its record.
func (d *Dir) note(r NodeRequest, chain []*x509.Certificate, issuer string) error {
	e := entryOf(r, chain[0], issuer)
	if slices.ContainsFunc(d.index.Issued, func(o Entry) bool { return o.Name == e.Name && o.Serial == e.Serial }) {
		return nil
	}
	if err := d.keep(e, chain); err != nil {
		return err
	}
	d.index.Issued = append(d.index.Issued, e)
	return d.writeIndex()
}

// entryOf is the record of a certificate.
func entryOf(r NodeRequest, leaf *x509.Certificate, issuer string) Entry {
	e := Entry{
		Name: r.Name, Serial: leaf.SerialNumber.String(), Subject: leaf.Subject.String(), Region: r.Region, Issuer: issuer, SANs: []string{},
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, File: filepath.Join("issued", leaf.SerialNumber.String()+".pem"),
	}
	for _, ip := range leaf.IPAddresses {
		e.SANs = append(e.SANs, ip.String())
	}
	e.SANs = append(e.SANs, leaf.DNSNames...)
	return e
}

// NotOursError says that a CA has no key, since certificates are signed elsewhere.
type NotOursError struct{ Dir string }

func (e *NotOursError) Error() string {
	return "certificates of the CA in " + e.Dir + " are signed elsewhere: it has no key"
}

// Hint shows what there is.
func (e *NotOursError) Hint() string { return plain.Command("crossring", "pki", "ls", "--dir", e.Dir) }
