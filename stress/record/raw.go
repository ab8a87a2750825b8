// Package record is what a phase leaves of every attempt: the raw results, as they are
// written and read back, with the keys and values that they are about. Everything that is
// said of rows is made from them later; see stress/results.
package record

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"
)

// The raw results of a phase are a stream of blocks behind an eight-byte mark,
// whose last byte is the version of the format. A block is its length and its
// CRC-32C (four bytes each, little endian) and a payload: the Phase as JSON, any
// number of record blocks, and the End as JSON. Numbers in records are varints;
// key and start are differences to the record before, and each block starts
// anew, so that a stream that breaks off loses its last block only.
const rawMark = "xringrw\x01"

const (
	blockPhase   = 'P'
	blockRecords = 'R'
	blockEnd     = 'E'

	blockHead = 8
	blockFull = 32 << 10 // a record block is written out at this size
	blockMax  = 1 << 24  // longer is damage
)

// The first byte of a record: the outcome, and which optional fields follow. An
// outcome of zero is a definition of a name that later records refer to.
const (
	tagOutcome  = 0x07
	tagDelay    = 0x08
	tagClass    = 0x10
	tagAttempt  = 0x20
	tagExtra    = 0x40
	defineHost  = 'H'
	defineClass = 'C'
)

// Phase heads the raw results: what was asked for.
type Phase struct {
	Schema     string    `json:"schema"`
	Op         string    `json:"op"`
	Start      time.Time `json:"start"` // record times count from here
	Datacenter string    `json:"datacenter"`
	Keyspace   string    `json:"keyspace"`
	Table      string    `json:"table"`
	RunID      uint64    `json:"run_id,string"`
	FirstKey   int64     `json:"first_key"`
	Rows       int64     `json:"rows"`
	// Keys are there where they are not the Rows ones from FirstKey on.
	Keys Keys `json:"keys,omitempty"`
	// Parts and RowsInAll are of the whole operation, of which this is the part of
	// one loader; 0 in results of before they were noted.
	Parts       int     `json:"parts,omitempty"`
	RowsInAll   int64   `json:"rows_in_all,omitempty"`
	ValueBytes  int     `json:"value_bytes"`
	InFlight    int     `json:"in_flight"`
	Rate        float64 `json:"rate"` // per second; 0 is a closed loop
	Consistency string  `json:"consistency"`
	// MissingDeadlineSeconds is how long a missing row was asked for again.
	MissingDeadlineSeconds float64 `json:"missing_deadline_seconds"`
	// AcksKnown: the read knew what had become of each write.
	AcksKnown bool `json:"acks_known"`
	// ReadAfterSeconds is how long after its acknowledgement each row was to be read, beside
	// the write; Record.Delay is how much later it was. nil: the write had ended before.
	ReadAfterSeconds *float64 `json:"read_after_seconds,omitempty"`
}

// Asked are the keys that were asked for.
func (p Phase) Asked() Keys {
	if len(p.Keys) > 0 {
		return p.Keys
	}
	return Keys{{p.FirstKey, p.Rows}}
}

// End closes the raw results: what only the whole phase can tell.
type End struct {
	Seconds     float64 `json:"seconds"`    // the whole phase, waits for missing rows included
	CPUMicros   int64   `json:"cpu_micros"` // of this process, user and system
	Cores       int     `json:"cores"`      // that this process may use
	Interrupted bool    `json:"interrupted"`
	// LateStarts counts operations of an open loop that were due while every
	// worker was busy; MaxLagMicros is the longest that one was late.
	LateStarts   int64 `json:"late_starts"`
	MaxLagMicros int64 `json:"max_lag_micros"`
	// NotAwaited counts missing rows that were given up before their deadline.
	NotAwaited int64 `json:"not_awaited"`
	// Followed is how many rows a read beside a write was to read: those acknowledged. 0 of
	// other phases.
	Followed int64 `json:"followed,omitempty"`
	// Connections is missing in results of before they were counted.
	Connections *Connections `json:"connections,omitempty"`
}

// Record is one attempt.
type Record struct {
	Key     int64
	Attempt int // 0 is the first
	Outcome Outcome
	Start   time.Duration // since Phase.Start, in whole microseconds like all times here
	Service time.Duration // from start to answer
	// Delay is from the intended start to the actual one, in an open loop and in a read that
	// follows a write.
	Delay       time.Duration
	Coordinator string // broadcast address; empty if the request reached none
	Class       string // of the error, or of what is wrong with the value
	Example     string // the first error of the class, in full
	// Lag is from the acknowledgement of the write to this sight of a row that
	// was missing at first; negative if it is not known.
	Lag time.Duration
	// Written is the outcome of the write of a row that is missing at the first
	// read, or another run's; 0 if it is not known.
	Written Outcome
}

// Stale says that the row of an earlier run came: this run's may still be on its way.
func (r *Record) Stale() bool { return r.Outcome == Wrong && r.Class == ValueStale.String() }

// Unseen says that the row that was looked for did not come, and may yet.
func (r *Record) Unseen() bool { return r.Outcome == Missing || r.Stale() }

// Writer encodes records. It may be used from many goroutines.
type Writer struct {
	mu      sync.Mutex
	w       io.Writer
	block   []byte // head, kind and records so far
	key     int64  // of the last record
	start   int64  // of the last record, µs
	hosts   map[string]uint64
	classes map[string]uint64
	err     error // the first; later records are dropped
}

// NewWriter begins raw results with what was asked for.
func NewWriter(w io.Writer, p Phase) (*Writer, error) {
	rw := &Writer{w: w, hosts: map[string]uint64{"": 0}, classes: map[string]uint64{}}
	if _, err := io.WriteString(w, rawMark); err != nil {
		return nil, fmt.Errorf("writing raw results: %w", err)
	}
	if err := rw.document(blockPhase, p); err != nil {
		return nil, err
	}
	rw.fresh()
	return rw, nil
}

func (rw *Writer) fresh() {
	rw.block = append(rw.block[:0], 0, 0, 0, 0, 0, 0, 0, 0, blockRecords)
	rw.key, rw.start = 0, 0
}

// Add records an attempt. After an error it drops all and gives the same error.
func (rw *Writer) Add(r *Record) error {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	if rw.err != nil {
		return rw.err
	}
	host, ok := rw.hosts[r.Coordinator]
	if !ok {
		host = uint64(len(rw.hosts))
		rw.hosts[r.Coordinator] = host
		rw.block = append(rw.block, 0, defineHost)
		rw.block = appendString(rw.block, r.Coordinator)
	}
	tag := byte(r.Outcome)
	var class uint64
	if r.Class != "" {
		tag |= tagClass
		if class, ok = rw.classes[r.Class]; !ok {
			class = uint64(len(rw.classes))
			rw.classes[r.Class] = class
			rw.block = append(rw.block, 0, defineClass)
			rw.block = appendString(rw.block, r.Class)
			rw.block = appendString(rw.block, r.Example)
		}
	}
	var extra uint64
	switch {
	case r.Attempt > 0 && r.Outcome == Found && r.Lag >= 0:
		tag |= tagExtra
		extra = uint64(r.Lag.Microseconds())
	case r.Attempt == 0 && r.Unseen() && r.Written != 0:
		tag |= tagExtra
		extra = uint64(r.Written)
	}
	if r.Delay > 0 {
		tag |= tagDelay
	}
	if r.Attempt > 0 {
		tag |= tagAttempt
	}
	start := r.Start.Microseconds()
	b := append(rw.block, tag)
	b = binary.AppendVarint(b, r.Key-rw.key)
	b = binary.AppendVarint(b, start-rw.start)
	b = binary.AppendUvarint(b, uint64(max(0, r.Service.Microseconds())))
	b = binary.AppendUvarint(b, host)
	if tag&tagDelay != 0 {
		b = binary.AppendUvarint(b, uint64(r.Delay.Microseconds()))
	}
	if tag&tagClass != 0 {
		b = binary.AppendUvarint(b, class)
	}
	if tag&tagAttempt != 0 {
		b = binary.AppendUvarint(b, uint64(r.Attempt))
	}
	if tag&tagExtra != 0 {
		b = binary.AppendUvarint(b, extra)
	}
	rw.block, rw.key, rw.start = b, r.Key, start
	if len(b) >= blockFull {
		return rw.flushLocked()
	}
	return nil
}

// Flush writes out what has been gathered.
func (rw *Writer) Flush() error {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	return rw.flushLocked()
}

func (rw *Writer) flushLocked() error {
	if rw.err != nil || len(rw.block) <= blockHead+1 {
		return rw.err
	}
	if rw.err = writeBlock(rw.w, rw.block); rw.err != nil {
		rw.err = fmt.Errorf("writing raw results: %w", rw.err)
	}
	rw.fresh()
	return rw.err
}

// End closes the results.
func (rw *Writer) End(e End) error {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	if err := rw.flushLocked(); err != nil {
		return err
	}
	return rw.document(blockEnd, e)
}

func (rw *Writer) document(kind byte, v any) error {
	doc, err := json.Marshal(v)
	if err == nil {
		err = writeBlock(rw.w, append([]byte{0, 0, 0, 0, 0, 0, 0, 0, kind}, doc...))
	}
	if err != nil {
		return fmt.Errorf("writing raw results: %w", err)
	}
	return nil
}

// writeBlock fills the head of a block in and writes it at once.
func writeBlock(w io.Writer, b []byte) error {
	binary.LittleEndian.PutUint32(b, uint32(len(b)-blockHead))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[blockHead:], castagnoli))
	_, err := w.Write(b)
	return err
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
