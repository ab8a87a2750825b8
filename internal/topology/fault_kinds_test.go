package topology

import (
	"slices"
	"strings"
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

// What is done to a server is undone by a command about that node.
func TestNodeFaultKindsEnd(t *testing.T) {
	want := map[string]string{FaultKill: "start lab:n1", FaultPause: "fault resume lab:n1"}
	for _, k := range NodeFaultKinds() {
		if found, ok := FaultKindOf(k.Name); !ok || !found.Node || found.Does != k.Does {
			t.Errorf("%s: found %+v", k.Name, found)
		}
		if k.Mend == "" {
			continue
		}
		f := NetworkFault{Kind: k.Name, A: "n1"}
		if got := strings.Join(f.Undo("lab", 80), " "); got != want[k.Name] {
			t.Errorf("%s is undone by %q, want %q", k.Name, got, want[k.Name])
		}
		if got := f.String(); got != k.Name+" n1" {
			t.Errorf("%s is called %q", k.Name, got)
		}
		delete(want, k.Name)
	}
	if len(want) > 0 {
		t.Errorf("no kinds %v", want)
	}
}
