package verbs

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/plain"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// IssueRequest asks for the certificate of one node or client.
type IssueRequest struct {
	Dir, Passphrase string // of the CA
	Name, Region    string
	IPs             []netip.Addr
	DNS             []string
	Life            time.Duration
	Client          bool
	// CSR is a signing request, whose key stays where it was made; "" makes a key in
	// Out, this machine being the node.
	CSR     string
	KeyKind string // "" is that of the CA, or of what is renewed
	Out     string
	Formats []string // kinds of package store
	// Password of the stores; "" makes one and writes it beside them.
	Password string
	// Force writes over files that are there.
	Force bool
	// Where others learn of a revocation, instead of what the CA says.
	Where pki.Where

	renews bool // it replaces what was issued under the name
}

// IssueResult says what was issued and where it is.
type IssueResult struct {
	Schema      string      `json:"schema"`
	Name        string      `json:"name"`
	Certificate Certificate `json:"certificate"`
	Files       []string    `json:"files"`
	// KeyMadeHere says that the key was made on this machine, and never left it.
	KeyMadeHere bool `json:"key_made_here"`
}

// Issue has a certificate issued and writes its files.
func (w Verbs) Issue(ctx context.Context, r IssueRequest) (IssueResult, error) {
	d, err := pki.Open(r.Dir, r.Passphrase)
	if err != nil {
		return IssueResult{Schema: topology.Schema, Name: r.Name, Files: []string{}}, err
	}
	if regions := d.Regions(); r.Region != "" && len(regions) > 0 && !slices.Contains(regions, r.Region) {
		return IssueResult{Schema: topology.Schema, Name: r.Name, Files: []string{}}, fail.Usage("",
			fmt.Errorf("--region: the CA has no intermediate for %q; it has them for %s", r.Region, strings.Join(regions, ", ")),
			plain.Command("crossring", "pki", "add-region", r.Region, "--dir", r.Dir)+"   # or leave --region out to have the root sign")
	}
	return w.issue(ctx, d, r)
}

// issue is what Issue and Renew have in common.
func (w Verbs) issue(ctx context.Context, d *pki.Dir, r IssueRequest) (IssueResult, error) {
	res := IssueResult{Schema: topology.Schema, Name: r.Name, Files: []string{}}
	root, err := d.Root()
	if err != nil {
		return res, err
	}
	if r.KeyKind == "" {
		r.KeyKind = pki.KindOf(root.PublicKey)
	}
	if err := errors.Join(r.check(), r.overwrites(d, root)); err != nil {
		return res, err
	}
	csr, key, err := request(r)
	if err != nil {
		return res, err
	}
	res.KeyMadeHere = key != nil
	now := w.Now()
	issued, err := d.Issue(ctx, pki.NodeRequest{
		Name: r.Name, Region: r.Region, CSR: csr, IPs: r.IPs, DNS: r.DNS, Life: r.Life, Now: now, ClientOnly: r.Client, Where: r.Where,
	})
	if err != nil {
		return res, err
	}
	if end := issued[0].NotAfter; end.Before(now.Add(cmp.Or(r.Life, pki.NodeLife)).Truncate(time.Second)) {
		w.Say("warning: the CA ends on %s, and the certificate of %s ends with it", end.UTC().Format(time.DateOnly), r.Name)
	}
	res.Certificate = Describe(0, issued[0], now)
	res.Files, err = writeStores(r, key, issued, root, now)
	return res, err
}

// OverwriteError says that files are there already which would be written over.
type OverwriteError struct {
	Name, Out string
	Files     []string
}

func (e *OverwriteError) Error() string {
	return fmt.Sprintf("%s holds %s already, and nothing says that they are those of %s", e.Out, strings.Join(e.Files, ", "), e.Name)
}

// Hint goes elsewhere, or insists.
func (e *OverwriteError) Hint() string { return "--out ANOTHER, or --force to write over them" }

// overwrites says which files of others, or of an earlier certificate, would be lost.
// To renew is to replace the files of the same name.
func (r IssueRequest) overwrites(d *pki.Dir, root *x509.Certificate) error {
	if pki.IsDir(r.Out) {
		return fail.Usage("", fmt.Errorf("--out: %s is the directory of a CA, whose own files these would take the place of", r.Out), "--out ANOTHER")
	}
	if r.Force {
		return nil
	}
	var there []string
	for _, name := range r.files() {
		data, err := os.ReadFile(filepath.Join(r.Out, name))
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && bytes.Equal(data, store.EncodeCertificates([]*x509.Certificate{root})):
		default:
			there = append(there, name)
		}
	}
	if len(there) == 0 || r.renews && r.holds(d, there) {
		return nil
	}
	return &OverwriteError{r.Name, r.Out, there}
}

// holds says whether files are those of a certificate of the name.
func (r IssueRequest) holds(d *pki.Dir, files []string) bool {
	password := r.Password
	if own, err := state.ReadPassword(filepath.Join(r.Out, "password")); err == nil {
		password = own
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(r.Out, name))
		if err != nil {
			return false
		}
		c, err := store.Read(data, password)
		if err != nil || len(c.Chain) == 0 {
			continue // the password, or a store under another one
		}
		for _, e := range d.Entries() {
			if e.Name == r.Name && e.Serial == c.Chain[0].SerialNumber.String() {
				return true
			}
		}
	}
	return false
}

// files are the names of what is written to Out.
func (r IssueRequest) files() []string {
	var all []string
	for _, kind := range r.Formats {
		switch {
		case r.CSR != "":
			all = append(all, "chain.pem")
		case kind != store.PEM && r.Password == "" && !slices.Contains(all, "password"):
			all = append(all, "password")
			fallthrough
		default:
			all = append(all, "node"+ending(kind, r.Formats))
		}
		all = append(all, "ca"+ending(kind, r.Formats))
	}
	return all
}

// check says what is wrong with a request, before anything is issued.
func (r IssueRequest) check() error {
	const help = "crossring help pki issue"
	if err := r.Where.Check(); err != nil {
		return fail.Usage("", err, help)
	}
	for _, kind := range r.Formats {
		switch known := store.Kinds(); {
		case !slices.Contains(known, kind):
			return fail.Usage("", fmt.Errorf("%q is no kind of store; there are %s", kind, strings.Join(known, ", ")), help)
		case r.CSR != "" && kind != store.PEM:
			return fail.Usage("", fmt.Errorf("a %s store needs the private key, which is not here", kind),
				"openssl pkcs12 -export -in chain.pem -inkey node.key -out node.p12   # where the key is")
		}
	}
	return nil
}

// Renew issues again what was issued under a name: the same names and addresses, a
// new key unless there is a signing request.
func (w Verbs) Renew(ctx context.Context, r IssueRequest) (IssueResult, error) {
	d, err := pki.Open(r.Dir, r.Passphrase)
	if err != nil {
		return IssueResult{Schema: topology.Schema, Files: []string{}}, err
	}
	e, old, err := d.Latest(r.Name)
	if err != nil {
		return IssueResult{Schema: topology.Schema, Files: []string{}}, err
	}
	r.Region, r.DNS, r.Client = cmp.Or(e.Region, e.Issuer), old.DNSNames, len(old.ExtKeyUsage) == 1
	r.KeyKind = cmp.Or(r.KeyKind, pki.KindOf(old.PublicKey))
	if len(r.Where.CRL)+len(r.Where.OCSP) == 0 {
		r.Where = pki.Where{CRL: old.CRLDistributionPoints, OCSP: old.OCSPServer}
	}
	r.IPs = nil
	for _, ip := range old.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			r.IPs = append(r.IPs, a.Unmap())
		}
	}
	if r.Life == 0 {
		r.Life = old.NotAfter.Sub(old.NotBefore) - pki.BackDate
	}
	r.renews = true
	return w.issue(ctx, d, r)
}

func request(r IssueRequest) (*x509.CertificateRequest, crypto.Signer, error) {
	if r.CSR == "" {
		key, err := pki.NewKey(r.KeyKind)
		if err != nil {
			return nil, nil, fail.Usage("", err, "crossring help pki issue")
		}
		csr, err := pki.NewCSR(key, pkix.Name{CommonName: r.Name})
		return csr, key, err
	}
	data, err := os.ReadFile(r.CSR)
	if err != nil {
		return nil, nil, fmt.Errorf("read signing request: %w", err)
	}
	csr, err := ParseCSR(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.CSR, err)
	}
	return csr, nil, nil
}

// ParseCSR reads a signing request in PEM.
func ParseCSR(data []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(data)
	if block == nil || !strings.HasSuffix(block.Type, "CERTIFICATE REQUEST") {
		return nil, &fail.Error{Code: fail.ExitFailure, Op: "this is no PEM signing request",
			Hint: "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout node.key -subj /CN=node -out node.csr"}
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read signing request: %w", err)
	}
	return csr, nil
}

// Extension is the ending of the files of a kind of store.
func Extension(kind string) string {
	switch kind {
	case store.PKCS12, store.Legacy:
		return ".p12"
	case store.JKS:
		return ".jks"
	}
	return ".pem"
}

// ending is the extension of one of several kinds of stores in the same directory:
// beside PKCS#12 as it is now, the old kind says in its name what it is.
func ending(kind string, all []string) string {
	if kind == store.Legacy && slices.Contains(all, store.PKCS12) {
		return "-legacy" + Extension(kind)
	}
	return Extension(kind)
}

// writeStores writes chain and trust in each format: "node" and "ca", each with the
// format's ending. Without a key, which is elsewhere then, only PEM is possible.
func writeStores(r IssueRequest, key crypto.Signer, chain []*x509.Certificate, root *x509.Certificate, now time.Time) ([]string, error) {
	files := []string{}
	if err := os.MkdirAll(r.Out, 0o700); err != nil {
		return files, fmt.Errorf("make directory for %s: %w", r.Name, err)
	}
	write := func(name string, data []byte, mode os.FileMode) error {
		path := filepath.Join(r.Out, name)
		if err := pki.WriteFile(path, data, mode); err != nil {
			return err
		}
		files = append(files, path)
		return nil
	}
	password := r.Password
	for _, kind := range r.Formats {
		if kind == store.PEM && key == nil {
			if err := write("chain.pem", store.EncodeCertificates(chain), 0o644); err != nil {
				return files, err
			}
		}
		if kind != store.PEM && password == "" {
			var err error
			if password, err = state.NewPassword(); err != nil {
				return files, err
			}
			if err := write("password", []byte(password+"\n"), 0o600); err != nil {
				return files, err
			}
		}
		if key != nil {
			data, err := store.Encode(kind, key, chain, password, now)
			if err != nil {
				return files, err
			}
			if err := write("node"+ending(kind, r.Formats), data, 0o600); err != nil {
				return files, err
			}
		}
		trust, err := store.EncodeTrust(kind, []*x509.Certificate{root}, password, now)
		if err != nil {
			return files, err
		}
		if err := write("ca"+ending(kind, r.Formats), trust, 0o644); err != nil {
			return files, err
		}
	}
	return files, nil
}

// AuthorityResult says what a CA is, or what it revoked.
type AuthorityResult struct {
	Schema  string      `json:"schema"`
	Dir     string      `json:"dir"`
	Root    Certificate `json:"root"`
	Issued  []pki.Entry `json:"issued"`
	Revoked []pki.Entry `json:"revoked"` // by this command
	CRL     string      `json:"crl"`     // path; "" while nothing was ever revoked
}

// NewAuthority makes a CA.
func (w Verbs) NewAuthority(ctx context.Context, dir, passphrase string, s pki.Setup) (AuthorityResult, error) {
	d := &pki.Dir{Path: dir, Passphrase: passphrase}
	s.Now = w.Now()
	if err := d.Init(ctx, s); err != nil {
		return AuthorityResult{Schema: topology.Schema, Dir: dir, Issued: []pki.Entry{}, Revoked: []pki.Entry{}}, err
	}
	return w.authorityResult(d)
}

// Revoke revokes certificates of a CA, by name or serial number: all of them or none.
// The list that it signs counts for life.
func (w Verbs) Revoke(ctx context.Context, dir, passphrase string, life time.Duration, refs []string) (AuthorityResult, error) {
	return w.signLists(dir, passphrase, func(d *pki.Dir) ([]pki.Entry, string, error) {
		return d.Revoke(ctx, w.Now(), life, refs...)
	})
}

// SignLists signs a CA's revocation lists anew, to count for life, and revokes
// nothing.
func (w Verbs) SignLists(ctx context.Context, dir, passphrase string, life time.Duration) (AuthorityResult, error) {
	return w.signLists(dir, passphrase, func(d *pki.Dir) ([]pki.Entry, string, error) {
		path, err := d.List(ctx, w.Now(), life)
		return []pki.Entry{}, path, err
	})
}

func (w Verbs) signLists(dir, passphrase string, sign func(*pki.Dir) ([]pki.Entry, string, error)) (AuthorityResult, error) {
	res := AuthorityResult{Schema: topology.Schema, Dir: dir, Issued: []pki.Entry{}, Revoked: []pki.Entry{}}
	d, err := pki.Open(dir, passphrase)
	if err != nil {
		return res, err
	}
	gone, path, err := sign(d)
	if err != nil {
		return res, err
	}
	res, err = w.authorityResult(d)
	res.Revoked, res.CRL = gone, path
	return res, err
}

func (w Verbs) authorityResult(d *pki.Dir) (AuthorityResult, error) {
	res := AuthorityResult{Schema: topology.Schema, Dir: d.Path, Issued: d.Entries(), Revoked: []pki.Entry{}}
	root, err := d.Root()
	if err != nil {
		return res, err
	}
	res.Root = Describe(0, root, w.Now())
	return res, nil
}
