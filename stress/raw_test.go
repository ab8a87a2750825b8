package stress

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

var testPhase = Phase{
	Schema: schema, Op: OpRead, Start: time.UnixMicro(1_700_000_000_123_456).UTC(), Datacenter: "us-west-2",
	RunID: 1<<64 - 1, FirstKey: -3, Rows: 13, Keys: Keys{{-3, 12}, {1 << 62, 1}}, ValueBytes: 2048, InFlight: 128, Consistency: "ONE", AcksKnown: true,
}

// stream encodes records, flushing after each of the given counts.
func stream(t testing.TB, p Phase, recs []Record, end *End, flushAt ...int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := newRawWriter(&b, p)
	if err != nil {
		t.Fatal(err)
	}
	for i := range recs {
		for _, at := range flushAt {
			if at == i {
				if err := w.flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.add(&recs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if end == nil {
		err = w.flush()
	} else {
		err = w.end(*end)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readAll(raw []byte) ([]Record, *Reader, error) {
	rd, err := NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, err
	}
	var recs []Record
	for {
		var rec Record
		if err := rd.Next(&rec); err != nil {
			return recs, rd, err
		}
		recs = append(recs, rec)
	}
}

var testRecords = []Record{
	{Key: 5, Outcome: Found, Start: micros(10), Service: micros(200), Coordinator: "192.0.2.1", Lag: -1},
	{Key: 7, Outcome: Wrong, Start: micros(2), Service: micros(9), Coordinator: "192.0.2.1", Class: "stale_run", Example: "key 7", Lag: -1, Written: Unknown},
	{Key: -3, Outcome: Missing, Start: micros(3), Service: 0, Coordinator: "192.0.2.2", Lag: -1, Written: Acknowledged},
	{Key: 1 << 62, Outcome: Failed, Start: micros(1 << 40), Service: micros(1 << 35), Delay: micros(77), Class: "no_connection", Example: "gocql: none", Lag: -1},
	{Key: -3, Attempt: 1, Outcome: Missing, Start: micros(70), Service: micros(1), Coordinator: "192.0.2.1", Lag: -1},
	{Key: 6, Outcome: Failed, Start: micros(80), Coordinator: "192.0.2.1", Class: "no_connection", Example: "gocql: none", Lag: -1},
	{Key: -3, Attempt: 300, Outcome: Found, Start: micros(90), Service: micros(1), Coordinator: "192.0.2.2", Lag: 0},
	{Key: 7, Attempt: 1, Outcome: Found, Start: micros(91), Service: micros(1), Coordinator: "192.0.2.2", Lag: micros(12345)},
	{Key: 8, Outcome: Wrong, Start: micros(92), Service: micros(1), Coordinator: "192.0.2.2", Class: "corrupt", Example: "key 8", Lag: -1},
}

func TestRawRoundTrip(t *testing.T) {
	end := End{Seconds: 1.5, CPUMicros: 99, Cores: 2, Interrupted: true, LateStarts: 1, MaxLagMicros: 2, NotAwaited: 3}
	for _, flushAt := range [][]int{nil, {1}, {1, 2, 3, 4, 5, 6, 7, 8}} {
		recs, rd, err := readAll(stream(t, testPhase, testRecords, &end, flushAt...))
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(recs, testRecords) {
			t.Errorf("flushed at %v:\n got %+v\nwant %+v", flushAt, recs, testRecords)
		}
		if !reflect.DeepEqual(rd.Phase(), testPhase) || rd.End() == nil || *rd.End() != end {
			t.Errorf("phase %+v, end %+v", rd.Phase(), rd.End())
		}
	}
}

func TestRawRoundTripRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var recs []Record
	for range 20_000 { // several blocks
		r := Record{
			Key: rng.Int64N(1<<40) - 1<<39, Outcome: Outcome(1 + rng.IntN(6)), Start: micros(rng.Int64N(1 << 40)),
			Service: micros(rng.Int64N(1 << 30)), Coordinator: []string{"", "a", "b"}[rng.IntN(3)], Lag: -1,
		}
		if rng.IntN(2) == 0 {
			r.Delay = micros(rng.Int64N(1 << 20))
		}
		if rng.IntN(2) == 0 {
			r.Attempt = rng.IntN(1000)
		}
		if r.Attempt > 0 && r.Outcome == Found {
			r.Lag = micros(rng.Int64N(1 << 30))
		}
		recs = append(recs, r)
	}
	got, _, err := readAll(stream(t, testPhase, recs, &End{}))
	if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, recs) {
		t.Errorf("%d of %d records come back the same, %v", len(got), len(recs), err)
	}
}

// Wherever the results break off, the blocks before are read and the break is
// reported.
func TestRawTruncated(t *testing.T) {
	raw := stream(t, testPhase, testRecords, &End{}, 3, 6)
	counts := map[int]bool{}
	for cut := len(rawMark); cut < len(raw); cut++ {
		recs, rd, err := readAll(raw[:cut])
		var broken *TruncatedError
		if !errors.As(err, &broken) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if rd == nil {
			continue
		}
		if len(recs) > len(testRecords) || len(recs) > 0 && !reflect.DeepEqual(recs, testRecords[:len(recs)]) {
			t.Fatalf("cut at %d: %+v", cut, recs)
		}
		if rd.End() != nil {
			t.Fatalf("cut at %d: there is an end", cut)
		}
		counts[len(recs)] = true
		f, err := FoldRead(bytes.NewReader(raw[:cut]))
		if err != nil || !f.Interrupted || len(f.Warnings) == 0 {
			t.Fatalf("cut at %d: %+v, %v", cut, f, err)
		}
	}
	if want := map[int]bool{0: true, 3: true, 6: true, 9: true}; !reflect.DeepEqual(counts, want) {
		t.Errorf("records read: %v, want %v", counts, want)
	}
	for cut := range len(rawMark) {
		if _, _, err := readAll(raw[:cut]); !errors.Is(err, ErrNotRaw) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

// A damaged byte ends the reading; it never changes a record.
func TestRawDamaged(t *testing.T) {
	raw := stream(t, testPhase, testRecords, &End{}, 3, 6)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 0x10
		recs, _, err := readAll(bad)
		if err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("byte %d may change unnoticed: %v", i, err)
		}
		if len(recs) > 0 && !reflect.DeepEqual(recs, testRecords[:len(recs)]) {
			t.Fatalf("byte %d: %+v", i, recs)
		}
	}
}

func TestRawIsSmall(t *testing.T) {
	var recs []Record
	for i := range 10_000 {
		recs = append(recs, Record{Key: int64(i), Outcome: Acknowledged, Start: micros(int64(i) * 50), Service: micros(4000), Coordinator: "a", Lag: -1})
	}
	p := testPhase
	p.Op = OpWrite
	if n := len(stream(t, p, recs, &End{})); n > 7*len(recs) {
		t.Errorf("%d bytes for %d records", n, len(recs))
	}
}

func FuzzReader(f *testing.F) {
	raw := stream(f, testPhase, testRecords, &End{}, 3)
	f.Add(raw)
	f.Add(raw[:len(raw)-5])
	f.Add([]byte(rawMark))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _, err := readAll(raw)
		if err == nil {
			t.Fatal("reading never ends in nil")
		}
		// What can be read can be folded, and adds up.
		if s, err := FoldRead(bytes.NewReader(raw)); err == nil {
			if sum := s.Found + s.Missing + s.Wrong + s.Failed; sum > s.Rows {
				t.Fatalf("%+v", s)
			}
		}
		_, _ = LoadAcks(bytes.NewReader(raw))
	})
}

// FuzzRecords feeds record blocks whose checksum holds.
func FuzzRecords(f *testing.F) {
	raw := stream(f, testPhase, testRecords, nil)
	at := bytes.Index(raw, []byte("192.0.2.1")) - 4
	f.Add(raw[at:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		var b bytes.Buffer
		w, err := newRawWriter(&b, testPhase)
		if err != nil {
			t.Fatal(err)
		}
		w.block = append(w.block, payload...)
		if err := w.end(End{}); err != nil {
			return // longer than a block
		}
		if _, _, err := readAll(b.Bytes()); err == nil {
			t.Fatal("reading never ends in nil")
		}
	})
}
