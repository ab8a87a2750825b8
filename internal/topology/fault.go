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
)

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
	switch f.Kind {
	case FaultRefuse:
		return []string{"fault", "accept", cluster, f.A}
	case FaultLatency:
		return []string{"fault", "latency", cluster, f.A, f.B, "--rtt", fmt.Sprintf("%gms", planned)}
	}
	return []string{"fault", "heal", cluster, f.A, f.B}
}

// During says whether a fault was in force at some time between from and to.
func (f NetworkFault) During(from, to time.Time) bool {
	return f.Since.Before(to) && (f.Until == nil || f.Until.After(from))
}
