package tlsload

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"crossring/internal/pki/wire"
	"crossring/internal/plain"
)

// cqlSession is one connection of Cassandra's native protocol, which carries many
// requests: OPTIONS, which drivers send as a heartbeat, and which every server answers
// before a client has said who it is.
type cqlSession struct {
	opener
	cfg *tls.Config

	mu   sync.Mutex
	conn *cqlConn // nil before the first request, and when it is lost
}

func (s *cqlSession) request(ctx context.Context, _ bool) (Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.target.Timeout, &wire.SilentError{Address: s.target.Address(), For: s.target.Timeout})
	defer cancel()
	c, err := s.connected(ctx)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Remote: c.conn.RemoteAddr(), TLS: c.conn.ConnectionState(), Protocol: fmt.Sprintf("CQL v%d", c.version)}
	a.Status, err = c.options(ctx)
	if err != nil {
		s.mu.Lock()
		if s.conn == c {
			s.conn = nil
		}
		s.mu.Unlock()
		c.conn.Close()
	}
	return a, err
}

// connected is the connection, which the first that needs it makes.
func (s *cqlSession) connected(ctx context.Context) (*cqlConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return s.conn, nil
	}
	version := byte(4)
	if s.protocol == "CQL v1" {
		version = 1
	}
	c, err := s.dial(ctx, version)
	var old *versionError
	if version > 1 && errors.As(err, &old) {
		c, err = s.dial(ctx, 1) // Cassandra 1.2 and 2.0
	}
	s.conn = c
	return c, err
}

// dial connects; before the version is known it asks whether the server speaks it.
func (s *cqlSession) dial(ctx context.Context, version byte) (*cqlConn, error) {
	conn, after, err := wire.Handshake(ctx, s.target.Address(), s.cfg, func(net.Conn) { s.counts.Flows.Add(1) })
	if err != nil {
		return nil, err
	}
	c := newCQLConn(conn, version, after)
	if s.protocol == "" {
		if _, err := c.options(ctx); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return c, nil
}

func (s *cqlSession) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.conn.Close()
		s.conn = nil
	}
}

// versionError says that a server does not speak a version of the protocol.
type versionError struct{ version byte }

func (e *versionError) Error() string {
	return fmt.Sprintf("the server does not speak version %d of Cassandra's native protocol", e.version)
}

// NotCQLError says that a server that speaks TLS answers in another protocol than
// Cassandra's.
type NotCQLError struct {
	Address string
	Head    []byte
}

func (e *NotCQLError) Error() string {
	return fmt.Sprintf("%s speaks TLS, and does not answer as Cassandra does: its answer begins with %q", e.Address, plain.Line(string(e.Head)))
}

// Hint is the other protocol.
func (e *NotCQLError) Hint() string {
	return plain.Command("crossring", "handshake", "https://"+e.Address+"/")
}

const (
	opError     = 0x00
	opOptions   = 0x05
	opSupported = 0x06
	// errProtocol is the code of an error about the protocol: a version that is not
	// spoken is one.
	errProtocol = 0x000a
)

// cqlConn is a connection on which requests are told apart by the number of their
// stream.
type cqlConn struct {
	conn    *tls.Conn
	version byte
	after   func(error) error
	writing sync.Mutex
	free    chan uint16

	mu       sync.Mutex
	waiting  map[uint16]chan reply
	answered bool  // the server takes the client
	err      error // why there will be no more
}

type reply struct {
	op   byte
	body []byte
}

func newCQLConn(conn *tls.Conn, version byte, after func(error) error) *cqlConn {
	// Version 1 has 128 streams.
	const streams = 128
	c := &cqlConn{conn: conn, version: version, after: after, free: make(chan uint16, streams), waiting: map[uint16]chan reply{}}
	for i := range uint16(streams) {
		c.free <- i
	}
	go c.read()
	return c
}

// options asks for the server's options and waits for the answer.
func (c *cqlConn) options(ctx context.Context) (string, error) {
	var stream uint16
	select {
	case stream = <-c.free:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	answered := make(chan reply, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return "", c.err
	}
	c.waiting[stream] = answered
	c.mu.Unlock()
	frame := []byte{c.version, 0, byte(stream), opOptions, 0, 0, 0, 0}
	if c.version > 2 {
		frame = []byte{c.version, 0, byte(stream >> 8), byte(stream), opOptions, 0, 0, 0, 0}
	}
	c.writing.Lock()
	_, err := c.conn.Write(frame)
	c.writing.Unlock()
	if err != nil {
		// Why the connection ended the reader finds out: by the server's last word, where there
		// was one.
		select {
		case <-answered:
			c.mu.Lock()
			defer c.mu.Unlock()
			return "", c.err
		case <-ctx.Done():
			return "", err
		}
	}
	var r reply
	var ok bool
	select {
	case r, ok = <-answered:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if !ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		return "", c.err
	}
	c.free <- stream
	switch {
	case r.op == opSupported:
		return "SUPPORTED", nil
	case r.op == opError && len(r.body) >= 4 && binary.BigEndian.Uint32(r.body) == errProtocol:
		return "", &versionError{c.version}
	}
	return fmt.Sprintf("opcode 0x%02x", r.op), nil
}

// read hands answers to those who wait for them, until the connection ends.
func (c *cqlConn) read() {
	err := c.answers()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err = err; !c.answered {
		c.err = c.after(err)
	}
	for _, w := range c.waiting {
		close(w)
	}
	c.waiting = map[uint16]chan reply{}
}

func (c *cqlConn) answers() error {
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(c.conn, head[:8]); err != nil {
			return fmt.Errorf("wait for an answer of %s: %w", c.conn.RemoteAddr(), err)
		}
		// A server that does not speak our version answers in its own.
		version := head[0] & 0x7f
		if head[0]&0x80 == 0 || version == 0 || version > 6 {
			return &NotCQLError{c.conn.RemoteAddr().String(), head[:8]}
		}
		stream, op, size := uint16(head[2]), head[3], binary.BigEndian.Uint32(head[4:8])
		if version > 2 {
			if _, err := io.ReadFull(c.conn, head[8:]); err != nil {
				return fmt.Errorf("wait for an answer of %s: %w", c.conn.RemoteAddr(), err)
			}
			stream, op, size = binary.BigEndian.Uint16(head[2:4]), head[4], binary.BigEndian.Uint32(head[5:9])
		}
		const most = 1 << 20 // of an answer to OPTIONS
		if size > most {
			return &NotCQLError{c.conn.RemoteAddr().String(), head[:8]}
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(c.conn, body); err != nil {
			return fmt.Errorf("read an answer of %s: %w", c.conn.RemoteAddr(), err)
		}
		if version != c.version {
			return &versionError{c.version}
		}
		c.mu.Lock()
		c.answered = true
		w := c.waiting[stream]
		delete(c.waiting, stream)
		c.mu.Unlock()
		if w != nil {
			w <- reply{op, body}
		}
	}
}
