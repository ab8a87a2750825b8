package stress

import "time"

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

// lateStart is how long after its intended start an operation may begin
// without counting as late: timers are no better than this.
const lateStart = 2 * time.Millisecond

// Due is when operation i, counted from 0, is to begin since the start, at a rate per
// second; 0 at any time.
func Due(rate float64, i int64) time.Duration { return pacer{rate}.due(i) }

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
