package pki

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// RootName is what {issuer} stands for in an address where the root signs.
const RootName = "root"

// Check says what is no address that others can ask at: http and https are what all
// read, with a host.
func (w Where) Check() error {
	var errs []error
	for flag, list := range map[string][]string{"--crl-url": w.CRL, "--ocsp-url": w.OCSP} {
		for _, text := range list {
			u, err := url.Parse(strings.ReplaceAll(text, "{issuer}", "x"))
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s: %w", flag, err))
			case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
				errs = append(errs, fmt.Errorf("%s: %q is no address such as http://ca.example/crl/{issuer}.crl", flag, text))
			case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
				errs = append(errs, fmt.Errorf("%s: %q has other characters than a URL has", flag, text))
			}
		}
	}
	return errors.Join(errs...)
}

// of puts the issuer's name into the addresses.
func (w Where) of(issuer string) Where {
	if issuer == "" {
		issuer = RootName
	}
	fill := func(list []string) []string {
		var all []string
		for _, text := range list {
			all = append(all, strings.ReplaceAll(text, "{issuer}", issuer))
		}
		return all
	}
	return Where{CRL: fill(w.CRL), OCSP: fill(w.OCSP)}
}

// where is what is written into a certificate: what was asked for it, or else what is
// for all.
func (d *Dir) where(asked Where, issuer string) Where {
	w := d.index.Where
	if len(asked.CRL) > 0 {
		w.CRL = asked.CRL
	}
	if len(asked.OCSP) > 0 {
		w.OCSP = asked.OCSP
	}
	return w.of(issuer)
}
