package local

import (
	"testing"
	"time"

	"crossring/internal/topology"
)

// A fault of any kind that can't be put in force again is over, and not in force for ever.
func TestEveryFaultEnds(t *testing.T) {
	plan := topology.Plan{RTTMillis: new(float64(80))}
	for _, k := range topology.FaultKinds() {
		if k.Mend == "" {
			continue
		}
		f := Fault{Kind: k.Name, A: "east", RTT: time.Second, Amount: 1}
		if k.Pair {
			f.B = "west"
		}
		l := newFaultLog().note(f, plan, time.Unix(1, 0))
		if len(l.InForce) != 1 {
			t.Fatalf("%s: in force %v", k.Name, l.InForce)
		}
		l = l.without(l.InForce[0], time.Unix(2, 0))
		if len(l.InForce) != 0 || len(l.Past) != 1 || l.Past[0].Until == nil {
			t.Errorf("%s: in force %v, over %v", k.Name, l.InForce, l.Past)
		}
	}
}
