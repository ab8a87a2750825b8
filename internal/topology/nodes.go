package topology

import "slices"

// WithNodes is the plan of a cluster whose nodes have changed. A node that the plan
// has keeps the zone and the ports that it was planned with, wherever it came to stand;
// none has what only its provider gives it.
func (p Plan) WithNodes(nodes []Node) Plan {
	was := map[string]Node{}
	for _, n := range p.Nodes {
		was[n.Name] = n
	}
	p.Nodes = make([]Node, len(nodes))
	for i, n := range nodes {
		n.PrivateAddress, n.PublicAddress, n.Layout, n.Host = "", "", Layout{}, nil
		n.Tokens = slices.Clone(n.Tokens)
		if old, ok := was[n.Name]; ok {
			n.Zone, n.Datacenter, n.Rack, n.Ports = old.Zone, old.Datacenter, old.Rack, old.Ports
		}
		p.Nodes[i] = n
	}
	return p
}

// InsertNode puts a node behind the last one of its zone or, where it is the first
// there, of its region.
func InsertNode(nodes []Node, n Node) []Node {
	at := len(nodes)
	for _, same := range []func(Node) bool{
		func(m Node) bool { return m.Zone == n.Zone }, func(m Node) bool { return m.Region == n.Region },
	} {
		last := -1
		for i, m := range nodes {
			if same(m) {
				last = i
			}
		}
		if last >= 0 {
			at = last + 1
			break
		}
	}
	return slices.Insert(slices.Clone(nodes), at, n)
}

// WithoutNode is the nodes but for one.
func WithoutNode(nodes []Node, name string) []Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return n.Name == name })
}
