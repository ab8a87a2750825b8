package ask

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"crossring/internal/attach"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/plain"
)

// greetTime bounds one greeting.
const greetTime = 10 * time.Second

// Door is how a node was let in through.
type Door struct {
	Protocol int  // the newest version that both sides speak
	Asks     bool // who is there
}

// NoAnswerError says that nothing answers at a point.
type NoAnswerError struct {
	Point attach.Point
	Err   error
}

func (e *NoAnswerError) Error() string { return fmt.Sprintf("no answer at %s: %v", e.Point, e.Err) }
func (e *NoAnswerError) Unwrap() error { return e.Err }

// Hint is the command that tries the port alone.
func (e *NoAnswerError) Hint() string {
	return plain.Command("nc", "-vz", e.Point.Host, fmt.Sprint(e.Point.Port))
}

// LoginError says that a node did not let somebody in.
type LoginError struct {
	Point attach.Point
	User  string // "" is that none was named
	Err   error  // the node's own word; nil where it was not asked
}

func (e *LoginError) Error() string {
	if e.User == "" {
		return fmt.Sprintf("%s asks for a user and a password", e.Point)
	}
	return fmt.Sprintf("%s does not let %s in: %v", e.Point, e.User, e.Err)
}

func (e *LoginError) Unwrap() error { return e.Err }

// ExitCode is that of credentials that are missing.
func (e *LoginError) ExitCode() int { return fail.ExitPrerequisite }

// Hint is what to add.
func (e *LoginError) Hint() string {
	if e.User == "" {
		return "add --user ROLE --password-file FILE"
	}
	return "look at the first line of the file that --password-file names"
}

// TLSError says that one side speaks TLS and the other does not, or that they don't agree.
type TLSError struct {
	Point attach.Point
	Why   string
	Do    string // what to change
	Err   error  // may be nil
}

func (e *TLSError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s %s: %v", e.Point, e.Why, e.Err)
	}
	return fmt.Sprintf("%s %s", e.Point, e.Why)
}

func (e *TLSError) Unwrap() error { return e.Err }

// ExitCode is that of a wrong command line.
func (e *TLSError) ExitCode() int { return fail.ExitUsage }

// Hint is what to change.
func (e *TLSError) Hint() string { return e.Do }

// protocols are the versions that are tried, in order: that of 3.11 and later, that of 2.2,
// that of 1.2.
var protocols = []int{4, 3, 1}

// Knock greets a node as a driver does, and says in types what keeps it out.
func Knock(ctx context.Context, at attach.Point, secure *tls.Config, login *cql.Login) (Door, error) {
	for _, version := range protocols {
		d, err := greet(ctx, at, secure, login, version)
		var refused *RefusedError
		if errors.As(err, &refused) && refused.Code == codeProtocol {
			continue
		}
		return d, err
	}
	return Door{}, &NoAnswerError{at, fmt.Errorf("it speaks none of the versions %v of the native protocol", protocols)}
}

func greet(ctx context.Context, at attach.Point, secure *tls.Config, login *cql.Login, version int) (Door, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(at.Host, fmt.Sprint(at.Port)))
	if err != nil {
		return Door{}, &NoAnswerError{at, err}
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	conn := raw
	if secure != nil {
		cfg := secure.Clone()
		cfg.ServerName = at.Host
		t := tls.Client(raw, cfg)
		if err := t.HandshakeContext(ctx); err != nil {
			return Door{}, handshakeError(ctx, at, err)
		}
		conn = t
	}
	say := func(op byte, body []byte) (answer, error) {
		if _, err := conn.Write(writeFrame(version, op, body)); err != nil {
			return answer{}, err
		}
		return readFrame(conn)
	}
	a, err := say(opStartup, startup())
	if err != nil {
		return Door{}, silence(ctx, at, secure, err)
	}
	switch a.op {
	case opReady:
		return Door{Protocol: version}, nil
	case opError:
		return Door{}, refusal(a.body)
	case opAuthenticate:
		return Door{Protocol: version, Asks: true}, enter(at, login, version, say)
	}
	return Door{}, &NoAnswerError{at, errNotCQL}
}

// enter answers a node that asks who is there.
func enter(at attach.Point, login *cql.Login, version int, say func(byte, []byte) (answer, error)) error {
	if login == nil {
		return &LoginError{Point: at}
	}
	if version == 1 {
		return &LoginError{Point: at, User: login.User, Err: errors.New("the driver knows no login of version 1 of the protocol, which 1.2 speaks")}
	}
	a, err := say(opAuthResponse, plainLogin(login.User, login.Password))
	if err != nil {
		return &NoAnswerError{at, err}
	}
	switch a.op {
	case opAuthSuccess:
		return nil
	case opError:
		return &LoginError{Point: at, User: login.User, Err: refusal(a.body)}
	case opAuthChallenge:
		return &LoginError{Point: at, User: login.User, Err: errors.New("it wants more than a password")}
	}
	return &NoAnswerError{at, errNotCQL}
}

// handshakeError says what is wrong with TLS.
func handshakeError(ctx context.Context, at attach.Point, err error) error {
	if ctx.Err() != nil {
		return &NoAnswerError{at, fmt.Errorf("TLS: %w", context.Cause(ctx))}
	}
	var text tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &text):
		return &TLSError{Point: at, Why: "speaks plain text, not TLS", Do: "leave --ca, --cert and --key out"}
	case errors.As(err, &unknown):
		return &TLSError{Point: at, Why: "shows a certificate that --ca does not vouch for", Err: err, Do: "give the CA that signed it: " + plain.Command("openssl", "s_client", "-showcerts", "-connect", at.String())}
	case errors.As(err, &name):
		return &TLSError{Point: at, Why: "shows a certificate of another name or address", Err: err, Do: "name the node as its certificate does; nodes are dialled by the address that the cluster tells"}
	}
	return &TLSError{Point: at, Why: "does not finish the handshake", Err: err, Do: plain.Command("openssl", "s_client", "-connect", at.String())}
}

// silence says why a node that was greeted said nothing that can be read: it speaks TLS, or
// wants the client's certificate.
func silence(ctx context.Context, at attach.Point, secure *tls.Config, err error) error {
	if secure != nil {
		var alert tls.AlertError
		if errors.As(err, &alert) || len(secure.Certificates) == 0 {
			return &TLSError{Point: at, Why: "ends the connection behind the handshake", Err: err, Do: "it may want the client's certificate: add --cert FILE --key FILE"}
		}
		return &NoAnswerError{at, err}
	}
	if speaksTLS(ctx, at) {
		return &TLSError{Point: at, Why: "speaks TLS, not plain text", Do: "add --ca FILE, and --cert FILE --key FILE where it wants the client's certificate"}
	}
	return &NoAnswerError{at, err}
}

// speaksTLS says whether a point answers to the beginning of a handshake. Nothing is sent
// that is worth being kept from anybody.
func speaksTLS(ctx context.Context, at attach.Point) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), greetTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(at.Host, fmt.Sprint(at.Port)))
	if err != nil {
		return false
	}
	defer conn.Close()
	first := &firstBytes{Conn: conn}
	// Whatever comes of it: that a record of TLS came back is enough.
	_ = tls.Client(first, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: at.Host}).HandshakeContext(ctx)
	return bytes.HasPrefix(first.read, []byte{recordAlert, 3}) || bytes.HasPrefix(first.read, []byte{recordHandshake, 3})
}

// Types of TLS records.
const (
	recordAlert     = 0x15
	recordHandshake = 0x16
)

// firstBytes keeps the first bytes that were read.
type firstBytes struct {
	net.Conn
	read []byte
}

func (c *firstBytes) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if len(c.read) < 2 {
		c.read = append(c.read, p[:min(n, 2)]...)
	}
	return n, err
}
