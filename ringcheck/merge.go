package ringcheck

import (
	"maps"
	"slices"

	"crossring/internal/topology"
)

// Observation is every node's view, in the order of the inventory's nodes.
type Observation struct {
	Source   string // SourceJMX or SourceCQL
	Keyspace string // that effective ownership was asked for; "" for none
	Views    []View
}

// answered lists the views that are answers.
func (o Observation) answered() []View {
	var views []View
	for _, v := range o.Views {
		if v.Err == nil {
			views = append(views, v)
		}
	}
	return views
}

// of returns the view of the node asked by that name, and whether it answered.
func (o Observation) of(name string) (View, bool) {
	for _, v := range o.Views {
		if v.Node == name && v.Err == nil {
			return v, true
		}
	}
	return View{}, false
}

// Merge makes one ring of all views, with the mismatches that Verify finds.
// A node is Up when every node that answered, itself included, sees it up; one
// that was asked and did not answer is Down. By CQL a node that answered is up unless
// another one says that it is down, and whether one that did not is down is left open
// unless another one says so. What a node says of itself counts before what others say
// of it.
func Merge(inv topology.Inventory, obs Observation) Ring {
	ring := Ring{
		Schema:         topology.Schema,
		Cluster:        inv.Plan.ClusterName,
		Version:        inv.Plan.Version,
		Partitioner:    inv.Plan.Partitioner,
		Source:         obs.Source,
		SchemaVersions: map[string][]string{},
		RTT:            map[string]float64{},
	}
	names := map[string]topology.Node{}
	for _, n := range inv.Nodes {
		names[address(n.PublicAddress)] = n
	}
	answers := obs.answered()
	for i, v := range answers {
		if i == 0 {
			ring.Cluster, ring.Partitioner = v.Cluster, v.Partitioner
		}
		if v.SchemaVersion != "" {
			ring.SchemaVersions[v.SchemaVersion] = append(ring.SchemaVersions[v.SchemaVersion], ownAddress(inv, v))
		}
	}
	for _, addrs := range ring.SchemaVersions {
		slices.Sort(addrs)
	}
	ring.AgreedSchema = len(ring.SchemaVersions) == 1

	byDC := map[string][]Node{}
	for _, addr := range addresses(obs) {
		planned := names[addr]
		node, dc := mergeNode(addr, planned, inv, obs)
		if len(node.Tokens) == 0 && !inTransit(node.State) {
			continue // gossip remembers nodes that have left, or never joined
		}
		if node.OwnsEffective != nil {
			ring.Keyspace = obs.Keyspace
		}
		byDC[dc] = append(byDC[dc], node)
	}
	order := datacenterOrder(inv, byDC)
	ring.Datacenters = make([]Datacenter, 0, len(order))
	for _, dc := range order {
		nodes := byDC[dc]
		slices.SortStableFunc(nodes, func(a, b Node) int { return compareTokens(firstToken(a), firstToken(b)) })
		ring.Datacenters = append(ring.Datacenters, Datacenter{Name: dc, Nodes: nodes})
	}
	ring.Mismatches = Verify(inv, obs)
	return ring
}

// mergeNode puts together what is known of one address, and its datacenter.
func mergeNode(addr string, planned topology.Node, inv topology.Inventory, obs Observation) (Node, string) {
	node := Node{
		Name: planned.Name, Address: addr, PrivateAddress: planned.PrivateAddress, Asked: len(obs.Views),
	}
	var dc string
	take := func(p Peer) {
		keep(&dc, p.Datacenter)
		keep(&node.Rack, p.Rack)
		keep(&node.HostID, p.HostID)
		keep(&node.LoadGossiped, p.Load)
		if node.Owns == nil {
			node.Owns = p.Owns
		}
		if node.OwnsEffective == nil {
			node.OwnsEffective = p.OwnsEffective
		}
		if node.OwnsSystem == nil {
			node.OwnsSystem = p.OwnsSystem
		}
		if len(node.Tokens) == 0 {
			node.Tokens = p.Tokens
		}
		if p.State != "" && !inTransit(node.State) {
			node.State = p.State
		}
	}
	own, answered := obs.of(planned.Name)
	if answered = answered && ownAddress(inv, own) == addr; answered {
		take(own.Peers[addr])
		node.LoadBytes, node.ReleaseVersion = own.LoadBytes, own.ReleaseVersion
		if obs.Source != SourceCQL {
			node.State = stateOf(own)
		}
	}
	var up, down, unsaid int
	for _, v := range obs.answered() {
		p, known := v.Peers[addr]
		if !known {
			continue
		}
		take(p)
		switch p.Status {
		case Up:
			up++
		case Down:
			down++
		default:
			unsaid++
		}
	}
	byCQL := obs.Source == SourceCQL
	if !byCQL || unsaid == 0 {
		node.SeenUpBy = &up
	}
	asked := planned.Name != ""
	switch {
	case down > 0, !byCQL && (up == 0 || asked && !answered):
		node.Status = Down
	case !byCQL, answered, !asked && unsaid == 0:
		node.Status = Up
	}
	if node.State == "" && !byCQL {
		node.State = Normal
	}
	node.Tokens = sortTokens(node.Tokens)
	if node.Tokens == nil {
		node.Tokens = []string{}
	}
	keep(&dc, planned.Datacenter)
	return node, dc
}

// stateOf is the state that a node's own operation mode says.
func stateOf(v View) Said {
	switch v.Mode {
	case "STARTING", "JOINING":
		return Joining
	case "LEAVING":
		return Leaving
	case "MOVING":
		return Moving
	}
	return Normal
}

// inTransit says whether a state is one of joining, leaving or moving.
func inTransit(s Said) bool { return s != "" && s != Normal }

// SeesUp says whether the node of a view sees the one at an address up. By CQL, which
// may not tell, it is enough that the node is known and not said to be down.
func (o Observation) SeesUp(v View, addr string) bool {
	p, known := v.Peers[address(addr)]
	return p.Status == Up || o.Source == SourceCQL && known && p.Status == ""
}

// keep sets a string that is not set yet.
func keep(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// ownAddress is the broadcast address a node has for itself, or else the planned one.
func ownAddress(inv topology.Inventory, v View) string {
	if v.Self != "" {
		return v.Self
	}
	for _, n := range inv.Nodes {
		if n.Name == v.Node {
			return address(n.PublicAddress)
		}
	}
	return ""
}

// addresses lists every address that a node knows of, sorted.
func addresses(obs Observation) []string {
	known := map[string]bool{}
	for _, v := range obs.answered() {
		for addr := range v.Peers {
			known[addr] = true
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// datacenterOrder is the plan's, then the rest by name.
func datacenterOrder(inv topology.Inventory, found map[string][]Node) []string {
	var order []string
	for _, n := range inv.Nodes {
		if len(found[n.Datacenter]) > 0 && !slices.Contains(order, n.Datacenter) {
			order = append(order, n.Datacenter)
		}
	}
	for _, dc := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(order, dc) {
			order = append(order, dc)
		}
	}
	return order
}

func firstToken(n Node) string {
	if len(n.Tokens) == 0 {
		return ""
	}
	return n.Tokens[0]
}
