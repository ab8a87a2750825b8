package sshhost

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// socks is a SOCKS5 proxy without authentication, for IPv4 and CONNECT alone.
type socks struct {
	addr string
	mu   sync.Mutex
	last string
}

func (p *socks) asked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

func newSOCKS(t *testing.T) *socks {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &socks{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *socks) serve(conn net.Conn) {
	defer conn.Close()
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, conn, int64(head[1])); err != nil {
		return
	}
	if _, err := conn.Write([]byte{5, 0}); err != nil {
		return
	}
	ask := make([]byte, 10)
	if _, err := io.ReadFull(conn, ask); err != nil || ask[3] != 1 {
		return
	}
	to := net.JoinHostPort(net.IP(ask[4:8]).String(), strconv.Itoa(int(binary.BigEndian.Uint16(ask[8:]))))
	p.mu.Lock()
	p.last = to
	p.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	if _, err := conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil {
		return
	}
	go func() { _, _ = io.Copy(far, conn) }()
	_, _ = io.Copy(conn, far)
}
