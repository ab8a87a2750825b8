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
	"crossring/internal/pki/names"
	"crossring/internal/pki/store"
	"crossring/internal/plain"
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
func (s Setup) Check() error {
	var errs []error
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
	if s.Under != nil {
		errs = append(errs, s.Under.Check(s.Now))
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

var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$`)

// Init makes an authority in a directory that has none. One that can't be made leaves
// nothing behind.
func (d *Dir) Init(ctx context.Context, s Setup) (err error) {
	if err := s.Check(); err != nil {
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
	key, done, err := d.rootKey(s)
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
func (d *Dir) rootKey(s Setup) (key crypto.Signer, done func(failed error) error, err error) {
	if s.HSM == nil {
		if s.Adopt != nil {
			return s.Adopt.Key, func(error) error { return nil }, nil
		}
		key, err = NewKey(s.Key)
		return key, func(error) error { return nil }, err
	}
	d.index.HSM = s.HSM
	if s.Adopt != nil { // the key is there, and stays
		k, err := hsm.Open(*s.HSM, d.Passphrase)
		if err != nil {
			return nil, nil, err
		}
		if err := store.Match(k, s.Adopt.Chain[0]); err != nil {
			return nil, nil, errors.Join(err, k.Close())
		}
		return k, func(error) error { return k.Close() }, nil
	}
	k, err := hsm.Create(*s.HSM, d.Passphrase, s.Key)
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
func (d *Dir) authority(region string) (Authority, string, error) {
	if d.index.Elsewhere {
		return Authority{}, "", &NotOursError{d.Path}
	}
	if d.index.Under != nil {
		other, err := d.index.Under.Open()
		if err != nil {
			return Authority{}, "", err
		}
		return other.authority(region)
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
		key, err := hsm.Open(*d.index.HSM, d.Passphrase)
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

// WriteFile writes all of a file or none, synced, and the directory too: after a crash
// it is there under its name.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	if err := replaceFile(path, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func replaceFile(path string, data []byte, mode fs.FileMode) (err error) {
	// Of its own, so that it has no mode of before, and is nobody's link.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // written all the same
	}
	defer dir.Close()
	return dir.Sync()
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
