package verbs

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"crossring/internal/fail"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/topology"
)

// States of what was issued.
const (
	StateValid   = "valid"
	StateExpired = "expired"
	StateRevoked = "revoked"
	StateNotYet  = "not_yet_valid"
)

// Kept is one certificate that was issued, as pki ls has it.
type Kept struct {
	pki.Entry
	State string `json:"state"`
	// Newest says that it is the last one of its name that is not revoked.
	Newest        bool `json:"newest"`
	ExpiresInDays int  `json:"expires_in_days"` // negative once it has
}

// KeptIssuer is one authority of a CA.
type KeptIssuer struct {
	Name        string      `json:"name"` // root or a region
	State       string      `json:"state"`
	Certificate Certificate `json:"certificate"`
}

// KeptList is a CA's revocation list.
type KeptList struct {
	Path          string    `json:"path"`
	Issuer        string    `json:"issuer"`
	Number        string    `json:"number"`
	ThisUpdate    time.Time `json:"this_update"`
	NextUpdate    time.Time `json:"next_update"`
	ExpiresInDays int       `json:"expires_in_days"`
	Revoked       int       `json:"revoked"`
}

// ListResult is what a CA has issued.
type ListResult struct {
	Schema  string `json:"schema"`
	Dir     string `json:"dir"`
	Cluster string `json:"cluster"`
	// Token says that the root's key is in one.
	Token   bool         `json:"token"`
	Issuers []KeptIssuer `json:"issuers"` // the root, or the adopted intermediate, first
	Issued  []Kept       `json:"issued"`  // the oldest first
	Lists   []KeptList   `json:"lists"`   // none while nothing was signed
	// NextEnd is what ends first of all that is in use; null when nothing is.
	NextEnd *NextEnd `json:"next_end"`
}

// NextEnd is a certificate that ends before the others.
type NextEnd struct {
	Name     string    `json:"name"`
	NotAfter time.Time `json:"not_after"`
	Days     int       `json:"days"` // negative once it has
}

func days(until, now time.Time) int {
	d := until.Sub(now) / (24 * time.Hour)
	if until.Before(now) {
		d-- // an hour ago is not 0 days to come
	}
	return int(d)
}

func stateOf(from, until, now time.Time, revoked bool) string {
	switch {
	case revoked:
		return StateRevoked
	case now.Before(from):
		return StateNotYet
	case !now.Before(until):
		return StateExpired
	}
	return StateValid
}

// List says what a CA has issued, to whom, and until when it counts. It needs no key.
func (w Verbs) List(dir string) (ListResult, error) {
	res := ListResult{Schema: topology.Schema, Dir: dir, Issuers: []KeptIssuer{}, Issued: []Kept{}, Lists: []KeptList{}}
	d, err := pki.Open(dir, "")
	if err != nil {
		return res, err
	}
	now := w.Now()
	res.Cluster, res.Token = d.Cluster(), d.HSM()
	issuers, err := d.Issuers()
	if err != nil {
		return res, err
	}
	next := func(name string, until time.Time) {
		if res.NextEnd == nil || until.Before(res.NextEnd.NotAfter) {
			res.NextEnd = &NextEnd{name, until, days(until, now)}
		}
	}
	for _, i := range issuers {
		c := Describe(0, i.Cert, now)
		res.Issuers = append(res.Issuers, KeptIssuer{i.Name, stateOf(i.Cert.NotBefore, i.Cert.NotAfter, now, false), c})
		next(i.Name, i.Cert.NotAfter)
	}
	newest := map[string]int{}
	for n, e := range d.Entries() {
		if e.RevokedAt == nil {
			newest[e.Name] = n
		}
	}
	for n, e := range d.Entries() {
		last, ok := newest[e.Name]
		k := Kept{Entry: e, State: stateOf(e.NotBefore, e.NotAfter, now, e.RevokedAt != nil), Newest: ok && last == n, ExpiresInDays: days(e.NotAfter, now)}
		if k.Newest {
			next(e.Name, e.NotAfter)
		}
		res.Issued = append(res.Issued, k)
	}
	lists, err := d.Signed()
	if err != nil {
		return res, err
	}
	for _, l := range lists {
		res.Lists = append(res.Lists, KeptList{
			Path: d.ListPath(), Issuer: l.Issuer.String(), Number: l.Number.String(), ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate,
			ExpiresInDays: days(l.NextUpdate, now), Revoked: len(l.RevokedCertificateEntries),
		})
	}
	return res, nil
}

// IssuerResult is the answer of a renewal of a CA's own certificate, and of a new region.
type IssuerResult struct {
	Schema string `json:"schema"`
	Dir    string `json:"dir"`
	Issuer string `json:"issuer"` // root or a region
	// Before is the certificate of before; null for a new region's.
	Before      *Certificate `json:"before"`
	Certificate Certificate  `json:"certificate"`
}

// RenewIssuer signs the certificate of a CA itself again, with its key.
func (w Verbs) RenewIssuer(ctx context.Context, dir, passphrase, name string, life time.Duration) (IssuerResult, error) {
	res := IssuerResult{Schema: topology.Schema, Dir: dir, Issuer: name}
	d, err := pki.Open(dir, passphrase)
	if err != nil {
		return res, err
	}
	was, is, err := d.RenewIssuer(ctx, name, w.Now(), life)
	if err != nil {
		return res, err
	}
	old := Describe(0, was, w.Now())
	res.Before, res.Certificate = &old, Describe(0, is, w.Now())
	return res, nil
}

// AddRegion gives a CA an intermediate for a region that came later.
func (w Verbs) AddRegion(ctx context.Context, dir, passphrase, region, key string) (IssuerResult, error) {
	res := IssuerResult{Schema: topology.Schema, Dir: dir, Issuer: region}
	d, err := pki.Open(dir, passphrase)
	if err != nil {
		return res, err
	}
	if key != "" && !slices.Contains(pki.KeyKinds(), key) {
		return res, fail.Usage("", fmt.Errorf("%q is no kind of key", key), "crossring help pki add-region")
	}
	if err := d.AddRegion(ctx, region, key, w.Now()); err != nil {
		return res, err
	}
	issuers, err := d.Issuers()
	if err != nil {
		return res, err
	}
	res.Certificate = Describe(0, issuers[len(issuers)-1].Cert, w.Now())
	return res, nil
}

// Adoption names the files of an intermediate of another CA.
type Adoption struct {
	Cert     string   // with its chain, if that is in it
	Key      string   // "" where a token has it
	Chain    []string // what is above it, up to a root
	Password string   // of Key, and of stores
}

// Read reads the files, and puts the chain in order.
func (a Adoption) Read() (*pki.Adopt, error) {
	own, err := readStore(a.Cert, a.Password)
	var legacy *store.LegacyKeyError
	if errors.As(err, &legacy) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if len(own.Chain) == 0 {
		return nil, fmt.Errorf("%s: no certificate in it", a.Cert)
	}
	hand := own.All()[1:]
	above, _, _, err := readCertificates(a.Chain, a.Password)
	if err != nil {
		return nil, err
	}
	key := own.Key
	if a.Key != "" {
		if key, err = readKey(a.Key, a.Password); err != nil {
			return nil, err
		}
	}
	chain, err := pki.ChainOf(own.Chain[0], append(append([]*x509.Certificate{}, hand...), above...))
	if err != nil {
		return nil, fail.Usage("--from-cert", err, "--from-chain FILE, with what is above it up to the root")
	}
	return &pki.Adopt{Chain: chain, Key: key}, nil
}

// readKey reads a key of PEM, which may be encrypted.
func readKey(path, password string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if err := store.Private(path); err != nil {
		return nil, err
	}
	if data, err = store.Decrypt(data, password); err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	key, err := store.ReadKey(data)
	var legacy *store.LegacyKeyError
	if errors.As(err, &legacy) && legacy.Key != nil {
		return legacy.Key, nil // this side reads it
	}
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return key, nil
}

// After is what is to be done next; "" is nothing.
func (r IssuerResult) After() string {
	switch {
	case r.Before == nil:
		return ""
	case r.Issuer == pki.RootName:
		return "give " + filepath.Join(r.Dir, "ca.pem") + " to all who trust this CA: the key is the same, and what it signed counts as before"
	}
	return "the nodes of " + r.Issuer + " send the certificate of before until theirs are renewed"
}
