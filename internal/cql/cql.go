// Package cql turns what is known of a cluster (addresses, version, datacenter,
// TLS) into driver settings and DDL. What differs between Cassandra versions
// comes from package release; nothing here compares version numbers.
package cql

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"

	"crossring/internal/release"

	"github.com/gocql/gocql"
)

// Endpoint says how to reach the nodes of one datacenter.
type Endpoint struct {
	// Addresses are IP addresses to dial. They should be all nodes of the
	// datacenter: where the driver cannot discover the others (release.NoHostLookup)
	// no other node is ever used, and only with more than one address are requests
	// routed to the replica that owns the key.
	Addresses []string
	Port      int // 0 is 9042
	Release   release.Release
	// Datacenter pins the session: nodes elsewhere are neither dialled nor used.
	// Empty pins it to Addresses.
	Datacenter string
	Keyspace   string
	NumConns   int // per node; 0 is worked out from InFlight and the protocol's streams
	InFlight   int // requests at once that the session is meant for; 0 is 1
	// Timeout of one request, to be longer than the server's own; 0 is 12 s.
	Timeout        time.Duration
	ConnectTimeout time.Duration // 0 is 12 s
	Consistency    string        // as in CQL, "LOCAL_ONE"; empty is ONE
	TLS            *tls.Config   // nil is plain text
	Login          *Login        // nil is none
	// Fresh is asked at each connection for TLS as it is to be by then, for sessions
	// that outlive a trust or a certificate; nil leaves it as it is.
	Fresh  func(*tls.Config) *tls.Config
	Counts *Counts // counts sessions, connections and handshakes; may be nil
	// Translate maps an address that the cluster publishes to the one to dial,
	// for clients outside the nodes' private network.
	Translate map[string]string
	// Broadcast maps a dialled address to the node's broadcast address, for reports.
	Broadcast map[string]string
	// Dial opens connections, where the addresses are out of reach from here; nil is
	// an ordinary one.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Watched leaves requests without a timer in the driver, which saves a fifth
	// of its processor time. Each request must then carry a context that ends.
	Watched bool
}

// Login is a role and its password, for nodes that ask for them. Printed it is the role
// alone. Protocol 1 knows no such login.
type Login struct{ User, Password string }

func (l Login) String() string { return l.User }

// GoString is String, so that %#v shows no password either.
func (l Login) GoString() string { return l.User }

// The defaults of an Endpoint's zero values.
const (
	DefaultPort    = 9042
	DefaultTimeout = 12 * time.Second

	// coalesceAt is the number of requests in flight from which it pays to
	// gather them into one write.
	coalesceAt = 32
	// streamsSpare is how many streams of a connection are left free, since a
	// request that timed out keeps its stream until the answer arrives.
	streamsSpare = 28
	// reconnectInterval is how often a node that is down is tried again. The
	// driver's own 60 s would hide most of a restart.
	reconnectInterval = time.Second
)

// Config gives the driver's settings for e: no retries and no speculative
// requests, since every attempt is to be counted; one datacenter; no compression,
// as the values do not compress.
func Config(e Endpoint) (*gocql.ClusterConfig, error) {
	cfg, _, _, err := settings(e)
	return cfg, err
}

// settings is Config together with the parts that Open has a hand in.
func settings(e Endpoint) (*gocql.ClusterConfig, *pin, *dialer, error) {
	if len(e.Addresses) == 0 {
		return nil, nil, nil, fmt.Errorf("cql endpoint of %q: no addresses", e.Datacenter)
	}
	p := &pin{dc: e.Datacenter, allow: map[string]bool{}, seen: map[string]bool{}, fixed: e.Release.NoHostLookup}
	for _, a := range e.Addresses {
		ip, err := netip.ParseAddr(a)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("cql endpoint of %q: address: %w", e.Datacenter, err)
		}
		p.allow[ip.String()] = true
	}
	cl := gocql.One
	if e.Consistency != "" {
		var err error
		if cl, err = gocql.ParseConsistencyWrapper(e.Consistency); err != nil {
			return nil, nil, nil, fmt.Errorf("consistency level %q: %w", e.Consistency, err)
		}
	}
	timeout := orDefault(e.Timeout, DefaultTimeout)

	cfg := gocql.NewCluster(e.Addresses...)
	cfg.Port = DefaultPort
	if e.Port != 0 {
		cfg.Port = e.Port
	}
	cfg.ProtoVersion = e.Release.Proto
	cfg.CQLVersion = e.Release.CQLVersion
	cfg.Keyspace = e.Keyspace
	cfg.Consistency = cl
	cfg.Timeout = timeout
	cfg.WriteTimeout = timeout
	cfg.ConnectTimeout = orDefault(e.ConnectTimeout, DefaultTimeout)
	if e.Watched {
		cfg.Timeout = 0
	}
	cfg.NumConns = conns(e)
	cfg.RetryPolicy = nil
	cfg.DefaultIdempotence = false // idempotent queries may be sent twice at once
	cfg.Compressor = nil
	cfg.HostFilter = p
	cfg.ReconnectInterval = reconnectInterval
	cfg.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1}
	cfg.MaxWaitSchemaAgreement = agreementTimeout
	cfg.DisableInitialHostLookup = e.Release.NoHostLookup
	cfg.DisableSkipMetadata = e.Release.KeepMetadata
	// An event would make the driver look the ring up, and on tables that lack the
	// node's address it panics in a goroutine of its own.
	cfg.Events.DisableNodeStatusEvents = e.Release.NoHostLookup
	cfg.Events.DisableTopologyEvents = e.Release.NoHostLookup
	cfg.Logger = silent{}
	if e.TLS != nil && e.Fresh == nil {
		secure := e.TLS
		if e.Counts != nil {
			secure = e.Counts.Counting(secure)
		}
		cfg.SslOpts = &gocql.SslOptions{Config: secure}
	}
	if e.Login != nil {
		cfg.Authenticator = gocql.PasswordAuthenticator{Username: e.Login.User, Password: e.Login.Password}
	}
	if len(e.Translate) > 0 {
		cfg.AddressTranslator = translator(e.Translate)
	}
	// With one node there is nothing to choose, and choosing costs a map per request.
	cfg.PoolConfig.HostSelectionPolicy = gocql.RoundRobinHostPolicy()
	if len(e.Addresses) > 1 && e.Keyspace != "" && !e.Release.NoHostLookup {
		cfg.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.RoundRobinHostPolicy())
	}

	// The driver's own coalescing waits out a timer, and none at all means one
	// system call a request. From coalesceAt on the connection gathers by itself.
	d := &dialer{dial: e.Dial, batch: e.InFlight >= coalesceAt, writeTimeout: timeout, counts: e.Counts}
	d.net.Timeout = cfg.ConnectTimeout
	d.net.Control = userTimeout(timeout)
	cfg.Dialer = d
	if e.TLS != nil && e.Fresh != nil {
		cfg.HostDialer = &secureDialer{dialer: d, tls: e.TLS, fresh: e.Fresh}
	}
	cfg.WriteCoalesceWaitTime = 0
	return cfg, p, d, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// conns is the number of connections per node: two, or as many as the protocol's
// streams demand. Protocols 1 and 2 carry 128 streams a connection and fail the
// request when there are none left.
func conns(e Endpoint) int {
	if e.NumConns > 0 {
		return e.NumConns
	}
	n := 2
	if e.InFlight < coalesceAt {
		n = 1
	}
	if usable := e.Release.StreamsPerConn - streamsSpare; usable > 0 {
		n = max(n, (e.InFlight+usable-1)/usable)
	}
	return n
}

// BroadcastAddress is the node's address in reports for one that was dialled.
func (e Endpoint) BroadcastAddress(dialled string) string {
	if b, ok := e.Broadcast[dialled]; ok {
		return b
	}
	return dialled
}

// silent drops the driver's own log: what it says there is returned as an error
// or counted as an outcome, and by default it would go to standard error.
type silent struct{}

func (silent) Print(...any)          {}
func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
