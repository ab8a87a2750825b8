package meanwhile

import (
	"math"
	"time"
)

// Server is what one node's server did, over time.
type Server struct {
	Name       string `json:"name"` // node
	Datacenter string `json:"datacenter"`
	// StepSeconds is how long each of Seconds is: 1, and twice as long as often as it takes for
	// Most of them to be enough.
	StepSeconds int      `json:"step_s"`
	Seconds     []Second `json:"seconds"`
	// Missing is why there are none, or fewer; "" where all are there.
	Missing string `json:"missing,omitempty"`
}

// Second is a step of a Server's time. Counts and times are for each second of it, gauges their
// most. What the release or the moment does not tell is nil.
type Second struct {
	T              int      `json:"t"`          // since the load began
	CPU            *float64 `json:"cpu"`        // of the process, in processors
	GCMillis       *float64 `json:"gc_ms"`      // that the collectors took
	HeapBytes      *float64 `json:"heap_bytes"` // in use
	Compactions    *float64 `json:"pending_compactions"`
	HintsStored    *float64 `json:"hints_stored"`
	HintsDelivered *float64 `json:"hints_delivered"`
	Dropped        *float64 `json:"dropped"` // mutations that came too late to be done
	// CoordinatorRead and CoordinatorWrite are the mean times of what the node coordinated.
	CoordinatorRead  *float64 `json:"coordinator_read_ms"`
	CoordinatorWrite *float64 `json:"coordinator_write_ms"`
	// PendingReads and PendingWrites wait in the queues of their stages.
	PendingReads  *float64 `json:"pending_reads"`
	PendingWrites *float64 `json:"pending_writes"`
}

// What a Reading has.
const (
	CPU            = iota // seconds of the process, since its start
	GC                    // ms of the collectors, since then
	Heap                  // bytes in use
	Compactions           // pending
	HintsStored           // since the start
	HintsDelivered        // since then
	Dropped               // mutations, since then
	Reads                 // coordinated, since then
	ReadMicros            // that these took
	Writes
	WriteMicros
	PendingReads  // in the queue of the stage
	PendingWrites // in the queue of the stage
	Kinds
)

// gauges are those of which the most counts, and not the difference.
var gauges = [...]int{Heap, Compactions, PendingReads, PendingWrites}

// Reading is what a server said at one moment. NaN is what it did not say.
type Reading struct {
	At     time.Duration // since the load began
	Values [Kinds]float64
}

// Unknown is a reading that says nothing.
func Unknown(at time.Duration) Reading {
	r := Reading{At: at}
	for i := range r.Values {
		r.Values[i] = math.NaN()
	}
	return r
}

// Most is how many steps a server has at most.
const Most = 600

// Series keeps the readings of a server, so many that none is missed of those that Fold needs,
// however long it goes on.
type Series struct{ readings []Reading }

// Add takes the next reading, later than the last.
func (s *Series) Add(r Reading) {
	s.readings = append(s.readings, r)
	if len(s.readings) <= 4*Most {
		return
	}
	// Every other one goes. Counts since the start lose nothing by that.
	kept := s.readings[:1]
	for i := 2; i < len(s.readings); i += 2 {
		kept = append(kept, withMost(s.readings[i], s.readings[i-1]))
	}
	s.readings = kept
}

// withMost is a reading with the gauges of another one where those are more.
func withMost(r, other Reading) Reading {
	for _, g := range gauges {
		if v := other.Values[g]; v > r.Values[g] || math.IsNaN(r.Values[g]) {
			r.Values[g] = v
		}
	}
	return r
}

// Fold is the course of a server, in steps of a second, or of 2, 4, 8 … where there would be
// more than Most.
func (s *Series) Fold() (step int, seconds []Second) {
	seconds = []Second{}
	if step = 1; len(s.readings) == 0 {
		return step, seconds
	}
	last := s.readings[len(s.readings)-1].At.Seconds()
	for last/float64(step) > Most {
		step *= 2
	}
	bucket := func(r Reading) int { return int(r.At.Seconds()) / step }
	from := s.readings[0]
	for i, r := range s.readings[1:] {
		ends := i+2 == len(s.readings) || bucket(r) > bucket(from)
		if i > 0 {
			r = withMost(r, gaugesOf(s.readings[i], from))
		}
		s.readings[i+1] = r
		if ends && r.At > from.At {
			seconds = append(seconds, second(from, r, bucket(from)*step))
			from = r
		}
	}
	return step, seconds
}

// gaugesOf is a reading whose gauges count for a step, nothing of the one that the step
// begins with, which counted for the step before.
func gaugesOf(r, from Reading) Reading {
	if r.At == from.At {
		return Unknown(r.At)
	}
	return r
}

// second is what happened between two readings.
func second(a, b Reading, t int) Second {
	per := (b.At - a.At).Seconds()
	diff := func(kind int) float64 {
		d := b.Values[kind] - a.Values[kind]
		if d < 0 {
			return math.NaN() // a server that was started again counts from 0
		}
		return d
	}
	mean := func(micros, n int) *float64 {
		if diff(n) == 0 {
			return nil // of none there is no mean
		}
		return known(diff(micros) / diff(n) / 1000)
	}
	return Second{
		T: t, CPU: known(diff(CPU) / per), GCMillis: known(diff(GC) / per), HeapBytes: known(b.Values[Heap]), Compactions: known(b.Values[Compactions]),
		HintsStored: known(diff(HintsStored) / per), HintsDelivered: known(diff(HintsDelivered) / per), Dropped: known(diff(Dropped) / per),
		CoordinatorRead: mean(ReadMicros, Reads), CoordinatorWrite: mean(WriteMicros, Writes),
		PendingReads: known(b.Values[PendingReads]), PendingWrites: known(b.Values[PendingWrites]),
	}
}

// known is a number to a thousandth, nil for what is none.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	v = math.Round(v*1000) / 1000
	return &v
}
