package app

import (
	"time"

	"crossring/internal/latency"

	"github.com/urfave/cli/v2"
)

// ServiceTimeFlag is the median of a service time.
func ServiceTimeFlag() cli.Flag {
	return &cli.DurationFlag{Name: "service-time", Usage: "predict for replicas that answer in `TIME`, at the median, the way to them apart", Value: time.Millisecond}
}

// ServiceP99Flag is its 99th percentile.
func ServiceP99Flag() cli.Flag {
	return &cli.DurationFlag{Name: "service-time-p99", Usage: "and 99 of 100 times in `TIME`", DefaultText: "five times --service-time"}
}

// ServiceTime is what the two flags say.
func ServiceTime(c *cli.Context) latency.Percentiles {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	p := latency.Percentiles{P50: ms(c.Duration("service-time"))}
	if p.P99 = 5 * p.P50; c.IsSet("service-time-p99") {
		p.P99 = ms(c.Duration("service-time-p99"))
	}
	return p
}
