package wan

import (
	"testing"
	"time"

	"crossring/internal/topology"
)

// Every kind of fault that there is can be made, and no other.
func TestEveryKindOfFaultIsMade(t *testing.T) {
	w := &WAN{}
	changes := w.changes()
	for _, k := range topology.FaultKinds() {
		if changes[k.Name] == nil {
			t.Errorf("%s can't be made", k.Name)
		}
	}
	if len(changes) != len(topology.FaultKinds()) {
		t.Errorf("%d are made, and there are %d", len(changes), len(topology.FaultKinds()))
	}
	if err := w.Apply(Change{Kind: "earthquake", A: "east", B: "west", RTT: time.Second}); err == nil {
		t.Error("a kind that there is not was made")
	}
}
