package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crossring/internal/plain"
	"crossring/internal/spec"
	"crossring/internal/topology"
	"crossring/tokens"
)

// ChangeRequest is what a running cluster is to become.
type ChangeRequest struct {
	Have topology.Plan // of the cluster that runs, with its nodes as they are
	Want spec.Spec     // differs from the cluster's in what can be changed in place
	// Remove names nodes that go, where the numbers say that some do; otherwise those
	// with the highest numbers of their zone go.
	Remove []string
	// Replace names dead nodes whose place an empty one takes.
	Replace []string
	// Load is each node's data in bytes, by name, as far as it is known.
	Load map[string]int64
	// Planned is the cluster's plan, where a node may stand in another zone than it was
	// planned in: it counts for that one. Have itself where it is left out.
	Planned *topology.Plan
}

// zone is the zone of the spec that a node of the cluster counts for.
func (req ChangeRequest) zone(n topology.Node) string {
	if req.Planned != nil {
		if i := find(req.Planned.Nodes, n.Name); i >= 0 {
			return req.Planned.Nodes[i].Zone
		}
	}
	return n.Zone
}

// ports are those of a new node.
func (req ChangeRequest) ports() topology.Ports {
	if req.Planned != nil && len(req.Planned.Nodes) > 0 {
		return req.Planned.Nodes[0].Ports
	}
	return req.Have.Nodes[0].Ports
}

// Between plans how the running cluster becomes the wanted one. Nodes that stay keep
// their names, numbers and, where that leaves the shares even, their tokens; a new
// node has the number after the highest of its region. The result has a Change. The
// error, if any, lists every problem.
func Between(req ChangeRequest) (topology.Plan, error) {
	spec.Defaults(&req.Want)
	fresh, err := Build(req.Want)
	if err != nil {
		return fresh, err
	}
	b := &changer{builder: builder{spec: req.Want}, ChangeRequest: req}
	after := b.members()
	b.named(after)
	if len(b.problems) > 0 {
		return topology.Plan{}, spec.Join(b.problems)
	}
	p := req.Have
	p.Stress, p.Nodes = fresh.Stress, after
	dcs := group(p.Nodes)
	for i := range p.Nodes {
		p.Nodes[i].Seed = false
	}
	seeds(p.Nodes, dcs)
	if err := b.giveTokens(p.Nodes, dcs); err != nil {
		return topology.Plan{}, err
	}
	if p.Change, err = b.steps(p); err != nil {
		return p, err
	}
	p = Replanned(p)
	if p.EC2 != nil {
		p.Calls = changeCalls(req.Have, p)
		if req.Have.Cost != nil {
			p.Change.PerHourBeforeUSD = req.Have.Cost.PerHourUSD
		}
	}
	return p, nil
}

// changer is a builder that begins with a cluster that runs.
type changer struct {
	builder
	ChangeRequest
}

// members lists the nodes of afterwards, zone by zone in the order of the cluster,
// new zones last. New ones have no tokens yet.
func (b *changer) members() []topology.Node {
	zones := []string{}
	for _, n := range b.Have.Nodes {
		if zone := b.zone(n); !slices.Contains(zones, zone) {
			zones = append(zones, zone)
		}
	}
	dcs := b.Have.Datacenters()
	highest, index := map[string]int{}, 0
	for _, n := range b.Have.Nodes {
		highest[n.Region] = max(highest[n.Region], Number(n))
		index = max(index, n.Index)
	}
	count := map[string]int{}
	for i, r := range b.Want.Regions {
		count[r.Zone] = r.Nodes
		if slices.Contains(zones, r.Zone) {
			continue
		}
		zones = append(zones, r.Zone)
		dc, _ := Names(b.Have.NamingScheme, r.Zone)
		if dc += r.DCSuffix; !slices.Contains(dcs, dc) {
			b.problem(fmt.Sprintf("regions[%d].zone", i), "%s is in datacenter %s; a running cluster takes nodes in its own datacenters: %s",
				r.Zone, dc, strings.Join(dcs, ", "))
		}
	}
	var list []topology.Node
	for _, zone := range zones {
		var here []topology.Node
		for _, n := range b.Have.Nodes {
			if b.zone(n) == zone {
				here = append(here, n)
			}
		}
		here = b.shrink(here, count[zone])
		for missing := count[zone] - len(here); missing > 0; missing-- {
			index++
			here = append(here, b.newNode(zone, index, highest))
		}
		list = append(list, here...)
	}
	return list
}

// shrink takes the nodes that go out of a zone's.
func (b *changer) shrink(here []topology.Node, count int) []topology.Node {
	kept := slices.Clone(here)
	for _, name := range b.Remove {
		i := slices.IndexFunc(kept, func(n topology.Node) bool { return n.Name == name })
		if i < 0 {
			continue
		}
		if len(kept) <= count {
			b.problem("regions", "%s is to go, but its zone %s keeps %s: lower that number", name, b.zone(kept[i]), plain.Count(count, "node"))
			continue
		}
		kept = slices.Delete(kept, i, i+1)
	}
	for len(kept) > count {
		last := 0
		for i, n := range kept {
			if Number(n) > Number(kept[last]) {
				last = i
			}
		}
		kept = slices.Delete(kept, last, last+1)
	}
	return kept
}

func (b *changer) newNode(zone string, index int, highest map[string]int) topology.Node {
	var region, suffix string
	for _, r := range b.Want.Regions {
		if r.Zone == zone {
			region, suffix = r.Region, r.DCSuffix
		}
	}
	highest[region]++
	dc, rack := Names(b.Have.NamingScheme, zone)
	return topology.Node{
		Name: region + "-" + strconv.Itoa(highest[region]), Index: index, Region: region, Zone: zone,
		Datacenter: dc + suffix, Rack: rack, Bootstrap: true, Ports: b.ports(),
	}
}

// Number is a node's number in its region, which its name ends with; 0 when it has none.
func Number(n topology.Node) int {
	number, err := strconv.Atoi(strings.TrimPrefix(n.Name, n.Region+"-"))
	if err != nil {
		return 0
	}
	return number
}

// named checks the nodes that a person named.
func (b *changer) named(after []topology.Node) {
	known := make([]string, len(b.Have.Nodes))
	for i, n := range b.Have.Nodes {
		known[i] = n.Name
	}
	for _, name := range slices.Concat(b.Remove, b.Replace) {
		if !slices.Contains(known, name) {
			b.misnamed("no node %q in cluster %s; its nodes are %s", name, b.Have.Name, strings.Join(known, ", "))
		}
	}
	for _, name := range b.Replace {
		if slices.Contains(known, name) && find(after, name) < 0 {
			b.misnamed("%s is to be replaced, but it goes", name)
		}
	}
	if !slices.ContainsFunc(known, func(name string) bool { return !slices.Contains(b.Replace, name) }) {
		b.misnamed("all nodes of %s are to be replaced: one has to live for the others to take their data from", b.Have.Name)
	}
}

// misnamed is a problem of what a person named, and of no line of the spec.
func (b *changer) misnamed(format string, args ...any) {
	b.problems = append(b.problems, &spec.Problem{Message: fmt.Sprintf(format, args...)})
}

func find(nodes []topology.Node, name string) int {
	return slices.IndexFunc(nodes, func(n topology.Node) bool { return n.Name == name })
}

// steps works out the acts, in their order, and what each of them moves.
//
// Dead nodes come back first, for Cassandra lets no node join or leave while one is
// down. New nodes come before old ones go, so that there is never less room than
// before and after. Then the rest moves to where the shares are even, and only when
// everything stands does anybody drop what it no longer owns.
func (b *changer) steps(p topology.Plan) (*topology.Change, error) {
	sim, err := newSimulation(b.Have, p, b.Load)
	if err != nil {
		return nil, err
	}
	change := &topology.Change{Remove: orEmpty(b.Remove), Replace: orEmpty(b.Replace)}
	add := func(kind, node string, toks []string) error {
		s := topology.Step{Number: len(change.Steps) + 1, Kind: kind, Node: node, Tokens: orEmpty(toks)}
		if err := sim.apply(&s); err != nil {
			return err
		}
		change.Steps = append(change.Steps, s)
		return nil
	}
	var moved, gone []topology.Node
	for _, n := range p.Nodes {
		if slices.Contains(b.Replace, n.Name) {
			if err := add(topology.StepReplace, n.Name, sim.tokensOf(n.Name)); err != nil {
				return nil, err
			}
		}
	}
	for _, n := range p.Nodes {
		i := find(b.Have.Nodes, n.Name)
		if i >= 0 {
			if !slices.Equal(b.Have.Nodes[i].Tokens, n.Tokens) {
				moved = append(moved, n)
			}
			continue
		}
		if err := add(topology.StepJoin, n.Name, n.Tokens); err != nil {
			return nil, err
		}
	}
	for _, n := range b.Have.Nodes {
		if find(p.Nodes, n.Name) < 0 {
			gone = append(gone, n)
			if err := add(topology.StepDecommission, n.Name, nil); err != nil {
				return nil, err
			}
		}
	}
	for _, n := range moved {
		if err := add(topology.StepMove, n.Name, n.Tokens); err != nil {
			return nil, err
		}
	}
	for _, n := range p.Nodes {
		if sim.gave[n.Name] {
			if err := add(topology.StepCleanup, n.Name, nil); err != nil {
				return nil, err
			}
		}
	}
	if !sameSeeds(b.Have.Nodes, p.Nodes) {
		if err := add(topology.StepSeeds, "", nil); err != nil {
			return nil, err
		}
	}
	change.Nodes, err = sim.nodes(slices.Concat(p.Nodes, gone), b.Replace)
	return change, err
}

// sameSeeds says whether the list of seeds stays as it is.
func sameSeeds(before, after []topology.Node) bool {
	list := func(nodes []topology.Node) []string {
		var names []string
		for _, n := range nodes {
			if n.Seed {
				names = append(names, n.Name)
			}
		}
		return names
	}
	return slices.Equal(list(before), list(after))
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func ringNode(n topology.Node) (tokens.Node, error) {
	r := tokens.Node{Datacenter: n.Datacenter, Rack: n.Rack}
	for _, text := range n.Tokens {
		t, err := parseToken(n.Name, text)
		if err != nil {
			return r, err
		}
		r.Tokens = append(r.Tokens, t)
	}
	return r, nil
}
