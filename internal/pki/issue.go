package pki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crossring/internal/fail"
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
	// Where replaces what the authority itself says, where it says anything.
	Where Where
}

// NameError says that nothing can be issued under a name.
type NameError struct{ Name, Why string }

func (e *NameError) Error() string { return e.Why }

// ExitCode is that of a wrong command line.
func (e *NameError) ExitCode() int { return fail.ExitUsage }

// Hint is how names are given.
func (e *NameError) Hint() string { return "crossring help pki issue" }

// CheckName says why nothing can be issued under a name, as a *NameError.
func CheckName(name string) error {
	if fileName.MatchString(name) {
		return nil
	}
	return &NameError{name, fmt.Sprintf("%q is no name for a certificate: letters, digits, dots, hyphens and underscores", name)}
}

// Issue signs a certificate, notes it, and returns it with its chain.
func (d *Dir) Issue(ctx context.Context, r NodeRequest) ([]*x509.Certificate, error) {
	if err := CheckName(r.Name); err != nil {
		return nil, err
	}
	if d.index.Elsewhere {
		return d.collect(ctx, r)
	}
	unlock, err := d.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, issuer, err := d.authority(ctx, r.Region)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	subject, err := d.NameOf(r)
	if err != nil {
		return nil, &NameError{r.Name, err.Error()}
	}
	var other *Dir // that signs
	where := d.where(r.Where, issuer)
	if d.index.Under != nil {
		if other, err = d.index.Under.Open(); err != nil {
			return nil, err
		}
		where = other.where(r.Where, issuer)
	}
	chain, err := a.Issue(Request{CSR: r.CSR, Subject: subject, IPs: r.IPs, DNS: r.DNS, Now: r.Now, Life: r.Life, ClientOnly: r.ClientOnly, Where: where})
	var lacks *NoAddressError
	if errors.As(err, &lacks) {
		lacks.Dir = d.Path
	}
	if err != nil {
		return nil, err
	}
	leaf := chain[0]
	e := entryOf(r, leaf, issuer)
	if other != nil {
		if err := other.record(ctx, e, chain, d.index.Under.As); err != nil {
			return nil, err
		}
	}
	if err := d.keep(e, chain); err != nil {
		return nil, err
	}
	d.index.Issued = append(d.index.Issued, e)
	return chain, d.writeIndex()
}

// Latest is the newest certificate of a name that is not revoked, with its entry.
func (d *Dir) Latest(name string) (Entry, *x509.Certificate, error) {
	if err := CheckName(name); err != nil {
		return Entry{}, nil, err
	}
	for i := len(d.index.Issued) - 1; i >= 0; i-- {
		e := d.index.Issued[i]
		if e.Name == name && e.RevokedAt == nil {
			c, err := d.cert(e.File)
			return e, c, err
		}
	}
	return Entry{}, nil, &UnknownError{name, d.counting()}
}

// counting are the names of which a certificate counts, in the order of their first.
func (d *Dir) counting() []string {
	var known []string
	for _, e := range d.index.Issued {
		if e.RevokedAt == nil {
			known = append(known, e.Name)
		}
	}
	return once(known)
}

// Revoke notes that certificates count no more, and signs a new list for each
// authority. Each of refs is a name, whose certificates are meant that count, or a
// serial number, decimal or hexadecimal. If one of them is unknown, or revoked
// already, nothing is revoked. It returns what was, and the path of the lists.
func (d *Dir) Revoke(ctx context.Context, now time.Time, life time.Duration, refs ...string) ([]Entry, string, error) {
	if err := CheckLife(life, MaxListLife); err != nil {
		return nil, "", err
	}
	unlock, err := d.turn(ctx)
	if err != nil {
		return nil, "", err
	}
	defer unlock()
	var all []int
	var errs []error
	for _, ref := range refs {
		found, err := d.find(ref)
		all, errs = append(all, found...), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, "", err
	}
	var gone []Entry
	var serials []string
	at := now.UTC()
	for _, i := range once(all) {
		d.index.Issued[i].RevokedAt = &at
		gone = append(gone, d.index.Issued[i])
		serials = append(serials, d.index.Issued[i].Serial)
	}
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		if err != nil {
			return nil, "", err
		}
		_, path, err := other.Revoke(ctx, now, life, serials...)
		var already *RevokedError // by a command that died before it could say so here
		if err != nil && !errors.As(err, &already) {
			return nil, "", err
		}
		return gone, path, d.writeIndex()
	}
	path, err := d.lists(ctx, now, life)
	if err != nil {
		return nil, "", err
	}
	return gone, path, nil
}

// find is where the certificates are that a name or a serial number stands for, and
// that count.
func (d *Dir) find(ref string) ([]int, error) {
	var found []int
	var revoked *RevokedError
	serials := serialsOf(ref)
	for i, e := range d.index.Issued {
		if e.Name != ref && !slices.Contains(serials, e.Serial) {
			continue
		}
		if e.RevokedAt == nil {
			found = append(found, i)
		} else {
			revoked = &RevokedError{d.Path, ref, *e.RevokedAt}
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case revoked != nil:
		return nil, revoked
	}
	if len(serials) == 0 && CheckName(ref) != nil {
		return nil, &NameError{ref, fmt.Sprintf("%q is neither the name of a certificate nor a serial number", ref)}
	}
	return nil, &UnknownError{ref, d.counting()}
}

// serialsOf are the serial numbers, decimal, that a text may stand for: it may be
// decimal, as the index has it, or hexadecimal, as certificates are shown by crossring,
// openssl and browsers.
func serialsOf(ref string) []string {
	var all []string
	if n, ok := new(big.Int).SetString(ref, 10); ok {
		all = append(all, n.String())
	}
	plain := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(ref))
	plain = strings.TrimPrefix(strings.TrimPrefix(plain, "serial="), "0x")
	if n, ok := new(big.Int).SetString(plain, 16); ok {
		all = append(all, n.String())
	}
	return all
}

// List signs the revocation lists anew, to count for life, and returns their path.
func (d *Dir) List(ctx context.Context, now time.Time, life time.Duration) (string, error) {
	if err := CheckLife(life, MaxListLife); err != nil {
		return "", err
	}
	unlock, err := d.turn(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		if err != nil {
			return "", err
		}
		return other.List(ctx, now, life)
	}
	return d.lists(ctx, now, life)
}

// lists signs the revocation lists of all authorities, into one file. The index is
// written before the file: what is revoked is known then, whatever happens, and a
// number is never given twice.
func (d *Dir) lists(ctx context.Context, now time.Time, life time.Duration) (string, error) {
	d.index.Lists++
	var out []byte
	for _, region := range append([]string{""}, d.index.Regions...) {
		a, _, err := d.authority(ctx, region)
		if err != nil {
			return "", err
		}
		var revoked []Revoked
		for _, e := range d.index.Issued {
			if e.RevokedAt != nil && e.Issuer == region {
				revoked = append(revoked, Revoked{serialOf(e), *e.RevokedAt})
			}
		}
		l, err := a.List(revoked, d.index.Lists, now, life)
		if err = errors.Join(err, a.Close()); err != nil {
			return "", err
		}
		out = append(out, pemList(l)...)
	}
	path := filepath.Join(d.Path, crlFile)
	if err := d.writeIndex(); err != nil {
		return "", err
	}
	return path, WriteFile(path, out, 0o644)
}

// Regions are those that have an authority of their own.
func (d *Dir) Regions() []string {
	if d.index.Under != nil {
		if other, err := d.index.Under.Open(); err == nil {
			return other.index.Regions
		}
	}
	return d.index.Regions
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
