package meanwhile

import (
	"maps"
	"slices"
	"strings"

	"crossring/internal/topology"
)

// Count is what a network had delivered by some moment.
type Count struct {
	By    int              // who counts: the process of the keeper
	Bytes map[string]int64 // by topology.WayKey; nil where nobody counts
}

// Passed is what passed between two counts, by region; nil where that can't be known, as after
// a new keeper began to count.
func Passed(before, after Count) []topology.Wire {
	if before.Bytes == nil || after.Bytes == nil || before.By != after.By {
		return nil
	}
	wire := []topology.Wire{}
	for _, key := range slices.Sorted(maps.Keys(after.Bytes)) {
		from, to, _ := strings.Cut(key, topology.WayKey("", ""))
		if n := after.Bytes[key] - before.Bytes[key]; n >= 0 {
			wire = append(wire, topology.Wire{From: from, To: to, Bytes: n})
		}
	}
	return wire
}
