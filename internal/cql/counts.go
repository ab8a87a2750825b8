package cql

import (
	"crypto/tls"
	"sync/atomic"
)

// Counts are of the connections of one or more sessions. They may be read while
// they grow.
type Counts struct {
	Sessions atomic.Int64 // opened
	Flows    atomic.Int64 // TCP connections that stood, those for the driver's own use included
	Full     atomic.Int64 // TLS handshakes with certificates
	Resumed  atomic.Int64 // TLS handshakes that went on from a session
}

// counting makes a configuration that counts its handshakes.
func (c *Counts) counting(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	verify := cfg.VerifyConnection
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if s.DidResume {
			c.Resumed.Add(1)
		} else {
			c.Full.Add(1)
		}
		if verify == nil {
			return nil
		}
		return verify(s)
	}
	return cfg
}
