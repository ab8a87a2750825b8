package sshhost

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// withDeadlines makes a connection that knows deadlines of a channel, which
// knows none: what uses it (a CQL driver, an HTTP client) sets them.
func withDeadlines(far net.Conn, addr string) net.Conn {
	near, inner := net.Pipe()
	c := &conn{Conn: near, addr: addr}
	var once sync.Once
	end := func() {
		once.Do(func() {
			inner.Close()
			far.Close()
		})
	}
	go func() {
		// An end of the stream is the end of both ways: net.Pipe has no half.
		_, _ = io.Copy(inner, far)
		end()
	}()
	go func() {
		_, _ = io.Copy(far, inner)
		end()
	}()
	return c
}

// conn is the near end.
type conn struct {
	net.Conn
	addr string
}

// RemoteAddr is the address that was asked for: a *net.TCPAddr, as the drivers
// want it, where it is one of numbers.
func (c *conn) RemoteAddr() net.Addr {
	if addr, err := netip.ParseAddrPort(c.addr); err == nil {
		return net.TCPAddrFromAddrPort(addr)
	}
	return farAddr(c.addr)
}

type farAddr string

func (farAddr) Network() string  { return "tcp" }
func (a farAddr) String() string { return string(a) }
