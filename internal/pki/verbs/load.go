package verbs

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"crossring/internal/fail"
	"crossring/internal/pki/chain"
	"crossring/internal/pki/hello"
	"crossring/internal/pki/wire"
	"crossring/internal/tlsload"

	"github.com/hashicorp/go-multierror"
)

// LoadRequest is a load of requests on one server.
type LoadRequest struct {
	tlsload.Load // its URL and Config are set by Loads
	Trust        // its Name is set by Loads
	ServerName   string
}

// LoadServer is what came of it.
type LoadServer struct {
	URL string `json:"url"`
	// Verified is what became of the server's chain at the first handshake; null where none
	// was shown.
	Verified    *chain.Report    `json:"verified"`
	Version     string           `json:"version"` // as the first request had it, here and below; "" where none was made
	CipherSuite string           `json:"cipher_suite"`
	Curve       string           `json:"curve"`
	Protocol    string           `json:"protocol"`
	Concurrency int              `json:"concurrency"`
	Rate        *float64         `json:"rate"` // asked for; null is as fast as answers come
	Requests    int64            `json:"requests"`
	Policies    []tlsload.Result `json:"policies"`
	// Offers is what the server has, where it did not come to terms with this side; []
	// where it was not asked for.
	Offers   []Offers `json:"offers"`
	Warnings []string `json:"warnings"`
	Error    *string  `json:"error"` // null when nothing went wrong
}

// URLError says that a URL is none that a load can be made on.
type URLError struct{ URL, Why string }

func (e *URLError) Error() string { return fmt.Sprintf("%q: %s", e.URL, e.Why) }

// ParseURL reads the URL of a server: https://HOST[:PORT]/PATH, or cql://HOST:PORT.
func ParseURL(text string) (*url.URL, error) {
	bad := func(why string) (*url.URL, error) { return nil, &URLError{text, why} }
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return bad("no URL, as in https://203.0.113.10:8443/")
	case u.Scheme == "http":
		return bad("http is plain text, and this is about TLS: https://" + u.Host + u.RequestURI())
	case !slices.Contains(tlsload.Schemes(), u.Scheme):
		return bad("a URL here begins with " + strings.Join(tlsload.Schemes(), ":// or ") + "://")
	case u.User != nil:
		return nil, &URLError{u.Redacted(), "a URL with a user or a password is not taken: arguments are seen by everybody"}
	case u.Hostname() == "":
		return bad("there is no host in it")
	case u.Scheme == "cql" && (u.Port() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != ""):
		return bad("a Cassandra is written cql://HOST:PORT")
	}
	if port := u.Port(); port != "" {
		if _, err := net.LookupPort("tcp", port); err != nil || port == "0" {
			return bad("port " + port + " is none")
		}
	}
	u.Fragment = ""
	if u.Path == "" && u.Scheme == "https" {
		u.Path = "/"
	}
	return u, nil
}

// Loads makes a load on each server, one after the other. One that fails does not keep
// the others from theirs.
func (w Verbs) Loads(ctx context.Context, urls []*url.URL, r LoadRequest) (HandshakeResult, error) {
	res := HandshakeResult{Servers: []HandshakeServer{}, Loads: []LoadServer{}}
	var errs *multierror.Error
	for _, u := range urls {
		s, err := w.load(ctx, u, r)
		if err != nil {
			text := err.Error()
			s.Error = &text
			errs = multierror.Append(errs, err)
		}
		res.Loads = append(res.Loads, s)
		if ctx.Err() != nil {
			break
		}
	}
	err := alone(errs)
	if err != nil && ctx.Err() == nil && len(errs.Errors) < len(urls) {
		return res, fail.Partial("", err, hintOf(err))
	}
	return res, err
}

func (w Verbs) load(ctx context.Context, u *url.URL, r LoadRequest) (LoadServer, error) {
	s := LoadServer{URL: u.String(), Concurrency: r.Concurrency, Policies: []tlsload.Result{}, Offers: []Offers{}, Warnings: []string{}}
	if r.Rate > 0 {
		s.Rate = &r.Rate
	}
	l := r.Load
	l.URL, l.Config = u, r.Config.Clone()
	name := u.Hostname()
	if r.ServerName != "" {
		name = r.ServerName
	}
	l.Config.ServerName, r.Name = name, name
	j, err := w.judge(u.String(), r.Trust)
	if err != nil {
		return s, err
	}
	// The judge is asked in place of crypto/tls, so that the verdict is that of pki verify.
	l.Config.InsecureSkipVerify, l.Config.VerifyConnection = true, j.verify
	if err := w.Stage("first request to "+u.String(), func() error {
		var err error
		l.First, err = tlsload.Try(ctx, l.Target)
		return err
	}); err != nil {
		s.Verified = j.shown
		var has []hello.Version
		if has, err = w.terms(ctx, l.Address(), l.Config, err); len(has) > 0 {
			s.Offers = offersOf(hello.Offers{Versions: has})
		}
		return s, err
	}
	s.Verified = j.shown
	state := l.First.TLS
	s.Version, s.CipherSuite, s.Protocol = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), l.First.Protocol
	if state.CurveID != 0 {
		s.Curve = wire.GroupName(state.CurveID)
	}
	warn := func(format string, args ...any) {
		s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
		w.Say("warning: %s", s.Warnings[len(s.Warnings)-1])
	}
	if to := l.First.Location; to != "" {
		warn("%s answers %s to %s, which is not followed: what is measured is that answer", u, l.First.Status, to)
	} else if l.First.Status >= "400" && u.Scheme == "https" {
		warn("%s answers %s: what is measured is that answer", u, l.First.Status)
	}
	l.Stage = w.Stage
	s.Policies, err = tlsload.Run(ctx, l)
	for _, p := range s.Policies {
		s.Requests += p.Requests
		if p.LateStarts > 0 && float64(p.LateStarts) > 0.01*float64(p.Requests) {
			warn("%s: %d of %d requests began late: with --concurrency %d that rate is not kept, or this computer is too slow", p.Policy, p.LateStarts, p.Requests, r.Concurrency)
		}
	}
	if err != nil {
		return s, &fail.Error{Code: fail.ExitFailure, Err: err, Hint: hintOf(err)}
	}
	return s, nil
}
