package topology

import (
	"fmt"
	"math"
	"strings"
)

// Way is what one direction of the line between two regions does to what is sent. Its zero
// value is that of a line without length: all at once, all of it, without end.
type Way struct {
	DelayMillis  float64 `json:"delay_ms"`  // from one region to the other
	JitterMillis float64 `json:"jitter_ms"` // the delay is that much less to that much more
	LossPercent  float64 `json:"loss_percent"`
	// Mbit is how much passes, in millions of bits a second; 0 is no limit.
	Mbit float64 `json:"mbit_per_s,omitempty"`
}

// WayKey is the key of one direction.
func WayKey(from, to string) string { return from + " -> " + to }

// Way is one direction of the line between two regions that the local provider makes.
func (p Plan) Way(from, to string) Way {
	if w, ok := p.Ways[WayKey(from, to)]; ok {
		return w
	}
	return Way{DelayMillis: p.RTT(from, to) / 2}
}

// Bounds of what a Way may have, and of what a fault may make of it.
const (
	LeastMbit, MostMbit = 0.1, 100_000
	MostJitterMillis    = 30_000
)

// CheckJitter says what is wrong with a jitter; "" is nothing. All three are for one
// direction, in ms.
func CheckJitter(jitter, delay float64) string {
	switch {
	case !(jitter >= 0 && jitter <= MostJitterMillis):
		return fmt.Sprintf("must be from 0 to %d ms, not %g", MostJitterMillis, jitter)
	case jitter != math.Trunc(jitter):
		return fmt.Sprintf("must be whole ms, not %g", jitter)
	case jitter > delay:
		return fmt.Sprintf("%g ms is more than the delay of %g ms: nothing arrives before it was sent", jitter, delay)
	}
	return ""
}

// CheckLoss says what is wrong with a loss in percent.
func CheckLoss(percent float64) string {
	switch {
	case percent == 100:
		return "100 % is a partition, which `fault partition` makes"
	case !(percent >= 0 && percent < 100):
		return fmt.Sprintf("must be from 0 to less than 100 %%, not %g", percent)
	}
	return ""
}

// CheckMbit says what is wrong with a bandwidth.
func CheckMbit(mbit float64) string {
	switch {
	case mbit == 0:
		return "0 is a partition, which `fault partition` makes"
	case !(mbit >= LeastMbit && mbit <= MostMbit):
		return fmt.Sprintf("must be from %g to %d Mbit/s, not %g", LeastMbit, MostMbit, mbit)
	}
	return ""
}

// CheckShare says what is wrong with the share of a round trip that one direction takes, in
// percent.
func CheckShare(percent float64) string {
	if !(percent >= 0 && percent <= 100) {
		return fmt.Sprintf("must be from 0 to 100 %%, not %g", percent)
	}
	return ""
}

// String is as people write it: "40 ms, jitter 5 ms, loss 1 %, 10 Mbit/s".
func (w Way) String() string {
	s := []string{fmt.Sprintf("%.4g ms", w.DelayMillis)}
	if w.JitterMillis > 0 {
		s = append(s, fmt.Sprintf("jitter %g ms", w.JitterMillis))
	}
	if w.LossPercent > 0 {
		s = append(s, fmt.Sprintf("loss %g %%", w.LossPercent))
	}
	if w.Mbit > 0 {
		s = append(s, fmt.Sprintf("%g Mbit/s", w.Mbit))
	}
	return strings.Join(s, ", ")
}
