package stress

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"crossring/internal/cql"
	"crossring/internal/pause"
	"crossring/stress/record"

	"github.com/gocql/gocql"
)

// cluster is the driver for real clusters.
type cluster struct {
	session  *gocql.Session
	endpoint cql.Endpoint
	insert   string
	query    string
	filled   time.Time // by then all connections should stand
}

// fillTime is how long the driver may take for its further connections, which it
// makes in the background when the first one of a node stands.
const fillTime = 5 * time.Second

// sendable says, after a pause, whether to make an attempt again that was turned away by the driver
// itself: because too few of its connections stood yet, or because every stream
// of those that stand was taken, as when one of two is being made again and
// protocols 1 and 2 carry 128 requests on the other. Nothing was sent then, and
// it is no attempt: it is made again, until what it waits for takes too long, or ctx ends.
func (c *cluster) sendable(ctx context.Context, err error, since time.Time) bool {
	switch {
	case errors.Is(err, gocql.ErrNoStreams) && time.Since(since) < cql.DefaultTimeout:
	case errors.Is(err, gocql.ErrNoConnections) && time.Now().Before(c.filled):
	default:
		return false
	}
	return pause.For(ctx, time.Millisecond)
}

// openDriver connects, and prepares the statement on every node, so that the
// first rows don't pay for it.
func openDriver(ctx context.Context, cfg Config) (driver, error) {
	c, err := openCluster(ctx, cfg)
	if err != nil || cfg.Policy.Shared() {
		return c, err
	}
	// That one session could be opened is known now; the workers open their own.
	c.close()
	return &renewing{cfg}, nil
}

func openCluster(ctx context.Context, cfg Config) (*cluster, error) {
	e := cfg.Endpoint
	e.Keyspace = cfg.Keyspace
	e.Consistency = cfg.Consistency
	e.InFlight = cfg.InFlight + cfg.rereaders()
	e.Watched = true
	s, err := cql.Open(ctx, e)
	if err != nil {
		return nil, err
	}
	c := &cluster{
		session: s, endpoint: e,
		insert: fmt.Sprintf("INSERT INTO %s (key, value) VALUES (?, ?)", cql.Quote(cfg.Table)),
		query:  fmt.Sprintf("SELECT value FROM %s WHERE key = ?", cql.Quote(cfg.Table)),
		filled: time.Now().Add(fillTime),
	}
	stmt := c.insert
	if cfg.Op == record.OpRead {
		stmt = c.query
	}
	if err := c.prepare(ctx, stmt); err != nil {
		s.Close()
		return nil, fmt.Errorf("preparing the %s in datacenter %s: %w", cfg.Op, e.Datacenter, err)
	}
	return c, nil
}

// errPrepared stops a statement after it was prepared and before it is executed.
var errPrepared = errors.New("prepared")

// prepare prepares a statement on the session's nodes without executing it. The
// session goes round its nodes, some of which may be down: those prepare later.
func (c *cluster) prepare(ctx context.Context, stmt string) error {
	ctx, cancel := context.WithTimeout(ctx, cql.DefaultTimeout)
	defer cancel()
	prepared := false
	var last error
	for range 2 * len(c.endpoint.Addresses) {
		iter := c.session.Bind(stmt, func(*gocql.QueryInfo) ([]any, error) { return nil, errPrepared }).WithContext(ctx).Iter()
		if err := iter.Close(); errors.Is(err, errPrepared) {
			prepared = true
		} else {
			last = err
		}
	}
	if prepared {
		return nil
	}
	return last
}

func (c *cluster) close() { c.session.Close() }

func (c *cluster) worker(ctx context.Context) worker {
	w := &row{ctx: ctx, cluster: c, hosts: map[*gocql.HostInfo]string{}}
	w.dest = []any{&w.value}
	// One query per worker and kind, bound once to fields that change: the driver
	// would otherwise set a query, its map of metrics and its arguments up for
	// each row.
	w.insert = c.session.Query(c.insert, &w.key, &w.value).WithContext(ctx).RoutingKey(w.key[:])
	w.query = c.session.Query(c.query, &w.key).WithContext(ctx).RoutingKey(w.key[:]).PageSize(0)
	return w
}

// row is a worker. Its key and value are the arguments of its statements.
type row struct {
	ctx           context.Context
	cluster       *cluster
	insert, query *gocql.Query
	key           bigint
	value         blob
	dest          []any
	hosts         map[*gocql.HostInfo]string // as in reports
}

func (w *row) write(key int64, value []byte) answer {
	binary.BigEndian.PutUint64(w.key[:], uint64(key))
	w.value.bytes = value
	var since time.Time
	for {
		a := w.answer(w.insert.Iter(), false)
		if a.err == nil || !w.cluster.sendable(w.ctx, a.err, first(&since)) {
			return a
		}
	}
}

func (w *row) read(key int64, see func(value []byte)) answer {
	binary.BigEndian.PutUint64(w.key[:], uint64(key))
	w.value.see = see
	var since time.Time
	for {
		iter := w.query.Iter()
		a := w.answer(iter, iter.Scan(w.dest...))
		if a.err == nil || !w.cluster.sendable(w.ctx, a.err, first(&since)) {
			return a
		}
	}
}

// first is the time of the first call with t.
func first(t *time.Time) time.Time {
	if t.IsZero() {
		*t = time.Now()
	}
	return *t
}

func (w *row) answer(iter *gocql.Iter, found bool) answer {
	a := answer{found: found}
	host := iter.Host()
	if a.err = iter.Close(); a.err != nil {
		a.failure = classify(a.err, w.cluster.endpoint.Release.OverloadedOpen)
	}
	if host == nil {
		return a
	}
	name, ok := w.hosts[host]
	if !ok {
		name = w.cluster.endpoint.BroadcastAddress(host.ConnectAddress().String())
		w.hosts[host] = name
	}
	a.coordinator = name
	return a
}

// bigint and blob are arguments that the driver takes as they are, without
// looking into them by reflection and without copies.
type bigint [8]byte

func (k *bigint) MarshalCQL(gocql.TypeInfo) ([]byte, error) { return k[:], nil }

type blob struct {
	bytes []byte             // to write
	see   func(bytes []byte) // given what was read, in the driver's own buffer
}

func (b *blob) MarshalCQL(gocql.TypeInfo) ([]byte, error) { return b.bytes, nil }

func (b *blob) UnmarshalCQL(_ gocql.TypeInfo, data []byte) error {
	b.see(data)
	return nil
}

// Codes of the native protocol's ERROR answers that gocql has no types for.
const (
	codeServer        = 0x0000
	codeProtocol      = 0x000A
	codeCredentials   = 0x0100
	codeOverloaded    = 0x1001
	codeBootstrapping = 0x1002
	codeTruncate      = 0x1003
)

// classify says what is known of a request after an error. overloadedOpen is the
// release's.
func classify(err error, overloadedOpen bool) failure {
	var answered gocql.RequestError
	if errors.As(err, &answered) {
		f := classifyCode(answered.Code())
		if overloadedOpen && answered.Code() == codeOverloaded {
			f.fate = undecided
		}
		return f
	}
	var marshal gocql.MarshalError
	var unmarshal gocql.UnmarshalError
	switch {
	case errors.Is(err, gocql.ErrNoConnections), errors.Is(err, gocql.ErrNoConnectionsStarted), errors.Is(err, gocql.ErrNoHosts):
		return failure{"no_connection", notSent}
	case errors.Is(err, gocql.ErrNoStreams):
		return failure{"no_streams", notSent}
	case errors.Is(err, gocql.ErrSessionClosed):
		return failure{"session_closed", notSent}
	case errors.Is(err, gocql.ErrQueryArgLength), errors.As(err, &marshal):
		return failure{"arguments", notSent}
	case errors.As(err, &unmarshal):
		return failure{"answer", undecided}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, gocql.ErrTimeoutNoResponse), errors.Is(err, gocql.ErrTooManyTimeouts):
		return failure{"client_timeout", undecided}
	}
	// What is left are errors of the connection, most of them the system's own.
	return failure{"connection_lost", undecided}
}

// classifyCode takes the code of a server's ERROR answer. A refusal is made by the
// coordinator before it sends the write to any replica, but for what classify says.
func classifyCode(code int) failure {
	switch code {
	case codeServer:
		return failure{"server_error", undecided}
	case codeProtocol:
		return failure{"protocol_error", refused}
	case codeCredentials:
		return failure{"bad_credentials", refused}
	case gocql.ErrCodeUnavailable:
		return failure{"unavailable", refused}
	case codeOverloaded:
		return failure{"overloaded", refused}
	case codeBootstrapping:
		return failure{"bootstrapping", refused}
	case codeTruncate:
		return failure{"truncate_error", undecided}
	case gocql.ErrCodeWriteTimeout:
		return failure{"write_timeout", undecided}
	case gocql.ErrCodeReadTimeout:
		return failure{"read_timeout", undecided}
	case gocql.ErrCodeReadFailure:
		return failure{"read_failure", undecided}
	case gocql.ErrCodeFunctionFailure:
		return failure{"function_failure", refused}
	case gocql.ErrCodeWriteFailure, gocql.ErrCodeCDCWriteFailure:
		return failure{"write_failure", undecided}
	case gocql.ErrCodeCASWriteUnknown:
		return failure{"cas_write_unknown", undecided}
	case gocql.ErrCodeSyntax:
		return failure{"syntax_error", refused}
	case gocql.ErrCodeUnauthorized:
		return failure{"unauthorized", refused}
	case gocql.ErrCodeInvalid:
		return failure{"invalid", refused}
	case gocql.ErrCodeConfig:
		return failure{"config_error", refused}
	case gocql.ErrCodeAlreadyExists:
		return failure{"already_exists", refused}
	case gocql.ErrCodeUnprepared:
		return failure{"unprepared", refused}
	}
	return failure{fmt.Sprintf("error_%04x", code), undecided}
}
