package sshhost

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"crossring/internal/deploy/sshhost/sshdtest"
)

// link is a line to a server that can be cut or go silent.
type link struct {
	host string
	port int
	l    net.Listener
	hold chan struct{} // closed: nothing passes any more
	cuts chan func()
	sent atomic.Int64 // bytes to the server
}

func newLink(t *testing.T, s *sshdtest.Server) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{host: "127.0.0.1", port: l.Addr().(*net.TCPAddr).Port, l: l, hold: make(chan struct{}), cuts: make(chan func(), 16)}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", net.JoinHostPort(s.Address, fmt.Sprint(s.Port)))
			if err != nil {
				a.Close()
				continue
			}
			k.cuts <- func() { a.Close(); b.Close() }
			go k.copy(a, b, new(atomic.Int64))
			go k.copy(b, a, &k.sent)
		}
	}()
	return k
}

func (k *link) copy(to, from net.Conn, count *atomic.Int64) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-k.hold:
			select {} // silence, to the end of the test
		default:
		}
		count.Add(int64(n))
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut ends the oldest connection.
func (k *link) cut() { (<-k.cuts)() }
