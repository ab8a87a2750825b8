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

// Counting makes a configuration that counts its handshakes, those alone that its
// VerifyConnection is content with.
func (c *Counts) Counting(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	verify := cfg.VerifyConnection
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if verify != nil {
			if err := verify(s); err != nil {
				return err
			}
		}
		if s.DidResume {
			c.Resumed.Add(1)
		} else {
			c.Full.Add(1)
		}
		return nil
	}
	return cfg
}
