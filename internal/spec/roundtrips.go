package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// RoundTrips are those between regions that the local provider makes, in ms: by RTTPair, or
// one for all under AllPairs. nil leaves them to the plan, which knows how far AWS' regions
// are from each other. In JSON, as in YAML, it is a number or a map.
type RoundTrips map[string]float64

// AllPairs is the key of a round trip between any two regions.
const AllPairs = ""

// RTTPair is the key of two regions: their names in order, with a colon.
func RTTPair(a, b string) string { return min(a, b) + ":" + max(a, b) }

// MarshalJSON writes a number where there is one for all.
func (r RoundTrips) MarshalJSON() ([]byte, error) {
	if ms, all := r[AllPairs]; all {
		return json.Marshal(ms)
	}
	return json.Marshal(map[string]float64(r))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *RoundTrips) UnmarshalJSON(data []byte) error {
	var all *float64
	if err := json.Unmarshal(data, &all); err == nil {
		*r = nil
		if all != nil {
			*r = RoundTrips{AllPairs: *all}
		}
		return nil
	}
	return json.Unmarshal(data, (*map[string]float64)(r))
}

// roundTrips reads a number, or those of pairs: "us-east-1:us-west-2: 64". A round trip is one
// in both directions, so a pair that stands there both ways stands there twice.
func (d *decoder) roundTrips(n *yaml.Node, path string, s *Spec) {
	if n.Kind != yaml.MappingNode {
		var rtt float64
		if number(&rtt)(d, n, path); !d.reported(path) {
			s.RTT = RoundTrips{AllPairs: rtt}
		}
		return
	}
	s.RTT = RoundTrips{}
	d.pairs(n, path, func(key string, value *yaml.Node, at string) {
		a, b, ok := strings.Cut(key, ":")
		pair := RTTPair(a, b)
		_, twice := s.RTT[pair]
		var ms float64
		switch number(&ms)(d, value, at); {
		case d.reported(at):
		case !ok || a == "" || b == "" || a == b:
			d.problem(at, "is no pair of regions, such as us-east-1:us-west-2")
		case twice:
			d.problem(at, "is named already, the other way round: a round trip has no direction")
		default:
			s.RTT[pair] = ms
		}
	})
}

// checkRoundTrips holds round trips against the regions that there are.
func checkRoundTrips(s Spec, bad func(path, format string, args ...any)) {
	for _, pair := range slices.Sorted(maps.Keys(s.RTT)) {
		at := "rtt_ms"
		if pair != AllPairs {
			at += "." + pair
			a, b, _ := strings.Cut(pair, ":")
			for _, r := range []string{a, b} {
				if !slices.ContainsFunc(s.Regions, func(have Region) bool { return have.Region == r }) {
					bad(at, "there is no region %s", r)
				}
			}
		}
		if ms := s.RTT[pair]; ms < 0 || ms > 60_000 || !finite(ms) {
			bad(at, fmt.Sprintf("must be between 0 and %d", 60_000))
		}
	}
}
