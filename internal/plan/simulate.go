package plan

import (
	"fmt"
	"math/big"
	"slices"

	"crossring/internal/topology"
	"crossring/tokens"
)

// simulation follows the ring through the steps of a change.
type simulation struct {
	partitioner tokens.Partitioner
	replication map[string]int
	members     []topology.Node // of before and after, each once
	before      []tokens.Node
	ring        []tokens.Node // as it is by now, in the same order
	gave        map[string]bool
	received    map[string]float64
	perCopy     map[string]float64 // bytes of one copy, by datacenter
}

func newSimulation(have, want topology.Plan, load map[string]int64) (*simulation, error) {
	p, err := tokens.ParsePartitioner(have.Partitioner)
	if err != nil {
		return nil, err
	}
	s := &simulation{partitioner: p, replication: have.Keyspace.Replication, gave: map[string]bool{}, received: map[string]float64{}}
	for _, n := range have.Nodes {
		r, err := ringNode(n)
		if err != nil {
			return nil, err
		}
		s.members, s.before = append(s.members, n), append(s.before, r)
	}
	for _, n := range want.Nodes {
		if find(have.Nodes, n.Name) < 0 {
			s.members = append(s.members, n)
			s.before = append(s.before, tokens.Node{Datacenter: n.Datacenter, Rack: n.Rack})
		}
	}
	s.ring = append([]tokens.Node(nil), s.before...)
	return s, s.measure(load)
}

// measure works out how much one copy of the rows is, datacenter by datacenter, of
// those in which every node's load is known.
func (s *simulation) measure(load map[string]int64) error {
	s.perCopy = map[string]float64{}
	owns, err := tokens.EffectiveOwnership(s.partitioner, s.before, s.replication)
	if err != nil {
		return fmt.Errorf("the ring that stands: %w", err)
	}
	copies, bytes, unknown := map[string]float64{}, map[string]float64{}, map[string]bool{}
	for i, n := range s.members {
		if len(s.before[i].Tokens) == 0 {
			continue
		}
		have, ok := load[n.Name]
		unknown[n.Datacenter] = unknown[n.Datacenter] || !ok
		copies[n.Datacenter] += owns[i]
		bytes[n.Datacenter] += float64(have)
	}
	for dc, c := range copies {
		if c > 0 && !unknown[dc] {
			s.perCopy[dc] = bytes[dc] / c
		}
	}
	return nil
}

// bytes is a fraction of one copy in bytes; nil where that is not known.
func (s *simulation) bytes(dc string, fraction float64) *int64 {
	per, ok := s.perCopy[dc]
	if !ok {
		return nil
	}
	n := int64(per * fraction)
	return &n
}

func (s *simulation) index(name string) int { return find(s.members, name) }

func (s *simulation) tokensOf(name string) []string { return s.members[s.index(name)].Tokens }

// apply does a step to the ring, and notes in it what it moves.
func (s *simulation) apply(step *topology.Step) error {
	i := -1
	if step.Node != "" {
		i = s.index(step.Node)
	}
	none := int64(0)
	switch step.Kind {
	case topology.StepCleanup, topology.StepSeeds:
		step.Bytes = &none
		return nil
	case topology.StepReplace:
		// It fetches all that the dead one held.
		owns, err := tokens.EffectiveOwnership(s.partitioner, s.ring, s.replication)
		if err != nil {
			return err
		}
		s.received[step.Node] += owns[i]
		step.Moves, step.Bytes = owns[i], s.bytes(s.members[i].Datacenter, owns[i])
		return nil
	}
	next := append([]tokens.Node(nil), s.ring...)
	next[i].Tokens = nil
	for _, text := range step.Tokens {
		t, err := parseToken(step.Node, text)
		if err != nil {
			return err
		}
		next[i].Tokens = append(next[i].Tokens, t)
	}
	// What a datacenter holds follows from its own nodes alone.
	dc := s.members[i].Datacenter
	transfers, err := tokens.Transfers(s.partitioner, s.ring, next, map[string]int{dc: s.replication[dc]})
	if err != nil {
		return fmt.Errorf("%s %s: %w", step.Kind, step.Node, err)
	}
	for j, t := range transfers {
		step.Moves += t.Receives
		s.received[s.members[j].Name] += t.Receives
		// A share that rounding alone moves is nothing to clean up.
		const least = 1e-9
		if t.Gives > least {
			s.gave[s.members[j].Name] = true
		}
	}
	step.Bytes = s.bytes(s.members[i].Datacenter, step.Moves)
	s.ring = next
	return nil
}

// nodes sums the change up for each node.
func (s *simulation) nodes(list []topology.Node, replaced []string) ([]topology.NodeChange, error) {
	was, err := tokens.EffectiveOwnership(s.partitioner, s.before, s.replication)
	if err != nil {
		return nil, err
	}
	is, err := tokens.EffectiveOwnership(s.partitioner, s.ring, s.replication)
	if err != nil {
		return nil, fmt.Errorf("the ring that is to stand: %w", err)
	}
	changes := make([]topology.NodeChange, len(list))
	for k, n := range list {
		i := s.index(n.Name)
		c := topology.NodeChange{
			Name: n.Name, Datacenter: n.Datacenter, What: topology.NodeKept,
			TokensBefore: tokens.Strings(s.before[i].Tokens), TokensAfter: tokens.Strings(s.ring[i].Tokens),
			OwnsBefore: was[i], OwnsAfter: is[i], Receives: s.received[n.Name],
		}
		c.ReceivesBytes = s.bytes(n.Datacenter, c.Receives)
		switch before, after := s.before[i].Tokens, s.ring[i].Tokens; {
		case len(before) == 0:
			c.What = topology.NodeAdded
		case len(after) == 0:
			c.What = topology.NodeRemoved
		case slices.Contains(replaced, n.Name):
			c.What = topology.NodeReplaced
		case !sameTokens(before, after):
			c.What = topology.NodeMoved
		}
		changes[k] = c
	}
	return changes, nil
}

func sameTokens(a, b []*big.Int) bool {
	return slices.EqualFunc(a, b, func(s, t *big.Int) bool { return s.Cmp(t) == 0 })
}

func parseToken(node, text string) (*big.Int, error) {
	t, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, fmt.Errorf("%s: %q is not a token", node, text)
	}
	return t, nil
}
