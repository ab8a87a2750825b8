package live

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"crossring/internal/cql"
	"crossring/internal/latency"

	"github.com/gocql/gocql"
)

// Sessions are what a run speaks through, one for each datacenter.
type Sessions struct {
	cfg Config
	in  map[string]*gocql.Session
}

// Open connects to all datacenters. Close the sessions when done.
func Open(ctx context.Context, cfg Config) (*Sessions, error) {
	s := &Sessions{cfg: cfg, in: map[string]*gocql.Session{}}
	for dc, e := range cfg.Endpoints {
		e.Keyspace, e.InFlight = cfg.Keyspace, cfg.InFlight
		one, err := cql.Open(ctx, e)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.in[dc] = one
	}
	return s, nil
}

// Close ends the sessions.
func (s *Sessions) Close() {
	for _, one := range s.in {
		one.Close()
	}
}

func (s *Sessions) do(ctx context.Context, c latency.Cell, key int64, trace bool) (*latency.Trace, error) {
	session := s.in[c.Datacenter]
	table := cql.Quote(s.cfg.Keyspace) + "." + cql.Quote(s.cfg.Table)
	var q *gocql.Query
	value := make([]byte, s.cfg.ValueBytes)
	switch c.Op {
	case latency.OpRead:
		q = session.Query("SELECT value FROM "+table+" WHERE key = ?", key).PageSize(0)
	case latency.OpWrite:
		q = session.Query(fmt.Sprintf("INSERT INTO %s (key, value) VALUES (?, ?) USING TTL %d", table, ttl), key, value)
	default:
		q = session.Query(fmt.Sprintf("INSERT INTO %s (key, value) VALUES (?, ?) IF NOT EXISTS USING TTL %d", table, ttl), key, value)
	}
	if err := leveled(q, c); err != nil {
		return nil, err
	}
	q = q.WithContext(ctx)
	var id cql.TraceID
	if trace {
		q = q.Trace(&id)
	}
	if err := run(q, c.Op); err != nil || !trace {
		return nil, err
	}
	return s.trace(ctx, session, c, id)
}

// leveled sets the levels of an operation: of a transaction that of Paxos, and that of its
// commit, which is the same without Paxos.
func leveled(q *gocql.Query, c latency.Cell) error {
	switch {
	case c.Op == latency.OpLWT && c.Consistency == "SERIAL":
		q.SerialConsistency(gocql.Serial).Consistency(gocql.Quorum)
	case c.Op == latency.OpLWT:
		q.SerialConsistency(gocql.LocalSerial).Consistency(gocql.LocalQuorum)
	case c.Consistency == "SERIAL":
		q.Consistency(gocql.Consistency(gocql.Serial))
	case c.Consistency == "LOCAL_SERIAL":
		q.Consistency(gocql.Consistency(gocql.LocalSerial))
	default:
		level, err := gocql.ParseConsistencyWrapper(c.Consistency)
		if err != nil {
			return fmt.Errorf("consistency level %s: %w", c.Consistency, err)
		}
		q.Consistency(level)
	}
	return nil
}

func run(q *gocql.Query, op string) error {
	switch op {
	case latency.OpRead:
		var value []byte
		return q.Scan(&value)
	case latency.OpWrite:
		return q.Exec()
	}
	applied, err := q.MapScanCAS(map[string]any{})
	if err == nil && !applied {
		err = errNotApplied
	}
	return err
}

const (
	traceWait  = 10 * time.Second
	tracePoll  = 100 * time.Millisecond
	traceStill = 3 // looks that saw nothing new
)

// trace reads what the servers wrote down of a request. They write it after they have
// answered, each node its own part, and nothing says which is the last.
func (s *Sessions) trace(ctx context.Context, session *gocql.Session, c latency.Cell, id cql.TraceID) (*latency.Trace, error) {
	uuid, err := id.UUID()
	if err != nil {
		return nil, err
	}
	t := latency.Trace{Datacenter: c.Datacenter, Op: c.Op, Consistency: c.Consistency}
	var events []cql.TraceEvent
	still := 0
	for end := time.Now().Add(traceWait); time.Now().Before(end) && still < traceStill; {
		time.Sleep(tracePoll)
		coordinator, duration, err := cql.TraceSession(ctx, session, uuid)
		if err != nil || duration == nil {
			continue
		}
		t.Coordinator = coordinator
		ms := float64(*duration) / 1000
		t.Millis = &ms
		now, err := cql.TraceEvents(ctx, session, uuid)
		if err != nil {
			return nil, err
		}
		if len(now) == len(events) && len(now) > 0 {
			still++
		} else {
			still = 0
		}
		events = now
	}
	t.Answers = answers(t.Coordinator, events, s.cfg.Datacenter)
	return &t, nil
}

// received is how all releases say that a message has come: "Message received from /127.2.101.1"
// before 2.1, "REQUEST_RESPONSE message received from /127.2.101.1" and from 4.0 on
// "MUTATION_RSP message received from /127.2.101.1:7000".
var received = regexp.MustCompile(`(?i)message received from /?([0-9.]+[0-9])`)

// answers are those that a coordinator had, and its own. When the client has its answer the servers
// forget when the request came: of what follows they count from anew, so such times are none.
func answers(coordinator string, events []cql.TraceEvent, datacenter func(string) string) []latency.Answer {
	list := []latency.Answer{}
	own, last := false, 0
	for _, e := range events { // in the order of their times
		if e.Source != coordinator {
			continue
		}
		a := latency.Answer{}
		if 5*e.Micros >= 4*last { // threads note their lines a little out of order
			ms := float64(e.Micros) / 1000
			a.Millis = &ms
		}
		last = max(last, e.Micros)
		if m := received.FindStringSubmatch(e.Activity); m != nil {
			a.Address = m[1]
		} else if !own && (e.ReadsHere() || strings.HasPrefix(e.Activity, "Appending to commitlog")) {
			own = true
			a.Address = coordinator
		} else {
			continue
		}
		a.Datacenter = datacenter(a.Address)
		list = append(list, a)
	}
	return list
}
