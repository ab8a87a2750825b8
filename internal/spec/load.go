package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossring/internal/release"
	"crossring/stress/record"
)

// LoadProblem is one thing that is wrong with a load.
type LoadProblem struct {
	Key     string // of the spec, below stress
	Message string
}

const (
	maxInFlight = 32768 // what one connection carries from protocol 3 on
	// maxInFlightBytes bounds what the values in flight take in the process that makes
	// the load.
	maxInFlightBytes = 1 << 30
	minRate, maxRate = 0.001, 10_000_000
	maxDeadline      = 8760 * time.Hour
	// besideValue is more than statement, key and headers take in a request and a mutation.
	besideValue = 4 << 10
)

var (
	writeConsistency = []string{"ANY", "ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM"}
	readConsistency  = writeConsistency[1:]
)

// CheckLoad lists what is wrong with a load on a release, with further settings of
// cassandra.yaml, whatever the ring. It is the one check, for the spec and for what the
// command line says instead. A zero release is one that is not known: what depends on it is not
// checked.
func CheckLoad(s Stress, rel release.Release, settings map[string]any) []LoadProblem {
	var problems []LoadProblem
	bad := func(key, format string, args ...any) {
		problems = append(problems, LoadProblem{key, fmt.Sprintf(format, args...)})
	}
	between := func(key string, value, least, most int64, why string) bool {
		switch {
		case value < least:
			bad(key, "must be at least %d", least)
		case value > most:
			bad(key, "must be at most %d%s", most, why)
		default:
			return true
		}
		return false
	}
	level := func(key, value string, known []string) {
		if !slices.Contains(known, value) {
			bad(key, "%q is not one of %s%s", value, strings.Join(known, ", "), didYouMean(value, known))
		}
	}

	between("rows", s.Rows, 1, record.MaxRows, "")
	most, why := maxValueBytes(rel, settings)
	sized := between("value_bytes", int64(s.ValueBytes), record.MinValueBytes, most, why)
	if between("in_flight", int64(s.InFlight), 1, maxInFlight, "") && sized && int64(s.InFlight)*int64(s.ValueBytes) > maxInFlightBytes {
		bad("in_flight", "%d values of %d bytes in flight are more than %d MB", s.InFlight, s.ValueBytes, maxInFlightBytes>>20)
	}
	switch {
	case !finite(s.Rate):
		bad("rate", "must be a number, not %g", s.Rate)
	case s.Rate < 0:
		bad("rate", "must not be negative")
	case s.Rate != 0 && (s.Rate < minRate || s.Rate > maxRate):
		bad("rate", "must be 0, for a closed loop, or between %g and %d operations per second", minRate, maxRate)
	}
	level("write_consistency", s.WriteCL, writeConsistency)
	level("read_consistency", s.ReadCL, readConsistency)
	if s.ReadCL == "EACH_QUORUM" && rel.Version != "" && !rel.EachQuorumReads {
		bad("read_consistency", "cassandra %s refuses reads at EACH_QUORUM, which came with 3.0", rel.Version)
	}
	if span, err := ParseDuration(s.MissingDeadline); err != nil {
		bad("missing_deadline", "%s", err)
	} else if span < 0 {
		bad("missing_deadline", "must not be negative")
	} else if span > maxDeadline {
		bad("missing_deadline", "must be at most %s", hours(maxDeadline))
	}
	return problems
}

// hours prints whole hours as they are written in a spec.
func hours(d time.Duration) string { return fmt.Sprintf("%dh", d/time.Hour) }

// maxValueBytes is the largest value that servers take, and why, where that is not for
// their defaults.
func maxValueBytes(rel release.Release, settings map[string]any) (most int64, why string) {
	for _, r := range release.All() {
		most = max(most, int64(r.MaxValueBytes))
	}
	if rel.MaxValueBytes == 0 {
		return most, ""
	}
	most, why = int64(rel.MaxValueBytes), fmt.Sprintf(": cassandra %s takes no larger row", rel.Version)
	for _, limit := range []struct {
		key   string // as it is from 4.1 on
		parts int64  // how many values have to fit
	}{
		{"commitlog_segment_size", 2},
		{"max_mutation_size", 1},
		{"native_transport_max_frame_size", 1},
	} {
		for _, unit := range []struct {
			suffix string
			bytes  int64
		}{{"", 0}, {"_in_kb", 1 << 10}, {"_in_mb", 1 << 20}} {
			key := limit.key + unit.suffix
			v, ok := settings[key]
			if !ok {
				continue
			}
			if n, ok := bytesOf(v, unit.bytes); ok && n/limit.parts-besideValue < most {
				most, why = max(n/limit.parts-besideValue, 0), ": settings."+key+" leaves room for no more"
			}
		}
	}
	return most, why
}

// bytesOf reads a size as cassandra.yaml has it: a number of units, or from 4.1 on text such
// as 16MiB, where unit is 0.
func bytesOf(v any, unit int64) (int64, bool) {
	if unit > 0 {
		text := fmt.Sprint(v)
		n, err := strconv.ParseInt(text, 10, 32)
		return n * unit, err == nil && n >= 0
	}
	text, ok := v.(string)
	if !ok {
		return 0, false
	}
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}} {
		if number, found := strings.CutSuffix(text, u.name); found {
			n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
			return n * u.bytes, err == nil && n >= 0
		}
	}
	return 0, false
}
