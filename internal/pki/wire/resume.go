package wire

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// session is one that connections can go on from.
type session struct {
	state *tls.ClientSessionState
	id    []byte // its name, where there is no ticket
	// ends is when the server's certificate ends: crypto/tls offers no session after that.
	ends time.Time
}

// session is the one of a visit, and the way that it is resumed by: nil and "none"
// where the server gave nothing to go on from.
func (v visit) session() (*session, string) {
	switch {
	case v.ticket != nil && v.state.Version >= tls.VersionTLS13:
		return &session{state: v.ticket, ends: v.ends()}, "psk"
	case v.ticket != nil:
		return &session{state: v.ticket, ends: v.ends()}, "ticket"
	case v.state.Version >= tls.VersionTLS13 || len(v.id) == 0:
		return nil, "none"
	}
	state, err := v.named()
	if err != nil {
		return nil, "none"
	}
	return &session{state: state, id: v.id, ends: v.ends()}, "session-id"
}

func (v visit) ends() time.Time {
	if len(v.state.PeerCertificates) == 0 {
		return time.Time{}
	}
	return v.state.PeerCertificates[0].NotAfter
}

// sessionIDBytes is the length of names that crypto/tls sends, and of those that
// OpenSSL, Java and all else in use give.
const sessionIDBytes = 32

// named makes a session of a name that the server gave and of the secret of its
// connection. crypto/tls has no such sessions, but it has what they need: it takes a
// session in the form of tls.SessionState, resumes where the server sends back the name
// that it sent, and draws that name from its source of random bytes.
func (v visit) named() (*tls.ClientSessionState, error) {
	secret := v.keys.master()
	if len(v.id) != sessionIDBytes || len(secret) == 0 {
		return nil, fmt.Errorf("session of %d bytes of name and %d of secret", len(v.id), len(secret))
	}
	var b bytes.Buffer
	long := func(data []byte) []byte { // with its length in three bytes
		n := len(data)
		return append([]byte{byte(n >> 16), byte(n >> 8), byte(n)}, data...)
	}
	u16 := func(n uint16) { b.Write(binary.BigEndian.AppendUint16(nil, n)) }
	flag := func(on bool) {
		if on {
			b.WriteByte(1)
		} else {
			b.WriteByte(0)
		}
	}
	// As crypto/tls documents it at SessionState.
	u16(v.state.Version)
	b.WriteByte(2) // a client's
	u16(v.state.CipherSuite)
	b.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix())))
	b.WriteByte(byte(len(secret)))
	b.Write(secret)
	b.Write(long(nil)) // extra
	flag(v.extend)
	flag(false) // early data
	var certs []byte
	for _, c := range v.state.PeerCertificates {
		certs = append(append(certs, long(c.Raw)...), 0, 0) // without extensions
	}
	b.Write(long(certs))
	b.Write(long(nil)) // verified chains
	u16(uint16(v.state.CurveID))
	state, err := tls.ParseSessionState(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("make a session: %w", err)
	}
	return tls.NewResumptionState(nil, state)
}

// use has a configuration go on from the session.
func (s *session) use(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.ClientSessionCache = &frozen{s.state}
	if !s.ends.IsZero() && time.Now().After(s.ends) {
		// Whether the server goes on is asked all the same.
		cfg.Time = func() time.Time { return s.ends.Add(-time.Second) }
	}
	if s.id != nil {
		cfg.MaxVersion = tls.VersionTLS12
		cfg.Rand = &nameAsRandom{id: s.id}
	}
	return cfg
}

// connect makes one connection that goes on from the session, if the server likes.
func (s *session) connect(ctx context.Context, address string, cfg *tls.Config) (tls.ConnectionState, error) {
	return s.connectBy(ctx, directly, address, cfg)
}

// connectBy is connect over a connection of another way.
func (s *session) connectBy(ctx context.Context, dial Dial, address string, cfg *tls.Config) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeWait, &SilentError{address, handshakeWait})
	defer cancel()
	raw, err := dial(ctx, "tcp", address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer raw.Close()
	conn := tls.Client(raw, s.use(cfg))
	if err := conn.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, fmt.Errorf("tls handshake with %s: %w", address, err)
	}
	state := conn.ConnectionState()
	_ = raw.SetDeadline(time.Now().Add(time.Second))
	_ = conn.Close()
	return state, nil
}

// nameAsRandom is a source of random bytes, of which the second reading is the name of
// a session: crypto/tls draws 32 bytes of a ClientHello's random, then the name.
type nameAsRandom struct {
	id   []byte
	read int
}

func (r *nameAsRandom) Read(p []byte) (int, error) {
	if len(p) == sessionIDBytes {
		if r.read++; r.read == 2 {
			return copy(p, r.id), nil
		}
	}
	return io.ReadFull(rand.Reader, p)
}

// keys keeps what crypto/tls logs of a connection's secrets.
type keys struct{ log bytes.Buffer }

func (k *keys) Write(p []byte) (int, error) { return k.log.Write(p) }

// master is the master secret of TLS 1.2; nil where there is none.
func (k *keys) master() []byte {
	for line := range bytes.Lines(k.log.Bytes()) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "CLIENT_RANDOM" {
			if secret, err := hex.DecodeString(string(fields[2])); err == nil {
				return secret
			}
		}
	}
	return nil
}

// frozen hands out one session again and again.
type frozen struct{ session *tls.ClientSessionState }

func (f *frozen) Get(string) (*tls.ClientSessionState, bool) { return f.session, true }
func (f *frozen) Put(string, *tls.ClientSessionState)        {}
