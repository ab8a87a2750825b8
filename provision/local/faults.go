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

// note is the log after a change of the network of a plan, which says what is no fault.
func (l faultLog) note(f Fault, plan topology.Plan, now time.Time) faultLog {
	kind, _ := topology.FaultKindOf(f.Kind)
	next := noted(f, kind, now)
	begins := kind.Mend != "" && !asPlanned(next, kind, plan)
	past, inForce := slices.Clone(l.Past), []topology.NetworkFault{}
	for _, old := range l.InForce {
		if !samePlace(old, next) || !slices.Contains(kind.Ends, old.Kind) {
			inForce = append(inForce, old)
			continue
		}
		if begins && old.String() == next.String() {
			next.Since = old.Since // the same again
			continue
		}
		ended := old
		ended.Until = &now
		past = append(past, ended)
		if next.OneWay && !old.OneWay { // the other direction stays as it was
			old.A, old.B, old.OneWay, old.Since = next.B, next.A, true, now
			inForce = append(inForce, old)
		}
	}
	if begins {
		inForce = append(inForce, next)
	}
	l.InForce, l.Past = inForce, past[max(0, len(past)-mostPast):]
	return l
}

// noted is how the log has a change: regions in order, but where their order says something.
func noted(f Fault, kind topology.FaultKind, now time.Time) topology.NetworkFault {
	next := topology.NetworkFault{Kind: f.Kind, A: f.A, B: f.B, OneWay: f.OneWay && kind.Take != nil && kind.Take.Ways, Since: now}
	if kind.Take != nil {
		amount := f.Amount
		next.Amount, next.Unit = &amount, kind.Take.Unit
	}
	if !next.OneWay && f.B != "" && f.B < f.A {
		next.A, next.B = f.B, f.A
		if f.Kind == topology.FaultAsymmetry {
			*next.Amount = 100 - *next.Amount
		}
	}
	if kind.RTT {
		ms := float64(f.RTT) / float64(time.Millisecond)
		next.RTTMillis = &ms
	}
	return next
}

// asPlanned says whether a change makes a line what it is without a fault.
func asPlanned(f topology.NetworkFault, kind topology.FaultKind, plan topology.Plan) bool {
	there, back := plan.Way(f.A, f.B), plan.Way(f.B, f.A)
	switch {
	case kind.RTT:
		return time.Duration(*f.RTTMillis*float64(time.Millisecond)) == planned(plan, f.A, f.B)
	case kind.Take == nil:
		return false
	case kind.Take.Of == nil: // the share of a round trip
		share := 50.0
		if rtt := there.DelayMillis + back.DelayMillis; rtt > 0 {
			share = there.DelayMillis / rtt * 100
		}
		return *f.Amount == share
	}
	return kind.Take.Of(there) == *f.Amount && (f.OneWay || kind.Take.Of(back) == *f.Amount)
}

// planned is the round trip between two regions that is no fault.
func planned(plan topology.Plan, a, b string) time.Duration {
	return time.Duration(plan.RTT(a, b) * float64(time.Millisecond))
}

// samePlace says whether two faults are of the same region, or line, or of directions of which
// one has the other in it.
func samePlace(a, b topology.NetworkFault) bool {
	return a.A == b.A && a.B == b.B || (!a.OneWay || !b.OneWay) && a.A == b.B && a.B == b.A
}

// without is the log in which a fault is over.
func (l faultLog) without(f topology.NetworkFault, now time.Time) faultLog {
	i := slices.IndexFunc(l.InForce, func(old topology.NetworkFault) bool { return old.String() == f.String() })
	if i < 0 {
		return l
	}
	f.Until = &now
	l.InForce, l.Past = slices.Delete(slices.Clone(l.InForce), i, i+1), append(slices.Clone(l.Past), f)
	return l
}

// request is what puts a fault in force.
func request(f topology.NetworkFault) Fault {
	r := Fault{Kind: f.Kind, A: f.A, B: f.B, OneWay: f.OneWay}
	if f.RTTMillis != nil {
		r.RTT = time.Duration(*f.RTTMillis * float64(time.Millisecond))
	}
	if f.Amount != nil {
		r.Amount = *f.Amount
	}
	return r
}

// inOrder are faults as they can be put in force one by one: how much a delay may vary
// depends on how long it is.
func inOrder(faults []topology.NetworkFault) []topology.NetworkFault {
	sorted := slices.Clone(faults)
	late := func(f topology.NetworkFault) int {
		if f.Kind == topology.FaultJitter {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(sorted, func(a, b topology.NetworkFault) int { return late(a) - late(b) })
	return sorted
}
