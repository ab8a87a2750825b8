package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// visit is one connection that was made, and what the server did on it.
type visit struct {
	state tls.ConnectionState
	asked bool // for a client's certificate
	shown bool // it was shown one
	cas   [][]byte
	// Of a session to go on from: a ticket, or its name and its secret.
	ticket *tls.ClientSessionState
	id     []byte
	keys   keys
	extend bool // with an extended master secret
	way    speech
}

// speech is how a server is brought to say something after a handshake of TLS 1.3:
// that it takes the client is not to be known before.
type speech int

const (
	silent  speech = iota // it was not
	speaks                // by itself: its ticket, as most servers do
	answers               // when it was asked: Java sends its ticket with its first data
)

// ticketWait is how long a connection is read from, at least, for the server to
// send its ticket. In TLS 1.3 it follows the handshake, and may never come.
const ticketWait = 300 * time.Millisecond

// answerWait is how long a server has to answer a request, or to say anything that it
// said before on another connection.
const answerWait = 5 * time.Second

// handshakeWait is how long all of a connection may take.
const handshakeWait = 20 * time.Second

// options is a request of Cassandra's native protocol, version 4, that every server
// answers before a client has said who it is. Servers of other versions answer that
// they are.
const options = "\x04\x00\x00\x00\x05\x00\x00\x00\x00"

// look makes one connection, waits for what the server says, and closes it.
func look(ctx context.Context, address string, cfg *tls.Config) (visit, error) {
	return lookBy(ctx, directly, address, cfg)
}

// lookBy is look over a connection of another way.
func lookBy(ctx context.Context, dial Dial, address string, cfg *tls.Config) (visit, error) {
	var v visit
	t := &tickets{}
	cfg = cfg.Clone()
	cfg.ClientSessionCache, cfg.KeyLogWriter = t, &v.keys
	ask(cfg, func(r *tls.CertificateRequestInfo, own bool) { v.asked, v.cas, v.shown = true, r.AcceptableCAs, own })
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeWait, &SilentError{address, handshakeWait})
	defer cancel()
	raw, err := dial(ctx, "tcp", address)
	if err != nil {
		return v, err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	tap := &tap{Conn: raw}
	conn := tls.Client(tap, cfg)
	start := time.Now()
	err = conn.HandshakeContext(ctx)
	v.state = conn.ConnectionState()
	if err != nil {
		return v, tap.failed(address, err, len(conn.ConnectionState().PeerCertificates) > 0 || v.asked, v.asked, v.shown)
	}
	if v.state.Version >= tls.VersionTLS13 {
		wait := max(ticketWait, 3*time.Since(start)) // for servers that are far away
		v.way, err = settle(conn, t, wait)
		switch {
		case ctx.Err() != nil:
			return v, fmt.Errorf("waiting for %s to say something: %w", address, context.Cause(ctx))
		case err != nil && (v.asked || !errors.Is(err, io.EOF)):
			return v, after(address, err, v.asked, v.shown)
		}
	} else {
		v.id = bytes.Clone(sessionID(tap.head))
		_, err := v.state.ExportKeyingMaterial("crossring", nil, 16)
		v.extend = err == nil // it is to be had with that alone
	}
	v.ticket = t.session()
	// A session whose connection breaks off is one that servers forget.
	_ = raw.SetDeadline(time.Now().Add(time.Second))
	_ = conn.Close()
	return v, nil
}

// ask has a configuration tell of a server's request for a certificate; own says that
// there is one to show.
func ask(cfg *tls.Config, note func(r *tls.CertificateRequestInfo, own bool)) {
	given, certs := cfg.GetClientCertificate, cfg.Certificates
	cfg.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		note(r, given != nil || len(certs) > 0)
		switch {
		case given != nil:
			return given(r)
		case len(certs) > 0:
			return &certs[0], nil
		}
		return &tls.Certificate{}, nil
	}
}

// HandshakeError says that a server and this side did not come to terms.
type HandshakeError struct {
	Address string
	Sent    []byte // this side's hello, as it went out
	Err     error
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("tls handshake with %s: %v", e.Address, e.Err)
}

func (e *HandshakeError) Unwrap() error { return e.Err }

// failed says why a handshake on a connection failed.
func (t *tap) failed(address string, err error, began, asked, shown bool) error {
	var plain tls.RecordHeaderError
	switch {
	case asked && wantsCertificate(err):
		return &RefusedError{address, shown, err}
	case errors.As(err, &plain):
		return &PlainError{Address: address, Err: err}
	case !began && len(t.head) == 0 && errors.Is(err, io.EOF):
		return &PlainError{Address: address, Silent: true, Err: err}
	}
	return &HandshakeError{Address: address, Sent: t.sent, Err: err}
}

// after says why a connection ended once its handshake was done here.
func after(address string, err error, asked, shown bool) error {
	if asked && wantsCertificate(err) {
		return &RefusedError{address, shown, err}
	}
	return fmt.Errorf("after the tls handshake with %s: %w", address, err)
}

// settle waits for what a server says after a handshake of TLS 1.3, and asks it where
// it says nothing by itself. Silence is no error; an end before a word is io.EOF.
func settle(conn *tls.Conn, t *tickets, wait time.Duration) (speech, error) {
	if said, err := hear(conn, t, wait); said || err != nil {
		return speaks, err
	}
	if _, err := io.WriteString(conn, options); err != nil {
		return silent, err
	}
	said, err := hear(conn, t, answerWait)
	if !said {
		return silent, err
	}
	if t.session() == nil {
		// The ticket may come after the answer; that the connection ends says nothing then.
		_, _ = hear(conn, t, wait)
	}
	return answers, nil
}

// hear reads until a ticket or a byte has come, and says whether one has. That nothing
// came in time is no error.
func hear(conn *tls.Conn, t *tickets, wait time.Duration) (bool, error) {
	before := t.session()
	t.got = func() { _ = conn.SetReadDeadline(time.Now()) } // that is what was waited for
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false, err
	}
	n, err := conn.Read(make([]byte, 4096))
	if n > 0 || t.session() != before {
		return true, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return false, err
}
