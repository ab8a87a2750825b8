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
	"time"

	"crossring/internal/cputime"
	"crossring/internal/plain"
)

// Load says how handshakes are made.
type Load struct {
	Address     string
	Config      *tls.Config // versions, suites, client certificate; may be nil
	Reuse       bool        // resume one session in all connections
	Time        time.Duration
	Concurrency int // 0 is 1
}

// Rate is what came of it. CPU time is this process's own, user and system.
type Rate struct {
	Connections      int64   `json:"connections"`
	RealSeconds      float64 `json:"real_seconds"`
	ClientCPUSeconds float64 `json:"client_cpu_seconds"`
	UserSeconds      float64 `json:"client_user_seconds"` // of them; s_time counts these alone
	PerRealSecond    float64 `json:"per_real_second"`
	PerCPUSecond     float64 `json:"per_cpu_second"`
	Resumed          int64   `json:"resumed"` // connections that went on from the session, as the handshake itself says
	Version          string  `json:"version"`
	CipherSuite      string  `json:"cipher_suite"`
	Curve            string  `json:"curve"`
}

// NoSessionError says that there is no session to resume: the server gave none, or
// did not go on from the one that it gave.
type NoSessionError struct {
	Address, Version string
	// Tried is the way that was tried, and that the server did not go: "session-id"; ""
	// is that it offered none.
	Tried string
}

func (e *NoSessionError) Error() string {
	if e.Tried != "" {
		return fmt.Sprintf("%s names its sessions in %s, gives no ticket, and did not resume one by its name when it was asked to", e.Address, e.Version)
	}
	return fmt.Sprintf("%s gave no session ticket in %s, nor a name for its session: nothing can be resumed", e.Address, e.Version)
}

// Hint looks closer.
func (e *NoSessionError) Hint() string {
	return plain.Command("crossring", "pki", "show", "--connect", e.Address)
}

// SilentError says that a server kept silent where it had to speak: in a handshake, or
// after one, where it has before, so that it can't be known whether it takes the client.
type SilentError struct {
	Address string
	For     time.Duration
}

func (e *SilentError) Error() string {
	return fmt.Sprintf("%s said nothing for %s where a server has to answer", e.Address, e.For)
}

// Measure makes connections for the given time, each until its handshake is done.
// A new connection of TLS 1.3 is done when the client has sent its Finished; but where
// the server asks for the client's certificate, when it has said something, as it does
// after it took that: a client that is refused learns it then. The first connection,
// which fetches the session and looks at what the server says, is not counted.
func Measure(ctx context.Context, l Load) (Rate, error) {
	if l.Concurrency < 1 {
		l.Concurrency = 1
	}
	cfg := open(l.Config)
	cfg.ClientSessionCache = nil
	// The chain is parsed, but not verified: the cost of trust is not the server's.
	cfg.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return nil }
	first, err := look(ctx, l.Address, cfg)
	if err != nil {
		return Rate{}, err
	}
	d := dialling{address: l.Address, cfg: cfg, way: first.way}
	if l.Reuse {
		var name string
		if d.session, name = first.session(); d.session == nil {
			return Rate{}, &NoSessionError{Address: l.Address, Version: tls.VersionName(first.state.Version)}
		}
		if name == "session-id" {
			again, err := d.session.connect(ctx, l.Address, cfg)
			if err != nil {
				return Rate{}, err
			}
			if !again.DidResume {
				return Rate{}, &NoSessionError{l.Address, tls.VersionName(first.state.Version), name}
			}
		}
		cfg.VerifyPeerCertificate = nil
	}
	// The deadline stops new connections; those under way are finished.
	end := time.Now().Add(l.Time)
	before := cputime.Used()
	start := time.Now()
	type part struct {
		done, resumed int64
		state         tls.ConnectionState
		err           error
	}
	parts := make([]part, l.Concurrency)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			p := &parts[i]
			for ctx.Err() == nil && time.Now().Before(end) {
				state, err := d.handshake(ctx)
				if err != nil {
					p.err = err
					return
				}
				p.done++
				if state.DidResume {
					p.resumed++
				}
				p.state = state
			}
		})
	}
	wg.Wait()
	real := time.Since(start).Seconds()
	cpu := cputime.Used().Since(before)
	r := Rate{RealSeconds: real, UserSeconds: cpu.User.Seconds(), ClientCPUSeconds: cpu.Total().Seconds()}
	var errs error
	for _, p := range parts {
		r.Connections += p.done
		r.Resumed += p.resumed
		if p.done > 0 {
			r.Version, r.CipherSuite, r.Curve = tls.VersionName(p.state.Version), tls.CipherSuiteName(p.state.CipherSuite), ""
			if p.state.CurveID != 0 {
				r.Curve = p.state.CurveID.String()
			}
		}
		if p.err != nil && errs == nil {
			errs = p.err
		}
	}
	if real > 0 {
		r.PerRealSecond = float64(r.Connections) / real
	}
	if r.ClientCPUSeconds > 0 {
		r.PerCPUSecond = float64(r.Connections) / r.ClientCPUSeconds
	}
	return r, errors.Join(errs, context.Cause(ctx))
}

// dialling makes one connection after the other to a server.
type dialling struct {
	address string
	cfg     *tls.Config
	session *session // nil makes new ones
	way     speech   // how it is known that the server takes the client
}

// handshake makes one connection and closes it as soon as it stands. Its socket is
// reset when it closes, so that thousands do not wait out TIME_WAIT and use up the
// ports of this side.
func (d dialling) handshake(ctx context.Context) (tls.ConnectionState, error) {
	none := tls.ConnectionState{}
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeWait, &SilentError{d.address, handshakeWait})
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.address)
	if err != nil {
		return none, err
	}
	defer raw.Close()
	if tcp, ok := raw.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			return none, err
		}
	}
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	t := &tickets{}
	cfg := d.cfg.Clone()
	if d.session != nil {
		cfg = d.session.use(cfg)
	} else if d.way != silent {
		cfg.ClientSessionCache = t
	}
	asked, shown := false, false
	ask(cfg, func(_ *tls.CertificateRequestInfo, own bool) { asked, shown = true, own })
	heard := &tap{Conn: raw}
	conn := tls.Client(heard, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return none, heard.failed(d.address, err, asked, asked, shown)
	}
	state := conn.ConnectionState()
	if asked && state.Version >= tls.VersionTLS13 {
		if err := d.taken(conn, t); err != nil {
			return none, after(d.address, err, asked, shown)
		}
	}
	if d.session != nil && d.session.id != nil {
		return state, part(conn)
	}
	return state, nil
}

// taken waits for the server to say something, which it does to a client that it takes.
func (d dialling) taken(conn *tls.Conn, t *tickets) error {
	if d.way == silent {
		return nil // it can't be known
	}
	if d.way == answers {
		if _, err := io.WriteString(conn, options); err != nil {
			return err
		}
	}
	said, err := hear(conn, t, answerWait)
	if err == nil && !said {
		err = &SilentError{d.address, answerWait}
	}
	return err
}

// part ends a connection in good order, and waits for the server to do so: a session
// whose connection breaks off is one that servers forget.
func part(conn *tls.Conn) error {
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, conn) // whatever it says, it goes
	return nil
}
