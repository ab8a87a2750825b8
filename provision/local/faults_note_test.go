package local

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"crossring/internal/topology"
)

func wordsOf(faults []topology.NetworkFault) string {
	var all []string
	for _, f := range faults {
		all = append(all, f.String())
	}
	return strings.Join(all, ", ")
}

func TestFaultsOfDirections(t *testing.T) {
	plan := topology.Plan{RTTMillis: new(float64(80)), Ways: map[string]topology.Way{"a -> b": {DelayMillis: 60, LossPercent: 1}, "b -> a": {DelayMillis: 20}}}
	loss := func(a, b string, percent float64, oneWay bool) Fault {
		return Fault{Kind: topology.FaultLoss, A: a, B: b, Amount: percent, OneWay: oneWay}
	}
	for _, tt := range []struct {
		name    string
		changes []Fault
		want    string
	}{
		{"both", []Fault{loss("b", "a", 2, false)}, "loss a - b 2 %"},
		{"one", []Fault{loss("b", "a", 2, true)}, "loss b -> a 2 %"},
		{"both and one", []Fault{loss("b", "a", 2, false), loss("b", "a", 5, true)}, "loss a -> b 2 %, loss b -> a 5 %"},
		{"one and both", []Fault{loss("b", "a", 5, true), loss("b", "a", 2, false)}, "loss a - b 2 %"},
		{"one and the other", []Fault{loss("b", "a", 5, true), loss("a", "b", 5, true)}, "loss b -> a 5 %, loss a -> b 5 %"},
		{"one as planned", []Fault{loss("b", "a", 5, true), loss("b", "a", 0, true)}, ""},
		{"the other as planned", []Fault{loss("a", "b", 5, true), loss("a", "b", 1, true)}, ""},
		{"both as one is planned", []Fault{loss("b", "a", 1, false)}, "loss a - b 1 %"},
		{"of another kind", []Fault{loss("b", "a", 5, true), {Kind: topology.FaultJitter, A: "a", B: "b", Amount: 3}}, "loss b -> a 5 %, jitter a - b 3 ms"},
		{"asymmetry, the other way round", []Fault{{Kind: topology.FaultAsymmetry, A: "b", B: "a", Amount: 30}}, "asymmetry a -> b 70 %"},
		{"asymmetry as planned", []Fault{{Kind: topology.FaultAsymmetry, A: "a", B: "b", Amount: 10}, {Kind: topology.FaultAsymmetry, A: "b", B: "a", Amount: 25}}, ""},
		{"healed", []Fault{
			loss("b", "a", 5, true), {Kind: topology.FaultBandwidth, A: "a", B: "b", Amount: 3}, {Kind: "partition", A: "a", B: "b"}, {Kind: "heal", A: "b", B: "a"},
		}, ""},
		{"of other regions", []Fault{loss("a", "c", 5, false), {Kind: "heal", A: "b", B: "a"}}, "loss a - c 5 %"},
	} {
		l := newFaultLog()
		for i, c := range tt.changes {
			l = l.note(c, plan, time.Unix(int64(i), 0))
		}
		if got := wordsOf(l.InForce); got != tt.want {
			t.Errorf("%s: in force %q, want %q", tt.name, got, tt.want)
		}
		for _, f := range l.Past {
			if f.Until == nil || f.Until.Before(f.Since) {
				t.Errorf("%s: over %+v", tt.name, f)
			}
		}
	}
}

// Whatever was done, what a keeper that follows puts in force is what the last one had: to do
// all of it again, in the order that it uses, comes to the same faults.
func FuzzFaultsAgain(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		plan := topology.Plan{RTTMillis: new(float64(80))}
		regions := []string{"a", "b", "c"}
		l, again := newFaultLog(), newFaultLog()
		for i := range 30 {
			kind := topology.FaultKinds()[r.IntN(len(topology.FaultKinds()))]
			r.Shuffle(len(regions), func(i, j int) { regions[i], regions[j] = regions[j], regions[i] })
			c := Fault{Kind: kind.Name, A: regions[0], RTT: time.Duration(r.IntN(3)) * 40 * time.Millisecond, Amount: float64(r.IntN(3) * 25), OneWay: r.IntN(2) == 0}
			if kind.Pair {
				c.B = regions[1]
			}
			l = l.note(c, plan, time.Unix(int64(i), 0))
		}
		for _, f := range inOrder(l.InForce) {
			again = again.note(request(f), plan, f.Since)
		}
		sorted := func(l faultLog) []string {
			var all []string
			for _, f := range l.InForce {
				all = append(all, fmt.Sprint(f, f.Since))
			}
			slices.Sort(all)
			return all
		}
		if want, got := sorted(l), sorted(again); !slices.Equal(want, got) {
			t.Fatalf("in force %q, again %q", want, got)
		}
	})
}
