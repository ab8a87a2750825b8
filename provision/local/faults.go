package local

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"crossring/internal/journal"
	"crossring/internal/safely"
	"crossring/internal/state"
	"crossring/internal/topology"
)

// faultsFile, in a cluster's directory, has the faults of its network: those in force,
// which a keeper that follows puts in force again, and those that are over.
const faultsFile = "faults.json"

// faultLog is that file.
type faultLog struct {
	Schema  string                  `json:"schema"`
	InForce []topology.NetworkFault `json:"in_force"`
	Past    []topology.NetworkFault `json:"past"` // oldest first, the last mostPast
}

// mostPast bounds what is kept of faults that are over.
const mostPast = 1000

func newFaultLog() faultLog {
	return faultLog{Schema: topology.Schema, InForce: []topology.NetworkFault{}, Past: []topology.NetworkFault{}}
}

// Faults lists the faults of a cluster's network, those that are over first. What can't
// be read is an error, for to say that there were none would be wrong.
func (p Provider) Faults(name string) ([]topology.NetworkFault, error) {
	l, err := readFaults(state.Dir(p.StateDir, name))
	return append(slices.Clone(l.Past), l.InForce...), err
}

// readFaults reads the log of a cluster; one without it has had no faults.
func readFaults(dir string) (faultLog, error) {
	l := newFaultLog()
	err := journal.ReadJSON(filepath.Join(dir, faultsFile), &l)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	return l, err
}

func (l faultLog) write(dir string) error {
	return safely.JSON(filepath.Join(dir, faultsFile), l, 0o644)
}

// note is the log after a change of the network. planned is the round trip that is no
// fault.
func (l faultLog) note(f Fault, planned time.Duration, now time.Time) faultLog {
	kind, _ := topology.FaultKindOf(f.Kind)
	a, b := f.A, f.B
	if b != "" && b < a {
		a, b = b, a
	}
	next := topology.NetworkFault{Kind: f.Kind, A: a, B: b, Since: now}
	begins := kind.Mend != ""
	if kind.RTT {
		ms := float64(f.RTT) / float64(time.Millisecond)
		next.RTTMillis = &ms
		begins = f.RTT != planned
	}
	past, inForce := slices.Clone(l.Past), []topology.NetworkFault{}
	for _, old := range l.InForce {
		switch {
		case old.A != a || old.B != b || !slices.Contains(kind.Ends, old.Kind):
			inForce = append(inForce, old)
		case begins && old.String() == next.String():
			next.Since = old.Since // the same again
		default:
			old.Until = &now
			past = append(past, old)
		}
	}
	if begins {
		inForce = append(inForce, next)
	}
	l.InForce, l.Past = inForce, past[max(0, len(past)-mostPast):]
	return l
}

// request is what puts a fault in force.
func request(f topology.NetworkFault) Fault {
	r := Fault{Kind: f.Kind, A: f.A, B: f.B}
	if f.RTTMillis != nil {
		r.RTT = time.Duration(*f.RTTMillis * float64(time.Millisecond))
	}
	return r
}
