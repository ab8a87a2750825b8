package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"crossring/stress/results"
)

// Count is a whole number with a comma between thousands. Counts are never
// rounded.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// counted is a count and its noun.
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// rate is operations per second: whole from 100 on.
func rate(perSecond float64) string {
	if perSecond >= 100 {
		return Count(int64(math.Round(perSecond)))
	}
	return strconv.FormatFloat(perSecond, 'f', 1, 64)
}

// millis is a time in milliseconds, three digits or more.
func millis(ms float64) string {
	switch {
	case ms >= 100:
		return Count(int64(math.Round(ms)))
	case ms >= 10:
		return strconv.FormatFloat(ms, 'f', 1, 64)
	}
	return strconv.FormatFloat(ms, 'f', 2, 64)
}

// span is a time in words: milliseconds below a second, then seconds.
func span(ms float64) string {
	switch {
	case ms < 1000:
		return millis(ms) + " ms"
	case ms < 100_000:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	}
	return Count(int64(math.Round(ms/1000))) + " s"
}

// seconds is a duration in seconds.
func seconds(s float64) string {
	if s >= 100 {
		return Count(int64(math.Round(s)))
	}
	return strconv.FormatFloat(s, 'f', 1, 64)
}

// percentOff is how far got is from want, with its sign; "" when want is none.
// What is not exactly equal is never shown as 0.
func percentOff(got, want float64) string {
	if want == 0 {
		return ""
	}
	off := (got - want) / want * 100
	switch {
	case off == 0:
		return "exact"
	case math.Abs(off) < 0.01:
		return fmt.Sprintf("%+.2g %%", off)
	}
	return fmt.Sprintf("%+.2f %%", off)
}

// below says what share of the operations surely took less than limit
// milliseconds, from the percentiles: "" when fewer than half did.
func below(f results.Frame, limit float64) string {
	p := f.Latency
	if f.Overflow > 0 {
		p.Max = 0 // the longest are not in it
	}
	for _, q := range []struct {
		ms   float64
		text string
	}{
		{p.Max, "all"}, {p.P999, "99.9 %"}, {p.P99, "99 %"}, {p.P95, "95 %"}, {p.P50, "half"},
	} {
		if q.ms > 0 && q.ms < limit {
			return q.text
		}
	}
	return ""
}

// sortedKeys lists the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// sentence puts clauses together, the first word as it is.
func sentence(clauses ...string) string {
	clauses = slices.DeleteFunc(clauses, func(s string) bool { return s == "" })
	if len(clauses) == 0 {
		return ""
	}
	return strings.Join(clauses, "; ") + "."
}
