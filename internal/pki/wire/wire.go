// Package wire speaks TLS to a server to see what it does: the chain as it comes
// over the wire, what was negotiated, whether a session is resumed, and how many
// handshakes a second there are to be had. It trusts nobody and sends no data:
// what it hears is for people to judge, with package chain.
package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Seen is what a server showed of itself.
type Seen struct {
	Address     string              `json:"address"`
	Version     string              `json:"version"`
	CipherSuite string              `json:"cipher_suite"`
	Curve       string              `json:"curve"` // "" where no key was agreed on by one
	Chain       []*x509.Certificate `json:"-"`     // as it came, leaf first if the server does it right
	// Resumption is how a second connection goes on from the first: "psk" in TLS
	// 1.3, "ticket" in 1.2, "session-id" where the server offers that alone, "none",
	// or "unknown" where the server let nobody in.
	Resumption string `json:"resumption"`
	Resumed    bool   `json:"resumed"` // a second connection really did
	// ClientCertificate says that the server asks for one: "no", "asked", "required".
	ClientCertificate string `json:"client_certificate"`
	// CAs are the names that it would take one from, as DER.
	CAs [][]byte `json:"-"`
}

// Show connects twice, the second time to see whether the session is resumed.
// config may name versions, suites and a client certificate; its trust is not
// used.
func Show(ctx context.Context, address string, config *tls.Config) (Seen, error) {
	seen := Seen{Address: address, Resumption: "none", ClientCertificate: "no"}
	cfg := open(config)
	tickets := &tickets{}
	cfg.ClientSessionCache = tickets
	own := cfg.GetClientCertificate
	cfg.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		seen.ClientCertificate, seen.CAs = "asked", r.AcceptableCAs
		if own != nil {
			return own(r)
		}
		if len(config.Certificates) > 0 {
			return &config.Certificates[0], nil
		}
		return &tls.Certificate{}, nil
	}
	cfg.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		seen.Chain = nil
		for _, der := range raw {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return fmt.Errorf("certificate %d of the chain: %w", len(seen.Chain), err)
			}
			seen.Chain = append(seen.Chain, c)
		}
		return nil
	}
	state, hello, err := connect(ctx, address, cfg)
	if state.Version != 0 {
		seen.Version, seen.CipherSuite = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
		if state.CurveID != 0 {
			seen.Curve = state.CurveID.String()
		}
	}
	if err != nil {
		// A server that wants a certificate ends the connection; the chain came before.
		if seen.ClientCertificate == "asked" && len(seen.Chain) > 0 && wantsCertificate(err) {
			seen.ClientCertificate, seen.Resumption = "required", "unknown"
			return seen, nil
		}
		return seen, err
	}
	if !tickets.got() {
		if state.Version <= tls.VersionTLS12 && hello.sessionID {
			seen.Resumption = "session-id"
		}
		return seen, nil
	}
	seen.Resumption = "ticket"
	if state.Version >= tls.VersionTLS13 {
		seen.Resumption = "psk"
	}
	cfg.VerifyPeerCertificate, cfg.GetClientCertificate = nil, own
	again, _, err := connect(ctx, address, cfg)
	if err != nil {
		return seen, fmt.Errorf("second connection: %w", err)
	}
	seen.Resumed = again.DidResume
	return seen, nil
}

// open is a configuration that takes any server. What it shows is looked at, not
// believed.
func open(config *tls.Config) *tls.Config {
	cfg := &tls.Config{}
	if config != nil {
		cfg = config.Clone()
	}
	cfg.InsecureSkipVerify = true
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS10 // 1.2 and its Java 7 may have no more
	}
	return cfg
}

// wantsCertificate says that an error can be a server's that got no certificate:
// an alert, or, as Java does, an end.
func wantsCertificate(err error) bool {
	var alert tls.AlertError
	var op *net.OpError
	return errors.As(err, &alert) || errors.As(err, &op) || errors.Is(err, io.EOF)
}

// ticketWait is how long a connection is read from, at least, for the server to
// send its ticket. In TLS 1.3 it follows the handshake, and may never come.
const ticketWait = 300 * time.Millisecond

// connect makes one connection, waits for the ticket, and closes it.
func connect(ctx context.Context, address string, cfg *tls.Config) (tls.ConnectionState, serverHello, error) {
	var hello serverHello
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return tls.ConnectionState{}, hello, err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	tap := &tap{Conn: raw}
	conn := tls.Client(tap, cfg)
	start := time.Now()
	err = conn.HandshakeContext(ctx)
	wait := max(ticketWait, 3*time.Since(start)) // for servers that are far away
	state := conn.ConnectionState()
	hello = parseHello(tap.head)
	if err != nil {
		return state, hello, fmt.Errorf("tls handshake with %s: %w", address, err)
	}
	if state.Version >= tls.VersionTLS13 {
		if err := readTicket(conn, wait); err != nil {
			return state, hello, fmt.Errorf("after the tls handshake with %s: %w", address, err)
		}
	}
	return state, hello, nil
}

// readTicket reads until the server has nothing more to say. Tickets come with
// that; that no byte came in time is fine.
func readTicket(conn *tls.Conn, wait time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// tickets keeps the newest session, and forgets none.
type tickets struct {
	mu   sync.Mutex
	last *tls.ClientSessionState
}

func (t *tickets) Get(string) (*tls.ClientSessionState, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last, t.last != nil
}

func (t *tickets) Put(_ string, s *tls.ClientSessionState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s != nil {
		t.last = s
	}
}

func (t *tickets) got() bool { _, ok := t.Get(""); return ok }

// tap keeps the first bytes that a server sends.
type tap struct {
	net.Conn
	head []byte
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if room := 512 - len(t.head); room > 0 {
		t.head = append(t.head, p[:min(n, room)]...)
	}
	return n, err
}

// serverHello is what the ServerHello says of TLS 1.2's ways to resume.
type serverHello struct {
	sessionID bool // it gave the session a name
}

// parseHello reads the session id of a ServerHello: record header of 5 bytes,
// message header of 4, version 2, random 32, then the length.
func parseHello(head []byte) serverHello {
	const at = 5 + 4 + 2 + 32
	if len(head) <= at || head[0] != 22 || head[5] != 2 {
		return serverHello{}
	}
	return serverHello{sessionID: head[at] > 0}
}
