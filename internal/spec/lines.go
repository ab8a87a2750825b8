package spec

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"crossring/internal/topology"
)

// Line is what the line between two regions does, in both directions or in one, beside what
// rtt_ms says. What is nil in one direction is as in both.
type Line struct {
	DelayMillis  *float64 `json:"delay_ms,omitempty"` // of one direction
	JitterMillis *float64 `json:"jitter_ms,omitempty"`
	LossPercent  *float64 `json:"loss_percent,omitempty"`
	Mbit         *float64 `json:"mbit_per_s,omitempty"`
}

// ends takes the key of a Line apart: "us-east-1:us-west-2" is both directions,
// "us-east-1 -> us-west-2" one.
func ends(key string) (a, b string, oneWay, ok bool) {
	if a, b, ok = strings.Cut(key, "->"); ok {
		a, b, oneWay = strings.TrimSpace(a), strings.TrimSpace(b), true
	} else {
		a, b, ok = strings.Cut(key, ":")
	}
	return a, b, oneWay, ok && a != "" && b != "" && a != b
}

// lines reads what lines do. The keys of the result are RTTPair's and topology.WayKey's.
func (d *decoder) lines(n *yaml.Node, path string, s *Spec) {
	s.Lines = map[string]Line{}
	d.pairs(n, path, func(key string, value *yaml.Node, at string) {
		a, b, oneWay, ok := ends(key)
		canonical := RTTPair(a, b)
		if oneWay {
			canonical = topology.WayKey(a, b)
		}
		_, twice := s.Lines[canonical]
		var l Line
		switch {
		case !ok:
			d.problem(at, "is no pair of regions, such as us-east-1:us-west-2, and no direction, such as us-east-1 -> us-west-2")
			return
		case twice:
			d.problem(at, "is named already, as the same line")
			return
		}
		d.source.lines[path+"."+canonical] = d.source.line(at)
		group(
			field{"delay_ms", optional(&l.DelayMillis)},
			field{"jitter_ms", optional(&l.JitterMillis)},
			field{"loss_percent", optional(&l.LossPercent)},
			field{"mbit_per_s", optional(&l.Mbit)},
		)(d, value, path+"."+canonical)
		s.Lines[canonical] = l
	})
}

// optional reads a number that is not negative, and may be missing.
func optional(to **float64) reader {
	return func(d *decoder, n *yaml.Node, path string) {
		var v float64
		if number(&v)(d, n, path); !d.reported(path) {
			*to = &v
		}
	}
}

// checkLines says what is wrong with lines by themselves; how long they are is the plan's to
// know.
func checkLines(s Spec, bad func(path, format string, args ...any)) {
	if s.Lines != nil && s.Provider != "local" {
		bad("lines", "goes with provider local: crossring makes the network between its regions, and no other")
	}
	for _, key := range slices.Sorted(maps.Keys(s.Lines)) {
		at, l := "lines."+key, s.Lines[key]
		a, b, oneWay, _ := ends(key)
		for _, r := range []string{a, b} {
			if !slices.ContainsFunc(s.Regions, func(have Region) bool { return have.Region == r }) {
				bad(at, "there is no region %s", r)
			}
		}
		if l.DelayMillis != nil && !oneWay {
			bad(at+".delay_ms", "is of one direction, such as %s; that of both is half of rtt_ms", topology.WayKey(a, b))
		}
		for _, c := range []struct {
			key   string
			v     *float64
			check func(float64) string
		}{
			{"jitter_ms", l.JitterMillis, func(v float64) string { return topology.CheckJitter(v, topology.MostJitterMillis) }},
			{"loss_percent", l.LossPercent, topology.CheckLoss},
			{"mbit_per_s", l.Mbit, topology.CheckMbit},
		} {
			if c.v == nil {
				continue
			}
			if problem := c.check(*c.v); problem != "" {
				bad(at+"."+c.key, "%s", problem)
			}
		}
	}
}
