// Package wire speaks TLS to a server to see what it does: the chain as it comes
// over the wire, what was negotiated, whether a session is resumed, and how many
// handshakes a second there are to be had. It trusts nobody: what it hears is for
// people to judge, with package chain. It sends no data but, to servers that say
// nothing by themselves after a handshake of TLS 1.3, one request of Cassandra's that
// needs no login.
package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Seen is what a server showed of itself.
type Seen struct {
	Address     string              `json:"address"`
	Version     string              `json:"version"`
	CipherSuite string              `json:"cipher_suite"`
	Curve       string              `json:"curve"` // "" where no key was agreed on by one
	Chain       []*x509.Certificate `json:"-"`     // as it came, leaf first if the server does it right
	// Resumption is how a second connection goes on from the first: "psk" in TLS
	// 1.3, "ticket" in 1.2, "session-id" where the server names its sessions and gives
	// no ticket, "none" where it gave nothing to go on from, or "unknown" where the
	// server let nobody in.
	Resumption string `json:"resumption"`
	Resumed    bool   `json:"resumed"` // a second connection, which was made and asked for it, really did
	// ClientCertificate says that the server asks for one: "no", "asked", "required",
	// "refused" where it did not take the one that it was shown, or "unknown".
	ClientCertificate string `json:"client_certificate"`
	// Taken says whether it took the client's certificate that it was shown. nil is that
	// none was, or that it kept silent, so that this can't be known.
	Taken *bool `json:"client_certificate_taken"`
	// CAs are the names that it would take one from, as DER.
	CAs [][]byte `json:"-"`
}

// RefusedError says that a server ended a connection after it had asked for a
// client's certificate. In TLS 1.3 it says so when the handshake is over on this
// side.
type RefusedError struct {
	Address string
	Shown   bool // it was shown one
	Err     error
}

func (e *RefusedError) Error() string {
	if e.Shown {
		return fmt.Sprintf("%s does not take the client's certificate: %v", e.Address, e.Err)
	}
	return fmt.Sprintf("%s takes nobody without a client's certificate: %v", e.Address, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// Hint is the way in.
func (e *RefusedError) Hint() string {
	if e.Shown {
		return "crossring pki verify --purpose client --ca CA.pem CERT.pem   # CA.pem: what the server trusts"
	}
	return "add --client-cert FILE, with a certificate and its key"
}

// PlainError says that a server does not speak TLS, as far as can be seen.
type PlainError struct {
	Address string
	Silent  bool // it closed the connection without a word, instead of answering otherwise
	Err     error
}

func (e *PlainError) Error() string {
	if e.Silent {
		return fmt.Sprintf("%s closed the connection without an answer: it may not speak TLS: %v", e.Address, e.Err)
	}
	return fmt.Sprintf("%s answers, and not in TLS: %v", e.Address, e.Err)
}

func (e *PlainError) Unwrap() error { return e.Err }

// Hint is where a node is told to.
func (*PlainError) Hint() string {
	return "crossring help pki show   # a node speaks TLS with its clients where cassandra.yaml has client_encryption_options enabled"
}

// Show connects twice, the second time to see whether the session is resumed.
// config may name versions, suites and a client certificate; its trust is not
// used.
func Show(ctx context.Context, address string, config *tls.Config) (Seen, error) {
	return ShowBy(ctx, directly, address, config)
}

// ShowBy is Show over connections of another way.
func ShowBy(ctx context.Context, dial Dial, address string, config *tls.Config) (Seen, error) {
	seen := Seen{Address: address, Resumption: "unknown", ClientCertificate: "unknown"}
	cfg := open(config)
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
	v, err := lookBy(ctx, dial, address, cfg)
	if v.state.Version != 0 {
		seen.Version, seen.CipherSuite = tls.VersionName(v.state.Version), tls.CipherSuiteName(v.state.CipherSuite)
		if v.state.CurveID != 0 {
			seen.Curve = v.state.CurveID.String()
		}
	}
	if v.asked {
		seen.ClientCertificate, seen.CAs = "asked", v.cas
	}
	var refused *RefusedError
	switch {
	case errors.As(err, &refused) && !refused.Shown:
		// It has shown all that it shows to strangers.
		seen.ClientCertificate = "required"
		return seen, nil
	case errors.As(err, &refused):
		seen.ClientCertificate = "refused"
		seen.Taken = new(bool)
		return seen, err
	case err != nil:
		return seen, err
	case !v.asked:
		seen.ClientCertificate = "no"
	}
	if v.asked && v.shown && (v.state.Version < tls.VersionTLS13 || v.way != silent) {
		taken := true
		seen.Taken = &taken
	}
	s, way := v.session()
	if seen.Resumption = way; s == nil {
		return seen, nil
	}
	cfg.VerifyPeerCertificate = nil
	again, err := s.connectBy(ctx, dial, address, cfg)
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

// tickets keeps the newest session of a connection, and calls got for each.
type tickets struct {
	mu   sync.Mutex
	last *tls.ClientSessionState
	got  func()
}

func (t *tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (t *tickets) Put(_ string, s *tls.ClientSessionState) {
	if s == nil {
		return
	}
	t.mu.Lock()
	t.last = s
	t.mu.Unlock()
	if t.got != nil {
		t.got()
	}
}

func (t *tickets) session() *tls.ClientSessionState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// tap keeps the first bytes that a server sends, and what was sent to it before them.
type tap struct {
	net.Conn
	head []byte
	sent []byte
}

func (t *tap) Write(p []byte) (int, error) {
	if len(t.head) == 0 && len(t.sent) == 0 {
		t.sent = append(t.sent, p...)
	}
	return t.Conn.Write(p)
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if room := 512 - len(t.head); room > 0 {
		t.head = append(t.head, p[:min(n, room)]...)
	}
	return n, err
}

// sessionID reads the name that a ServerHello gives to the session: record header of
// 5 bytes, message header of 4, version 2, random 32, then length and name. nil is
// none.
func sessionID(head []byte) []byte {
	const at = 5 + 4 + 2 + 32
	if len(head) <= at || head[0] != 22 || head[5] != 2 {
		return nil
	}
	if n := int(head[at]); n > 0 && len(head) > at+n {
		return head[at+1 : at+1+n]
	}
	return nil
}
