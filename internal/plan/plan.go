// Package plan works out from a spec everything that follows from it: names,
// datacenters, tokens, seeds, firewall rules and tags. It is pure: the same spec
// gives the same plan, byte for byte.
package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crossring/internal/plain"
	"crossring/internal/price"
	"crossring/internal/release"
	"crossring/internal/roundtrip"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// TagCluster is the tag that says which cluster a thing belongs to.
const TagCluster = "crossring:cluster"

// Build makes the plan. Defaults are filled in first, so a spec may be made by hand.
// The error, if any, lists every problem, those of the spec alone included, each a
// *spec.Problem.
func Build(s spec.Spec) (topology.Plan, error) {
	spec.Defaults(&s)
	b := &builder{spec: s}
	if b.problems = spec.Problems(spec.Validate(s)); len(b.problems) > 0 {
		b.release()
		return topology.Plan{}, spec.Join(b.problems)
	}
	p := b.build()
	if len(b.problems) > 0 {
		return topology.Plan{}, spec.Join(b.problems)
	}
	return p, nil
}

// builder carries the spec, and gathers problems.
type builder struct {
	spec     spec.Spec
	problems []*spec.Problem
}

func (b *builder) problem(path, format string, args ...any) {
	b.problems = append(b.problems, b.spec.Problem(path, format, args...))
}

// release finds what the Cassandra version can do. A version that is not known is
// a problem that the spec has reported.
func (b *builder) release() release.Release {
	rel, err := release.Find(b.spec.Cassandra)
	if err == nil && b.spec.Naming == Standard && !rel.NamingSchemeKey {
		b.problem("naming", "cassandra %s knows only %s names; %s ones came with 4.0", rel.Version, Legacy, Standard)
	}
	return rel
}

func (b *builder) build() topology.Plan {
	s := b.spec
	rel := b.release()
	deadline, err := time.ParseDuration(s.Stress.MissingDeadline)
	if err != nil {
		b.problem("stress.missing_deadline", "%s", err)
	}
	p := topology.Plan{
		Schema:       topology.Schema,
		Name:         s.Name,
		ClusterName:  s.ClusterName,
		Provider:     s.Provider,
		Version:      rel.Version,
		Partitioner:  s.Partitioner,
		Snitch:       snitch(s.Provider),
		NamingScheme: s.Naming,
		NumTokens:    s.NumTokens,
		RTTMillis:    new(float64(defaultRTT)),
		Hosts:        s.Hosts,
		Mirror:       s.CassandraMirror,
		Disks:        topology.Disks(s.Disks),
		Keyspace: topology.Keyspace{
			Name: s.Keyspace.Name, Table: s.Keyspace.Table, Replication: maps.Clone(s.Keyspace.Replication)},
		Stress:   topology.Stress{Load: s.Stress.Load, MissingDeadlineSeconds: deadline.Seconds()},
		Settings: copyMap(s.Settings),
		Nodes:    nodes(s, ports(rel)),
		Rules:    []topology.Rule{},
		Tags:     map[string]string{TagCluster: s.Name},
		Calls:    []string{},
	}
	if ms, all := s.RTT[spec.AllPairs]; all {
		p.RTTMillis = &ms
	}
	p.RTTPairs = roundTrips(s)
	b.ways(&p)
	p.TLS = b.tls(rel)
	p.HeapMB = cmp.Or(s.HeapMB, heapMB(s.Provider, len(p.Nodes)))
	dcs := group(p.Nodes)
	b.apart()
	b.tokens(p.Nodes, dcs)
	seeds(p.Nodes, dcs)
	b.keyspace(&p, dcs)
	b.stress(&p, dcs)
	if s.Provider == "ec2" {
		b.ec2(&p, rel)
	}
	b.places(&p, rel)
	b.room(p)
	p.Wire = price.Wire(p, price.Shipped())
	return p
}

// defaultRTT is the round trip between regions of which none is known, in ms.
const defaultRTT = 80

// roundTrips are those of pairs of regions that the local provider makes: as the spec says,
// or as far as AWS' regions are from each other. One number for all in the spec leaves none.
func roundTrips(s spec.Spec) map[string]float64 {
	if _, all := s.RTT[spec.AllPairs]; all || s.Provider != "local" {
		return nil
	}
	var pairs map[string]float64
	for i, a := range s.Regions {
		for _, b := range s.Regions[i+1:] {
			if a.Region == b.Region {
				continue
			}
			key := spec.RTTPair(a.Region, b.Region)
			ms, known := s.RTT[key]
			if !known {
				ms, known = roundtrip.Between(a.Region, b.Region)
			}
			if !known {
				continue
			}
			if pairs == nil {
				pairs = map[string]float64{}
			}
			pairs[key] = ms
		}
	}
	return pairs
}

// room sees that the provider has an address for every node.
func (b *builder) room(p topology.Plan) {
	most := map[string]int{"ccm": topology.CCMNodes, "containers": topology.ContainerNodes}
	if n := most[p.Provider]; n > 0 && len(p.Nodes) > n {
		b.problem("regions", "provider %s has addresses for %s, not for %d", p.Provider, plain.Count(n, "node"), len(p.Nodes))
	}
	if p.Provider != "local" {
		return
	}
	in := map[string]int{}
	for _, n := range p.Nodes {
		in[n.Region]++
	}
	if len(in) > topology.LocalRegions {
		b.problem("regions", "provider local has addresses for %d regions, not for %d", topology.LocalRegions, len(in))
	}
	for _, region := range slices.Sorted(maps.Keys(in)) {
		if in[region] > topology.LocalNodes {
			b.problem("regions", "provider local has addresses for %d nodes of a region, not for the %d of %s", topology.LocalNodes, in[region], region)
		}
	}
}

// nodes lists the nodes in the order of the spec, without tokens.
func nodes(s spec.Spec, ports topology.Ports) []topology.Node {
	var list []topology.Node
	number := map[string]int{} // of nodes in a region so far
	for _, r := range s.Regions {
		dc, rack := Names(s.Naming, r.Zone)
		dc += r.DCSuffix
		for range r.Nodes {
			number[r.Region]++
			list = append(list, topology.Node{
				Name:       fmt.Sprintf("%s-%d", r.Region, number[r.Region]),
				Index:      len(list) + 1,
				Region:     r.Region,
				Zone:       r.Zone,
				Datacenter: dc,
				Rack:       rack,
				Ports:      ports,
			})
		}
	}
	return list
}

// apart sees that no two places come to one datacenter, which a suffix could do: us-east-1
// with -2 is named as us-east-2 is.
func (b *builder) apart() {
	type origin struct{ zones, suffix string }
	first := map[string]origin{}
	for i, r := range b.spec.Regions {
		dc, _ := Names(b.spec.Naming, r.Zone)
		dc += r.DCSuffix
		at := origin{r.Zone[:max(len(r.Zone)-1, 0)], r.DCSuffix}
		if other, ok := first[dc]; ok && other != at {
			b.problem(fmt.Sprintf("regions[%d].dc_suffix", i), "would make datacenter %s in %s of what is one in %s already", dc, at.zones, other.zones)
			continue
		}
		first[dc] = at
	}
}

// datacenter is a datacenter's nodes, by their place in the plan.
type datacenter struct {
	name  string
	nodes []int
}

// group lists the datacenters in the order of their first nodes.
func group(nodes []topology.Node) []datacenter {
	var dcs []datacenter
	for i, n := range nodes {
		k := slices.IndexFunc(dcs, func(dc datacenter) bool { return dc.name == n.Datacenter })
		if k < 0 {
			k = len(dcs)
			dcs = append(dcs, datacenter{name: n.Datacenter})
		}
		dcs[k].nodes = append(dcs[k].nodes, i)
	}
	return dcs
}

// size is how many nodes a datacenter has; 0 says that there is none of that name.
func size(dcs []datacenter, name string) int {
	for _, dc := range dcs {
		if dc.name == name {
			return len(dc.nodes)
		}
	}
	return 0
}

func names(dcs []datacenter) string {
	list := make([]string, len(dcs))
	for k, dc := range dcs {
		list[k] = dc.name
	}
	return strings.Join(list, ", ")
}

// keyspace fills in one replica per datacenter where the spec has no replication,
// and checks the one that it has.
func (b *builder) keyspace(p *topology.Plan, dcs []datacenter) {
	if len(p.Keyspace.Replication) == 0 {
		p.Keyspace.Replication = map[string]int{}
		for _, dc := range dcs {
			p.Keyspace.Replication[dc.name] = 1
		}
	}
	if factor, ok := p.Keyspace.Replication[spec.ReplicationFactor]; ok {
		delete(p.Keyspace.Replication, spec.ReplicationFactor)
		for _, dc := range dcs {
			if _, named := p.Keyspace.Replication[dc.name]; named {
				continue
			}
			p.Keyspace.Replication[dc.name] = factor
			if factor > len(dc.nodes) {
				b.problem("keyspace.replication."+spec.ReplicationFactor, "%s are more than the nodes of %s, %d: name that datacenter with fewer", plain.Count(factor, "replica"), dc.name, len(dc.nodes))
				p.Keyspace.Replication[dc.name] = len(dc.nodes) // so that it is said once
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Keyspace.Replication)) {
		path := "keyspace.replication." + name
		factor, have := p.Keyspace.Replication[name], size(dcs, name)
		switch {
		case have == 0:
			b.problem(path, "there is no such datacenter: there is %s", names(dcs))
		case factor > have:
			b.problem(path, "%s are more than the nodes of the datacenter, %d", plain.Count(factor, "replica"), have)
		}
	}
}

// stress fills in where to write, the first datacenter, and where to read, the
// second if there is one, and checks the load.
func (b *builder) stress(p *topology.Plan, dcs []datacenter) {
	p.Stress.WriteDC = cmp.Or(p.Stress.WriteDC, dcs[0].name)
	p.Stress.ReadDC = cmp.Or(p.Stress.ReadDC, dcs[min(1, len(dcs)-1)].name)
	for _, problem := range CheckLoad(*p, p.Stress) {
		b.problem("stress."+problem.Key, "%s", problem.Message)
	}
}

// ports are Cassandra's own, without those that a release does not have.
func ports(rel release.Release) topology.Ports {
	ports := topology.DefaultPorts()
	if !rel.ThriftServer {
		ports.Thrift = 0
	}
	if !rel.SeparateTLSPort {
		ports.SSLStorage = 0
	}
	return ports
}

// snitch names datacenters as EC2 does. Where no metadata service answers, the same
// names come from a file.
func snitch(provider string) string {
	if provider == "ec2" || provider == "local" {
		return "Ec2MultiRegionSnitch"
	}
	return "GossipingPropertyFileSnitch"
}

// heapMB is the heap of a node when the spec leaves it open: on EC2 the most that
// Cassandra takes by itself, on machines that nothing is known of what any has,
// elsewhere what lets the nodes share one machine.
func heapMB(provider string, nodes int) int {
	switch {
	case provider == "ec2":
		return 8192
	case provider == "hosts", nodes <= 2:
		return 1024
	}
	return 512
}

// copyMap copies what JSON could hold, so that plan and spec share nothing.
func copyMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	c := make(map[string]any, len(m))
	for k, v := range m {
		c[k] = copyValue(v)
	}
	return c
}

func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return copyMap(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = copyValue(v[i])
		}
		return list
	}
	return v
}
