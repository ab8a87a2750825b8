package plan

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/latency"
	"crossring/internal/release"
	"crossring/internal/roundtrip"
	"crossring/internal/topology"
)

// Latency is what of a plan the time of an operation depends on. Round trips are those that
// the local provider makes, none between the nodes of one computer otherwise, those between
// AWS' regions on EC2, and not known elsewhere.
func Latency(p topology.Plan) (latency.Deployment, error) {
	rel, err := release.Of(p.Version)
	if err != nil {
		return latency.Deployment{}, err
	}
	regions := map[string]string{}
	for _, n := range p.Nodes {
		regions[n.Datacenter] = n.Region
	}
	variant, set := p.Settings["paxos_variant"]
	badness := rel.SnitchBadness
	if asked, ok := p.Settings["dynamic_snitch_badness_threshold"]; ok {
		if badness, err = strconv.ParseFloat(fmt.Sprint(asked), 64); err != nil {
			return latency.Deployment{}, fmt.Errorf("settings.dynamic_snitch_badness_threshold: %w", err)
		}
	}
	if fmt.Sprint(p.Settings["dynamic_snitch"]) == "false" {
		badness = math.Inf(1)
	}
	return latency.Deployment{
		Orders: orders(p), Badness: badness,
		Datacenters: p.Datacenters(), Replication: p.Keyspace.Replication, Release: rel, OtherPaxos: set && variant != "v1",
		RTT: func(a, b string) (float64, bool) {
			a, b = regions[a], regions[b]
			switch {
			case a == b:
				return 0, true
			case p.Provider == "local":
				return p.RTT(a, b), true
			case p.OneComputer():
				return 0, true
			case p.Provider == "ec2":
				return roundtrip.Between(a, b)
			}
			return 0, false
		},
	}, nil
}

// orders are those in which the replicas of rows stand in the ring: from a row's token on, in
// each datacenter as many nodes as it has replicas. Racks are left out, which decide which
// node of a datacenter it is, and hardly which datacenter. Nil where tokens are no numbers.
func orders(p topology.Plan) []latency.Order {
	type place struct {
		token *big.Int
		dc    string
	}
	var ring []place
	for _, n := range p.Nodes {
		for _, text := range n.Tokens {
			token, ok := new(big.Int).SetString(text, 10)
			if !ok {
				return nil
			}
			ring = append(ring, place{token, n.Datacenter})
		}
	}
	size := map[string]uint{"Murmur3Partitioner": 64, "RandomPartitioner": 127}[p.Partitioner]
	if size == 0 || len(ring) == 0 {
		return nil
	}
	slices.SortFunc(ring, func(a, b place) int { return a.token.Cmp(b.token) })
	whole := new(big.Int).Lsh(big.NewInt(1), size)
	share := map[string]float64{}
	var kinds []string
	for i, at := range ring {
		gap := new(big.Int).Sub(at.token, ring[(i+len(ring)-1)%len(ring)].token)
		if gap.Sign() <= 0 {
			gap.Add(gap, whole)
		}
		part, _ := new(big.Rat).SetFrac(gap, whole).Float64()
		var list []string
		have := map[string]int{}
		for k := range ring {
			if dc := ring[(i+k)%len(ring)].dc; have[dc] < p.Keyspace.Replication[dc] {
				have[dc]++
				list = append(list, dc)
			}
		}
		kind := strings.Join(list, " ")
		if _, there := share[kind]; !there {
			kinds = append(kinds, kind)
		}
		share[kind] += part
	}
	var all []latency.Order
	for _, kind := range kinds {
		all = append(all, latency.Order{Share: share[kind], Datacenters: strings.Fields(kind)})
	}
	return all
}
