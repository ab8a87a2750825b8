package verbs

import (
	"cmp"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"crossring/internal/fail"
	"crossring/internal/pki/store"
	"crossring/internal/pki/wire"
)

// TLSOptions says by name how this side speaks TLS.
type TLSOptions struct {
	Version    string   // alone: "1.2"; "" is any
	Suites     []string // none is Go's choice
	Groups     []string // of the key exchange; none is Go's choice
	ClientCert string   // file of key and chain; "" is none
	Password   string   // of ClientCert; "" where it needs none
}

// Config makes a configuration of the names. It trusts the system's roots.
func (o TLSOptions) Config() (*tls.Config, error) {
	cfg := &tls.Config{}
	var err error
	if o.Version != "" {
		if cfg.MinVersion, err = wire.Version(o.Version); err != nil {
			return nil, fail.Usage("", err, "")
		}
		cfg.MaxVersion = cfg.MinVersion
	}
	if cfg.CipherSuites, err = wire.Suites(o.Suites); err != nil {
		return nil, fail.Usage("", err, "")
	}
	if cfg.CurvePreferences, err = wire.Groups(o.Groups); err != nil {
		return nil, fail.Usage("", err, "")
	}
	if len(o.Suites) > 0 {
		if cfg.MinVersion == tls.VersionTLS13 {
			return nil, fail.Usage("", errors.New("cipher suites are chosen up to TLS 1.2 only, and 1.3 was asked for"), "")
		}
		cfg.MaxVersion = tls.VersionTLS12 // 1.3 would pass the choice over
	}
	if o.ClientCert != "" {
		if cfg.Certificates, err = o.identity(); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

// identity reads the client's certificate and key, which may be encrypted.
func (o TLSOptions) identity() ([]tls.Certificate, error) {
	const help = "crossring pki show "
	data, err := os.ReadFile(o.ClientCert)
	if err != nil {
		return nil, fail.Usage("--client-cert", err, "")
	}
	if store.Detect(data) == store.PEM {
		if data, err = store.Decrypt(data, o.Password); err != nil {
			return nil, fmt.Errorf("--client-cert %s: %w", o.ClientCert, err)
		}
	} else if o.Password == "" {
		return nil, fmt.Errorf("--client-cert %s: %w", o.ClientCert, &store.NoPasswordError{})
	}
	c, err := store.Read(data, o.Password)
	var legacy *store.LegacyKeyError
	if errors.As(err, &legacy) && legacy.Key != nil {
		err = nil // a form that Cassandra does not read; this side does
	}
	switch {
	case err != nil:
	case c.Key == nil:
		err = errors.New("there is no private key in it")
	case len(c.Chain) == 0:
		err = errors.New("there is no certificate in it")
	default:
		if pub, ok := c.Chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(c.Key.Public()) {
			err = &store.MismatchError{Subject: c.Chain[0].Subject.String()}
		}
	}
	if err != nil {
		return nil, &fail.Error{Code: fail.ExitUsage, Op: "--client-cert " + o.ClientCert, Err: err, Hint: cmp.Or(hintOf(err), help+o.ClientCert)}
	}
	pair := tls.Certificate{PrivateKey: c.Key, Leaf: c.Chain[0]}
	for _, cert := range c.Chain {
		pair.Certificate = append(pair.Certificate, cert.Raw)
	}
	return []tls.Certificate{pair}, nil
}
