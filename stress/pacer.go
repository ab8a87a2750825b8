package stress

import (
	"fmt"
	"time"
)

// pacer says when operations are due: arithmetic on numbers, no clock.
type pacer struct {
	rate float64 // per second; 0 is a closed loop, in which nothing is ever due
}

// due is the intended start of operation i, counted from 0, since the start of
// the phase. It depends on i alone, so that one late operation makes none of the
// later ones late.
func (p pacer) due(i int64) time.Duration {
	if p.rate <= 0 {
		return 0
	}
	// Whole seconds apart from the rest: a float64 alone loses microseconds
	// after some hours.
	whole := int64(float64(i) / p.rate)
	rest := float64(i) - float64(whole)*p.rate
	return time.Duration(whole)*time.Second + time.Duration(rest/p.rate*float64(time.Second))
}

const (
	// lateStart is how long after its intended start an operation may begin
	// without counting as late: timers are no better than this.
	lateStart = 2 * time.Millisecond
	// Above these shares the generator is held to be the bottleneck.
	lateShare = 0.01
	cpuShare  = 0.9
	rateShare = 0.99
)

// bottlenecks says where the generator itself bounded what was measured.
func bottlenecks(p Phase, e End) []string {
	var out []string
	if e.NotAwaited > 0 {
		out = append(out, fmt.Sprintf("%d missing rows were not asked for again until their deadline", e.NotAwaited))
	}
	if p.Rate > 0 && float64(e.LateStarts) > lateShare*float64(p.Rows) {
		out = append(out, fmt.Sprintf("the limit of %d in flight was reached: %d operations started late, by up to %v; response times include that wait",
			p.InFlight, e.LateStarts, micros(e.MaxLagMicros).Round(time.Millisecond)))
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

// retry says when a missing row is asked for again.
type retry struct {
	first, most time.Duration
	factor      float64
}

// missingRetry starts at a tenth of what a human notices and gets no rarer than
// every two seconds.
var missingRetry = retry{first: 50 * time.Millisecond, most: 2 * time.Second, factor: 1.5}

// next is the wait after one of length wait. The first is first.
func (r retry) next(wait time.Duration) time.Duration {
	if wait <= 0 {
		return r.first
	}
	return min(r.most, time.Duration(float64(wait)*r.factor))
}
