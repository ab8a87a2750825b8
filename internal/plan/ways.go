package plan

import (
	"math"

	"crossring/internal/spec"
	"crossring/internal/topology"
)

// ways fills in what the spec says of lines, each direction by itself.
func (b *builder) ways(p *topology.Plan) {
	if p.Provider != "local" {
		return
	}
	all := regions(p.Nodes)
	for _, from := range all {
		for _, to := range all {
			if from < to {
				b.bothDelays(p, from, to)
			}
		}
	}
	for _, from := range all {
		for _, to := range all {
			if from == to {
				continue
			}
			w := b.way(*p, from, to)
			if w == (topology.Way{DelayMillis: p.RTT(from, to) / 2}) {
				continue
			}
			if p.Ways == nil {
				p.Ways = map[string]topology.Way{}
			}
			p.Ways[topology.WayKey(from, to)] = w
		}
	}
}

// bothDelays makes a round trip of the delays of both directions, where the spec names both.
func (b *builder) bothDelays(p *topology.Plan, from, to string) {
	key := topology.WayKey(from, to)
	there, back := b.spec.Lines[key].DelayMillis, b.spec.Lines[topology.WayKey(to, from)].DelayMillis
	if there == nil || back == nil {
		return
	}
	pair := spec.RTTPair(from, to)
	_, all := b.spec.RTT[spec.AllPairs]
	_, one := b.spec.RTT[pair]
	const dust = 1e-6
	switch sum := *there + *back; {
	case (all || one) && math.Abs(sum-p.RTT(from, to)) > dust:
		b.problem("lines."+key+".delay_ms", "both directions together take %g ms, and rtt_ms says %g", sum, p.RTT(from, to))
	case !all && !one:
		if p.RTTPairs == nil {
			p.RTTPairs = map[string]float64{}
		}
		p.RTTPairs[pair] = sum
	}
}

// way is one direction: what the spec says of it, then what it says of both.
func (b *builder) way(p topology.Plan, from, to string) topology.Way {
	key, pair, rtt := topology.WayKey(from, to), spec.RTTPair(from, to), p.RTT(from, to)
	own, both := b.spec.Lines[key], b.spec.Lines[pair]
	w := topology.Way{DelayMillis: rtt / 2}
	switch back := b.spec.Lines[topology.WayKey(to, from)].DelayMillis; {
	case own.DelayMillis != nil && *own.DelayMillis > rtt:
		b.problem("lines."+key+".delay_ms", "%g ms is more than the round trip of %g ms", *own.DelayMillis, rtt)
	case own.DelayMillis != nil:
		w.DelayMillis = *own.DelayMillis
	case back != nil:
		w.DelayMillis = max(rtt-*back, 0)
	}
	jitterOf := key
	if own.JitterMillis == nil {
		jitterOf = pair
	}
	w.JitterMillis = first(own.JitterMillis, both.JitterMillis)
	w.LossPercent = first(own.LossPercent, both.LossPercent)
	w.Mbit = first(own.Mbit, both.Mbit)
	if problem := topology.CheckJitter(w.JitterMillis, w.DelayMillis); problem != "" {
		b.problem("lines."+jitterOf+".jitter_ms", "from %s to %s: %s", from, to, problem)
	}
	return w
}

// first is the first of two numbers that there is, or 0.
func first(a, b *float64) float64 {
	switch {
	case a != nil:
		return *a
	case b != nil:
		return *b
	}
	return 0
}
