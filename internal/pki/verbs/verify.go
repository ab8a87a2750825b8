package verbs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"crossring/internal/pki/chain"
	"crossring/internal/pki/java"
	"crossring/internal/pki/store"
	"crossring/internal/pki/wire"
	"crossring/internal/plain"

	"github.com/hashicorp/go-multierror"
)

// VerifyRequest says which chain is held against what. Paths are of files of any
// kind that package store reads.
type VerifyRequest struct {
	Leaf      string // with a key in it, that is checked, too
	Roots     []string
	Untrusted []string
	Key       string // file of the private key; ""
	Password  string // of Leaf, when it is a store
	// TrustPassword opens Roots and Untrusted that are stores; "" is Password.
	TrustPassword string
	Purpose       string
	IP, Host      string
	At            time.Time // zero is now
	CRL           []string  // files; "fetch" asks the distribution points
	OCSP          bool
	// AskJava has a JDK here judge the chain, besides the rules.
	AskJava bool
}

// VerifyResult is what came of it.
type VerifyResult struct {
	Schema string `json:"schema"`
	chain.Report
	// Network lists what was asked of the network: nothing unless --ocsp or --crl
	// fetch were given.
	Network []wire.Call `json:"network"`
	// Connection is how the server was spoken to; null for a file.
	Connection *wire.Seen `json:"connection"`
	// Served are the certificates as the server sent them; none for a file.
	Served []Certificate `json:"served"`
	// Order is what is out of order in what was sent, or in the file, missing or too much.
	Order []string `json:"order"`
	// Judges are what OpenSSL's rules, which the verdict is by, and Java say of the chain.
	Judges []java.Verdict `json:"judges"`

	ofChain []chain.Problem // the errors of the chain, without what went wrong besides
}

// VerifyChain verifies a chain and says everything that is wrong with it. It asks
// the network nothing unless told to.
func (w Verbs) VerifyChain(ctx context.Context, r VerifyRequest) (VerifyResult, error) {
	res := newVerifyResult()
	o := chain.Options{Purpose: r.Purpose, IP: r.IP, Host: r.Host, At: r.At, CheckCRL: len(r.CRL) > 0}
	if o.At.IsZero() {
		o.At = w.Now()
	}
	var errs *multierror.Error
	leaf, err := readStore(r.Leaf, r.Password)
	errs = multierror.Append(errs, flat(err)...)
	if err == nil && len(leaf.Chain) == 0 {
		errs = multierror.Append(errs, fmt.Errorf("%s: no certificate in it", r.Leaf))
	}
	trustPassword := r.TrustPassword
	if trustPassword == "" {
		trustPassword = r.Password
	}
	var warnings []chain.Warning
	o.Roots, o.Settings, warnings, err = readCertificates(r.Roots, trustPassword)
	errs = multierror.Append(errs, flat(err)...)
	o.Untrusted, _, _, err = readCertificates(r.Untrusted, trustPassword)
	errs = multierror.Append(errs, flat(err)...)
	o.Untrusted = append(o.Untrusted, leaf.Others...)
	if len(leaf.Chain) > 0 {
		var ofKey []chain.Warning
		ofKey, err = checkKey(r, leaf)
		warnings = append(warnings, ofKey...)
		errs = multierror.Append(errs, flat(err)...)
	}
	if len(leaf.Chain) == 0 {
		res.Errors = append(res.Errors, inputProblems("", errs)...)
		return res, errs.ErrorOrNil()
	}
	var asker wire.Asker
	errs = multierror.Append(errs, w.status(ctx, r, &asker, leaf.Chain, &o)...)
	if asker.Calls != nil {
		res.Network = asker.Calls
	}
	res.Report = chain.Verify(leaf.Chain[0], leaf.Chain[1:], o)
	res.Judges = w.judges(ctx, r.AskJava, r.At, leaf.Chain, o, res.Report)
	if leaf.Kind == store.PEM && len(leaf.Chain) > 1 {
		for _, text := range chain.Order(leaf.Chain) {
			res.Order = append(res.Order, text)
			warnings = append(warnings, chain.Warning{Message: text, Hint: "put the leaf first in " + r.Leaf + ", then each one's issuer, and leave the rest out"})
		}
	}
	res.Warnings = append(res.Warnings, warnings...)
	if err := errs.ErrorOrNil(); err != nil {
		res.OK = false
		res.Errors = append(res.Errors, inputProblems(res.Chain[0].Subject, errs)...)
		return res, err
	}
	if res.OK {
		return res, nil
	}
	return res, notOK(r.Leaf, res.Report, plain.Command("crossring", "pki", "show", r.Leaf))
}

// inputProblems are errors of files, keys and responders as a reader of the answer
// finds them: "not ok" has its reason in it.
func inputProblems(subject string, errs *multierror.Error) []chain.Problem {
	var all []chain.Problem
	for _, err := range errs.WrappedErrors() {
		hint := ""
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			hint = hinted.Hint()
		}
		all = append(all, chain.Application(subject, err.Error(), hint))
	}
	return all
}

// flat makes a list of errors of one that may be nil, for multierror.Append, which
// would count a nil as an error.
func flat(err error) []error {
	if err == nil {
		return nil
	}
	return []error{err}
}

// askOCSP asks the leaf's responders and keeps their answers in o, to be judged
// with the chain. The error is that there is none to judge.
func askOCSP(ctx context.Context, asker *wire.Asker, sent []*x509.Certificate, o *chain.Options) error {
	o.CheckOCSP = true
	leaf := sent[0]
	issuer := chain.Issuer(leaf, sent[1:], *o)
	if issuer == nil {
		return errors.New("the issuer's certificate is not at hand, so its OCSP responder can't be asked")
	}
	err := asker.OCSP(ctx, leaf, issuer, func(der []byte) (string, error) {
		o.Answers = append(o.Answers, der)
		answer, err := chain.ReadAnswer(der, leaf, issuer, o.At)
		return answer.String(), err
	})
	if len(o.Answers) > 0 {
		return nil // what is wrong with them the verdict says
	}
	return err
}

// checkKey holds the private key, from its own file or that of the chain, against
// the leaf. That others may read it is a warning: the chain is no worse for it.
func checkKey(r VerifyRequest, leaf store.Contents) ([]chain.Warning, error) {
	var errs *multierror.Error
	key, path := leaf.Key, r.Leaf
	if r.Key != "" {
		data, err := os.ReadFile(r.Key)
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		if key, err = store.ReadKey(data); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("key %s: %w", r.Key, err))
		}
		path = r.Key
	}
	if key == nil {
		return nil, errs.ErrorOrNil()
	}
	var warnings []chain.Warning
	var open *store.OpenError
	if err := store.Private(path); errors.As(err, &open) {
		warnings = append(warnings, chain.Warning{Message: open.Error(), Hint: open.Hint()})
	} else if err != nil {
		errs = multierror.Append(errs, err)
	}
	if err := store.Match(key, leaf.Chain[0]); err != nil {
		errs = multierror.Append(errs, fmt.Errorf("key %s: %w", path, err))
	}
	return warnings, errs.ErrorOrNil()
}

// readStore reads a file of any kind. A key in a legacy form is an error besides.
func readStore(path, password string) (store.Contents, error) {
	return readWith(store.Read, path, password)
}

func readWith(read func([]byte, string) (store.Contents, error), path, password string) (store.Contents, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return store.Contents{}, fmt.Errorf("read chain: %w", err)
	}
	c, err := read(data, password)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// readCertificates reads certificates to trust, or to build a chain from, with what
// their files say that they are to be trusted for.
func readCertificates(paths []string, password string) (certs []*x509.Certificate, settings map[string]chain.Setting, warnings []chain.Warning, err error) {
	settings = map[string]chain.Setting{}
	var errs *multierror.Error
	for _, path := range paths {
		c, err := readWith(store.ReadTrust, path, password)
		if err == nil && len(c.All()) == 0 {
			err = fmt.Errorf("%s: no certificate in it", path)
		}
		var closed *store.PasswordError
		if errors.As(err, &closed) && password == "" {
			err = fmt.Errorf("%w: no password was given, with --ca-password-file or --password-file", err)
		}
		errs = multierror.Append(errs, flat(err)...)
		certs = append(certs, c.All()...)
		if c.Key != nil {
			warnings = append(warnings, chain.Warning{Message: path + " holds a private key beside what is to be trusted: whoever is given it as a trust store can sign, or pass for its owner",
				Hint: "openssl x509 -in " + plain.Word(path) + " -out ca.pem   # the certificate alone"})
		}
		for _, set := range c.Settings {
			var s chain.Setting
			for _, oid := range set.Trust {
				s.Trust = append(s.Trust, oid.String())
			}
			for _, oid := range set.Reject {
				s.Reject = append(s.Reject, oid.String())
			}
			settings[string(set.Certificate.Raw)] = s
		}
	}
	return certs, settings, warnings, errs.ErrorOrNil()
}

func readLists(path string) ([]*x509.RevocationList, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read revocation list: %w", err)
	}
	lists, err := wire.ParseLists(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return lists, nil
}
