package latency

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// CDF is a distribution: the share of times that are ms or less.
type CDF func(ms float64) float64

// Lognormal is a skewed distribution with these two percentiles; a p99 that is not above the
// p50 makes every time the p50.
func Lognormal(p Percentiles) CDF {
	const z99 = 2.3263478740408408 // the 99th percentile of the standard normal distribution
	sigma := math.Log(p.P99/p.P50) / z99
	return func(ms float64) float64 {
		switch {
		case ms <= 0:
			return 0
		case !(sigma > 0):
			if ms < p.P50 {
				return 0
			}
			return 1
		}
		return math.Erfc(-math.Log(ms/p.P50)/(sigma*math.Sqrt2)) / 2
	}
}

// Empirical is the distribution of times that were measured, in ms; it keeps no hold of them.
func Empirical(samples []float64) CDF {
	sorted := slices.Sorted(slices.Values(samples))
	return func(ms float64) float64 {
		return float64(sort.Search(len(sorted), func(i int) bool { return sorted[i] > ms })) / float64(len(sorted))
	}
}

// Of is the p50 and p99 of samples in ms, by nearest rank; nil of none.
func Of(samples []float64) *Percentiles {
	n := len(samples)
	if n == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(samples))
	return &Percentiles{round(sorted[(n*50+99)/100-1]), round(sorted[(n*99+99)/100-1])}
}

// round is to the microsecond.
func round(ms float64) float64 { return math.Round(ms*1000) / 1000 }

// Predict says how long a cell takes, from sending to answer: nil where it waits for a replica
// of which it is not known how far it is, which is taken for farther than all others. service
// is how long an operation takes of which nothing leaves the datacenter; each replica's answer
// has its own, independent of the others.
//
// A write, and each phase of Paxos but its read, is sent to all replicas that count, and waits
// for as many answers as the level asks for: the k-th fastest. A read is sent to as many as
// that alone, the nearest, and waits for all of them. The phases of Paxos, which a release
// has by name, follow one another; a transaction is committed at QUORUM where it is SERIAL,
// and at LOCAL_QUORUM where it is LOCAL_SERIAL.
func (d Deployment) Predict(c Cell, service CDF) *Percentiles {
	phases := d.phases(c)
	if len(phases) == 0 {
		return nil
	}
	if len(phases) == 1 {
		cdf := d.phase(c.Datacenter, phases[0], service)
		return known(quantile(cdf, 0.5), quantile(cdf, 0.99))
	}
	var sum []float64
	for i, p := range phases {
		list := quantiles(d.phase(c.Datacenter, p, service))
		if i > 0 {
			list = add(sum, list, i == len(phases)-1)
		}
		sum = list
	}
	return known(sum[len(sum)/2], sum[len(sum)*99/100])
}

func known(p50, p99 float64) *Percentiles {
	if p99 >= never {
		return nil
	}
	return &Percentiles{round(p50), round(p99)}
}

// phase is one round trip of a coordinator.
type phase struct {
	level string
	read  bool // sent to no more replicas than it waits for
}

func (d Deployment) phases(c Cell) []phase {
	if !serial(c.Consistency) {
		return []phase{{c.Consistency, c.Op == OpRead}}
	}
	if d.OtherPaxos {
		return nil
	}
	names := d.Release.PaxosRead
	if c.Op == OpLWT {
		names = d.Release.PaxosWrite
	}
	level := map[string]string{"SERIAL": "QUORUM", "LOCAL_SERIAL": "LOCAL_QUORUM"}[c.Consistency]
	var phases []phase
	for _, name := range names {
		phases = append(phases, phase{level, name == "read"})
	}
	return phases
}

// replicas of one datacenter, and how far they are.
type replicas struct {
	count int
	rtt   float64
}

// phase is how long a round trip takes.
func (d Deployment) phase(from string, p phase, service CDF) CDF {
	var near []replicas // the nearest first
	for _, dc := range d.Datacenters {
		if d.Replication[dc] == 0 || local(p.level) && dc != from {
			continue
		}
		one := replicas{count: d.Replication[dc]}
		if dc != from {
			var ok bool
			if one.rtt, ok = d.RTT(from, dc); !ok {
				one.rtt = math.Inf(1)
			}
		}
		near = append(near, one)
	}
	slices.SortStableFunc(near, func(a, b replicas) int { return cmp.Compare(a.rtt, b.rtt) })
	if k := blockFor(p.level, near); p.read && p.level == "QUORUM" && len(d.Orders) > 0 {
		return d.chosen(from, k, service)
	}
	if p.level != "EACH_QUORUM" {
		return answers(near, blockFor(p.level, near), p.read, service)
	}
	var each []CDF
	for _, one := range near {
		each = append(each, answers([]replicas{one}, one.count/2+1, p.read, service))
	}
	return func(ms float64) float64 {
		all := 1.0
		for _, cdf := range each {
			all *= cdf(ms)
		}
		return all
	}
}

// chosen is when k replicas have answered that a read asks: those of its own datacenter first,
// which the snitch knows, and of the others, which are all the same to it, the first in the
// ring; unless one is so much slower than a later one that the dynamic snitch, which has seen
// them answer, puts all in the order of their speed. (DynamicEndpointSnitch,
// sortByProximityWithBadness.)
func (d Deployment) chosen(from string, k int, service CDF) CDF {
	type choice struct {
		share float64
		rtts  []float64
	}
	var choices []choice
	for _, o := range d.Orders {
		var here, away []float64
		for _, dc := range o.Datacenters {
			if dc == from {
				here = append(here, 0)
				continue
			}
			rtt, ok := d.RTT(from, dc)
			if !ok {
				rtt = math.Inf(1)
			}
			away = append(away, rtt)
		}
		order := append(here, away...)
		sorted := slices.Sorted(slices.Values(order))
		for i, rtt := range order {
			if rtt > sorted[i]*(1+d.Badness) {
				order = sorted
				break
			}
		}
		choices = append(choices, choice{o.Share, order[:k]})
	}
	return func(ms float64) float64 {
		share := 0.0
		for _, c := range choices {
			all := c.share
			for _, rtt := range c.rtts {
				all *= service(ms - rtt)
			}
			share += all
		}
		return share
	}
}

// blockFor is how many answers a level waits for; EACH_QUORUM counts by datacenter.
func blockFor(level string, of []replicas) int {
	n := 0
	for _, r := range of {
		n += r.count
	}
	switch level {
	case "ONE", "LOCAL_ONE":
		return 1
	case "ALL":
		return n
	}
	return n/2 + 1
}

// answers is when k have answered: of those that are asked at once, all replicas, or for a
// read the nearest k.
func answers(near []replicas, k int, read bool, service CDF) CDF {
	var asked []replicas
	left := math.MaxInt
	if read {
		left = k
	}
	for _, r := range near {
		r.count = min(r.count, left)
		left -= r.count
		asked = append(asked, r)
	}
	return func(ms float64) float64 {
		// exactly[i] is the chance that i have answered: Poisson's binomial distribution.
		exactly := []float64{1}
		for _, r := range asked {
			p := service(ms - r.rtt)
			for range r.count {
				exactly = append(exactly, 0)
				for i := len(exactly) - 1; i >= 0; i-- {
					exactly[i] *= 1 - p
					if i > 0 {
						exactly[i] += exactly[i-1] * p
					}
				}
			}
		}
		share := 0.0
		for _, p := range exactly[k:] {
			share += p
		}
		return share
	}
}

// never is longer, in ms, than anything takes.
const never = 1e9

// quantile is the least time, to a tenth of a microsecond, up to which that share is; never
// where there is none.
func quantile(cdf CDF, share float64) float64 {
	const exact = 1e-4
	high := 1.0
	for cdf(high) < share {
		if high *= 2; high > never {
			return never
		}
	}
	low := 0.0
	for high-low > exact {
		if mid := (low + high) / 2; cdf(mid) >= share {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// points is how many times a distribution is taken for where it is added to another one.
const points = 300

// quantiles takes that many times, each as likely.
func quantiles(cdf CDF) []float64 {
	list := make([]float64, points)
	for i := range list {
		list[i] = quantile(cdf, (float64(i)+0.5)/points)
	}
	return list
}

// add is the sum of two independent times, sorted: all sums, or as many as each has.
func add(a, b []float64, all bool) []float64 {
	sums := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			sums = append(sums, x+y)
		}
	}
	slices.Sort(sums)
	if all {
		return sums
	}
	list := make([]float64, points)
	for i := range list {
		list[i] = sums[(2*i+1)*len(sums)/(2*points)]
	}
	return list
}
