package record

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// FuzzRecords feeds record blocks whose checksum holds.
func FuzzRecords(f *testing.F) {
	w, err := NewWriter(&bytes.Buffer{}, Phase{Op: OpRead})
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range []Record{
		{Key: 5, Outcome: Found, Start: time.Second, Service: time.Millisecond, Coordinator: "192.0.2.1", Lag: -1},
		{Key: 7, Outcome: Wrong, Coordinator: "192.0.2.1", Class: "stale_run", Example: "key 7", Lag: -1, Written: Unknown},
		{Key: -3, Outcome: Missing, Coordinator: "192.0.2.2", Lag: -1, Written: Acknowledged},
		{Key: -3, Attempt: 300, Outcome: Found, Start: time.Minute, Delay: time.Second, Coordinator: "192.0.2.2"},
	} {
		if err := w.Add(&r); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(slices.Clone(w.block[blockHead+1:]))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var b bytes.Buffer
		w, err := NewWriter(&b, Phase{Op: OpRead})
		if err != nil {
			t.Fatal(err)
		}
		w.block = append(w.block, payload...)
		if err := w.End(End{}); err != nil {
			return // longer than a block
		}
		rd, err := NewReader(&b)
		for err == nil {
			var rec Record
			err = rd.Next(&rec)
		}
	})
}
