package pki

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"crossring/internal/pki/names"
	"crossring/internal/pki/store"
	"crossring/internal/pki/wire"
	"crossring/internal/plain"
)

// retiredDir keeps the certificates of authorities that were renewed.
const retiredDir = "retired"

// Issuer is one of the authorities of a Dir: the root or a region's intermediate.
type Issuer struct {
	Name string // RootName, which is an intermediate of another CA where that was adopted; or the region
	Cert *x509.Certificate
}

// Issuers are the root, and the intermediates in the order of their regions.
func (d *Dir) Issuers() ([]Issuer, error) {
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		if err != nil {
			return nil, err
		}
		return other.Issuers()
	}
	root, err := d.Root()
	if err != nil {
		return nil, err
	}
	all := []Issuer{{RootName, root}}
	if d.index.Adopted {
		chain, err := d.signer(root)
		if err != nil {
			return nil, err
		}
		all[0].Cert = chain[0]
	}
	for _, region := range d.index.Regions {
		cert, err := d.cert("ca-" + region + ".pem")
		if err != nil {
			return nil, err
		}
		all = append(all, Issuer{region, cert})
	}
	return all, nil
}

// Signer opens an authority by its name. It is to be closed.
func (d *Dir) Signer(ctx context.Context, name string) (Authority, error) {
	if name == RootName {
		name = ""
	}
	a, _, err := d.authority(ctx, name)
	return a, err
}

// addRegion makes an intermediate for a region: its key first, its certificate last.
func (d *Dir) addRegion(root Authority, name pkix.Name, region, kind string, now time.Time, life time.Duration) error {
	key, err := NewKey(kind)
	if err != nil {
		return err
	}
	sub, err := names.Below(name, " "+region)
	if err != nil {
		return err
	}
	a, err := root.Intermediate(key, sub, now, life, d.index.Where.of(""))
	if err != nil {
		return err
	}
	if err := d.writeKey("ca-"+region, a); err != nil {
		return err
	}
	return WriteFile(filepath.Join(d.Path, "ca-"+region+".pem"), store.EncodeCertificates(a.Chain[:1]), 0o644)
}

// HasRegionError says that a region has an intermediate already.
type HasRegionError struct{ Dir, Region string }

func (e *HasRegionError) Error() string {
	return fmt.Sprintf("the CA in %s has an intermediate for %s already", e.Dir, e.Region)
}

// Hint renews it.
func (e *HasRegionError) Hint() string {
	return plain.Command("crossring", "pki", "renew", "--intermediate", e.Region, "--dir", e.Dir)
}

// AddRegion gives a region that came later an intermediate of its own. kind is that of
// its key; "" is the root's.
func (d *Dir) AddRegion(ctx context.Context, region, kind string, now time.Time) error {
	if d.index.Under != nil {
		return &BelowError{d.Path, d.index.Under.Dir}
	}
	if !fileName.MatchString(region) || region == RootName {
		return &SetupError{fmt.Errorf("%q is no name for a region", region)}
	}
	unlock, err := d.turn(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if slices.Contains(d.index.Regions, region) {
		return &HasRegionError{d.Path, region}
	}
	root, _, err := d.authority(ctx, "")
	if err != nil {
		return err
	}
	defer root.Close()
	c := root.Cert()
	if now.Before(c.NotBefore) || !now.Before(c.NotAfter) {
		return &EndedError{c.Subject.String(), c.NotBefore, c.NotAfter, now}
	}
	if c.MaxPathLenZero {
		return fmt.Errorf("the CA %s may have no CA below it: its path length is 0", c.Subject)
	}
	if err := d.addRegion(root, c.Subject, region, cmp.Or(kind, KindOf(c.PublicKey)), now, min(c.NotAfter.Sub(c.NotBefore), IntermediateLife)); err != nil {
		return err
	}
	d.index.Regions = append(d.index.Regions, region)
	return d.writeIndex()
}

// RenewIssuer signs the certificate of the root, or of an intermediate, again: the same
// name and the same key, for another life. What it signed counts as before. life 0 is as
// long as the last one. The certificate that it replaces is kept.
func (d *Dir) RenewIssuer(ctx context.Context, name string, now time.Time, life time.Duration) (was, is *x509.Certificate, err error) {
	if d.index.Under != nil {
		return nil, nil, &BelowError{d.Path, d.index.Under.Dir}
	}
	unlock, err := d.turn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	file, region := rootCert, ""
	switch {
	case name == RootName && d.index.Adopted:
		return nil, nil, &AdoptedError{d.Path}
	case name != RootName:
		if !slices.Contains(d.index.Regions, name) {
			return nil, nil, &UnknownError{name, d.index.Regions}
		}
		file, region = "ca-"+name+".pem", name
	}
	a, _, err := d.authority(ctx, region)
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	was = a.Cert()
	if life == 0 {
		life = was.NotAfter.Sub(was.NotBefore) - BackDate
	}
	parent, signer := was, a.Key
	if region != "" {
		root, _, err := d.authority(ctx, "")
		if err != nil {
			return nil, nil, err
		}
		defer root.Close()
		parent, signer = root.Cert(), root.Key
		if !now.Before(parent.NotAfter) {
			return nil, nil, &EndedError{parent.Subject.String(), parent.NotBefore, parent.NotAfter, now}
		}
	}
	if is, err = renewed(was, parent, signer, a.Key.Public(), now, life); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(filepath.Join(d.Path, retiredDir), 0o700); err != nil {
		return nil, nil, fmt.Errorf("keep the certificate of before: %w", err)
	}
	old := filepath.Join(d.Path, retiredDir, was.SerialNumber.String()+".pem")
	if err := WriteFile(old, store.EncodeCertificates([]*x509.Certificate{was}), 0o644); err != nil {
		return nil, nil, err
	}
	return was, is, WriteFile(filepath.Join(d.Path, file), store.EncodeCertificates([]*x509.Certificate{is}), 0o644)
}

// renewed is a CA's certificate with another number and other dates, and the rest as it
// was.
func renewed(was, parent *x509.Certificate, signer crypto.Signer, pub crypto.PublicKey, now time.Time, life time.Duration) (*x509.Certificate, error) {
	if err := CheckLife(life, MaxRootLife); err != nil {
		return nil, err
	}
	serial, err := newSerial(rand.Reader)
	if err != nil {
		return nil, err
	}
	t := *was
	t.SerialNumber, t.NotBefore, t.NotAfter = serial, now.Add(-BackDate), now.Add(life)
	t.RawSubject, t.SignatureAlgorithm, t.ExtraExtensions = was.RawSubject, 0, nil
	if parent == was {
		parent = &t // it signs itself
	} else {
		t.NotAfter = earlier(t.NotAfter, parent.NotAfter)
	}
	cert, err := sign(&t, parent, pub, signer)
	if err != nil {
		return nil, fmt.Errorf("renew %s: %w", was.Subject, err)
	}
	return cert, nil
}

// Signed are the revocation lists that lie in the directory; none where none was signed.
func (d *Dir) Signed() ([]*x509.RevocationList, error) {
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		if err != nil {
			return nil, err
		}
		return other.Signed()
	}
	data, err := os.ReadFile(filepath.Join(d.Path, crlFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read revocation lists: %w", err)
	}
	lists, err := wire.ParseLists(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(d.Path, crlFile), err)
	}
	return lists, nil
}

// Current are lists that have all that was revoked, and count for half of life at least:
// those that are there, or new ones.
func (d *Dir) Current(ctx context.Context, now time.Time, life time.Duration) ([]*x509.RevocationList, error) {
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		if err != nil {
			return nil, err
		}
		return other.Current(ctx, now, life)
	}
	lists, err := d.Signed()
	if err != nil {
		return nil, err
	}
	listed := map[string]bool{}
	fresh := len(lists) == len(d.index.Regions)+1
	for _, l := range lists {
		fresh = fresh && l.NextUpdate.Sub(now) > life/2
		for _, r := range l.RevokedCertificateEntries {
			listed[r.SerialNumber.String()] = true
		}
	}
	for _, e := range d.index.Issued {
		fresh = fresh && (e.RevokedAt == nil || listed[e.Serial])
	}
	if fresh {
		return lists, nil
	}
	if _, err := d.List(ctx, now, life); err != nil {
		return nil, err
	}
	return d.Signed()
}

// ListPath is where the revocation lists lie.
func (d *Dir) ListPath() string { return filepath.Join(d.Path, crlFile) }

// HSM says whether the root's key is in a token.
func (d *Dir) HSM() bool {
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		return err == nil && other.HSM()
	}
	return d.index.HSM != nil
}

// Cluster is what the authority is called by.
func (d *Dir) Cluster() string { return d.index.Cluster }
