package wire

import (
	"context"
	"crypto/tls"
	"net"
)

// Handshake connects to a server and makes the handshake as the configuration says, which
// has to say what it trusts. dialled is called with the connection before that, and may
// be nil. An end of the connection that comes later may still be the server's verdict on
// the client: after makes the error of a first request the error that it is.
func Handshake(ctx context.Context, address string, cfg *tls.Config, dialled func(net.Conn)) (conn *tls.Conn, after func(error) error, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeWait, &SilentError{address, handshakeWait})
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		// Reset when it closes: thousands must not wait out TIME_WAIT.
		if err := tcp.SetLinger(0); err != nil {
			raw.Close()
			return nil, nil, err
		}
	}
	if dialled != nil {
		dialled(raw)
	}
	cfg = cfg.Clone()
	asked, shown, judged := false, false, error(nil)
	ask(cfg, func(_ *tls.CertificateRequestInfo, own bool) { asked, shown = true, own })
	if verify := cfg.VerifyConnection; verify != nil {
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			judged = verify(s)
			return judged
		}
	}
	heard := &tap{Conn: raw}
	conn = tls.Client(heard, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		switch {
		case judged != nil:
			return nil, nil, judged
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		}
		return nil, nil, heard.failed(address, err, asked, asked, shown)
	}
	return conn, func(err error) error {
		if err != nil && asked && wantsCertificate(err) {
			return &RefusedError{address, shown, err}
		}
		return err
	}, nil
}
