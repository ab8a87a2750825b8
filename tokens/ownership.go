package tokens

import (
	"fmt"
	"math/big"
	"slices"
)

// Ownership is the fraction of the ring, 0 to 1, that lies before each token: from
// the token before it, exclusive, to the token itself, inclusive. The ring is the
// tokens of one datacenter in any order, and the fractions are in that order and
// add up to 1. It is the primary range of a node that has one token.
func Ownership(p Partitioner, ring []*big.Int) ([]float64, error) {
	places := make([]place, len(ring))
	for i, t := range ring {
		places[i] = place{token: t, node: i}
	}
	if err := arrange(p, places); err != nil {
		return nil, err
	}
	owned := make([]float64, len(ring))
	for i, at := range places {
		owned[at.node] = fraction(p, arc(p, places, i))
	}
	return owned, nil
}

// Node is a node as replica placement sees it.
type Node struct {
	Datacenter string
	Rack       string
	Tokens     []*big.Int
}

// EffectiveOwnership is the fraction of a keyspace's rows, 0 to 1, that each node
// holds under NetworkTopologyStrategy: what nodetool shows as effective
// ownership. The fractions of a datacenter add up to its replication factor, or
// to its number of nodes where that is less. replication is the factor by
// datacenter; a datacenter that it leaves out holds nothing.
//
// Placement is Cassandra's: from a row's token clockwise through the datacenter,
// each node at most once, and a rack a second time only for as many replicas as
// there are more of than racks.
func EffectiveOwnership(p Partitioner, nodes []Node, replication map[string]int) ([]float64, error) {
	byDC := map[string][]place{}
	var all []place
	for i, n := range nodes {
		for _, t := range n.Tokens {
			byDC[n.Datacenter] = append(byDC[n.Datacenter], place{token: t, node: i})
			all = append(all, place{token: t, node: i})
		}
	}
	if len(all) > 0 {
		// A token may not occur twice in the whole ring, not only in a datacenter.
		if err := arrange(p, all); err != nil {
			return nil, err
		}
	}
	held := make([]*big.Int, len(nodes))
	for i := range held {
		held[i] = new(big.Int)
	}
	for dc, factor := range replication {
		if factor < 0 {
			return nil, fmt.Errorf("replication of datacenter %s: %d", dc, factor)
		}
		places := byDC[dc]
		if len(places) == 0 {
			if factor > 0 {
				return nil, fmt.Errorf("replication of datacenter %s: it has no node with a token", dc)
			}
			continue
		}
		if err := arrange(p, places); err != nil {
			return nil, err
		}
		walk := newPlacement(nodes, places, factor)
		for i := range places {
			share := arc(p, places, i)
			for _, node := range walk.replicas(i) {
				held[node].Add(held[node], share)
			}
		}
	}
	fractions := make([]float64, len(nodes))
	for i, h := range held {
		fractions[i] = fraction(p, h)
	}
	return fractions, nil
}

// place is a token on the ring and the node that has it.
type place struct {
	token *big.Int
	node  int
}

// placement finds replicas in one datacenter.
type placement struct {
	nodes   []Node
	places  []place // in ring order
	factor  int     // replicas there can be
	repeats int     // replicas that must share a rack
	chosen  []int   // the replicas of the last range asked for
}

func newPlacement(nodes []Node, places []place, factor int) *placement {
	racks, members := map[string]bool{}, map[int]bool{}
	for _, at := range places {
		racks[nodes[at.node].Rack] = true
		members[at.node] = true
	}
	factor = min(factor, len(members))
	return &placement{nodes: nodes, places: places, factor: factor, repeats: max(factor-len(racks), 0)}
}

// replicas lists the nodes that hold the rows up to places[start]. The slice is
// valid until the next call.
func (w *placement) replicas(start int) []int {
	w.chosen = w.chosen[:0]
	repeats := w.repeats
	for i := 0; i < len(w.places) && len(w.chosen) < w.factor; i++ {
		node := w.places[(start+i)%len(w.places)].node
		if slices.Contains(w.chosen, node) {
			continue
		}
		rack := w.nodes[node].Rack
		if slices.ContainsFunc(w.chosen, func(c int) bool { return w.nodes[c].Rack == rack }) {
			if repeats == 0 {
				continue
			}
			repeats--
		}
		w.chosen = append(w.chosen, node)
	}
	return w.chosen
}

// arrange sorts the places by token, and refuses a token that is not the ring's
// or occurs twice.
func arrange(p Partitioner, places []place) error {
	if err := p.check(); err != nil {
		return err
	}
	if len(places) == 0 {
		return fmt.Errorf("ownership: no tokens")
	}
	for _, at := range places {
		if at.token == nil || !p.contains(at.token) {
			return fmt.Errorf("token %s: not a token of %s", at.token, p)
		}
	}
	slices.SortFunc(places, func(a, b place) int { return a.token.Cmp(b.token) })
	for i := 1; i < len(places); i++ {
		if places[i].token.Cmp(places[i-1].token) == 0 {
			return fmt.Errorf("token %s: occurs twice", places[i].token)
		}
	}
	return nil
}

// arc is the length of the range that ends at places[i].
func arc(p Partitioner, places []place, i int) *big.Int {
	before := places[(i+len(places)-1)%len(places)].token
	length := new(big.Int).Sub(places[i].token, before)
	if length.Sign() <= 0 {
		length.Add(length, p.Size())
	}
	return length
}

func fraction(p Partitioner, part *big.Int) float64 {
	f, _ := new(big.Rat).SetFrac(part, p.Size()).Float64()
	return f
}
