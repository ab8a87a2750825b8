package verbs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"

	"crossring/internal/fail"
	"crossring/internal/pki/chain"
	"crossring/internal/pki/java"
	"crossring/internal/pki/wire"
	"crossring/internal/plain"
	"crossring/internal/topology"

	"github.com/hashicorp/go-multierror"
)

// VerifyServer verifies the chain that a server shows, as it shows it: what it does not
// send is missing, whoever may have it. r.Leaf is the server's HOST:PORT. Without IP and
// Host the leaf has to be for HOST; without a purpose it is a server's.
func (w Verbs) VerifyServer(ctx context.Context, r VerifyRequest, dial wire.Dial, config *tls.Config) (VerifyResult, error) {
	res := newVerifyResult()
	host, _, err := net.SplitHostPort(r.Leaf)
	if err != nil {
		return res, fail.Usage("--connect", err, "crossring help pki verify")
	}
	switch {
	case r.IP != "" || r.Host != "":
	case net.ParseIP(host) != nil:
		r.IP = host
	default:
		r.Host = host
	}
	if r.Purpose == "" {
		r.Purpose = chain.Server
	}
	var seen wire.Seen
	if dial == nil {
		seen, err = wire.Show(ctx, r.Leaf, config)
	} else {
		seen, err = wire.ShowBy(ctx, dial, r.Leaf, config)
	}
	res.Connection = &seen
	if wire.Unreached(err) {
		res.Errors = append(res.Errors, chain.Application("", err.Error(), ""))
		return res, fail.Prerequisite("", fmt.Errorf("%s was not reached, so nothing is known of its certificate: %w", r.Leaf, err), "")
	}
	if len(seen.Chain) == 0 {
		if err == nil {
			err = fmt.Errorf("%s showed no certificate", r.Leaf)
		}
		res.Errors = append(res.Errors, inputProblems("", multierror.Append(nil, err))...)
		return res, err
	}
	return w.verifyServed(ctx, r, seen, res, err)
}

// verifyServed judges what a server showed. said is what went wrong besides, on the wire.
func (w Verbs) verifyServed(ctx context.Context, r VerifyRequest, seen wire.Seen, res VerifyResult, said error) (VerifyResult, error) {
	o := chain.Options{Purpose: r.Purpose, IP: r.IP, Host: r.Host, At: r.At, CheckCRL: len(r.CRL) > 0}
	if o.At.IsZero() {
		o.At = w.Now()
	}
	var errs *multierror.Error
	var err error
	var warnings []chain.Warning
	o.Roots, o.Settings, warnings, err = readCertificates(r.Roots, cmp.Or(r.TrustPassword, r.Password))
	errs = multierror.Append(errs, flat(err)...)
	var asker wire.Asker
	errs = multierror.Append(errs, w.status(ctx, r, &asker, seen.Chain, &o)...)
	if asker.Calls != nil {
		res.Network = asker.Calls
	}
	res.Report = chain.Verify(seen.Chain[0], seen.Chain[1:], o)
	res.Judges = w.judges(ctx, r.AskJava, r.At, seen.Chain, o, res.Report)
	res.Warnings = append(res.Warnings, warnings...)
	for i, c := range seen.Chain {
		res.Served = append(res.Served, Describe(i, c, o.At))
	}
	for _, text := range chain.Order(seen.Chain) {
		res.Order = append(res.Order, text)
		res.Warnings = append(res.Warnings, chain.Warning{Message: text, Hint: "have the server send its own certificate, then each one's issuer up to the root, and leave the root out"})
	}
	if seen.ClientCertificate == "required" {
		res.Warnings = append(res.Warnings, chain.Warning{Message: needsCertificate(r.Leaf), Hint: "add --client-cert FILE, with a certificate and its key"})
	}
	res.ofChain = slices.Clone(res.Errors)
	// What the other side says of the client is no error of its chain, and a reason all
	// the same why nobody gets in.
	errs = multierror.Append(errs, flat(said)...)
	if err := errs.ErrorOrNil(); err != nil {
		res.OK = false
		res.Errors = append(res.Errors, inputProblems(chain.Name(seen.Chain[0].RawSubject), errs)...)
		if said == nil || len(errs.Errors) > 1 || len(res.Errors) > 1 {
			return res, errs
		}
		return res, said
	}
	if res.OK {
		return res, nil
	}
	return res, notOK(r.Leaf, res.Report, plain.Command("crossring", "pki", "show", "--connect", r.Leaf))
}

func needsCertificate(address string) string {
	return address + " takes nobody without a client's certificate, and none was given to show"
}

// status gathers what was said of the leaf since it was signed: lists and answers.
func (w Verbs) status(ctx context.Context, r VerifyRequest, asker *wire.Asker, sent []*x509.Certificate, o *chain.Options) []error {
	var all []error
	for _, file := range r.CRL {
		var lists []*x509.RevocationList
		var err error
		if file == "fetch" {
			lists, err = asker.Lists(ctx, sent[0])
		} else {
			lists, err = readLists(file)
		}
		all = append(all, flat(err)...)
		o.CRLs = append(o.CRLs, lists...)
	}
	if r.OCSP {
		all = append(all, flat(askOCSP(ctx, asker, sent, o))...)
	}
	return all
}

// notOK is the error of a chain that is not right.
func notOK(what string, r chain.Report, hint string) error {
	if len(r.Errors) == 0 {
		return errors.New("chain of " + what + " is not right")
	}
	first := r.Errors[0]
	return &fail.Error{Code: fail.ExitFailure, Op: "chain of " + what, Hint: hint,
		Err: fmt.Errorf("%s; the first is %d %s at depth %d: %s", plain.Count(len(r.Errors), "error"), first.Code, first.Name, first.Depth, first.Message)}
}

func newVerifyResult() VerifyResult {
	return VerifyResult{Schema: topology.Schema, Network: []wire.Call{}, Served: []Certificate{}, Order: []string{}, Judges: []java.Verdict{},
		Report: chain.Report{Chain: []chain.Link{}, Errors: []chain.Problem{}, Warnings: []chain.Warning{}, Tried: []chain.Problem{}}}
}
