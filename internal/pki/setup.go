package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"crossring/internal/fail"
	"crossring/internal/pki/hsm"
	"crossring/internal/pki/names"
	"crossring/internal/pki/store"
)

// Setup says what a new authority is like.
type Setup struct {
	Cluster string
	RootDN  string // templates; "" is the default
	NodeDN  string
	Key     string   // kind of key
	Regions []string // that get an intermediate of their own
	Life    time.Duration
	Now     time.Time
	// HSM makes the root's key in a token; nil makes it here.
	HSM *hsm.Ref
	// Limits are the names that it is to sign for alone.
	Limits Limits
	// Under has another CA sign; nil makes a key.
	Under *Under
	// Elsewhere is the root under which certificates are signed elsewhere; nil makes a key.
	Elsewhere *x509.Certificate
	// Adopt takes another CA's intermediate instead of making a root.
	Adopt *Adopt
	// Where others learn of revocations, with {issuer} for "root" or the region.
	Where Where
}

// SetupError says that an authority can't be made as it is asked for.
type SetupError struct{ Err error }

func (e *SetupError) Error() string { return e.Err.Error() }

func (e *SetupError) Unwrap() error { return e.Err }

// ExitCode is that of a wrong command line.
func (e *SetupError) ExitCode() int { return fail.ExitUsage }

// Hint is what can be asked for.
func (e *SetupError) Hint() string { return "crossring help pki init" }

// Check says all that can't be made as it is asked for, as a *SetupError.
// It opens no key.
func (s Setup) Check() error { return s.check() }

// check has the errors of others with its own.
func (s Setup) check(errs ...error) error {
	if s.Key != "" && !slices.Contains(KeyKinds(), s.Key) {
		errs = append(errs, unknownKind(s.Key))
	}
	if s.Life != 0 {
		errs = append(errs, CheckLife(s.Life, MaxRootLife))
	}
	if s.HSM != nil {
		errs = append(errs, s.HSM.Check())
	}
	name, err := s.rootName()
	errs = append(errs, err)
	if _, err := names.ParseDN(or(s.NodeDN, names.DefaultNodeDN), map[string]string{"node": "x", "region": "x", "cluster": s.Cluster}); err != nil {
		errs = append(errs, err)
	}
	for i, region := range s.Regions {
		_, err := names.Below(name, " "+region)
		switch {
		case !fileName.MatchString(region):
			err = fmt.Errorf("%q is no name for a region", region)
		case slices.Contains(s.Regions[:i], region):
			err = fmt.Errorf("region %s is named twice", region)
		}
		errs = append(errs, err)
	}
	errs = append(errs, s.Where.Check())
	if s.Adopt != nil {
		errs = append(errs, s.Adopt.check(s))
	}
	for _, d := range s.Limits.DNS {
		errs = append(errs, names.CheckDNS(d))
	}
	if err := errors.Join(errs...); err != nil {
		return &SetupError{err}
	}
	return nil
}

func (s Setup) rootName() (pkix.Name, error) {
	return names.ParseDN(or(s.RootDN, names.DefaultRootDN), map[string]string{"cluster": s.Cluster, "region": "", "node": ""})
}

// Init makes an authority in a directory that has none. One that can't be made leaves
// nothing behind.
func (d *Dir) Init(ctx context.Context, s Setup) (err error) {
	var above error
	if s.Under != nil {
		above = s.Under.Check(ctx, s.Now)
	}
	if err := s.check(above); err != nil {
		return err
	}
	undo, err := d.begin()
	if err != nil {
		return err
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	defer func() {
		if err != nil {
			err = errors.Join(err, undo())
		}
	}()
	if _, err := os.Lstat(filepath.Join(d.Path, rootCert)); err == nil {
		return &ExistsError{d.Path}
	}
	d.index = index{Schema: "crossring/v1", NodeDN: or(s.NodeDN, names.DefaultNodeDN), Cluster: s.Cluster, Regions: s.Regions, Where: s.Where, Adopted: s.Adopt != nil, Issued: []Entry{}}
	switch {
	case s.Under != nil:
		return d.initUnder(s)
	case s.Elsewhere != nil:
		return d.initElsewhere(s)
	}
	key, done, err := d.rootKey(ctx, s)
	if err != nil {
		return err
	}
	root, err := d.fill(s, key)
	return errors.Join(err, done(err), d.announce(root, err))
}

// announce writes the root's certificate. It is the last: its presence says that the
// rest is there.
func (d *Dir) announce(root Authority, failed error) error {
	if failed != nil {
		return nil
	}
	return WriteFile(filepath.Join(d.Path, rootCert), store.EncodeCertificates([]*x509.Certificate{root.Root()}), 0o644)
}

// fill makes all of an authority but the root's certificate.
func (d *Dir) fill(s Setup, key crypto.Signer) (Authority, error) {
	none := Authority{}
	name, err := s.rootName()
	if err != nil {
		return none, err
	}
	life := s.Life
	if life == 0 {
		life = RootLife
	}
	var root Authority
	if s.Adopt != nil {
		root, name = Authority{Chain: s.Adopt.Chain, Key: key}, s.Adopt.Chain[0].Subject
		if err := d.writeSigner(root.Chain); err != nil {
			return none, err
		}
	} else if root, err = NewRoot(key, name, s.Now, life, s.Limits); err != nil {
		return none, err
	}
	if s.HSM == nil {
		if err := d.writeKey("ca", root); err != nil {
			return none, err
		}
	}
	for _, region := range s.Regions {
		if err := d.addRegion(root, name, region, s.Key, s.Now, min(life, IntermediateLife)); err != nil {
			return none, err
		}
	}
	return root, d.writeIndex()
}

// begin makes the directory, and returns what takes away all that was not there
// before.
func (d *Dir) begin() (undo func() error, err error) {
	top := "" // the highest directory that is not there yet
	for p := filepath.Clean(d.Path); ; p = filepath.Dir(p) {
		if _, err := os.Lstat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		top = p
	}
	if err := os.MkdirAll(d.Path, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of the CA: %w", err)
	}
	had, err := os.ReadDir(d.Path)
	if err != nil {
		return nil, fmt.Errorf("read directory of the CA: %w", err)
	}
	return func() error {
		has, err := os.ReadDir(d.Path)
		errs := []error{err}
		for _, e := range has {
			if !slices.ContainsFunc(had, func(h fs.DirEntry) bool { return h.Name() == e.Name() }) {
				errs = append(errs, os.Remove(filepath.Join(d.Path, e.Name())))
			}
		}
		for p := filepath.Clean(d.Path); top != ""; p = filepath.Dir(p) {
			if os.Remove(p) != nil || p == top {
				break // somebody else put something there
			}
		}
		return errors.Join(errs...)
	}, nil
}

// rootKey makes the root's key, here or in a token. done ends what it needs, and takes
// the key out of the token again where it is told of a failure.
func (d *Dir) rootKey(ctx context.Context, s Setup) (key crypto.Signer, done func(failed error) error, err error) {
	if s.HSM == nil {
		if s.Adopt != nil {
			return s.Adopt.Key, func(error) error { return nil }, nil
		}
		key, err = NewKey(s.Key)
		return key, func(error) error { return nil }, err
	}
	d.index.HSM = s.HSM
	if s.Adopt != nil { // the key is there, and stays
		k, err := hsm.Open(ctx, *s.HSM, d.Passphrase)
		if err != nil {
			return nil, nil, err
		}
		if err := store.Match(k, s.Adopt.Chain[0]); err != nil {
			return nil, nil, errors.Join(err, k.Close())
		}
		return k, func(error) error { return k.Close() }, nil
	}
	k, err := hsm.Create(ctx, *s.HSM, d.Passphrase, s.Key)
	if err != nil {
		return nil, nil, err
	}
	return k, func(failed error) error {
		if failed != nil {
			return errors.Join(k.Delete(), k.Close())
		}
		return k.Close()
	}, nil
}
