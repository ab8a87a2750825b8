package results

import (
	"fmt"
	"time"

	"crossring/stress/record"
)

// Above these shares the generator is held to be the bottleneck.
const (
	lateShare = 0.01
	cpuShare  = 0.9
	rateShare = 0.99
)

// bottlenecks says where the generator itself bounded what was measured.
func bottlenecks(p record.Phase, e record.End) []string {
	var out []string
	if e.NotAwaited > 0 {
		out = append(out, fmt.Sprintf("%d missing rows were not asked for again until their deadline", e.NotAwaited))
	}
	if p.Rate > 0 && float64(e.LateStarts) > lateShare*float64(p.Rows) {
		out = append(out, fmt.Sprintf("the limit of %d in flight was reached: %d operations started late, by up to %v; response times include that wait",
			p.InFlight, e.LateStarts, (time.Duration(e.MaxLagMicros)*time.Microsecond).Round(time.Millisecond)))
	}
	if e.Seconds > 0 && e.Cores > 0 {
		if used := float64(e.CPUMicros) / 1e6 / e.Seconds; used > cpuShare*float64(e.Cores) {
			out = append(out, fmt.Sprintf("the generator was the bottleneck: it used %.1f of %d cores", used, e.Cores))
		}
	}
	return out
}

// tooSlow says that an open loop fell short of its rate. The last operation is
// due one interval before rows/rate.
func tooSlow(rate float64, rows int64, seconds float64) string {
	if rate <= 0 || rows < 2 || seconds <= 0 {
		return ""
	}
	achieved := float64(rows-1) / seconds
	if achieved >= rateShare*rate {
		return ""
	}
	return fmt.Sprintf("%.0f operations per second of the %.0f asked for", achieved, rate)
}
