package tlsload

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"crossring/internal/cql"
	"crossring/internal/pki/wire"
	"crossring/internal/plain"
)

// Target is a server and what is asked of it.
type Target struct {
	URL *url.URL // https, or cql for Cassandra's native protocol
	// Config says what is trusted, in its VerifyConnection or as crypto/tls does by itself,
	// what is offered, and what is shown.
	Config  *tls.Config
	HTTP    string        // "1.1" or "2" alone; "" is what the server prefers
	Timeout time.Duration // of a request, its connection included
}

// Schemes are those of URLs that can be asked.
func Schemes() []string { return []string{"https", "cql"} }

// Address is the server's HOST:PORT.
func (t Target) Address() string {
	port := t.URL.Port()
	if port == "" {
		port = map[string]string{"https": "443", "cql": "9142"}[t.URL.Scheme]
	}
	return net.JoinHostPort(t.URL.Hostname(), port)
}

// Answer is what came of the first request.
type Answer struct {
	Remote   net.Addr // of the server
	TLS      tls.ConnectionState
	Protocol string // "HTTP/1.1", "HTTP/2.0", "CQL v4"
	Status   string // "200"; of CQL the kind of the answer
	Location string // where a redirection points to, as an absolute URL; "" is none
}

// PlainRedirectError says that a server sends its clients on to plain text.
type PlainRedirectError struct {
	URL, To string
	Status  string
}

func (e *PlainRedirectError) Error() string {
	return fmt.Sprintf("%s answers %s and sends its clients on to %s, which is not TLS: refused", e.URL, e.Status, plain.Line(e.To))
}

// Hint is the other way.
func (e *PlainRedirectError) Hint() string {
	return "crossring handshake https://HOST/PATH   # a page that the server gives over TLS"
}

// session is what requests are made on: one connection or more, until it is closed.
// request is the last of it where last is set. A session serves many at once.
type session interface {
	request(ctx context.Context, last bool) (Answer, error)
	close()
}

// opener makes sessions to a target.
type opener struct {
	target   Target
	counts   *cql.Counts
	protocol string // that of the first answer; "" is not known yet
	most     int    // requests at once on a session
}

func (o opener) open(cfg *tls.Config) session {
	o.counts.Sessions.Add(1)
	cfg = o.counts.Counting(cfg)
	if o.target.URL.Scheme == "cql" {
		return &cqlSession{opener: o, cfg: cfg}
	}
	return o.web(cfg)
}

// webSession is a client of HTTP that shares nothing with others.
type webSession struct {
	opener
	transport *http.Transport
	client    *http.Client

	mu     sync.Mutex
	conns  []net.Conn
	after  func(error) error
	state  tls.ConnectionState
	remote net.Addr
}

func (o opener) web(cfg *tls.Config) *webSession {
	s := &webSession{opener: o}
	cfg.NextProtos = []string{"h2", "http/1.1"}
	var protocols http.Protocols
	protocols.SetHTTP1(o.target.HTTP != "2")
	protocols.SetHTTP2(o.target.HTTP != "1.1")
	if o.target.HTTP == "1.1" {
		cfg.NextProtos = []string{"http/1.1"}
	}
	// Where HTTP/2 alone is asked for both are offered all the same: of a server that has it
	// not one learns that then, and not that the handshake failed.
	s.transport = &http.Transport{
		Protocols: &protocols, DisableCompression: true,
		MaxIdleConnsPerHost: o.most, MaxConnsPerHost: o.most,
		// No proxy: what is measured is the server.
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx, cfg) },
	}
	if o.protocol == "HTTP/2.0" {
		s.transport.MaxConnsPerHost = 1 // it carries all that are under way
	}
	s.client = &http.Client{
		Transport: s.transport, Timeout: o.target.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

// NoHTTP2Error says that a server does not speak HTTP/2.
type NoHTTP2Error struct{ Address, Protocol string }

func (e *NoHTTP2Error) Error() string {
	if e.Protocol == "" {
		return e.Address + " agreed on no protocol where HTTP/2 was asked for: it does not speak it"
	}
	return fmt.Sprintf("%s agreed on %s where HTTP/2 was asked for", e.Address, plain.Line(e.Protocol))
}

// Hint is to do without.
func (*NoHTTP2Error) Hint() string { return "leave --http out, or ask for --http 1.1" }

func (s *webSession) dial(ctx context.Context, cfg *tls.Config) (net.Conn, error) {
	address := s.target.Address()
	conn, after, err := wire.Handshake(ctx, address, cfg, func(raw net.Conn) {
		s.counts.Flows.Add(1)
		s.mu.Lock()
		s.conns = append(s.conns, raw)
		s.mu.Unlock()
	})
	if err != nil {
		return nil, err
	}
	state := conn.ConnectionState()
	if s.target.HTTP == "2" && state.NegotiatedProtocol != "h2" {
		conn.Close()
		return nil, &NoHTTP2Error{address, state.NegotiatedProtocol}
	}
	s.mu.Lock()
	s.after, s.state, s.remote = after, state, conn.RemoteAddr()
	// Those that have ended were closed by then.
	if len(s.conns) > 4*s.most {
		s.conns = slices.Clone(s.conns[len(s.conns)-2*s.most:])
	}
	s.mu.Unlock()
	return conn, nil
}

func (s *webSession) request(ctx context.Context, last bool) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.target.URL.String(), nil)
	if err != nil {
		return Answer{}, err
	}
	req.Close = last
	req.Header.Set("User-Agent", "crossring")
	resp, err := s.client.Do(req)
	s.mu.Lock()
	a, after := Answer{Remote: s.remote, TLS: s.state}, s.after
	s.mu.Unlock()
	if err != nil {
		var in *url.Error // it repeats the URL
		if errors.As(err, &in) && !in.Timeout() {
			err = in.Err
		}
		if after != nil {
			err = after(err)
		}
		return a, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	s.mu.Lock()
	s.after = nil // the server takes the client
	s.mu.Unlock()
	if resp.TLS != nil {
		a.TLS = *resp.TLS
	}
	a.Protocol, a.Status = resp.Proto, strconv.Itoa(resp.StatusCode)
	if to, err := resp.Location(); err == nil && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		a.Location = to.String()
	}
	if err != nil {
		return a, fmt.Errorf("read the answer of %s: %w", s.target.URL, err)
	}
	return a, nil
}

func (s *webSession) close() {
	s.transport.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close() // what net/http has not yet found idle, too
	}
	s.conns = nil
}

// Try makes one request on a connection of its own, and says what came of it. Errors of
// the configuration's VerifyConnection come as they are; no request was made then. A
// redirection to plain text is a *PlainRedirectError.
func Try(ctx context.Context, t Target) (Answer, error) {
	s := opener{target: t, counts: &cql.Counts{}, most: 1}.open(t.Config.Clone())
	defer s.close()
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	a, err := s.request(ctx, true)
	if err != nil {
		return a, err
	}
	if a.Location != "" {
		if to, err := url.Parse(a.Location); err != nil || to.Scheme != "https" {
			return a, &PlainRedirectError{t.URL.String(), a.Location, a.Status}
		}
	}
	return a, nil
}
