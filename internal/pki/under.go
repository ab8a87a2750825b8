package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/pki/store"
	"crossring/internal/plain"
)

// Under is a CA elsewhere that signs for this one: this one keeps the record of what is
// its own, and has no key.
type Under struct {
	Dir string `json:"dir"` // of the other CA, as pki init made it
	// PassphraseFile has the passphrase of its keys, or its token's PIN, in the first line;
	// "" where it needs none.
	PassphraseFile string `json:"passphrase_file,omitempty"`
	// As is what stands before the names in the other CA's record, which may be of several
	// clusters.
	As string `json:"as"`
}

// UnderError says that the CA that signs for another one can't be used.
type UnderError struct {
	Dir string
	Err error
}

func (e *UnderError) Error() string { return "the CA in " + e.Dir + ", which signs: " + e.Err.Error() }

func (e *UnderError) Unwrap() error { return e.Err }

// Hint looks at it.
func (e *UnderError) Hint() string {
	var h interface{ Hint() string }
	if errors.As(e.Err, &h) {
		return h.Hint()
	}
	return plain.Command("crossring", "pki", "ls", "--dir", e.Dir)
}

// OpenPassphraseError says that others may read a file with a passphrase.
type OpenPassphraseError struct{ Path string }

func (e *OpenPassphraseError) Error() string {
	return e.Path + " holds its passphrase, and others may read it"
}

// Hint closes it.
func (e *OpenPassphraseError) Hint() string { return plain.Command("chmod", "600", e.Path) }

// BelowError says that a CA has no certificate of its own to be renewed.
type BelowError struct{ Dir, Above string }

func (e *BelowError) Error() string {
	return "the CA in " + e.Dir + " has no certificate of its own: " + e.Above + " signs for it"
}

// Hint names the one that has.
func (e *BelowError) Hint() string { return plain.Command("crossring", "pki", "ls", "--dir", e.Above) }

// Open opens the CA that signs.
func (u Under) Open() (*Dir, error) {
	passphrase, err := u.passphrase()
	if err != nil {
		return nil, &UnderError{u.Dir, err}
	}
	d, err := Open(u.Dir, passphrase)
	if err != nil {
		return nil, &UnderError{u.Dir, err}
	}
	if d.index.Under != nil {
		return nil, &UnderError{u.Dir, errors.New("it has no key of its own: name the CA that signs for it, " + d.index.Under.Dir)}
	}
	return d, nil
}

func (u Under) passphrase() (string, error) {
	if u.PassphraseFile == "" {
		return "", nil
	}
	data, err := os.ReadFile(u.PassphraseFile)
	if err != nil {
		return "", fmt.Errorf("read its passphrase: %w", err)
	}
	var open *store.OpenError
	if err := store.Private(u.PassphraseFile); errors.As(err, &open) {
		return "", &OpenPassphraseError{u.PassphraseFile}
	} else if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r"))), nil
}

// Check says whether it could sign: that its certificates count, and that its key is to
// be had.
func (u Under) Check(ctx context.Context, now time.Time) error {
	d, err := u.Open()
	if err != nil {
		return err
	}
	a, _, err := d.authority(ctx, "")
	if err != nil {
		return &UnderError{u.Dir, err}
	}
	defer a.Close()
	for _, c := range a.Chain {
		if now.Before(c.NotBefore) || !now.Before(c.NotAfter) {
			return &UnderError{u.Dir, &EndedError{c.Subject.String(), c.NotBefore, c.NotAfter, now}}
		}
	}
	return nil
}

// record notes in the CA that signs what it signed for another one.
func (d *Dir) record(ctx context.Context, e Entry, chain []*x509.Certificate, as string) error {
	unlock, err := d.turn(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	e.Name = as + "/" + e.Name
	if err := d.keep(e, chain); err != nil {
		return err
	}
	d.index.Issued = append(d.index.Issued, e)
	return d.writeIndex()
}

// keep writes what was issued.
func (d *Dir) keep(e Entry, chain []*x509.Certificate) error {
	if err := os.MkdirAll(filepath.Join(d.Path, "issued"), 0o700); err != nil {
		return fmt.Errorf("keep certificate of %s: %w", e.Name, err)
	}
	return WriteFile(filepath.Join(d.Path, e.File), store.EncodeCertificates(chain), 0o644)
}

// initUnder makes the record of a CA that another one signs for.
func (d *Dir) initUnder(s Setup) error {
	other, err := s.Under.Open()
	if err != nil {
		return err
	}
	root, err := other.Root()
	if err != nil {
		return &UnderError{s.Under.Dir, err}
	}
	d.index.Under = s.Under
	if err := d.writeIndex(); err != nil {
		return err
	}
	return WriteFile(filepath.Join(d.Path, rootCert), store.EncodeCertificates([]*x509.Certificate{root}), 0o644)
}

// Below says whether another CA signs for this one.
func (d *Dir) Below() bool { return d.index.Under != nil }
