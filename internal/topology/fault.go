package topology

import (
	"fmt"
	"time"
)

// Kinds of NetworkFault.
const (
	FaultPartition = "partition" // between A and B nothing is answered
	FaultReset     = "reset"     // between A and B connections are reset
	FaultLatency   = "latency"   // between A and B the round trip is not the plan's
	FaultRefuse    = "refuse"    // the public ports of A are closed

	healLine   = "heal"
	acceptPort = "accept"
)

// FaultKind is a change that the network between regions can be told to make.
type FaultKind struct {
	Name string
	Does string   // a line of help
	Pair bool     // it is between two regions; else it is about one
	RTT  bool     // it takes a round trip
	Ends []string // the kinds of faults that it ends, of the same regions
	Mend string   // the kind that ends it; "" is no fault, but the end of one
}

// FaultKinds are all of them, in the order of the help.
func FaultKinds() []FaultKind {
	cut := []string{FaultPartition, FaultReset}
	return []FaultKind{
		{FaultPartition, "cut two regions from each other by silence: what is sent is swallowed, new connections are not answered", true, false, cut, healLine},
		{FaultReset, "answer every connection between two regions with RST", true, false, cut, healLine},
		{healLine, "end a partition or a reset", true, false, cut, ""},
		{FaultRefuse, "close a region's public ports", false, false, []string{FaultRefuse}, acceptPort},
		{acceptPort, "open a region's public ports again", false, false, []string{FaultRefuse}, ""},
		// The round trip of the plan is what ends it.
		{FaultLatency, "set the round trip between two regions", true, true, []string{FaultLatency}, FaultLatency},
	}
}

// FaultKindOf finds a kind by its name.
func FaultKindOf(name string) (FaultKind, bool) {
	for _, k := range FaultKinds() {
		if k.Name == name {
			return k, true
		}
	}
	return FaultKind{}, false
}

// NetworkFault is a change of the network between regions, from when it was made to when
// it was ended.
type NetworkFault struct {
	Kind      string     `json:"kind"`
	A         string     `json:"a"`      // region
	B         string     `json:"b"`      // region; "" for refuse
	RTTMillis *float64   `json:"rtt_ms"` // of latency; null for others
	Since     time.Time  `json:"since"`
	Until     *time.Time `json:"until"` // null while it is in force
}

// String names a fault without its times: "partition us-east-1 - us-west-2".
func (f NetworkFault) String() string {
	s := f.Kind + " " + f.A
	if f.B != "" {
		s += " - " + f.B
	}
	if f.RTTMillis != nil {
		s += fmt.Sprintf(" %g ms", *f.RTTMillis)
	}
	return s
}

// Undo are the words of the command that ends a fault of a cluster. planned is the round
// trip of its plan, in milliseconds.
func (f NetworkFault) Undo(cluster string, planned float64) []string {
	kind, _ := FaultKindOf(f.Kind)
	words := []string{"fault", kind.Mend, cluster, f.A}
	if kind.Pair {
		words = append(words, f.B)
	}
	if kind.RTT {
		words = append(words, "--rtt", fmt.Sprintf("%gms", planned))
	}
	return words
}

// During says whether a fault was in force at some time between from and to.
func (f NetworkFault) During(from, to time.Time) bool {
	return f.Since.Before(to) && (f.Until == nil || f.Until.After(from))
}
