package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
)

// Glance looks at the chain that a server shows on a connection, and at the names
// of the CAs that it takes a client's certificate from. It makes one handshake, as
// TLS 1.2, where a server lists those names in any case, shows no certificate, and
// closes the connection. A server that ends the handshake for want of one has said
// all there is to know by then, and that is no error.
func Glance(ctx context.Context, raw net.Conn) (Seen, error) {
	defer raw.Close()
	seen := Seen{Address: raw.RemoteAddr().String(), Resumption: "unknown", ClientCertificate: "no"}
	cfg := open(nil)
	cfg.MaxVersion = tls.VersionTLS12
	cfg.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		seen.ClientCertificate, seen.CAs = "asked", r.AcceptableCAs
		return &tls.Certificate{}, nil
	}
	cfg.VerifyPeerCertificate = func(chain [][]byte, _ [][]*x509.Certificate) error {
		for i, der := range chain {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return fmt.Errorf("certificate %d of the chain: %w", i, err)
			}
			seen.Chain = append(seen.Chain, c)
		}
		return nil
	}
	conn := tls.Client(raw, cfg)
	err := conn.HandshakeContext(ctx)
	if err != nil && !(len(seen.Chain) > 0 && seen.ClientCertificate == "asked" && wantsCertificate(err)) {
		return seen, fmt.Errorf("tls handshake with %s: %w", seen.Address, err)
	}
	state := conn.ConnectionState()
	seen.Version, seen.CipherSuite = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	if err != nil {
		seen.ClientCertificate = "required"
	}
	return seen, nil
}
