// Package live asks single replicas what they themselves have of a row.
package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
	"time"

	"crossring/internal/cql"
	"crossring/internal/pause"
	"crossring/internal/verify"

	"github.com/gocql/gocql"
)

const (
	// inFlight is how many rows one node is asked for at once. A traced read costs a server
	// some ten writes.
	inFlight  = 8
	openWait  = 10 * time.Second
	lookWait  = 5 * time.Second
	traceWait = 10 * time.Second
	// tries is how often a read is made again that was not the replica's own, or whose trace
	// was not there in time.
	tries = 4
)

// Node is one that is asked.
type Node struct {
	// Endpoint is this node alone; Addresses has one.
	Endpoint cql.Endpoint
	// Addresses are those by which it calls itself in its traces.
	Addresses       []string
	Keyspace, Table string
}

// Look asks a node for rows, and calls see with what it has of each, from one goroutine at a
// time. right says whether bytes are those of a key.
//
// A node has rows of its own and, as the coordinator of a read at ONE, may ask another replica
// instead of itself, where its snitch thinks that one faster. So each read is traced, and is
// believed only when the trace has the node read its own disk and ask nobody.
func Look(ctx context.Context, n Node, keys []int64, right func(key int64, value []byte) bool, see func(key int64, has string)) {
	open, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	e := n.Endpoint
	e.Datacenter, e.Keyspace, e.InFlight = "", "", inFlight
	e.ConnectTimeout, e.Timeout = openWait, lookWait
	e.Release.NoHostLookup = true // this node alone, whatever it knows of others
	s, err := cql.Open(open, e)
	if err != nil {
		for _, key := range keys {
			see(key, verify.Unreachable)
		}
		return
	}
	defer s.Close()
	next := make(chan int64)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range min(inFlight, len(keys)) {
		all.Go(func() {
			for key := range next {
				has := verify.Unreachable
				if ctx.Err() == nil {
					has = n.look(ctx, s, key, right)
				}
				mu.Lock()
				see(key, has)
				mu.Unlock()
			}
		})
	}
	for _, key := range keys {
		next <- key
	}
	close(next)
	all.Wait()
}

func (n Node) look(ctx context.Context, s *gocql.Session, key int64, right func(int64, []byte) bool) string {
	query := fmt.Sprintf("SELECT value FROM %s.%s WHERE key = ?", cql.Quote(n.Keyspace), cql.Quote(n.Table))
	for range tries {
		var id cql.TraceID
		var value []byte
		asked, cancel := context.WithTimeout(ctx, lookWait)
		err := s.Query(query, key).Consistency(gocql.One).PageSize(0).WithContext(asked).Trace(&id).Scan(&value)
		cancel()
		if err != nil && !errors.Is(err, gocql.ErrNotFound) {
			continue
		}
		if !n.byItself(ctx, s, id) {
			continue
		}
		switch {
		case err != nil:
			return verify.Absent
		case right(key, value):
			return verify.Present
		}
		return verify.Other
	}
	return verify.Unreachable
}

// byItself waits for the trace of a read, and says whether the node's own disk answered it.
func (n Node) byItself(ctx context.Context, s *gocql.Session, id cql.TraceID) bool {
	uuid, err := id.UUID()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, traceWait)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		if !pause.For(ctx, wait+rand.N(wait)) {
			return false
		}
		if _, micros, err := cql.TraceSession(ctx, s, uuid); err != nil || micros == nil {
			continue
		}
		if events, err := cql.TraceEvents(ctx, s, uuid); err == nil {
			if own, others := reads(events, n.Addresses); others {
				return false
			} else if own {
				return true
			}
		}
	}
}

// asks is how all releases say that a coordinator asks another replica: "Sending message to
// /127.2.102.1" before 2.1, "Sending READ message to …" and from 3.0 on "Sending READ_REQ
// message to …", which is also "reading data from …" and "speculating read retry on …".
var asks = regexp.MustCompile(`(?i)^(sending .*message to |(enqueuing .*)?(data|digest) request to |reading (data|digest) from [/0-9a-f]|speculating)`)

// reads says whether the lines of a trace have the node read its own disk, and whether others
// had a part in the read.
func reads(events []cql.TraceEvent, node []string) (own, others bool) {
	for _, e := range events {
		here := false
		for _, a := range node {
			here = here || e.Source == a
		}
		switch {
		case !here || asks.MatchString(e.Activity):
			others = true
		case e.ReadsHere():
			own = true
		}
	}
	return own, others
}
