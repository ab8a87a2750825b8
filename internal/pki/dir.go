package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"crossring/internal/fail"
	"crossring/internal/pki/hsm"
	"crossring/internal/pki/store"
	"crossring/internal/plain"
)

// Files of a Dir. A key with a passphrase lies in a PKCS#12 file instead of PEM.
const (
	rootCert  = "ca.pem"
	indexFile = "index.json"
	lockFile  = "lock"
	crlFile   = "crl.pem"
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

// index is the authority's memory.
type index struct {
	Schema  string   `json:"schema"`
	NodeDN  string   `json:"node_dn"`
	Cluster string   `json:"cluster"`
	Regions []string `json:"regions"` // that have an intermediate
	Lists   int64    `json:"lists"`   // revocation lists signed so far
	// HSM is where the root's key is, when it is not in a file here.
	HSM    *hsm.Ref `json:"hsm,omitempty"`
	Issued []Entry  `json:"issued"`
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

// UnknownError says that nothing was issued under a name.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("no certificate that counts was issued for %q; there are %q", e.Name, e.Known)
}

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
}

// SetupError says that an authority can't be made as it is asked for.
type SetupError struct{ Err error }

func (e *SetupError) Error() string { return e.Err.Error() }

func (e *SetupError) Unwrap() error { return e.Err }

// ExitCode is that of a wrong command line.
func (e *SetupError) ExitCode() int { return fail.ExitUsage }

// Hint is what can be asked for.
func (e *SetupError) Hint() string { return "crossring help pki init" }

// Check says what can't be made as it is asked for, as a *SetupError.
func (s Setup) Check() error {
	if s.Key != "" && !slices.Contains(KeyKinds(), s.Key) {
		return &SetupError{unknownKind(s.Key)}
	}
	if _, err := s.rootName(); err != nil {
		return &SetupError{err}
	}
	if _, err := ParseDN(or(s.NodeDN, DefaultNodeDN), map[string]string{"node": "x", "region": "x", "cluster": s.Cluster}); err != nil {
		return &SetupError{err}
	}
	return nil
}

func (s Setup) rootName() (pkix.Name, error) {
	return ParseDN(or(s.RootDN, DefaultRootDN), map[string]string{"cluster": s.Cluster, "region": "", "node": ""})
}

var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$`)

// Init makes an authority in a directory that has none.
func (d *Dir) Init(ctx context.Context, s Setup) error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(d.Path, 0o700); err != nil {
		return fmt.Errorf("make directory of the CA: %w", err)
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(filepath.Join(d.Path, rootCert)); err == nil {
		return &ExistsError{d.Path}
	}
	d.index = index{Schema: "crossring/v1", NodeDN: or(s.NodeDN, DefaultNodeDN), Cluster: s.Cluster, Regions: s.Regions, Issued: []Entry{}}
	name, err := s.rootName()
	if err != nil {
		return err
	}
	life := s.Life
	if life == 0 {
		life = RootLife
	}
	key, done, err := d.rootKey(s)
	if err != nil {
		return err
	}
	defer done()
	root, err := NewRoot(key, name, s.Now, life)
	if err != nil {
		return err
	}
	if s.HSM == nil {
		if err := d.writeKey("ca", root); err != nil {
			return err
		}
	}
	for _, region := range s.Regions {
		if !fileName.MatchString(region) {
			return fmt.Errorf("%q is no name for a region", region)
		}
		k, err := NewKey(s.Key)
		if err != nil {
			return err
		}
		sub := name
		sub.CommonName += " " + region
		a, err := root.Intermediate(k, sub, s.Now, min(life, IntermediateLife))
		if err != nil {
			return err
		}
		if err := d.writeKey("ca-"+region, a); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(d.Path, "ca-"+region+".pem"), store.EncodeCertificates(a.Chain[:1]), 0o644); err != nil {
			return err
		}
	}
	if err := d.writeIndex(); err != nil {
		return err
	}
	// Last: its presence says that the rest is there.
	return writeFile(filepath.Join(d.Path, rootCert), store.EncodeCertificates(root.Chain), 0o644)
}

// rootKey makes the root's key, here or in a token. done ends what it needs.
func (d *Dir) rootKey(s Setup) (key crypto.Signer, done func(), err error) {
	if s.HSM == nil {
		key, err = NewKey(s.Key)
		return key, func() {}, err
	}
	d.index.HSM = s.HSM
	k, err := hsm.Create(*s.HSM, d.Passphrase, s.Key)
	if err != nil {
		return nil, nil, err
	}
	return k, func() { k.Close() }, nil
}

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
func (d *Dir) Root() (*x509.Certificate, error) { return d.cert(rootCert) }

func (d *Dir) cert(name string) (*x509.Certificate, error) {
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
	return c.Chain[0], nil
}

// authority loads the one of a region: its intermediate if it has one, else the root.
func (d *Dir) authority(region string) (Authority, string, error) {
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
		key, err := d.readKey("ca-"+r, cert)
		return Authority{Chain: []*x509.Certificate{cert, root}, Key: key}, r, err
	}
	if d.index.HSM != nil {
		key, err := hsm.Open(*d.index.HSM, d.Passphrase)
		if err != nil {
			return Authority{}, "", err
		}
		return Authority{Chain: []*x509.Certificate{root}, Key: key}, "", store.Match(key, root)
	}
	key, err := d.readKey("ca", root)
	return Authority{Chain: []*x509.Certificate{root}, Key: key}, "", err
}

func (d *Dir) writeKey(base string, a Authority) error {
	path := filepath.Join(d.Path, base)
	if d.Passphrase == "" {
		data, err := store.EncodeKey(a.Key)
		if err != nil {
			return err
		}
		return writeFile(path+".key", data, 0o600)
	}
	data, err := store.Encode(store.PKCS12, a.Key, a.Chain[:1], d.Passphrase, time.Time{})
	if err != nil {
		return err
	}
	return writeFile(path+".p12", data, 0o600)
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
	f, err := os.OpenFile(filepath.Join(d.Path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock CA: %w", err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if time.Now().After(deadline) {
			f.Close()
			return nil, fmt.Errorf("waiting for the lock of the CA in %s: %w", d.Path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for the lock of the CA in %s: %w", d.Path, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *Dir) writeIndex() error {
	data, err := json.MarshalIndent(d.index, "", "  ")
	if err != nil {
		return fmt.Errorf("encode index of the CA: %w", err)
	}
	return writeFile(filepath.Join(d.Path, indexFile), append(data, '\n'), 0o600)
}

// writeFile writes all of a file or none, synced.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
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
