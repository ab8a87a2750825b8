package trust

import (
	"crossring/internal/cluster"

	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

// A load that runs follows the files of its client.
func TestLiveTLS(t *testing.T) {
	r := begun(t, "5.0")
	cfg, err := r.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxVersion = tls.VersionTLS12
	live := &cluster.LiveTLS{Cluster: r.Cluster}
	first := live.Fresh(cfg)
	if first.MaxVersion != tls.VersionTLS12 || !first.RootCAs.Equal(cfg.RootCAs) {
		t.Error("it is not the configuration that was given")
	}
	if err := r.clientTrust(true); err != nil {
		t.Fatal(err)
	}
	if err := r.clientCertificate(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := rootOf(t, filepath.Join(r.Dir, nextAuthorityDir))
	second := live.Fresh(cfg)
	own, err := x509.ParseCertificate(second.Certificates[0].Certificate[0])
	if err != nil || own.CheckSignatureFrom(next) != nil || second.RootCAs.Equal(first.RootCAs) {
		t.Errorf("it shows %v, %v", own, err)
	}
	// Files that are no good are passed over until they are good again.
	if err := os.WriteFile(r.TLSPath(cluster.TrustFile), []byte("-----BEGIN"), 0o644); err != nil {
		t.Fatal(err)
	}
	if third := live.Fresh(cfg); !third.RootCAs.Equal(second.RootCAs) {
		t.Error("what it trusted is forgotten")
	}
	if err := r.clientTrust(false); err != nil {
		t.Fatal(err)
	}
	alone := x509.NewCertPool()
	alone.AddCert(next)
	if last := live.Fresh(cfg); !last.RootCAs.Equal(alone) {
		t.Error("it does not trust the new CA alone")
	}
}
