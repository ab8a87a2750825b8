package results

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// NewHistogram is one for latencies in nanoseconds, as those of runs are.
func NewHistogram() *hdrhistogram.Histogram { return newHistogram() }

// RecordLatency puts a latency into a histogram of NewHistogram, one below or above its range
// at that end.
func RecordLatency(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(int64(d), lowestLatency), highestLatency)) // in range it has no error
}

// PercentilesOf is a histogram in milliseconds; all zero while nothing was recorded.
func PercentilesOf(h *hdrhistogram.Histogram) Percentiles { return percentiles(h) }
