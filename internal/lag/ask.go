package lag

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Ask is what a run is asked for.
type Ask struct {
	Rate     float64 // rows a second in each datacenter that writes
	Duration time.Duration
	Deadline time.Duration // for which a row is looked for
	Every    time.Duration // between two looks
	// Pairs are FROM:TO; none is every ordered pair of datacenters with replicas.
	Pairs []string
}

// The bounds of what can be asked for. All rows of a run are held in memory, some 50 bytes
// for each pair.
const (
	MaxRate     = 20_000
	MaxRows     = 5_000_000
	MaxDuration = 24 * time.Hour
	MaxDeadline = time.Hour
	MinEvery    = 500 * time.Microsecond
	MaxEvery    = 10 * time.Second
	minRate     = 0.01
)

// Check lists everything that is wrong with it on a keyspace with replication, replicas by
// datacenter, and gives the pairs.
func (a Ask) Check(datacenters []string, replication map[string]int) (pairs [][2]string, problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	span := func(flag string, d, least, most time.Duration) bool {
		if d < least || d > most {
			bad("%s: must be from %v to %v, not %v", flag, least, most, d)
			return false
		}
		return true
	}
	rated := a.Rate >= minRate && a.Rate <= MaxRate // NaN is not, so written
	if !rated {
		bad("--rate: must be a number of rows a second from %g to %d, not %g", minRate, MaxRate, a.Rate)
	}
	if span("--duration", a.Duration, time.Second, MaxDuration) && rated {
		if rows := math.Ceil(a.Rate * a.Duration.Seconds()); rows > MaxRows {
			bad("--duration: %v at %g rows a second are %.0f rows, and %d are the most", a.Duration, a.Rate, rows, MaxRows)
		}
	}
	span("--missing-deadline", a.Deadline, time.Second, MaxDeadline)
	span("--look-every", a.Every, MinEvery, MaxEvery)

	if len(a.Pairs) > 0 {
		for i, text := range a.Pairs {
			from, to, ok := strings.Cut(text, ":")
			pair := [2]string{from, to}
			known := true
			for _, dc := range pair {
				switch {
				case !ok:
				case !slices.Contains(datacenters, dc):
					bad("--pair %s: there is no datacenter %q: there is %s", text, dc, strings.Join(datacenters, ", "))
					known = false
				case replication[dc] == 0:
					bad("--pair %s: the keyspace has no replica in %s, so nothing is written or read there; give it one in keyspace.replication", text, dc)
					known = false
				}
			}
			switch {
			case !ok:
				bad("--pair %s: is no pair of datacenters: FROM:TO, as %s", text, example(datacenters))
			case !known:
			case from == to:
				bad("--pair %s: is one datacenter twice", text)
			case slices.Contains(a.Pairs[:i], text):
				bad("--pair %s: is named twice", text)
			default:
				pairs = append(pairs, pair)
			}
		}
		return pairs, problems
	}
	var with []string
	for _, dc := range datacenters {
		if replication[dc] > 0 {
			with = append(with, dc)
		}
	}
	if len(with) < 2 {
		bad("lag is between two datacenters that have replicas, and the keyspace has them in %s alone; see keyspace.replication", strings.Join(with, ", "))
	}
	for _, from := range with {
		for _, to := range with {
			if from != to {
				pairs = append(pairs, [2]string{from, to})
			}
		}
	}
	return pairs, problems
}

func example(datacenters []string) string {
	if len(datacenters) < 2 {
		return "us-east:us-west-2"
	}
	return datacenters[0] + ":" + datacenters[1]
}
