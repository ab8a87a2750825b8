package run

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"crossring/internal/pki/chain"
	"crossring/internal/pki/store"
	"crossring/internal/pki/wire"
	"crossring/internal/topology"
)

// ShowResult is what a file holds, or what a server showed.
type ShowResult struct {
	Schema       string        `json:"schema"`
	Kind         string        `json:"kind"` // pem, pkcs12, jks, pkcs7, der, or wire
	Key          string        `json:"key"`  // kind of the private key in it; "" when there is none
	Certificates []Certificate `json:"certificates"`
	// Order is what is wrong with the order of the chain, and what is missing; []
	// when nothing is.
	Order []string   `json:"order"`
	Wire  *wire.Seen `json:"connection"` // null for a file
}

// Certificate is one in words.
type Certificate struct {
	chain.Link
	Serial        string   `json:"serial"` // hexadecimal
	Signature     string   `json:"signature"`
	CA            bool     `json:"ca"`
	SANs          []string `json:"sans"`
	SubjectKeyID  string   `json:"subject_key_id"`
	AuthKeyID     string   `json:"authority_key_id"`
	OCSP          []string `json:"ocsp"`
	CRL           []string `json:"crl"`
	ExpiresInDays int      `json:"expires_in_days"` // negative once it has
}

// ShowFile says what is in a file.
func (w World) ShowFile(path, password string) (ShowResult, error) {
	res := ShowResult{Schema: topology.Schema, Certificates: []Certificate{}, Order: []string{}}
	c, err := readStore(path, password)
	res.Kind = c.Kind
	if c.Key != nil {
		res.Key = keyKind(c)
	}
	w.show(&res, c.All(), false)
	// What a PEM file holds is sent as it is; a store's entries have no order. A file
	// of CAs alone is one to trust, and no chain.
	leaf := slices.ContainsFunc(c.Chain, func(c *x509.Certificate) bool { return !c.IsCA })
	if c.Kind == store.PEM && len(c.Chain) > 0 && (leaf || c.Key != nil) {
		res.Order = append(res.Order, chain.Order(c.Chain)...)
	}
	return res, err
}

func keyKind(c store.Contents) string {
	text := strings.TrimPrefix(fmt.Sprintf("%T", c.Key.Public()), "*")
	kind, _, _ := strings.Cut(text, ".")
	text = strings.ToUpper(kind)
	if len(c.Chain) > 0 && store.Match(c.Key, c.Chain[0]) != nil {
		text += ", which is not the first certificate's"
	}
	return text
}

// ShowServer says what a server shows.
func (w World) ShowServer(ctx context.Context, address string, config *tls.Config) (ShowResult, error) {
	res := ShowResult{Schema: topology.Schema, Kind: "wire", Certificates: []Certificate{}, Order: []string{}}
	seen, err := wire.Show(ctx, address, config)
	res.Wire = &seen
	w.show(&res, seen.Chain, true)
	return res, err
}

func (w World) show(res *ShowResult, certs []*x509.Certificate, asChain bool) {
	for i, c := range certs {
		res.Certificates = append(res.Certificates, describeCertificate(i, c, w.Now()))
	}
	if asChain {
		res.Order = append(res.Order, chain.Order(certs)...)
	}
}

func describeCertificate(i int, c *x509.Certificate, now time.Time) Certificate {
	d := Certificate{
		Link: chain.Describe(i, c, false), Serial: c.SerialNumber.Text(16), Signature: chain.SignatureName(c), CA: c.IsCA,
		SANs: append([]string{}, c.DNSNames...), SubjectKeyID: hex.EncodeToString(c.SubjectKeyId), AuthKeyID: hex.EncodeToString(c.AuthorityKeyId),
		OCSP: append([]string{}, c.OCSPServer...), CRL: append([]string{}, c.CRLDistributionPoints...),
		ExpiresInDays: int(c.NotAfter.Sub(now) / (24 * time.Hour)),
	}
	for _, ip := range c.IPAddresses {
		d.SANs = append(d.SANs, ip.String())
	}
	return d
}
