package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossring/internal/pki/openssltest"
)

// made is a certificate that signed itself, with its key, as a file and in memory.
type made struct {
	file string
	pair tls.Certificate
}

func makeCert(t *testing.T, cn string) made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	data = append(data, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	m := made{file: filepath.Join(t.TempDir(), "both.pem")}
	if m.pair, err = tls.X509KeyPair(data, data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// serve starts openssl s_server with a certificate.
func serve(t *testing.T, own made, args ...string) string {
	t.Helper()
	return openssltest.Serve(t, "", append([]string{"-cert", own.file, "-key", own.file}, args...)...)
}

// javaLike is a server that, as Java's with Netty, keeps its ticket until it has data
// to send, and answers Cassandra's requests; log is told of its failures.
func javaLike(t *testing.T, cfg *tls.Config, reply string) string {
	t.Helper()
	if cfg.MinVersion != tls.VersionTLS13 {
		t.Fatal("tickets follow the handshake in TLS 1.3 alone")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				held := &holding{Conn: raw}
				conn := tls.Server(held, cfg)
				buf := make([]byte, 100)
				n, err := conn.Read(buf)
				if err == nil && string(buf[:n]) == options && reply != "" {
					_, _ = io.WriteString(conn, reply)
				}
				if reply == "" || held.flush() == nil {
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// holding keeps back the tickets of a server of TLS 1.3, which it writes when it has
// read what follows its first flight, until data follows; alerts, which are short, go
// at once.
type holding struct {
	net.Conn
	wrote, answered, held bool
	kept                  []byte
}

func (h *holding) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.answered = h.answered || h.wrote && n > 0
	return n, err
}

func (h *holding) Write(p []byte) (int, error) {
	h.wrote = true
	if h.answered && !h.held && len(p) > 60 {
		h.held = true
		h.kept = append(h.kept, p...)
		return len(p), nil
	}
	if err := h.flush(); err != nil {
		return 0, err
	}
	return h.Conn.Write(p)
}

func (h *holding) flush() error {
	kept := h.kept
	h.kept = nil
	_, err := h.Conn.Write(kept)
	return err
}

// In TLS 1.3 a server refuses a client after the client's handshake is done.
func TestRefusedClient(t *testing.T) {
	own, foreign := makeCert(t, "own"), makeCert(t, "foreign")
	mtls := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own.pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	mtls.ClientCAs.AddCert(own.pair.Leaf)
	one := x509.NewCertPool()
	one.AddCert(own.pair.Leaf)
	for name, address := range map[string]string{
		"openssl": serve(t, own, "-Verify", "1", "-verify_return_error", "-CAfile", own.file),
		"go":      javaLike(t, mtls, "answer"),
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			if name == "go" && version == tls.VersionTLS12 {
				continue
			}
			for _, tt := range []struct {
				who   string
				certs []tls.Certificate
				sees  string
				shown bool
			}{
				{"nobody", nil, "required", false},
				{"a stranger", []tls.Certificate{foreign.pair}, "refused", true},
				{"who may", []tls.Certificate{own.pair}, "asked", true},
			} {
				what := name + ", " + tls.VersionName(version) + ", " + tt.who
				cfg := &tls.Config{MinVersion: version, MaxVersion: version, Certificates: tt.certs}
				seen, err := Show(t.Context(), address, cfg)
				var refused *RefusedError
				if seen.ClientCertificate != tt.sees || (tt.sees == "refused") != errors.As(err, &refused) || tt.sees != "refused" && err != nil || len(seen.Chain) != 1 {
					t.Errorf("%s: seen %+v, %v", what, seen, err)
				}
				for _, reuse := range []bool{false, true} {
					rate, err := Measure(t.Context(), Load{Address: address, Config: cfg, Reuse: reuse, Time: 50 * time.Millisecond, Concurrency: 2})
					if tt.sees == "asked" {
						if err != nil || rate.Connections == 0 || reuse != (rate.Resumed == rate.Connections) {
							t.Errorf("%s, reuse %t: %+v, %v", what, reuse, rate, err)
						}
						continue
					}
					refused = nil
					if !errors.As(err, &refused) || refused.Shown != tt.shown || rate.Connections != 0 {
						t.Errorf("%s, reuse %t: %d counted as made, %v", what, reuse, rate.Connections, err)
					}
				}
			}
		}
	}
}

// A server that turns against clients while they are counted is noticed, too.
func TestRefusedLater(t *testing.T) {
	own := makeCert(t, "own")
	first := true
	cfg := &tls.Config{Certificates: []tls.Certificate{own.pair}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	cfg.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error {
		if !first {
			return errors.New("not you again")
		}
		first = false
		return nil
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	rate, err := Measure(t.Context(), Load{Address: l.Addr().String(), Config: &tls.Config{Certificates: []tls.Certificate{own.pair}}, Time: time.Second})
	var refused *RefusedError
	if !errors.As(err, &refused) || rate.Connections != 0 {
		t.Errorf("%d counted as made, %v", rate.Connections, err)
	}
}

// What is said of resumption was tried, whichever way the server has it.
func TestResumption(t *testing.T) {
	own := makeCert(t, "own")
	// Where Go asks for no certificate, it sends its ticket before the client is done.
	java := &tls.Config{Certificates: []tls.Certificate{own.pair}, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert}
	none := &tls.Config{Certificates: []tls.Certificate{own.pair}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
	for _, tt := range []struct {
		name, address string
		version       uint16
		way           string
		resumed       bool
	}{
		{"openssl", serve(t, own), tls.VersionTLS12, "ticket", true},
		{"openssl", serve(t, own), tls.VersionTLS13, "psk", true},
		{"openssl, no tickets", serve(t, own, "-no_ticket"), tls.VersionTLS12, "session-id", true},
		{"openssl, no tickets", serve(t, own, "-no_ticket"), tls.VersionTLS13, "psk", true}, // its ticket is a name then
		{"openssl, no tickets, no cache", serve(t, own, "-no_ticket", "-no_cache"), tls.VersionTLS12, "none", false},
		{"openssl, no tickets, names of no use", serve(t, own, "-no_ticket", "-ext_cache"), tls.VersionTLS12, "session-id", true},
		{"like Java", javaLike(t, java, "answer"), tls.VersionTLS13, "psk", true},
		{"like Java, silent", javaLike(t, none, "answer"), tls.VersionTLS13, "none", false},
		{"silent, whatever it is asked", javaLike(t, java, ""), tls.VersionTLS13, "none", false},
	} {
		cfg := &tls.Config{MinVersion: tt.version, MaxVersion: tt.version}
		seen, err := Show(t.Context(), tt.address, cfg)
		if err != nil || seen.Resumption != tt.way || seen.Resumed != tt.resumed {
			t.Errorf("%s, %s: %+v, %v", tt.name, tls.VersionName(tt.version), seen, err)
		}
		rate, err := Measure(t.Context(), Load{Address: tt.address, Config: cfg, Reuse: true, Time: 50 * time.Millisecond, Concurrency: 2})
		var no *NoSessionError
		if tt.resumed != (err == nil) || !tt.resumed && !errors.As(err, &no) || rate.Resumed != rate.Connections || tt.resumed != (rate.Connections > 0) {
			t.Errorf("%s, %s: %+v, %v", tt.name, tls.VersionName(tt.version), rate, err)
		}
	}
}

// Where nobody listens, or nobody speaks TLS, nothing is said of what was not seen.
func TestNoTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	plain := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 2000))
				_, _ = io.WriteString(c, answer)
				c.Close()
			}
		}()
		return l.Addr().String()
	}
	for address, want := range map[string]string{
		closed: "refused", plain("HTTP/1.1 400 Bad Request\r\n\r\n"): "not in TLS", plain(""): "without an answer", plain("\x84\x00\x00\x00\x00\x00\x00\x00\x00"): "not in TLS",
	} {
		seen, err := Show(t.Context(), address, nil)
		if err == nil || !strings.Contains(err.Error(), want) || seen.Resumption != "unknown" || seen.ClientCertificate != "unknown" || len(seen.Chain) > 0 {
			t.Errorf("want %q: %+v, %v", want, seen, err)
		}
	}
}
