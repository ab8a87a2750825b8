package verbs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"

	"crossring/internal/pki/chain"
	"crossring/internal/pki/store"
	"crossring/internal/plain"

	"github.com/hashicorp/go-multierror"
)

// Trust says what a server that is dialled has to show, in files.
type Trust struct {
	CA         []string // roots; none are the system's
	CAPassword string
	CRL        []string // files of lists; the leaf must be looked up in one where there is any
	Name       string   // host or address that the leaf must be for
}

// ChainError says that what a server showed does not verify.
type ChainError struct {
	Server string
	chain.Report
}

func (e *ChainError) Error() string {
	first := e.Errors[0]
	return fmt.Sprintf("chain of %s: %s; the first is %d %s at depth %d: %s", e.Server, plain.Count(len(e.Errors), "error"), first.Code, first.Name, first.Depth, first.Message)
}

// Hint is what mends the first error.
func (e *ChainError) Hint() string { return e.Errors[0].Hint }

// judge holds what a server shows against a trust, as pki verify does, on each full
// handshake. It may be asked by many at once.
type judge struct {
	server  string
	options chain.Options
	now     func() chain.Options

	mu    sync.Mutex
	used  []*x509.Certificate // roots that a chain of this server has ended in
	shown *chain.Report       // the newest
}

// judge reads the files of a trust. A private key in a file to trust is said, and is no
// hindrance.
func (w Verbs) judge(server string, t Trust) (*judge, error) {
	var errs *multierror.Error
	o := chain.Options{Purpose: chain.Server, CheckCRL: len(t.CRL) > 0, Settings: map[string]chain.Setting{}}
	if net.ParseIP(t.Name) != nil {
		o.IP = t.Name
	} else {
		o.Host = t.Name
	}
	for _, path := range t.CA {
		roots, settings, err := w.rootsOf(path, t.CAPassword)
		errs = multierror.Append(errs, flat(err)...)
		o.Roots = append(o.Roots, roots...)
		for der, s := range settings {
			o.Settings[der] = s
		}
	}
	if len(t.CA) == 0 {
		roots, _, err := store.SystemRoots()
		errs = multierror.Append(errs, flat(err)...)
		o.Roots = roots
	}
	for _, path := range t.CRL {
		lists, err := readLists(path)
		errs = multierror.Append(errs, flat(err)...)
		o.CRLs = append(o.CRLs, lists...)
	}
	j := &judge{server: server, options: o}
	j.now = func() chain.Options {
		o := j.options
		o.At = w.Now()
		return o
	}
	return j, alone(errs)
}

// rootsOf reads a file of certificates to trust, and says what is to be said of it. A
// private key in it may be of any kind: nobody needs it here.
func (w Verbs) rootsOf(path, password string) ([]*x509.Certificate, map[string]chain.Setting, error) {
	certs, settings, warnings, err := readCertificates([]string{path}, password)
	var legacy *store.LegacyKeyError
	var several *store.SeveralKeysError
	if errors.As(err, &legacy) || errors.As(err, &several) {
		if err = nil; len(certs) == 0 {
			err = fmt.Errorf("%s: no certificate in it", path)
		}
		if len(warnings) == 0 {
			w.Say("warning: %s holds a private key: nobody needs it to trust a certificate", path)
		}
	}
	for _, warning := range warnings {
		w.Say("warning: %s: %s", warning.Message, warning.Hint)
	}
	return certs, settings, err
}

// verify is for VerifyConnection. A connection that goes on from a session has been
// verified when that was made; what may have changed since is the time.
func (j *judge) verify(s tls.ConnectionState) error {
	o := j.now()
	if len(s.PeerCertificates) == 0 {
		return fmt.Errorf("%s shows no certificate", j.server)
	}
	if s.DidResume {
		for _, c := range s.PeerCertificates {
			if o.At.After(c.NotAfter) {
				return j.judged(o, s.PeerCertificates)
			}
		}
		return nil
	}
	return j.judged(o, s.PeerCertificates)
}

// judged verifies a chain, against the roots that one of it ended in before, if there
// are any: the walk past a hundred others costs more than all the rest.
func (j *judge) judged(o chain.Options, sent []*x509.Certificate) error {
	j.mu.Lock()
	used := j.used
	j.mu.Unlock()
	if len(used) > 0 && len(used) < len(o.Roots) {
		few := o
		few.Roots = used
		if chain.Verify(sent[0], sent[1:], few).OK {
			return nil
		}
	}
	r := chain.Verify(sent[0], sent[1:], o)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shown = &r
	if !r.OK {
		return &ChainError{Server: j.server, Report: r}
	}
	j.used = nil
	for _, root := range o.Roots {
		for _, l := range r.Chain {
			if l.Trusted && l.Subject == chain.Name(root.RawSubject) {
				j.used = append(j.used, root)
			}
		}
	}
	return nil
}
