package probe

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"syscall"
	"time"

	"crossring/internal/plain"
)

// A connection between two probes begins with a line: this word, the token that
// both were told, and what is wanted.
const greeting = "crossring-probe"

// talkTime is the longest that one connection lasts.
const talkTime = 90 * time.Second

// doListen listens at ports of an address, where nothing else does.
func (p *server) doListen(r request) response {
	res := response{Listen: map[int]string{}}
	cert, err := selfSigned()
	if err != nil {
		res.Error = err.Error()
		return res
	}
	for _, port := range r.Ports {
		l, err := net.Listen("tcp", net.JoinHostPort(r.Address, portText(port)))
		res.Listen[port] = plain.ErrorText(err)
		if errors.Is(err, syscall.EADDRINUSE) {
			res.Taken = append(res.Taken, port)
			continue
		}
		if err != nil {
			continue
		}
		p.mu.Lock()
		p.listen = append(p.listen, l)
		p.mu.Unlock()
		go accept(l, r.Token, cert)
	}
	return res
}

// strangers bounds the connections to one port at a time: whoever can reach it may open them.
const strangers = 256

func accept(l net.Listener, token string, cert tls.Certificate) {
	free := make(chan struct{}, strangers)
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed, with the probe
		}
		select {
		case free <- struct{}{}:
		default:
			c.Close()
			continue
		}
		go func() {
			defer func() { <-free }()
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(talkTime)) // a TCP connection has deadlines
			talk(c, token, cert)
		}()
	}
}

// talk answers one connection: a TLS handshake, questions, or many bytes. Whoever
// does not know the token hears nothing.
func talk(c net.Conn, token string, cert tls.Certificate) {
	in := bufio.NewReader(c)
	first, err := in.Peek(1)
	if err != nil {
		return
	}
	const handshakeRecord = 0x16
	if first[0] == handshakeRecord {
		s := tls.Server(buffered{c, in}, &tls.Config{Certificates: []tls.Certificate{cert}})
		if s.Handshake() == nil {
			s.Close()
		}
		return
	}
	// No longer than the reader's buffer: a stranger's line may have no end.
	line, err := in.ReadSlice('\n')
	if err != nil {
		return
	}
	f := strings.Fields(string(line))
	if len(f) != 3 || f[0] != greeting || f[1] != token {
		return
	}
	switch f[2] {
	case "ask":
		for {
			if _, err := fmt.Fprintf(c, "%s %s\n", token, c.RemoteAddr()); err != nil {
				return
			}
			if _, err := in.ReadSlice('\n'); err != nil {
				return
			}
		}
	case "bulk":
		n, err := io.Copy(io.Discard, in)
		if err == nil {
			fmt.Fprintf(c, "%d\n", n)
		}
	}
}

// buffered is a connection of which some bytes were read already.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

// selfSigned makes a certificate that only has to make a handshake possible: who is
// at the other end is not the question here, and the key lives as long as the probe.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: greeting},
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(48 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
