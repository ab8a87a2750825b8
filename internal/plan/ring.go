package plan

import (
	"errors"

	"crossring/internal/topology"
	"crossring/tokens"
)

// tokens gives each datacenter a ring of its own, as token-generator does.
//
// In a datacenter the racks take turns on the ring: two neighbours in one rack would
// leave NetworkTopologyStrategy, which wants different racks, with uneven shares. The
// first node has the first token.
func (b *builder) tokens(nodes []topology.Node, dcs []datacenter) {
	p, err := tokens.ParsePartitioner(b.spec.Partitioner)
	if err != nil {
		b.problem("partitioner", "%s", err)
		return
	}
	counts, places := make([]int, len(dcs)), make([]int, len(dcs))
	for k, dc := range dcs {
		counts[k] = len(dc.nodes)
		places[k] = len(dc.nodes) * b.spec.NumTokens
	}
	ring, err := tokens.Generate(p, tokens.NTS, places)
	var collision *tokens.CollisionError
	if errors.As(err, &collision) {
		// Some rings come out of token-generator with one token twice, and Cassandra
		// would not start. One place further on makes no difference to the shares.
		ring, err = tokens.Separate(p, ring), nil
	}
	if err != nil {
		b.problem("regions", "%s", err)
		return
	}
	for k, dealt := range tokens.Deal(ring, counts) {
		for j, i := range inTurn(nodes, dcs[k].nodes) {
			nodes[i].Tokens = tokens.Strings(dealt[j])
		}
	}
}

// inTurn orders a datacenter's nodes so that its racks take turns, until the smaller
// ones run out. Racks, and nodes in a rack, keep the order they have.
func inTurn(nodes []topology.Node, members []int) []int {
	var racks []string
	byRack := map[string][]int{}
	for _, i := range members {
		rack := nodes[i].Rack
		if byRack[rack] == nil {
			racks = append(racks, rack)
		}
		byRack[rack] = append(byRack[rack], i)
	}
	ordered := make([]int, 0, len(members))
	for turn := 0; len(ordered) < len(members); turn++ {
		for _, rack := range racks {
			if turn < len(byRack[rack]) {
				ordered = append(ordered, byRack[rack][turn])
			}
		}
	}
	return ordered
}

// seeds marks the first node of each datacenter, and from three nodes on a second
// one, in another rack if there is one.
func seeds(nodes []topology.Node, dcs []datacenter) {
	for _, dc := range dcs {
		first := dc.nodes[0]
		nodes[first].Seed = true
		if len(dc.nodes) < 3 {
			continue
		}
		second := dc.nodes[1]
		for _, i := range dc.nodes {
			if nodes[i].Rack != nodes[first].Rack {
				second = i
				break
			}
		}
		nodes[second].Seed = true
	}
}

// rules are the openings that a ring across regions needs. Security groups do not
// reach across regions, so each other node is let in by its public address. That holds
// within a region, too: the group admits private addresses, and seeds are public ones,
// to which a node comes from its own public address.
//
// The other nodes are one rule of each node: named one by one, a thousand nodes had a
// million rules in every plan, inventory and journal. JMX is open to nobody.
func rules(p topology.Plan, cidrs []string) []topology.Rule {
	const sshPort = 22
	list := []topology.Rule{}
	for _, n := range p.Nodes {
		open := func(port int, source topology.Source, purpose topology.Purpose, why string) {
			list = append(list, topology.Rule{Node: n.Name, Port: port, Source: source, Purpose: purpose, Why: string(purpose) + why})
		}
		open(p.InternodePort(n), topology.FromGroup(), topology.ForInternode, ", in the region")
		if len(p.Nodes) > 1 {
			open(p.InternodePort(n), topology.FromOthers(), topology.ForInternode, "")
		}
		open(n.Ports.Native, topology.FromGroup(), topology.ForCQL, ", for loaders in the region")
		for _, operator := range operators(cidrs) {
			open(n.Ports.Native, operator, topology.ForCQL, "")
			open(sshPort, operator, topology.ForSSH, "")
		}
	}
	return list
}
