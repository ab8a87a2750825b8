package record_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"crossring/stress/record"
	"crossring/stress/record/recordtest"
)

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

var testRecords = []record.Record{
	{Key: 5, Outcome: record.Found, Start: micros(10), Service: micros(200), Coordinator: "192.0.2.1", Lag: -1},
	{Key: 7, Outcome: record.Wrong, Start: micros(2), Service: micros(9), Coordinator: "192.0.2.1", Class: "stale_run", Example: "key 7", Lag: -1, Written: record.Unknown},
	{Key: -3, Outcome: record.Missing, Start: micros(3), Service: 0, Coordinator: "192.0.2.2", Lag: -1, Written: record.Acknowledged},
	{Key: 1 << 62, Outcome: record.Failed, Start: micros(1 << 40), Service: micros(1 << 35), Delay: micros(77), Class: "no_connection", Example: "gocql: none", Lag: -1},
	{Key: -3, Attempt: 1, Outcome: record.Missing, Start: micros(70), Service: micros(1), Coordinator: "192.0.2.1", Lag: -1},
	{Key: 6, Outcome: record.Failed, Start: micros(80), Coordinator: "192.0.2.1", Class: "no_connection", Example: "gocql: none", Lag: -1},
	{Key: -3, Attempt: 300, Outcome: record.Found, Start: micros(90), Service: micros(1), Coordinator: "192.0.2.2", Lag: 0},
	{Key: 7, Attempt: 1, Outcome: record.Found, Start: micros(91), Service: micros(1), Coordinator: "192.0.2.2", Lag: micros(12345)},
	{Key: 8, Outcome: record.Wrong, Start: micros(92), Service: micros(1), Coordinator: "192.0.2.2", Class: "corrupt", Example: "key 8", Lag: -1},
}

func TestRawRoundTrip(t *testing.T) {
	end := record.End{Seconds: 1.5, CPUMicros: 99, Cores: 2, Interrupted: true, LateStarts: 1, MaxLagMicros: 2, NotAwaited: 3}
	for _, flushAt := range [][]int{nil, {1}, {1, 2, 3, 4, 5, 6, 7, 8}} {
		recs, rd, err := recordtest.ReadAll(recordtest.Stream(t, recordtest.Phase, testRecords, &end, flushAt...))
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(recs, testRecords) {
			t.Errorf("flushed at %v:\n got %+v\nwant %+v", flushAt, recs, testRecords)
		}
		if !reflect.DeepEqual(rd.Phase(), recordtest.Phase) || rd.End() == nil || *rd.End() != end {
			t.Errorf("phase %+v, end %+v", rd.Phase(), rd.End())
		}
	}
}

func TestRawRoundTripRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var recs []record.Record
	for range 20_000 { // several blocks
		r := record.Record{
			Key: rng.Int64N(1<<40) - 1<<39, Outcome: record.Outcome(1 + rng.IntN(6)), Start: micros(rng.Int64N(1 << 40)),
			Service: micros(rng.Int64N(1 << 30)), Coordinator: []string{"", "a", "b"}[rng.IntN(3)], Lag: -1,
		}
		if rng.IntN(2) == 0 {
			r.Delay = micros(rng.Int64N(1 << 20))
		}
		if rng.IntN(2) == 0 {
			r.Attempt = rng.IntN(1000)
		}
		if r.Attempt > 0 && r.Outcome == record.Found {
			r.Lag = micros(rng.Int64N(1 << 30))
		}
		recs = append(recs, r)
	}
	got, _, err := recordtest.ReadAll(recordtest.Stream(t, recordtest.Phase, recs, &record.End{}))
	if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, recs) {
		t.Errorf("%d of %d records come back the same, %v", len(got), len(recs), err)
	}
}

// Wherever the results break off, the blocks before are read and the break is
// reported.
func TestRawTruncated(t *testing.T) {
	raw := recordtest.Stream(t, recordtest.Phase, testRecords, &record.End{}, 3, 6)
	counts := map[int]bool{}
	for cut := len(recordtest.Mark); cut < len(raw); cut++ {
		recs, rd, err := recordtest.ReadAll(raw[:cut])
		var broken *record.TruncatedError
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
	}
	if want := map[int]bool{0: true, 3: true, 6: true, 9: true}; !reflect.DeepEqual(counts, want) {
		t.Errorf("records read: %v, want %v", counts, want)
	}
	for cut := range len(recordtest.Mark) {
		if _, _, err := recordtest.ReadAll(raw[:cut]); !errors.Is(err, record.ErrNotRaw) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

// A damaged byte ends the reading; it never changes a record.
func TestRawDamaged(t *testing.T) {
	raw := recordtest.Stream(t, recordtest.Phase, testRecords, &record.End{}, 3, 6)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 0x10
		recs, _, err := recordtest.ReadAll(bad)
		if err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("byte %d may change unnoticed: %v", i, err)
		}
		if len(recs) > 0 && !reflect.DeepEqual(recs, testRecords[:len(recs)]) {
			t.Fatalf("byte %d: %+v", i, recs)
		}
	}
}

func TestRawIsSmall(t *testing.T) {
	var recs []record.Record
	for i := range 10_000 {
		recs = append(recs, record.Record{Key: int64(i), Outcome: record.Acknowledged, Start: micros(int64(i) * 50), Service: micros(4000), Coordinator: "a", Lag: -1})
	}
	p := recordtest.Phase
	p.Op = record.OpWrite
	if n := len(recordtest.Stream(t, p, recs, &record.End{})); n > 7*len(recs) {
		t.Errorf("%d bytes for %d records", n, len(recs))
	}
}

func FuzzReader(f *testing.F) {
	raw := recordtest.Stream(f, recordtest.Phase, testRecords, &record.End{}, 3)
	f.Add(raw)
	f.Add(raw[:len(raw)-5])
	f.Add([]byte(recordtest.Mark))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _, err := recordtest.ReadAll(raw)
		if err == nil {
			t.Fatal("reading never ends in nil")
		}
		_, _ = record.LoadAcks(bytes.NewReader(raw))
	})
}
