package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"crossring/internal/pki/hsm"
	"crossring/internal/pki/store"
	"crossring/internal/plain"
	"crossring/internal/safely"
)

// Files of a Dir. A key with a passphrase lies in a PKCS#12 file instead of PEM.
const (
	rootCert  = "ca.pem"
	indexFile = "index.json"
	lockFile  = "lock"
	crlFile   = "crl.pem"
	// signerFile is the certificate that signs, and those above it, where that is no root
	// of its own.
	signerFile = "signer.pem"
)

// Entry is a certificate that was issued.
type Entry struct {
	Name      string     `json:"name"`
	Serial    string     `json:"serial"` // decimal
	Subject   string     `json:"subject"`
	Region    string     `json:"region,omitempty"` // of the node
	Issuer    string     `json:"issuer"`           // "" is the root, else a region
	SANs      []string   `json:"sans"`
	NotBefore time.Time  `json:"not_before"`
	NotAfter  time.Time  `json:"not_after"`
	RevokedAt *time.Time `json:"revoked_at"` // null while it counts
	File      string     `json:"file"`       // in the directory of the authority
}

// Hex is the serial number as certificates are shown.
func (e Entry) Hex() string { return serialOf(e).Text(16) }

// index is the authority's memory.
type index struct {
	Schema  string   `json:"schema"`
	NodeDN  string   `json:"node_dn"`
	Cluster string   `json:"cluster"`
	Regions []string `json:"regions"` // that have an intermediate
	Lists   int64    `json:"lists"`   // revocation lists signed so far
	// HSM is where the root's key is, when it is not in a file here.
	HSM *hsm.Ref `json:"hsm,omitempty"`
	// Adopted says that another CA signed this one: signerFile has it, with those above it
	// but the root.
	Adopted bool `json:"adopted,omitempty"`
	// Under signs for this one, which has no key then.
	Under *Under `json:"under,omitempty"`
	// Elsewhere says that certificates are signed elsewhere.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Where is written into all that is signed: {issuer} stands for "root" or the region.
	Where  Where   `json:"where,omitzero"`
	Issued []Entry `json:"issued"`
}

// Dir is an authority on disk. Its keys are readable by their owner alone.
type Dir struct {
	Path       string
	Passphrase string // "" for keys that have none; the PIN of a token
	index      index
}

// ExistsError says that there is an authority already.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string { return "there is a CA in " + e.Path + " already" }

// Hint shows it.
func (e *ExistsError) Hint() string {
	return plain.Command("crossring", "pki", "show", filepath.Join(e.Path, rootCert))
}

// NoneError says that there is none.
type NoneError struct{ Path string }

func (e *NoneError) Error() string { return "there is no CA in " + e.Path }

// Hint makes one.
func (e *NoneError) Hint() string { return plain.Command("crossring", "pki", "init", "--dir", e.Path) }

// NoPassphraseError says that the keys of an authority are encrypted, and that no
// passphrase was given.
type NoPassphraseError struct{ Path string }

func (e *NoPassphraseError) Error() string {
	return e.Path + " is encrypted, and no passphrase was given for the CA's keys"
}

// Hint gives it.
func (e *NoPassphraseError) Hint() string {
	return "add --passphrase-file FILE, with the passphrase in the first line of FILE"
}

// UnknownError says that nothing was issued under a name.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("no certificate that counts was issued for %q, nor for anybody else", e.Name)
	}
	return fmt.Sprintf("no certificate that counts was issued for %q; there are those of %q", e.Name, e.Known)
}

// IsDir says whether a directory is an authority's.
func IsDir(path string) bool {
	_, err := os.Stat(filepath.Join(path, indexFile))
	return err == nil
}

// RevokedError says that what is to be revoked is revoked already.
type RevokedError struct {
	Dir  string // of the authority
	Name string
	At   time.Time
}

func (e *RevokedError) Error() string {
	return fmt.Sprintf("%s is already revoked, since %s", e.Name, e.At.UTC().Format(time.DateTime))
}

// Hint signs the list again, which is what may be wanted.
func (e *RevokedError) Hint() string {
	return plain.Command("crossring", "pki", "crl", "--dir", e.Dir) + "   # signs the list anew"
}

var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$`)

// Open reads an authority.
func Open(path, passphrase string) (*Dir, error) {
	d := &Dir{Path: path, Passphrase: passphrase}
	data, err := os.ReadFile(filepath.Join(path, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoneError{path}
	}
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	if err := json.Unmarshal(data, &d.index); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(path, indexFile), err)
	}
	return d, nil
}

// Entries are the certificates issued so far, the oldest first.
func (d *Dir) Entries() []Entry { return d.index.Issued }

// Root is the certificate to be trusted.
func (d *Dir) Root() (*x509.Certificate, error) {
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		if err != nil {
			return nil, err
		}
		return other.Root()
	}
	return d.cert(rootCert)
}

func (d *Dir) cert(name string) (*x509.Certificate, error) {
	all, err := d.certs(name)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (d *Dir) certs(name string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(filepath.Join(d.Path, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoneError{d.Path}
	}
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	c, err := store.Read(data, "")
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(d.Path, name), err)
	}
	if len(c.Chain) == 0 {
		return nil, fmt.Errorf("read %s: no certificate in it", filepath.Join(d.Path, name))
	}
	return c.Chain, nil
}

// authority loads the one of a region: its intermediate if it has one, else the root.
func (d *Dir) authority(ctx context.Context, region string) (Authority, string, error) {
	if d.index.Elsewhere {
		return Authority{}, "", &NotOursError{d.Path}
	}
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		if err != nil {
			return Authority{}, "", err
		}
		return other.authority(ctx, region)
	}
	root, err := d.Root()
	if err != nil {
		return Authority{}, "", err
	}
	for _, r := range d.index.Regions {
		if r != region {
			continue
		}
		cert, err := d.cert("ca-" + r + ".pem")
		if err != nil {
			return Authority{}, "", err
		}
		above := []*x509.Certificate{root}
		if d.index.Adopted {
			if above, err = d.signer(root); err != nil {
				return Authority{}, "", err
			}
		}
		key, err := d.readKey("ca-"+r, cert)
		return Authority{Chain: append([]*x509.Certificate{cert}, above...), Key: key}, r, err
	}
	own := []*x509.Certificate{root}
	if d.index.Adopted {
		if own, err = d.signer(root); err != nil {
			return Authority{}, "", err
		}
	}
	if d.index.HSM != nil {
		key, err := hsm.Open(ctx, *d.index.HSM, d.Passphrase)
		if err != nil {
			return Authority{}, "", err
		}
		return Authority{Chain: own, Key: key}, "", store.Match(key, own[0])
	}
	key, err := d.readKey("ca", own[0])
	return Authority{Chain: own, Key: key}, "", err
}

func (d *Dir) writeKey(base string, a Authority) error {
	path := filepath.Join(d.Path, base)
	if d.Passphrase == "" {
		data, err := store.EncodeKey(a.Key)
		if err != nil {
			return err
		}
		return WriteFile(path+".key", data, 0o600)
	}
	data, err := store.EncodeGuarded(a.Key, a.Chain[:1], d.Passphrase)
	if err != nil {
		return err
	}
	return WriteFile(path+".p12", data, 0o600)
}

func (d *Dir) readKey(base string, cert *x509.Certificate) (crypto.Signer, error) {
	path := filepath.Join(d.Path, base+".key")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = filepath.Join(d.Path, base+".p12")
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read key of the CA: %w", err)
	}
	if err := store.Private(path); err != nil {
		return nil, err
	}
	if d.Passphrase == "" && filepath.Ext(path) == ".p12" {
		return nil, &NoPassphraseError{path}
	}
	c, err := store.Read(data, d.Passphrase)
	if err != nil {
		return nil, fmt.Errorf("read key of the CA, %s: %w", path, err)
	}
	if c.Key == nil {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	return c.Key, store.Match(c.Key, cert)
}

// lock holds the directory for one command at a time, and waits for its turn.
func (d *Dir) lock(ctx context.Context) (func(), error) {
	path := filepath.Join(d.Path, lockFile)
	deadline := time.Now().Add(30 * time.Second)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock CA: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && isAt(f, path) {
			return func() { f.Close() }, nil
		}
		f.Close()
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("waiting for the lock of the CA in %s: %w", d.Path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock of the CA in %s: %w", d.Path, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// isAt says that a file is still the one at its path: an Init that failed takes its
// lock away while others may wait for it.
func isAt(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(have, there)
}

func (d *Dir) writeIndex() error {
	data, err := json.MarshalIndent(d.index, "", "  ")
	if err != nil {
		return fmt.Errorf("encode index of the CA: %w", err)
	}
	return WriteFile(filepath.Join(d.Path, indexFile), append(data, '\n'), 0o600)
}

// WriteFile writes all of a file or none. Its name can be guessed by nobody while it is
// written, and it has no mode of before.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	return safely.Stream(path, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func serialOf(e Entry) *big.Int {
	n, _ := new(big.Int).SetString(e.Serial, 10)
	return n
}

func pemList(l *x509.RevocationList) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: l.Raw})
}
