package store

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// NoRootsError says that the system's own roots were not found.
type NoRootsError struct{ Looked []string }

func (e *NoRootsError) Error() string {
	return "the system's roots were not found: looked for " + strings.Join(e.Looked, ", ")
}

// Hint names roots of one's own.
func (*NoRootsError) Hint() string {
	return "--ca ROOTS.pem, or apt-get install ca-certificates"
}

// SystemRoots reads what this computer trusts, from where crypto/x509 takes it: the
// variables SSL_CERT_FILE and SSL_CERT_DIR, or else the file of the distribution. from
// says where that was.
func SystemRoots() (roots []*x509.Certificate, from string, err error) {
	files := []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/pki/tls/cacert.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		files = []string{file}
	}
	var looked []string
	for _, dir := range filepath.SplitList(os.Getenv("SSL_CERT_DIR")) {
		in, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			return nil, "", fmt.Errorf("SSL_CERT_DIR: %w", err)
		}
		looked = append(looked, dir)
		for _, file := range in {
			if some, err := rootsIn(file); err == nil { // such a directory has other files, too
				roots, from = append(roots, some...), dir
			}
		}
	}
	for _, file := range files {
		looked = append(looked, file)
		if some, err := rootsIn(file); err == nil && len(some) > 0 {
			return append(roots, some...), cmp.Or(from, file), nil
		}
	}
	if len(roots) == 0 {
		return nil, "", &NoRootsError{Looked: looked}
	}
	return roots, from, nil
}

func rootsIn(file string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c, err := ReadTrust(data, "")
	return c.All(), err
}
