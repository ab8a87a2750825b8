package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"crossring/internal/cql"
	"crossring/internal/lag"

	"github.com/gocql/gocql"
)

// Sessions are what a run speaks through: for each datacenter one to write and one to look.
type Sessions struct {
	cfg     Config
	bucket  int64
	writers []table
	readers []table
}

// table is what one datacenter has of the rows.
type table interface {
	// inserter writes rows, one at a time.
	inserter(ctx context.Context) func(partition, seq int64) (lag.Outcome, error)
	// finder looks for rows, one look at a time. What it returns is overwritten by the next.
	finder(ctx context.Context) func(partition int64, r lag.Range) ([]int64, error)
	Close()
}

type session struct {
	*gocql.Session
	keyspace, table string
}

// Open connects to all datacenters. Close the sessions when done.
func Open(ctx context.Context, cfg Config) (*Sessions, error) {
	s := &Sessions{cfg: cfg}
	for _, e := range cfg.Endpoints {
		e.Keyspace = cfg.Keyspace
		for _, kind := range []struct {
			list  *[]table
			level string
			most  int
		}{{&s.writers, cfg.WriteLevel, inFlight}, {&s.readers, cfg.ReadLevel, lookers * len(cfg.Endpoints)}} {
			e.Consistency, e.InFlight = kind.level, kind.most
			one, err := cql.Open(ctx, e)
			if err != nil {
				s.Close()
				return nil, err
			}
			*kind.list = append(*kind.list, &session{one, cfg.Keyspace, cfg.Table})
		}
	}
	return s, nil
}

// Close ends the sessions.
func (s *Sessions) Close() {
	for _, list := range [][]table{s.writers, s.readers} {
		for _, one := range list {
			one.Close()
		}
	}
}

func (s *session) name() string { return cql.Quote(s.keyspace) + "." + cql.Quote(s.table) }

func (s *session) inserter(ctx context.Context) func(partition, seq int64) (lag.Outcome, error) {
	var part, row bigint
	q := s.Query(fmt.Sprintf("INSERT INTO %s (part, seq) VALUES (?, ?) USING TTL %d", s.name(), ttl), &part, &row).
		WithContext(ctx).RoutingKey(part[:])
	return func(partition, seq int64) (lag.Outcome, error) {
		part.set(partition)
		row.set(seq)
		err := q.Exec()
		return outcome(err), err
	}
}

// ttl is how many seconds rows of a run stay.
const ttl = 24 * 3600

// outcome tells of a write that had an error whether it did not happen, which is the case where
// nothing was sent or the coordinator refused it, or may have.
func outcome(err error) lag.Outcome {
	if err == nil {
		return lag.Acknowledged
	}
	var answered gocql.RequestError
	switch {
	case errors.As(err, &answered) && answered.Code() == gocql.ErrCodeUnavailable,
		errors.Is(err, gocql.ErrNoConnections), errors.Is(err, gocql.ErrNoConnectionsStarted), errors.Is(err, gocql.ErrNoStreams):
		return lag.Failed
	}
	return lag.Unknown
}

func (s *session) finder(ctx context.Context) func(partition int64, r lag.Range) ([]int64, error) {
	var part, first, last bigint
	query := func(end string, args ...any) *gocql.Query {
		return s.Query("SELECT seq FROM "+s.name()+" WHERE part = ? AND seq >= ? AND seq <= ?"+end, args...).
			WithContext(ctx).RoutingKey(part[:]).PageSize(0)
	}
	all := query("", &part, &first, &last)
	limited := map[int]*gocql.Query{}
	var found []int64
	var row int64
	dest := []any{&row}
	return func(partition int64, r lag.Range) ([]int64, error) {
		part.set(partition)
		first.set(r.First)
		last.set(r.Last)
		q := all
		if r.Limit > 0 {
			if q = limited[r.Limit]; q == nil {
				q = query(fmt.Sprintf(" LIMIT %d", r.Limit), &part, &first, &last)
				limited[r.Limit] = q
			}
		}
		found = found[:0]
		iter := q.Iter()
		for iter.Scan(dest...) {
			found = append(found, row)
		}
		return found, iter.Close()
	}
}

// bigint is an argument that the driver takes as it is.
type bigint [8]byte

func (b *bigint) set(v int64) { binary.BigEndian.PutUint64(b[:], uint64(v)) }

// MarshalCQL is for the driver.
func (b *bigint) MarshalCQL(gocql.TypeInfo) ([]byte, error) { return b[:], nil }
