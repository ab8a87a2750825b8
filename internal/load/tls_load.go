package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"crossring/internal/cluster"
	"crossring/internal/cql"
	"crossring/internal/fail"
	"crossring/internal/pki/verbs"
	"crossring/internal/plain"
	"crossring/internal/topology"
)

// loadTLS is a configuration as the load is to speak it. nil, plain text, stays so.
func loadTLS(cfg *tls.Config, s topology.Stress) (*tls.Config, error) {
	chosen, err := verbs.TLSOptions{Version: s.TLSVersion, Suites: s.Ciphers}.Config()
	if err != nil {
		return nil, fail.Usage("", err, "")
	}
	if cfg == nil {
		if s.TLSVersion != "" || len(s.Ciphers) > 0 || s.TLSResume {
			return nil, fail.Usage("", errors.New("the cluster's clients speak plain text: there is no TLS to choose"), "write tls: {} in the spec")
		}
		return nil, nil
	}
	cfg = cfg.Clone()
	cfg.CipherSuites, cfg.MaxVersion = chosen.CipherSuites, chosen.MaxVersion
	if s.TLSVersion != "" {
		cfg.MinVersion = chosen.MinVersion
	}
	if s.TLSResume {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return cfg, nil
}

// tryTLS makes one handshake as the load will, so that what the server lacks is
// said before the run, and not by every row.
func tryTLS(ctx context.Context, w cluster.World, e cql.Endpoint) error {
	if e.TLS == nil || len(e.Addresses) == 0 {
		return nil
	}
	const most = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	dial := e.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	address := net.JoinHostPort(e.Addresses[0], strconv.Itoa(e.Port))
	raw, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil // a node that is down is not TLS's matter
	}
	defer raw.Close()
	cfg := e.TLS.Clone()
	cfg.ServerName = e.Addresses[0]
	if err := tls.Client(raw, cfg).HandshakeContext(ctx); err != nil {
		return &fail.Error{Code: fail.ExitFailure, Op: fmt.Sprintf("tls handshake with %s as the load would make it", address), Err: err,
			Hint: plain.Command("crossring", "pki", "show", "--connect", address)}
	}
	return nil
}

// tryLoad is tryTLS for the sides of some phases.
func (r *repro) tryLoad(ctx context.Context, ops ...string) error {
	for _, op := range ops {
		cfg, err := phase(r.World, r.Cluster, r.settings, op)
		if err != nil {
			return fail.Usage("", err, "crossring help "+r.verb)
		}
		if err := tryTLS(ctx, r.World, cfg.Endpoint); err != nil {
			return err
		}
	}
	return nil
}
