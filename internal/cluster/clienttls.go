package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossring/internal/state"
)

// CqlshFile, in TLSDir of a cluster's directory, has cqlsh's settings for TLS.
const CqlshFile = "cqlshrc"

// Files of a cluster's directory that TLS needs: the CA, the identity of crossring
// itself as a client, and the password of the nodes' stores.
const (
	AuthorityDir  = "ca"
	TLSDir        = "tls"
	ClientFile    = "client.pem"
	TrustFile     = "ca.pem"
	passwordFile  = "password"
	ClientName    = "crossring"
	ExpiryWarning = 30 * 24 * time.Hour
)

// TLSPath is that of a file in TLSDir.
func (c Cluster) TLSPath(name string) string { return filepath.Join(c.Dir, TLSDir, name) }

// StorePassword is that of the nodes' JKS stores, made when it is first asked for.
func (c Cluster) StorePassword() (string, error) {
	return state.Secret(c.TLSPath(passwordFile))
}

// ClientTLS is how this side speaks TLS with the nodes of a cluster; nil where it
// speaks plain text.
func (c Cluster) ClientTLS() (*tls.Config, error) {
	if !c.Inv.Plan.ClientTLS() {
		return nil, nil
	}
	trust, identity, err := c.TLSFiles()
	if err != nil {
		return nil, err
	}
	return ClientConfig(trust, identity)
}

// TLSFiles reads the CA and the client's identity, PEM both; nil where clients
// speak plain text.
func (c Cluster) TLSFiles() (trust, identity []byte, err error) {
	if !c.Inv.Plan.ClientTLS() {
		return nil, nil, nil
	}
	if trust, err = os.ReadFile(c.TLSPath(TrustFile)); err != nil {
		return nil, nil, fmt.Errorf("read CA of %s: %w", c.Inv.Plan.Name, err)
	}
	if identity, err = os.ReadFile(c.TLSPath(ClientFile)); err != nil {
		return nil, nil, fmt.Errorf("read certificate of the client: %w", err)
	}
	return trust, identity, nil
}

// ClientConfig makes a configuration of PEM: the roots, and key and chain of the
// client, who shows none where that is empty.
func ClientConfig(trust, identity []byte) (*tls.Config, error) {
	var shown []tls.Certificate
	if len(identity) > 0 {
		pair, err := tls.X509KeyPair(identity, identity)
		if err != nil {
			return nil, fmt.Errorf("read certificate of the client: %w", err)
		}
		shown = append(shown, pair)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(trust) {
		return nil, errors.New("read CA: no certificate in it")
	}
	cfg := &tls.Config{RootCAs: roots, Certificates: shown, MinVersion: tls.VersionTLS12}
	// The chain again: of a session that is resumed crypto/tls looks at the address
	// and the dates alone.
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server showed no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
	return cfg, nil
}
