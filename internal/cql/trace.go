package cql

import (
	"context"
	"fmt"
	"strings"

	"github.com/gocql/gocql"
)

// TraceID is what the driver hands over of a traced request.
type TraceID []byte

// Trace is for the driver.
func (t *TraceID) Trace(id []byte) { *t = append([]byte{}, id...) }

// UUID is the key of its rows.
func (t TraceID) UUID() (gocql.UUID, error) {
	id, err := gocql.UUIDFromBytes(t)
	if err != nil {
		return id, fmt.Errorf("the id of a trace: %w", err)
	}
	return id, nil
}

// TraceEvent is a line of a trace.
type TraceEvent struct {
	Activity, Source string
	Micros           int
}

// ReadsHere says that a line is of a server that reads a row from its own disk.
func (e TraceEvent) ReadsHere() bool {
	return strings.HasPrefix(e.Activity, "Executing single-partition query")
}

// TraceSession is the coordinator of a trace, and how long it took by its clock, in µs. nil is
// that the server has not written that yet: it comes after all other lines of the coordinator's.
func TraceSession(ctx context.Context, s *gocql.Session, id gocql.UUID) (coordinator string, micros *int, err error) {
	err = s.Query("SELECT coordinator, duration FROM system_traces.sessions WHERE session_id = ?", id).
		WithContext(ctx).Consistency(gocql.One).Scan(&coordinator, &micros)
	if err != nil {
		return "", nil, fmt.Errorf("reading a trace: %w", err)
	}
	return coordinator, micros, nil
}

// TraceEvents are the lines of a trace that are written so far, in the order of their times.
func TraceEvents(ctx context.Context, s *gocql.Session, id gocql.UUID) ([]TraceEvent, error) {
	iter := s.Query("SELECT activity, source, source_elapsed FROM system_traces.events WHERE session_id = ?", id).
		WithContext(ctx).Consistency(gocql.One).Iter()
	var list []TraceEvent
	var e TraceEvent
	for iter.Scan(&e.Activity, &e.Source, &e.Micros) {
		list = append(list, e)
	}
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("reading a trace: %w", err)
	}
	return list, nil
}
