package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"crossring/internal/pki/chain"
	"crossring/internal/pki/store"
)

// Adopt is an intermediate of another CA, a company's for instance, which is to sign.
type Adopt struct {
	// Chain is its certificate, then each one's issuer up to a root.
	Chain []*x509.Certificate
	// Key is its key; nil where that is in a token.
	Key crypto.Signer
}

// AdoptedError says that a certificate is another CA's to renew.
type AdoptedError struct{ Dir string }

func (e *AdoptedError) Error() string {
	return "the certificate that signs in " + e.Dir + " is of another CA: that one renews it"
}

// Hint takes what it gives.
func (e *AdoptedError) Hint() string {
	return "crossring pki init --dir ANOTHER --from-cert CERT.pem --from-key KEY.pem --from-chain ROOT.pem"
}

// ChainOf puts a CA's certificate first, then each one's issuer up to a root, out of all
// that are at hand. The error says what is missing.
func ChainOf(own *x509.Certificate, hand []*x509.Certificate) ([]*x509.Certificate, error) {
	all := []*x509.Certificate{own}
	for top := own; top.CheckSignatureFrom(top) != nil; {
		i := slices.IndexFunc(hand, func(c *x509.Certificate) bool {
			return top.CheckSignatureFrom(c) == nil && !slices.ContainsFunc(all, c.Equal)
		})
		if i < 0 {
			return nil, fmt.Errorf("the issuer of %s is not at hand: %s", top.Subject, top.Issuer)
		}
		top = hand[i]
		all = append(all, top)
	}
	return all, nil
}

// check says why an intermediate can't sign for nodes.
func (a Adopt) check(s Setup) error {
	own := a.Chain[0]
	var errs []error
	if len(a.Chain) == 1 {
		errs = append(errs, errors.New("--from-cert is a root: make a CA of it by its own means, or take an intermediate of it"))
	}
	if !own.IsCA || own.KeyUsage&x509.KeyUsageCertSign == 0 {
		errs = append(errs, fmt.Errorf("--from-cert: %s is no CA: it has to have basicConstraints CA:TRUE and keyCertSign", own.Subject))
	}
	if a.Key == nil && s.HSM == nil {
		errs = append(errs, errors.New("--from-key is needed, or --pkcs11-key where the key is in a token"))
	}
	if a.Key != nil {
		errs = append(errs, store.Match(a.Key, own))
	}
	for _, p := range chain.Verify(own, a.Chain[1:], chain.Options{Roots: a.Chain[len(a.Chain)-1:], At: s.Now}).Errors {
		errs = append(errs, fmt.Errorf("--from-cert: error %d at depth %d: %s: %s", p.Code, p.Depth, p.Name, p.Message))
	}
	if len(s.Regions) > 0 && own.MaxPathLenZero {
		errs = append(errs, fmt.Errorf("--region: %s may have no CA below it: its path length is 0", own.Subject))
	}
	if len(s.Limits.IPs)+len(s.Limits.DNS) > 0 {
		errs = append(errs, errors.New("--permit-ip and --permit-dns are for a CA that is made: this one has its certificate"))
	}
	return errors.Join(errs...)
}

// writeSigner keeps the chain of an adopted CA, without its root.
func (d *Dir) writeSigner(chain []*x509.Certificate) error {
	return WriteFile(filepath.Join(d.Path, signerFile), store.EncodeCertificates(chain[:len(chain)-1]), 0o644)
}

// signer is the chain of an adopted CA, with its root.
func (d *Dir) signer(root *x509.Certificate) ([]*x509.Certificate, error) {
	c, err := d.certs(signerFile)
	return append(c, root), err
}
