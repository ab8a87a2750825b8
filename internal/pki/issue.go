package pki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/pki/store"
)

// NodeRequest asks a Dir for a certificate.
type NodeRequest struct {
	Name   string // of the node
	Region string
	CSR    *x509.CertificateRequest
	IPs    []netip.Addr
	DNS    []string
	Life   time.Duration // 0 is NodeLife
	Now    time.Time
	// ClientOnly makes a certificate that cannot be a server's.
	ClientOnly bool
}

// Issue signs a certificate, notes it, and returns it with its chain.
func (d *Dir) Issue(ctx context.Context, r NodeRequest) ([]*x509.Certificate, error) {
	if !fileName.MatchString(r.Name) {
		return nil, fmt.Errorf("%q is no name for a certificate: letters, digits, dots, hyphens and underscores", r.Name)
	}
	unlock, err := d.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, issuer, err := d.authority(r.Region)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	subject, err := ParseDN(d.index.NodeDN, map[string]string{"node": r.Name, "region": r.Region, "cluster": d.index.Cluster})
	if err != nil {
		return nil, err
	}
	chain, err := a.Issue(Request{CSR: r.CSR, Subject: subject, IPs: r.IPs, DNS: r.DNS, Now: r.Now, Life: r.Life, ClientOnly: r.ClientOnly})
	if err != nil {
		return nil, err
	}
	leaf := chain[0]
	e := Entry{
		Name: r.Name, Serial: leaf.SerialNumber.String(), Subject: leaf.Subject.String(), Region: r.Region, Issuer: issuer, SANs: []string{},
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, File: filepath.Join("issued", leaf.SerialNumber.String()+".pem"),
	}
	for _, ip := range r.IPs {
		e.SANs = append(e.SANs, ip.String())
	}
	e.SANs = append(e.SANs, r.DNS...)
	if err := os.MkdirAll(filepath.Join(d.Path, "issued"), 0o700); err != nil {
		return nil, fmt.Errorf("keep certificate of %s: %w", r.Name, err)
	}
	if err := writeFile(filepath.Join(d.Path, e.File), store.EncodeCertificates(chain), 0o644); err != nil {
		return nil, err
	}
	d.index.Issued = append(d.index.Issued, e)
	return chain, d.writeIndex()
}

// Latest is the newest certificate of a name that is not revoked, with its entry.
func (d *Dir) Latest(name string) (Entry, *x509.Certificate, error) {
	var known []string
	for i := len(d.index.Issued) - 1; i >= 0; i-- {
		e := d.index.Issued[i]
		if e.Name == name && e.RevokedAt == nil {
			c, err := d.cert(e.File)
			return e, c, err
		}
		known = append(known, e.Name)
	}
	return Entry{}, nil, &UnknownError{name, known}
}

// Revoke notes that the certificates of a name, or the one of a serial number,
// count no more, and signs a new list for each authority. It returns what was
// revoked and the path of the lists.
func (d *Dir) Revoke(ctx context.Context, ref string, now time.Time) ([]Entry, string, error) {
	unlock, err := d.turn(ctx)
	if err != nil {
		return nil, "", err
	}
	defer unlock()
	var gone []Entry
	var known []string
	for i := range d.index.Issued {
		e := &d.index.Issued[i]
		if (e.Name == ref || e.Serial == ref) && e.RevokedAt == nil {
			at := now.UTC()
			e.RevokedAt = &at
			gone = append(gone, *e)
		}
		known = append(known, e.Name)
	}
	if len(gone) == 0 {
		return nil, "", &UnknownError{ref, known}
	}
	path, err := d.lists(now)
	if err != nil {
		return nil, "", err
	}
	return gone, path, d.writeIndex()
}

// lists signs the revocation lists of all authorities, into one file.
func (d *Dir) lists(now time.Time) (string, error) {
	d.index.Lists++
	var out []byte
	for _, region := range append([]string{""}, d.index.Regions...) {
		a, _, err := d.authority(region)
		if err != nil {
			return "", err
		}
		var revoked []Revoked
		for _, e := range d.index.Issued {
			if e.RevokedAt != nil && e.Issuer == region {
				revoked = append(revoked, Revoked{serialOf(e), *e.RevokedAt})
			}
		}
		l, err := a.List(revoked, d.index.Lists, now)
		if err = errors.Join(err, a.Close()); err != nil {
			return "", err
		}
		out = append(out, pemList(l)...)
	}
	path := filepath.Join(d.Path, crlFile)
	return path, writeFile(path, out, 0o644)
}

// turn takes the lock, and reads again what another command may have changed.
func (d *Dir) turn(ctx context.Context) (func(), error) {
	unlock, err := d.lock(ctx)
	if err != nil {
		return nil, err
	}
	fresh, err := Open(d.Path, d.Passphrase)
	if err != nil {
		unlock()
		return nil, err
	}
	d.index = fresh.index
	return unlock, nil
}
