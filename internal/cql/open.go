package cql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

// Open connects to the endpoint. It returns when the session stands, when that
// failed, or when ctx ends, whichever is first; in the last case what was opened
// is closed in the background. A datacenter that no node is in gives a
// *DatacenterError.
func Open(ctx context.Context, e Endpoint) (*gocql.Session, error) {
	cfg, p, d, err := settings(e)
	if err != nil {
		return nil, err
	}
	where := strings.Join(e.Addresses, ", ")
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("opening a cql session to %s: %w", where, context.Cause(ctx))
	}
	d.life, d.abandon = context.WithCancel(context.Background())

	type result struct {
		session *gocql.Session
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		s, err := cfg.CreateSession()
		opened <- result{s, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			d.abandon()
			if mismatch := p.mismatch(); mismatch != nil {
				return nil, fmt.Errorf("opening a cql session to %s: %w", where, mismatch)
			}
			return nil, fmt.Errorf("opening a cql session to %s, port %d: %w", where, cfg.Port, r.err)
		}
		p.opened.Store(true)
		if e.Counts != nil {
			e.Counts.Sessions.Add(1)
		}
		return r.session, nil
	case <-ctx.Done():
		d.abandon()
		go func() {
			if r := <-opened; r.session != nil {
				r.session.Close()
			}
		}()
		return nil, fmt.Errorf("opening a cql session to %s, port %d: %w", where, cfg.Port, context.Cause(ctx))
	}
}

// Probe asks the first address of an endpoint one question, and returns nil when it has
// answered. It needs no keyspace and looks at no other node.
func Probe(ctx context.Context, e Endpoint) error {
	if len(e.Addresses) == 0 {
		return errors.New("probing a cql endpoint: no addresses")
	}
	e.Addresses = e.Addresses[:1]
	e.Datacenter, e.Keyspace, e.NumConns, e.InFlight = "", "", 1, 1
	e.Release.NoHostLookup = true // this node alone, whatever it knows of others
	if deadline, ok := ctx.Deadline(); ok {
		left := max(time.Until(deadline), time.Millisecond)
		e.Timeout = min(orDefault(e.Timeout, DefaultTimeout), left)
		e.ConnectTimeout = min(orDefault(e.ConnectTimeout, DefaultTimeout), left)
	}
	s, err := Open(ctx, e)
	if err != nil {
		return err
	}
	defer s.Close()
	var version string
	err = s.Query("SELECT release_version FROM system.local WHERE key = 'local'").
		Consistency(gocql.One).WithContext(ctx).Scan(&version)
	if err != nil {
		return fmt.Errorf("asking %s for its release version: %w", e.Addresses[0], err)
	}
	return nil
}
