package probe

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"crossring/internal/preflight"
)

// dialTime is the longest that an answer to a connection is waited for: three SYNs
// have been sent by then. answerTime is the same for one over a connection.
const (
	dialTime   = 4 * time.Second
	answerTime = 4 * time.Second
	stallTime  = 3 * time.Second
)

func (r request) dialer() net.Dialer {
	d := net.Dialer{Timeout: dialTime, KeepAlive: -1}
	if r.Source != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(r.Source)}
	}
	return d
}

func (r request) target() string { return net.JoinHostPort(r.Address, portText(r.Port)) }

// dial connects and says what became of it. With a token another probe is at the
// other end, and is asked some questions; without one the server there is left
// alone, but for a TLS handshake where that is wanted.
func dial(ctx context.Context, r request) preflight.Tried {
	var t preflight.Tried
	d := r.dialer()
	d.Control = func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { oldBindFirst(int(fd)) })
	}
	// The local end is needed even if nothing comes of it, to know its packets by.
	local, held, err := reserve(r)
	if err == nil {
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
		t.Local = local
		held()
	}
	before := time.Now()
	c, err := d.DialContext(ctx, "tcp", r.target())
	if err != nil {
		t.State, t.Error = stateOf(err), cause(err)
		return t
	}
	defer c.Close()
	t.ConnectMS = millis(time.Since(before))
	t.Local = c.LocalAddr().(*net.TCPAddr).AddrPort()
	t.State = preflight.Open
	if r.Token != "" {
		if err := ask(c, r.Token, &t); err != nil {
			t.Error = cause(err)
			t.State = preflight.Reset
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.State = preflight.Swallowed
			}
			return t
		}
	}
	if r.TLS {
		// Up to 3.11 a server waits for the first word on one connection before it takes the
		// next.
		c.Close()
		t.TLS = handshake(ctx, r)
	}
	return t
}

// ask has some questions answered, and keeps the shortest time.
func ask(c net.Conn, token string, t *preflight.Tried) error {
	const questions = 5
	in := bufio.NewReader(c)
	for i := range questions {
		if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
			return err
		}
		before := time.Now()
		line := "\n"
		if i == 0 {
			line = greeting + " " + token + " ask\n"
		}
		if _, err := c.Write([]byte(line)); err != nil {
			return err
		}
		got, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		f := strings.Fields(got)
		if len(f) != 2 || f[0] != token {
			return errors.New("somebody else answered")
		}
		t.SeenAs, _ = netip.ParseAddrPort(f[1])
		if rtt := millis(time.Since(before)); t.RTTMS == 0 || rtt < t.RTTMS {
			t.RTTMS = rtt
		}
	}
	t.SentThrough = true
	return nil
}

// handshake tries TLS over another connection. Certificates are not checked: whether
// it answers is the question here.
func handshake(ctx context.Context, r request) string {
	d := r.dialer()
	c, err := d.DialContext(ctx, "tcp", r.target())
	if err != nil {
		return preflight.TLSSilent
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return preflight.TLSSilent
	}
	// A server that wants a certificate of the client refuses this one, but has shown its
	// own by then.
	answered := ""
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, VerifyConnection: func(s tls.ConnectionState) error {
		answered = tls.VersionName(s.Version)
		return nil
	}})
	err = t.HandshakeContext(ctx)
	var op *net.OpError
	switch {
	case answered != "":
		return answered
	case errors.As(err, &op) && op.Op == "remote error": // an alert, as crypto/tls has it
		return "refused: " + op.Err.Error()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return preflight.TLSSilent
	}
	return preflight.TLSNone
}

func stateOf(err error) preflight.State {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return preflight.Refused
	case errors.Is(err, syscall.ECONNRESET):
		return preflight.Reset
	case errors.Is(err, syscall.ETIMEDOUT), errors.As(err, &timeout) && timeout.Timeout():
		return preflight.Silent
	}
	return preflight.Unreachable
}

// cause is the operating system's word, without addresses.
func cause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// reserve finds a free port to connect from. It may be taken before it is used: then
// the attempt fails as such, and says so.
func reserve(r request) (netip.AddrPort, func(), error) {
	source := cmp.Or(r.Source, "")
	if source == "" {
		// The address that the route to the target has.
		c, err := net.Dial("udp", r.target()) // sends nothing
		if err != nil {
			return netip.AddrPort{}, nil, err
		}
		source = c.LocalAddr().(*net.UDPAddr).IP.String()
		c.Close()
	}
	l, err := net.Listen("tcp", net.JoinHostPort(source, "0"))
	if err != nil {
		return netip.AddrPort{}, nil, fmt.Errorf("find a port: %w", err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	return at, func() { l.Close() }, nil
}

func portText(n int) string { return strconv.Itoa(n) }

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
