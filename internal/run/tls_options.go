package run

import (
	"crypto/tls"
	"errors"

	"crossring/internal/pki/wire"
)

// TLSOptions says by name how this side speaks TLS.
type TLSOptions struct {
	Version    string   // alone: "1.2"; "" is any
	Suites     []string // "" is Go's choice
	ClientCert string   // PEM file of key and chain; "" is none
}

// Config makes a configuration of the names. It trusts the system's roots.
func (o TLSOptions) Config() (*tls.Config, error) {
	cfg := &tls.Config{}
	var err error
	if o.Version != "" {
		if cfg.MinVersion, err = wire.Version(o.Version); err != nil {
			return nil, err
		}
		cfg.MaxVersion = cfg.MinVersion
	}
	if cfg.CipherSuites, err = wire.Suites(o.Suites); err != nil {
		return nil, err
	}
	if len(o.Suites) > 0 {
		if cfg.MinVersion == tls.VersionTLS13 {
			return nil, errors.New("cipher suites are chosen up to TLS 1.2 only, and 1.3 was asked for")
		}
		cfg.MaxVersion = tls.VersionTLS12 // 1.3 would pass the choice over
	}
	if o.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(o.ClientCert, o.ClientCert)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
