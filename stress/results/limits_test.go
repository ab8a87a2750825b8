package results

import (
	"testing"

	"crossring/stress/record"
)

func TestBottlenecks(t *testing.T) {
	closed, paced := record.Phase{Rows: 1000, InFlight: 8}, record.Phase{Rows: 1000, InFlight: 8, Rate: 100}
	for name, c := range map[string]struct {
		p    record.Phase
		e    record.End
		want int
	}{
		"idle":       {paced, record.End{Seconds: 10, CPUMicros: 1e6, Cores: 2, LateStarts: 10}, 0},
		"late":       {paced, record.End{Seconds: 10, Cores: 2, LateStarts: 11}, 1},
		"cpu":        {closed, record.End{Seconds: 10, CPUMicros: 18.1e6, Cores: 2}, 1},
		"below":      {closed, record.End{Seconds: 10, CPUMicros: 17.9e6, Cores: 2}, 0},
		"both":       {paced, record.End{Seconds: 10, CPUMicros: 20e6, Cores: 2, LateStarts: 900}, 2},
		"notawaited": {closed, record.End{NotAwaited: 1}, 1},
	} {
		if got := bottlenecks(c.p, c.e); len(got) != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, c := range []struct {
		rate    float64
		rows    int64
		seconds float64
		warns   bool
	}{{0, 100, 1, false}, {100, 1000, 9.99, false}, {100, 1000, 10.2, true}, {100, 1, 5, false}} {
		if got := tooSlow(c.rate, c.rows, c.seconds); (got != "") != c.warns {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
