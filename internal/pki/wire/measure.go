package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

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

// NoSessionError says that a server gave no session to resume.
type NoSessionError struct{ Address, Version string }

func (e *NoSessionError) Error() string {
	return fmt.Sprintf("%s gave no session ticket in %s: nothing can be resumed", e.Address, e.Version)
}

// Hint looks closer.
func (e *NoSessionError) Hint() string {
	return plain.Command("crossring", "pki", "show", "--connect", e.Address)
}

// Measure makes connections for the given time, each until its handshake is done.
// A new connection of TLS 1.3 is done when the client has sent its Finished; with
// Reuse the first one, which fetches the session, is not counted.
func Measure(ctx context.Context, l Load) (Rate, error) {
	if l.Concurrency < 1 {
		l.Concurrency = 1
	}
	cfg := open(l.Config)
	cfg.ClientSessionCache = nil
	var session *tickets
	if l.Reuse {
		session = &tickets{}
		cfg.ClientSessionCache = session
		state, _, err := connect(ctx, l.Address, cfg)
		if err != nil {
			return Rate{}, err
		}
		if !session.got() {
			return Rate{}, &NoSessionError{l.Address, tls.VersionName(state.Version)}
		}
		// From here on the one session serves all, in any order.
		cfg.ClientSessionCache = &frozen{session.last}
	} else {
		// The chain is parsed, but not verified: the cost of trust is not the server's.
		cfg.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return nil }
	}
	// The deadline stops new connections; those under way are finished.
	end := time.Now().Add(l.Time)
	user0, system0 := cpuTimes()
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
				state, err := handshake(ctx, l.Address, cfg)
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
	user1, system1 := cpuTimes()
	r := Rate{RealSeconds: real, UserSeconds: (user1 - user0).Seconds(), ClientCPUSeconds: (user1 + system1 - user0 - system0).Seconds()}
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

// handshake makes one connection and closes it as soon as it stands. Its socket is
// reset when it closes, so that thousands do not wait out TIME_WAIT and use up the
// ports of this side.
func handshake(ctx context.Context, address string, cfg *tls.Config) (tls.ConnectionState, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer raw.Close()
	if tcp, ok := raw.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			return tls.ConnectionState{}, err
		}
	}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, fmt.Errorf("tls handshake with %s: %w", address, err)
	}
	return conn.ConnectionState(), nil
}

// frozen hands out one session again and again.
type frozen struct{ session *tls.ClientSessionState }

func (f *frozen) Get(string) (*tls.ClientSessionState, bool) { return f.session, true }
func (f *frozen) Put(string, *tls.ClientSessionState)        {}
