package results

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"crossring/stress/record"
	"crossring/stress/record/recordtest"
)

// reads are those of some rows with every outcome, and one that was found later.
func mixedReads() []record.Record {
	return []record.Record{
		ended(0, record.Found), ended(1, record.Missing), staleRow(2), ended(3, record.Failed), ended(4, record.Wrong),
		later(ended(1, record.Missing), 1), later(ended(2, record.Found), 1), later(ended(1, record.Found), 2), ended(5, record.Found),
	}
}

// Wherever results break off, they are summed up as far as they go, and the break is said.
func TestFoldOfResultsThatBreakOff(t *testing.T) {
	raw := recordtest.Stream(t, readPhase(0, 6), mixedReads(), &record.End{}, 3, 6)
	seen := map[int64]bool{}
	for cut := range len(raw) {
		s, err := FoldRead(bytes.NewReader(raw[:cut]))
		var broken *record.TruncatedError
		if errors.Is(err, record.ErrNotRaw) || errors.As(err, &broken) {
			continue // it does not say what it is of
		}
		if err != nil || !s.Interrupted || len(s.Warnings) == 0 {
			t.Fatalf("cut at %d: %+v, %v", cut, s, err)
		}
		seen[s.Rows] = true
	}
	for _, rows := range []int64{0, 3, 5, 6} {
		if !seen[rows] {
			t.Errorf("never cut where %d rows are on record", rows)
		}
	}
}

// What can be read can be folded, and adds up.
func FuzzFold(f *testing.F) {
	raw := recordtest.Stream(f, readPhase(0, 6), mixedReads(), &record.End{Seconds: time.Second.Seconds()}, 3)
	f.Add(raw)
	f.Add(raw[:len(raw)-5])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := FoldRead(bytes.NewReader(raw)); err == nil {
			if sum := s.Found + s.Missing + s.Wrong + s.Failed; sum > s.Rows {
				t.Fatalf("%+v", s)
			}
		}
		_, _ = FoldWrite(bytes.NewReader(raw))
	})
}
