// Package recordtest makes raw results for tests, and reads them back.
package recordtest

import (
	"bytes"
	"testing"
	"time"

	"crossring/internal/topology"
	"crossring/stress/record"
)

// Mark begins raw results of this version.
const Mark = "xringrw\x01"

// Phase is a read that has everything in its description.
var Phase = record.Phase{
	Schema: topology.Schema, Op: record.OpRead, Start: time.UnixMicro(1_700_000_000_123_456).UTC(), Datacenter: "us-west-2",
	RunID: 1<<64 - 1, FirstKey: -3, Rows: 13, Keys: record.Keys{{First: -3, Rows: 12}, {First: 1 << 62, Rows: 1}}, ValueBytes: 2048, InFlight: 128, Consistency: "ONE", AcksKnown: true,
}

// Stream encodes records, flushing after each of the given counts.
func Stream(t testing.TB, p record.Phase, recs []record.Record, end *record.End, flushAt ...int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := record.NewWriter(&b, p)
	if err != nil {
		t.Fatal(err)
	}
	for i := range recs {
		for _, at := range flushAt {
			if at == i {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Add(&recs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if end == nil {
		err = w.Flush()
	} else {
		err = w.End(*end)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ReadAll reads records back, with the error that ended it.
func ReadAll(raw []byte) ([]record.Record, *record.Reader, error) {
	rd, err := record.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, err
	}
	var recs []record.Record
	for {
		var rec record.Record
		if err := rd.Next(&rec); err != nil {
			return recs, rd, err
		}
		recs = append(recs, rec)
	}
}

// WritePhase is a write of some rows.
func WritePhase(first, rows int64, start time.Time) record.Phase {
	return record.Phase{Schema: topology.Schema, Op: record.OpWrite, Start: start, Datacenter: "us-east", FirstKey: first, Rows: rows, InFlight: 64, Consistency: "ONE", ValueBytes: 2048}
}

// Writes makes one record a millisecond from the start on; row i takes i µs.
func Writes(first, rows int64) []record.Record {
	var recs []record.Record
	for i := range rows {
		recs = append(recs, record.Record{
			Key: first + i, Outcome: record.Acknowledged, Start: time.Duration(i) * time.Millisecond, Service: time.Duration(first+i) * time.Microsecond,
			Coordinator: "192.0.2.1", Lag: -1,
		})
	}
	return recs
}
