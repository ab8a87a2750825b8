package attach

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"crossring/internal/plain"
	"crossring/internal/spec"
	"crossring/internal/topology"
)

// Choice is what of a plan is not the cluster's own word.
type Choice struct {
	Name     string // crossring's name of the cluster
	Keyspace string // crossring's own; "" is the usual one
	// Replication of that keyspace by datacenter; empty is three replicas in each datacenter,
	// or as many as it has nodes.
	Replication map[string]int
	TLS         bool // clients speak TLS
}

// mostReplicas is how many replicas a datacenter gets unless told otherwise.
const mostReplicas = 3

// Plan is the cluster as it stands, and its nodes with their addresses. Each datacenter
// counts as a region. How far those are apart nobody knows.
func (c Cluster) Plan(ch Choice) (topology.Plan, []topology.Node, []error) {
	s := spec.Spec{Name: ch.Name, Keyspace: spec.Keyspace{Name: ch.Keyspace}}
	spec.Defaults(&s)
	p := topology.Plan{
		Schema: topology.Schema, Name: ch.Name, ClusterName: c.Name, Provider: Provider, Version: c.Release.Version,
		Partitioner: c.Partitioner,
		Keyspace:    topology.Keyspace{Name: s.Keyspace.Name, Table: s.Keyspace.Table},
		Stress:      topology.Stress{Load: s.Stress.Load},
		Rules:       []topology.Rule{}, Tags: map[string]string{}, Calls: []string{},
	}
	if d, err := time.ParseDuration(s.Stress.MissingDeadline); err == nil {
		p.Stress.MissingDeadlineSeconds = d.Seconds()
	}
	if ch.TLS {
		p.TLS = &topology.TLSPlan{Client: true}
	}
	var nodes []topology.Node
	count := map[string]int{}
	for i, m := range c.Members {
		p.NumTokens = max(p.NumTokens, len(m.Tokens))
		base := plainName(m.Datacenter)
		count[base]++
		n := topology.Node{
			Name: fmt.Sprintf("%s-%d", base, count[base]), Index: i + 1, Region: m.Datacenter, Zone: m.Datacenter + " " + m.Rack, Datacenter: m.Datacenter, Rack: m.Rack,
			Tokens: sorted(m.Tokens), Ports: topology.Ports{Native: m.Port},
		}
		p.Nodes = append(p.Nodes, n)
		n.PublicAddress, n.PrivateAddress = m.Broadcast, m.Address
		nodes = append(nodes, n)
	}
	problems := replication(&p, ch.Replication)
	dcs := p.Datacenters()
	with := slices.DeleteFunc(slices.Clone(dcs), func(dc string) bool { return p.Keyspace.Replication[dc] == 0 })
	if len(with) == 0 {
		return p, nodes, append(problems, fmt.Errorf("the keyspace has no replica in any datacenter: %s", strings.Join(dcs, ", ")))
	}
	p.Stress.WriteDC, p.Stress.ReadDC = with[0], with[min(1, len(with)-1)]
	return p, nodes, problems
}

// replication settles that of the keyspace. A datacenter that is not named gets none.
func replication(p *topology.Plan, asked map[string]int) (problems []error) {
	size := map[string]int{}
	for _, n := range p.Nodes {
		size[n.Datacenter]++
	}
	p.Keyspace.Replication = map[string]int{}
	if len(asked) == 0 {
		for dc, n := range size {
			p.Keyspace.Replication[dc] = min(mostReplicas, n)
		}
		return nil
	}
	for _, dc := range slices.Sorted(maps.Keys(asked)) {
		switch n := asked[dc]; {
		case size[dc] == 0:
			problems = append(problems, fmt.Errorf("replication: there is no datacenter %s: there is %s", dc, strings.Join(p.Datacenters(), ", ")))
		case n > size[dc]:
			problems = append(problems, fmt.Errorf("replication: %s are more than the nodes of %s, %d", plain.Count(n, "replica"), dc, size[dc]))
		case n > 0:
			p.Keyspace.Replication[dc] = n
		}
	}
	return problems
}

// plainName is the name of a datacenter as part of a node's, which is typed on command lines.
func plainName(dc string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, dc)
}

// sorted is tokens in the order of their values.
func sorted(list []string) []string {
	value := func(s string) *big.Int {
		if n, ok := new(big.Int).SetString(s, 10); ok {
			return n
		}
		return new(big.Int)
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b string) int { return value(a).Cmp(value(b)) })
	return list
}
