package verbs

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
	"crossring/internal/pki/hello"
	"crossring/internal/pki/store"
	"crossring/internal/pki/wire"
	"crossring/internal/topology"

	"github.com/hashicorp/go-multierror"
)

// ShowResult is what files hold, or what a server showed. Of several files the first
// has the keys of the document, and the certificates of all follow its own; each for
// itself is in Files.
type ShowResult struct {
	Schema string `json:"schema"`
	Shown
	Wire  *wire.Seen  `json:"connection"` // null for a file
	Files []ShownFile `json:"files"`      // [] for a server
	// Also are the chains that a server shows besides, for other kinds of keys.
	Also []ShownChain `json:"also"`
	// Offers is what a server has that this side did not come to terms with; [] where it
	// was not asked for.
	Offers []Offers `json:"offers"`
}

// ShownChain is a chain for another kind of key.
type ShownChain struct {
	KeyKind     string `json:"key_kind"` // ECDSA, RSA or EdDSA
	Version     string `json:"version"`
	CipherSuite string `json:"cipher_suite"`
	Shown
}

// Shown is what was found in one place.
type Shown struct {
	Kind         string        `json:"kind"` // pem, pkcs12, jks, pkcs7, der, or wire
	Key          string        `json:"key"`  // kind of the private key in it; "" when there is none
	Certificates []Certificate `json:"certificates"`
	// Order is what is wrong with the order of the chain, and what is missing; []
	// when nothing is.
	Order []string `json:"order"`
}

// ShownFile is one of several files.
type ShownFile struct {
	File string `json:"file"`
	Shown
	Error *string `json:"error"` // null when it could be read
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

// ShowFiles says what is in files. One that can't be read does not keep the others
// from being shown.
func (w Verbs) ShowFiles(paths []string, password string) (ShowResult, error) {
	res := ShowResult{Schema: topology.Schema, Shown: Shown{Certificates: []Certificate{}, Order: []string{}}, Files: []ShownFile{}, Also: []ShownChain{}, Offers: []Offers{}}
	var errs *multierror.Error
	for i, path := range paths {
		f := ShownFile{File: path, Shown: Shown{Certificates: []Certificate{}, Order: []string{}}}
		c, err := readStore(path, password)
		if err != nil {
			text := err.Error()
			f.Error = &text
			errs = multierror.Append(errs, err)
		}
		f.Kind = c.Kind
		if c.Key != nil {
			f.Key = keyKind(c)
		}
		w.show(&f.Shown, c.All(), false)
		// What a PEM file holds is sent as it is; a store's entries have no order. A file
		// of CAs alone is one to trust, and no chain.
		leaf := slices.ContainsFunc(c.Chain, func(c *x509.Certificate) bool { return !c.IsCA })
		if c.Kind == store.PEM && len(c.Chain) > 0 && (leaf || c.Key != nil) {
			f.Order = append(f.Order, chain.Order(c.Chain)...)
		}
		if res.Files = append(res.Files, f); i == 0 {
			res.Kind, res.Key, res.Order = f.Kind, f.Key, f.Order
		}
		res.Certificates = append(res.Certificates, f.Certificates...)
	}
	return res, alone(errs)
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

// ShowServer says what a server shows. Where none was reached, or none that speaks
// TLS, nothing is said of a chain.
func (w Verbs) ShowServer(ctx context.Context, address string, config *tls.Config) (ShowResult, error) {
	res := ShowResult{Schema: topology.Schema, Shown: Shown{Kind: "wire", Certificates: []Certificate{}, Order: []string{}}, Files: []ShownFile{}, Also: []ShownChain{}, Offers: []Offers{}}
	seen, err := wire.Show(ctx, address, config)
	res.Wire = &seen
	if err != nil && len(seen.Chain) == 0 {
		var has []hello.Version
		if has, err = w.terms(ctx, address, config, err); len(has) > 0 {
			w.showTerms(&res, has)
			return res, err
		}
	}
	w.show(&res.Shown, seen.Chain, len(seen.Chain) > 0)
	if err == nil {
		for _, c := range w.also(ctx, seen, config) {
			res.Also = append(res.Also, w.shownChain(seen.Version, c))
		}
	}
	return res, err
}

// showTerms shows what a server showed to other hellos than this program's own. What was
// not tried, such as whether it resumes sessions, stays unknown.
func (w Verbs) showTerms(res *ShowResult, has []hello.Version) {
	res.Offers = offersOf(hello.Offers{Versions: has})
	for _, v := range has {
		for _, c := range v.Chains {
			if len(res.Certificates) == 0 {
				res.Wire.Version, res.Wire.CipherSuite, res.Wire.Chain = tls.VersionName(v.Version), hello.SuiteName(c.Suite), c.Certificates
				if c.Group != 0 {
					res.Wire.Curve = wire.GroupName(c.Group)
				}
				w.show(&res.Shown, c.Certificates, true)
				continue
			}
			also := w.shownChain(tls.VersionName(v.Version), c)
			known := res.Certificates[0].Serial == also.Certificates[0].Serial
			for _, other := range res.Also {
				known = known || other.Certificates[0].Serial == also.Certificates[0].Serial
			}
			if !known {
				res.Also = append(res.Also, also)
			}
		}
	}
}

func (w Verbs) shownChain(version string, c hello.Chain) ShownChain {
	s := ShownChain{KeyKind: c.Key, Version: version, CipherSuite: hello.SuiteName(c.Suite), Shown: Shown{Kind: "wire", Certificates: []Certificate{}, Order: []string{}}}
	w.show(&s.Shown, c.Certificates, true)
	return s
}

func (w Verbs) show(s *Shown, certs []*x509.Certificate, asChain bool) {
	for i, c := range certs {
		s.Certificates = append(s.Certificates, Describe(i, c, w.Now()))
	}
	if asChain {
		s.Order = append(s.Order, chain.Order(certs)...)
	}
}

// Describe is a certificate as documents have it, with its depth in a chain.
func Describe(i int, c *x509.Certificate, now time.Time) Certificate {
	d := Certificate{
		Link: chain.Describe(i, c, false), Serial: c.SerialNumber.Text(16), Signature: chain.SignatureName(c), CA: c.IsCA,
		SANs: append([]string{}, c.DNSNames...), SubjectKeyID: hex.EncodeToString(c.SubjectKeyId), AuthKeyID: hex.EncodeToString(c.AuthorityKeyId),
		OCSP: append([]string{}, c.OCSPServer...), CRL: append([]string{}, c.CRLDistributionPoints...),
		ExpiresInDays: int(c.NotAfter.Sub(now) / (24 * time.Hour)),
	}
	for _, ip := range c.IPAddresses {
		d.SANs = append(d.SANs, ip.String())
	}
	d.SANs = append(d.SANs, c.EmailAddresses...)
	for _, u := range c.URIs {
		d.SANs = append(d.SANs, u.String())
	}
	return d
}
