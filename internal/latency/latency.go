// Package latency predicts how long operations take at each consistency level, from the
// replicas' round trips alone: order statistics of independent answers. It is pure.
package latency

import (
	"fmt"
	"slices"
	"strings"

	"crossring/internal/release"
)

// The operations.
const (
	OpRead  = "read"
	OpWrite = "write"
	OpLWT   = "lwt" // a lightweight transaction: INSERT ... IF NOT EXISTS of a row that is not there
)

// Deployment is what a prediction is about.
type Deployment struct {
	Datacenters []string       // in order
	Replication map[string]int // replicas by datacenter
	// RTT is the round trip between two datacenters in ms; false where it is not known. It
	// is not asked of a datacenter and itself, in which nothing is under way.
	RTT     func(a, b string) (ms float64, known bool)
	Release release.Release
	// Orders are those in which replicas of a row stand in the ring, which decides whom a read
	// asks where datacenters are as near; none: the nearest are asked.
	Orders []Order
	// Badness is how much slower, as a share, a replica may be than a later one before the
	// dynamic snitch puts the faster one first.
	Badness float64
	// OtherPaxos: settings chose a variant of Paxos whose rounds are not modelled.
	OtherPaxos bool
}

// Order is the datacenters of a row's replicas, in the order of the ring.
type Order struct {
	Share       float64 // of the rows
	Datacenters []string
}

// Cell is one place, operation and level.
type Cell struct {
	Datacenter  string `json:"datacenter"` // of the coordinator
	Op          string `json:"op"`
	Consistency string `json:"consistency"`
	// RoundTrips are those that the coordinator waits for, one after the other: one, and
	// those of Paxos for what is serial.
	RoundTrips int `json:"round_trips"`
	// Predicted is nil where a round trip is not known, Measured where nothing was.
	Predicted *Percentiles `json:"predicted_ms"`
	Measured  *Percentiles `json:"measured_ms"`
	// Difference is what was measured less what was predicted.
	Difference *Percentiles `json:"difference_ms"`
	N          int64        `json:"n"` // measured
	Failed     int64        `json:"failed"`
}

// Percentiles are in ms.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// LeftOut is what there is no cell for.
type LeftOut struct {
	Datacenter  string `json:"datacenter"` // "" is all
	Op          string `json:"op"`
	Consistency string `json:"consistency"`
	Why         string `json:"why"`
}

// Levels are the consistency levels that are looked at, those of transactions last. Of an
// operation only some have a meaning.
func Levels() []string {
	return []string{"ONE", "LOCAL_ONE", "LOCAL_QUORUM", "QUORUM", "EACH_QUORUM", "ALL", "LOCAL_SERIAL", "SERIAL"}
}

func serial(level string) bool { return level == "SERIAL" || level == "LOCAL_SERIAL" }

func local(level string) bool {
	return level == "LOCAL_ONE" || level == "LOCAL_QUORUM" || level == "LOCAL_SERIAL"
}

// refused says why a release has no such operation at a level; "" is that it has.
func (d Deployment) refused(op, level string) string {
	switch {
	case serial(level) && len(d.Release.PaxosWrite) == 0:
		return fmt.Sprintf("cassandra %s has no lightweight transactions, which came with 2.0", d.Release.Version)
	case op == OpRead && level == "EACH_QUORUM" && !d.Release.EachQuorumReads:
		return fmt.Sprintf("cassandra %s refuses reads at EACH_QUORUM, which came with 3.0", d.Release.Version)
	}
	return ""
}

// combinations are the operations with the levels that they have. A write that is serial is a
// transaction.
func combinations() (list []Cell) {
	for _, op := range []string{OpWrite, OpRead, OpLWT} {
		for _, level := range Levels() {
			if op == OpRead || serial(level) == (op == OpLWT) {
				list = append(list, Cell{Op: op, Consistency: level})
			}
		}
	}
	return list
}

// Cells lists what can be predicted or measured, without figures, by datacenter, operation
// and level, and what can't.
func (d Deployment) Cells() (cells []Cell, out []LeftOut) {
	cells, out = []Cell{}, []LeftOut{}
	for _, c := range combinations() {
		if why := d.refused(c.Op, c.Consistency); why != "" {
			out = append(out, LeftOut{"", c.Op, c.Consistency, why})
		}
	}
	for _, dc := range d.Datacenters {
		for _, c := range combinations() {
			switch {
			case d.refused(c.Op, c.Consistency) != "":
			case local(c.Consistency) && d.Replication[dc] == 0:
				out = append(out, LeftOut{dc, c.Op, c.Consistency, "the keyspace has no replica there"})
			default:
				c.Datacenter, c.RoundTrips = dc, max(1, len(d.phases(c)))
				cells = append(cells, c)
			}
		}
	}
	return cells, out
}

// Problem is a wish that a deployment can't meet.
type Problem struct{ Flag, Message string }

func (p *Problem) Error() string { return p.Flag + ": " + p.Message }

// Choose keeps the cells of some datacenters and levels; none names all. It lists everything
// that is wrong with the choice.
func (d Deployment) Choose(datacenters, levels []string) (cells []Cell, out []LeftOut, problems []error) {
	bad := func(flag, format string, args ...any) {
		problems = append(problems, &Problem{flag, fmt.Sprintf(format, args...)})
	}
	all, left := d.Cells()
	for i, dc := range datacenters {
		switch {
		case !slices.Contains(d.Datacenters, dc):
			bad("--dc "+dc, "there is no such datacenter: there is %s", strings.Join(d.Datacenters, ", "))
		case slices.Contains(datacenters[:i], dc):
			bad("--dc "+dc, "is named twice")
		}
	}
	for i, level := range levels {
		switch {
		case !slices.Contains(Levels(), level):
			bad("--consistency "+level, "is not one of %s", strings.Join(Levels(), ", "))
		case slices.Contains(levels[:i], level):
			bad("--consistency "+level, "is named twice")
		case serial(level) && d.refused(OpLWT, level) != "":
			bad("--consistency "+level, "%s", d.refused(OpLWT, level))
		}
	}
	wanted := func(list []string, one string) bool { return len(list) == 0 || slices.Contains(list, one) }
	cells, out = []Cell{}, []LeftOut{}
	for _, c := range all {
		if wanted(datacenters, c.Datacenter) && wanted(levels, c.Consistency) {
			cells = append(cells, c)
		}
	}
	for _, l := range left {
		if (l.Datacenter == "" || wanted(datacenters, l.Datacenter)) && wanted(levels, l.Consistency) {
			out = append(out, l)
		}
	}
	if len(problems) == 0 && len(cells) == 0 {
		bad("--consistency "+strings.Join(levels, ","), "there is nothing to look at in %s: %s", strings.Join(datacenters, ", "), left[0].Why)
	}
	return cells, out, problems
}
