package topology

import (
	"slices"
	"testing"
)

// Whatever begins a fault names what ends it, and that is a kind, too, which says so.
func TestFaultKindsEnd(t *testing.T) {
	for _, k := range FaultKinds() {
		if found, ok := FaultKindOf(k.Name); !ok || found.Does != k.Does || k.Does == "" {
			t.Errorf("%s: found %+v", k.Name, found)
		}
		if k.Mend == "" {
			continue
		}
		if !slices.Contains(k.Ends, k.Name) {
			t.Errorf("%s twice is two faults", k.Name)
		}
		end, ok := FaultKindOf(k.Mend)
		if !ok || !slices.Contains(end.Ends, k.Name) || end.Pair != k.Pair || end.RTT != k.RTT || (k.Take != nil) == k.Cuts && !k.RTT {
			t.Errorf("%s is ended by %+v", k.Name, end)
		}
		f := NetworkFault{Kind: k.Name, A: "a"}
		if k.Pair {
			f.B = "b"
		}
		if words := f.Undo("lab", 80); words[1] != k.Mend || slices.Contains(words, "b") != k.Pair || slices.Contains(words, "80ms") != k.RTT {
			t.Errorf("%s is undone by %q", k.Name, words)
		}
	}
}
