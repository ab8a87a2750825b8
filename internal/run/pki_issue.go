package run

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crossring/internal/pki"
	"crossring/internal/pki/store"
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
func (w World) Issue(ctx context.Context, r IssueRequest) (IssueResult, error) {
	res := IssueResult{Schema: topology.Schema, Name: r.Name, Files: []string{}}
	d, err := pki.Open(r.Dir, r.Passphrase)
	if err != nil {
		return res, err
	}
	root, err := d.Root()
	if err != nil {
		return res, err
	}
	if r.KeyKind == "" {
		r.KeyKind = pki.KindOf(root.PublicKey)
	}
	if err := r.check(); err != nil {
		return res, err
	}
	csr, key, err := request(r)
	if err != nil {
		return res, err
	}
	res.KeyMadeHere = key != nil
	issued, err := d.Issue(ctx, pki.NodeRequest{
		Name: r.Name, Region: r.Region, CSR: csr, IPs: r.IPs, DNS: r.DNS, Life: r.Life, Now: w.Now(), ClientOnly: r.Client,
	})
	if err != nil {
		return res, err
	}
	res.Certificate = describeCertificate(0, issued[0], w.Now())
	res.Files, err = writeStores(r, key, issued, root, w.Now())
	return res, err
}

// check says what is wrong with a request, before anything is issued.
func (r IssueRequest) check() error {
	const help = "crossring help pki issue"
	for _, kind := range r.Formats {
		switch known := store.Kinds(); {
		case !slices.Contains(known, kind):
			return Usage("", fmt.Errorf("%q is no kind of store; there are %s", kind, strings.Join(known, ", ")), help)
		case r.CSR != "" && kind != store.PEM:
			return Usage("", fmt.Errorf("a %s store needs the private key, which is not here", kind),
				"openssl pkcs12 -export -in chain.pem -inkey node.key -out node.p12   # where the key is")
		}
	}
	return nil
}

// Renew issues again what was issued under a name: the same names and addresses, a
// new key unless there is a signing request.
func (w World) Renew(ctx context.Context, r IssueRequest) (IssueResult, error) {
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
	r.IPs = nil
	for _, ip := range old.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			r.IPs = append(r.IPs, a.Unmap())
		}
	}
	if r.Life == 0 {
		r.Life = old.NotAfter.Sub(old.NotBefore) - pki.BackDate
	}
	return w.Issue(ctx, r)
}

func request(r IssueRequest) (*x509.CertificateRequest, crypto.Signer, error) {
	if r.CSR == "" {
		key, err := pki.NewKey(r.KeyKind)
		if err != nil {
			return nil, nil, Usage("", err, "")
		}
		csr, err := pki.NewCSR(key, pkix.Name{CommonName: r.Name})
		return csr, key, err
	}
	data, err := os.ReadFile(r.CSR)
	if err != nil {
		return nil, nil, fmt.Errorf("read signing request: %w", err)
	}
	csr, err := parseCSR(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.CSR, err)
	}
	return csr, nil, nil
}

func parseCSR(data []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(data)
	if block == nil || !strings.HasSuffix(block.Type, "CERTIFICATE REQUEST") {
		return nil, &Fail{Code: ExitFailure, Op: "this is no PEM signing request",
			Hint: "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout node.key -subj /CN=node -out node.csr"}
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read signing request: %w", err)
	}
	return csr, nil
}

// extensions are the endings of store files.
func extension(kind string) string {
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
		return "-legacy" + extension(kind)
	}
	return extension(kind)
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
		if err := os.WriteFile(path+".new", data, mode); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
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
			if password, err = NewPassword(); err != nil {
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

// NewPassword is state.NewPassword.
func NewPassword() (string, error) { return state.NewPassword() }

// ReadPassword is state.ReadPassword.
func ReadPassword(path string) (string, error) { return state.ReadPassword(path) }

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
func (w World) NewAuthority(ctx context.Context, dir, passphrase string, s pki.Setup) (AuthorityResult, error) {
	d := &pki.Dir{Path: dir, Passphrase: passphrase}
	s.Now = w.Now()
	if err := d.Init(ctx, s); err != nil {
		return AuthorityResult{Schema: topology.Schema, Dir: dir, Issued: []pki.Entry{}, Revoked: []pki.Entry{}}, err
	}
	return w.authorityResult(d)
}

// Revoke revokes certificates of a CA, by name or serial number.
func (w World) Revoke(ctx context.Context, dir, passphrase string, refs []string) (AuthorityResult, error) {
	res := AuthorityResult{Schema: topology.Schema, Dir: dir, Issued: []pki.Entry{}, Revoked: []pki.Entry{}}
	d, err := pki.Open(dir, passphrase)
	if err != nil {
		return res, err
	}
	var gone []pki.Entry
	var path string
	for _, ref := range refs {
		some, p, err := d.Revoke(ctx, ref, w.Now())
		if err != nil {
			return res, err
		}
		gone, path = append(gone, some...), p
	}
	res, err = w.authorityResult(d)
	res.Revoked, res.CRL = gone, path
	return res, err
}

func (w World) authorityResult(d *pki.Dir) (AuthorityResult, error) {
	res := AuthorityResult{Schema: topology.Schema, Dir: d.Path, Issued: d.Entries(), Revoked: []pki.Entry{}}
	root, err := d.Root()
	if err != nil {
		return res, err
	}
	res.Root = describeCertificate(0, root, w.Now())
	return res, nil
}
