package wan

import (
	"fmt"
	"time"

	"crossring/internal/topology"
)

// Change is a change of the network, as it is asked for. A and B are regions.
type Change struct {
	Kind string        `json:"kind"` // name of a topology.FaultKind
	A    string        `json:"a"`
	B    string        `json:"b"`
	RTT  time.Duration `json:"rtt"`
	// Amount is in the unit of the kind, where it takes one; OneWay is from A to B alone.
	Amount float64 `json:"amount,omitempty"`
	OneWay bool    `json:"one_way,omitempty"`
}

// RefusedError says that a line can't be what a change asks for.
type RefusedError struct{ What, Problem string }

func (e *RefusedError) Error() string { return e.What + ": " + e.Problem }

// changes does what each kind of topology.FaultKinds says.
func (w *WAN) changes() map[string]func(Change) error {
	between := func(f func(a, b string) error) func(Change) error {
		return func(c Change) error { return f(c.A, c.B) }
	}
	at := func(f func(region string) error) func(Change) error {
		return func(c Change) error { return f(c.A) }
	}
	return map[string]func(Change) error{
		topology.FaultPartition: between(w.Partition), topology.FaultReset: between(w.Reset), "heal": between(w.Heal),
		topology.FaultRefuse: at(w.Refuse), "accept": at(w.Accept),
		topology.FaultLatency: func(c Change) error { return w.SetRTT(c.A, c.B, c.RTT) },
		topology.FaultJitter:  w.setWay, topology.FaultLoss: w.setWay, topology.FaultBandwidth: w.setWay,
		topology.FaultAsymmetry: w.setShare,
	}
}

// Apply makes a change. What its kind does not take counts for nothing.
func (w *WAN) Apply(c Change) error {
	change, ok := w.changes()[c.Kind]
	if !ok {
		return fmt.Errorf("no fault is called %q", c.Kind)
	}
	return change(c)
}

// setWay gives the directions between two regions an amount of what the kind is about.
func (w *WAN) setWay(c Change) error {
	kind, _ := topology.FaultKindOf(c.Kind)
	if problem := kind.Take.Check(c.Amount); problem != "" {
		return &RefusedError{c.Kind + " between " + c.A + " and " + c.B, problem}
	}
	return w.between(c.A, c.B, func(p *pair) error {
		for i := range p.ways {
			if c.OneWay && i != direction(c.A, c.B) {
				continue
			}
			if c.Kind == topology.FaultJitter {
				if problem := topology.CheckJitter(c.Amount, millis(p.delayLocked(i))); problem != "" {
					return &RefusedError{"jitter between " + c.A + " and " + c.B, problem}
				}
			}
		}
		for i := range p.ways {
			if !c.OneWay || i == direction(c.A, c.B) {
				kind.Take.Change(&p.ways[i].Way, c.Amount)
			}
		}
		return nil
	})
}

// setShare has the way from A to B take a share of the round trip, in percent.
func (w *WAN) setShare(c Change) error {
	if problem := topology.CheckShare(c.Amount); problem != "" {
		return &RefusedError{"asymmetry of " + c.A + " and " + c.B, problem}
	}
	share := c.Amount / 100
	if direction(c.A, c.B) == 1 {
		share = 1 - share
	}
	return w.between(c.A, c.B, func(p *pair) error { return p.stretch(p.rtt, share) })
}

// stretch changes how long both directions take. What their jitter would make negative is
// refused.
func (p *pair) stretch(rtt time.Duration, share float64) error {
	was, had := p.rtt, p.share
	p.rtt, p.share = rtt, share
	for i := range p.ways {
		if problem := topology.CheckJitter(p.ways[i].JitterMillis, millis(p.delayLocked(i))); problem != "" {
			p.rtt, p.share = was, had
			return &RefusedError{"the jitter that this line has", problem}
		}
	}
	return nil
}

// asPlanned makes both directions what they are without a fault. The pair is locked, or new.
func (w *WAN) asPlanned(p *pair, a, b string) {
	p.share = 0.5
	for i, ends := range [][2]string{{min(a, b), max(a, b)}, {max(a, b), min(a, b)}} {
		p.ways[i].Way = topology.Way{}
		if w.cfg.Way == nil {
			continue
		}
		planned := w.cfg.Way(ends[0], ends[1])
		p.ways[i].Way = planned
		if back := w.cfg.Way(ends[1], ends[0]).DelayMillis; i == 0 && planned.DelayMillis+back > 0 {
			p.share = planned.DelayMillis / (planned.DelayMillis + back)
		}
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
