package meanwhile

import (
	"slices"
	"testing"
)

func TestTable(t *testing.T) {
	n := func(v float64) *float64 { return &v }
	rows, missing := Table([]Server{
		{Name: "a", StepSeconds: 2, Seconds: []Second{
			{CPU: n(0.5), GCMillis: n(3), HeapBytes: n(2e6), HintsStored: n(1.5), Dropped: n(0), PendingWrites: n(7)},
			{T: 2, CPU: n(1.5), GCMillis: nil, HeapBytes: n(5e6), HintsStored: n(0), Dropped: n(4), CoordinatorWrite: n(1.25), PendingWrites: n(3)},
		}},
		{Name: "b", Missing: "it was out of order"},
	})
	want := []string{"a", "1.00", "1.50", "3.0", "5 MB", "-", "7", "-", "3", "-", "8", "1.25", "-"}
	if len(rows) != 2 || len(rows[0]) != len(want) || !slices.Equal(rows[1], want) {
		t.Errorf("%q", rows)
	}
	if len(missing) != 1 || missing[0] != "b: it was out of order" {
		t.Errorf("%q", missing)
	}
	if rows, missing := Table(nil); rows != nil || missing != nil {
		t.Errorf("of nobody: %q, %q", rows, missing)
	}
}
