package pki

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"crossring/internal/pki/names"
	"crossring/internal/plain"
)

// LifeError says that something can't live as long, or as short, as it was asked to.
type LifeError struct {
	Asked, Max time.Duration
}

func (e *LifeError) Error() string {
	return fmt.Sprintf("a life of %s is asked for; it is more than nothing, and %s at most", inDays(e.Asked), inDays(e.Max))
}

// ExitCode is that of a wrong command line.
func (e *LifeError) ExitCode() int { return 2 }

func inDays(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return plain.Count(int64(d/(24*time.Hour)), "day")
	}
	return d.String()
}

// CheckLife says whether something may live that long.
func CheckLife(life, most time.Duration) error {
	if life <= 0 || life > most {
		return &LifeError{life, most}
	}
	return nil
}

// EndedError says that an authority can't sign, since its own certificate does not
// count: nobody would take what it signed.
type EndedError struct {
	Subject             string
	NotBefore, NotAfter time.Time
	Now                 time.Time
}

func (e *EndedError) Error() string {
	if e.Now.Before(e.NotBefore) {
		return fmt.Sprintf("the CA %s counts from %s on, and it is %s by this machine's clock", e.Subject, e.NotBefore.UTC().Format(time.DateTime), e.Now.UTC().Format(time.DateTime))
	}
	return fmt.Sprintf("the CA %s ended on %s: nobody takes what it signs", e.Subject, e.NotAfter.UTC().Format(time.DateTime))
}

// Hint is the way out.
func (e *EndedError) Hint() string {
	if e.Now.Before(e.NotBefore) {
		return "date   # then set the clock"
	}
	return "crossring pki init --dir DIR   # a new CA; that of a cluster: crossring pki rotate NAME --ca"
}

// KeyError says that a key is none that nodes and their clients can use.
type KeyError struct{ Got string }

func (e *KeyError) Error() string {
	return e.Got + " is no key for TLS among nodes: it takes RSA of 2,048 to 8,192 bits, or ECDSA on P-256, P-384 or P-521"
}

// Hint makes one that is.
func (e *KeyError) Hint() string {
	return "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout node.key -subj /CN=node -out node.csr"
}

// CheckKey says whether Java, OpenSSL and Go can all use a key in TLS, and would:
// what is shorter they refuse, what is longer Go does.
func CheckKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 8192 {
			return &KeyError{fmt.Sprintf("RSA of %d bits", bits)}
		}
	case *ecdsa.PublicKey:
		if !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, k.Curve) {
			return &KeyError{"ECDSA on " + k.Curve.Params().Name}
		}
	case nil:
		return &KeyError{"a key of an unknown kind"}
	default:
		return &KeyError{"a key of the kind " + strings.TrimPrefix(strings.TrimSuffix(fmt.Sprintf("%T", key), ".PublicKey"), "*")}
	}
	return nil
}

// LimitError says that an authority does not sign for a name.
type LimitError struct{ Name, Issuer string }

func (e *LimitError) Error() string {
	return fmt.Sprintf("the CA %s is limited to names of which %s is none: nobody would take the certificate", e.Issuer, e.Name)
}

// Hint shows whom it signs for.
func (e *LimitError) Hint() string { return "openssl x509 -noout -ext nameConstraints -in ca.pem" }

// check holds a request against what can be used.
func (a Authority) check(r Request, life time.Duration) error {
	if err := CheckLife(life, MaxNodeLife); err != nil {
		return err
	}
	for _, c := range a.Chain {
		if r.Now.Before(c.NotBefore) || !r.Now.Before(c.NotAfter) {
			return &EndedError{c.Subject.String(), c.NotBefore, c.NotAfter, r.Now}
		}
	}
	if err := CheckKey(r.CSR.PublicKey); err != nil {
		return fmt.Errorf("signing request of %s: %w", r.Subject, err)
	}
	if pub, ok := r.CSR.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok {
		for _, c := range a.Chain {
			if pub.Equal(c.PublicKey) {
				return fmt.Errorf("signing request of %s: its key is that of the CA %s", r.Subject, c.Subject)
			}
		}
	}
	if err := r.CSR.CheckSignature(); errors.Is(err, x509.ErrUnsupportedAlgorithm) || errors.As(err, new(x509.InsecureAlgorithmError)) {
		return fmt.Errorf("signing request of %s: its signature can't be checked, ask for one with SHA-256: %w", r.Subject, err)
	} else if err != nil {
		return fmt.Errorf("signing request of %s is not signed by its own key: %w", r.Subject, err)
	}
	var errs []error
	for _, name := range r.DNS {
		errs = append(errs, cmp.Or(names.CheckDNS(name), a.permitsDNS(name)))
	}
	for _, ip := range r.IPs {
		errs = append(errs, cmp.Or(names.CheckIP(ip), a.permitsIP(ip)))
	}
	return errors.Join(errs...)
}

// permitsDNS says whether the limits of all authorities of the chain have room for a
// host name.
func (a Authority) permitsDNS(name string) error {
	for _, c := range a.Chain {
		ok := len(c.PermittedDNSDomains) == 0
		for _, d := range c.PermittedDNSDomains {
			ok = ok || strings.EqualFold(name, d) || strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(strings.TrimPrefix(d, ".")))
		}
		if !ok {
			return &LimitError{name, c.Subject.String()}
		}
	}
	return nil
}

func (a Authority) permitsIP(ip netip.Addr) error {
	for _, c := range a.Chain {
		ok := len(c.PermittedIPRanges) == 0
		for _, n := range c.PermittedIPRanges {
			ok = ok || n.Contains(ip.Unmap().AsSlice())
		}
		if !ok {
			return &LimitError{ip.String(), c.Subject.String()}
		}
	}
	return nil
}

// once is a list without what it has already, in its order.
func once[T comparable](list []T) []T {
	var out []T
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
