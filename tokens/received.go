package tokens

import (
	"fmt"
	"math/big"
	"slices"
)

// Transfer is what a change of the ring means to one node, as fractions of one copy
// of a keyspace's rows.
type Transfer struct {
	Receives float64 // holds afterwards and did not before
	Gives    float64 // held before and does not afterwards
}

// Transfers compares two rings of the same nodes, under NetworkTopologyStrategy: a
// node that is in one of them only has no tokens in the other. before and after list
// the nodes in the same order. replication is the factor by datacenter.
func Transfers(p Partitioner, before, after []Node, replication map[string]int) ([]Transfer, error) {
	if len(before) != len(after) {
		return nil, fmt.Errorf("comparing rings: %d nodes before and %d after", len(before), len(after))
	}
	received, given := make([]*big.Int, len(before)), make([]*big.Int, len(before))
	for i := range before {
		received[i], given[i] = new(big.Int), new(big.Int)
	}
	for dc, factor := range replication {
		was, err := layOut(p, before, dc, factor)
		if err != nil {
			return nil, err
		}
		is, err := layOut(p, after, dc, factor)
		if err != nil {
			return nil, err
		}
		// Between two neighbours of all tokens, of before and of after, each row has the
		// same replicas.
		cuts := slices.Clone(was.places)
		for _, at := range is.places {
			if _, both := was.find(at.token); !both {
				cuts = append(cuts, at)
			}
		}
		slices.SortFunc(cuts, func(a, b place) int { return a.token.Cmp(b.token) })
		for i, cut := range cuts {
			share := arc(p, cuts, i)
			old, now := was.holders(cut.token), is.holders(cut.token)
			for _, node := range now {
				if !slices.Contains(old, node) {
					received[node].Add(received[node], share)
				}
			}
			for _, node := range old {
				if !slices.Contains(now, node) {
					given[node].Add(given[node], share)
				}
			}
		}
	}
	transfers := make([]Transfer, len(before))
	for i := range transfers {
		transfers[i] = Transfer{Receives: fraction(p, received[i]), Gives: fraction(p, given[i])}
	}
	return transfers, nil
}

// layOut is one datacenter's ring.
func layOut(p Partitioner, nodes []Node, dc string, factor int) (*placement, error) {
	var places []place
	for i, n := range nodes {
		if n.Datacenter != dc {
			continue
		}
		for _, t := range n.Tokens {
			places = append(places, place{token: t, node: i})
		}
	}
	if len(places) > 0 {
		if err := arrange(p, places); err != nil {
			return nil, fmt.Errorf("datacenter %s: %w", dc, err)
		}
	}
	return newPlacement(nodes, places, factor), nil
}

// find is the first place at or after a token, the first of all past the last, and
// whether it is at the token.
func (w *placement) find(token *big.Int) (int, bool) {
	i, found := slices.BinarySearchFunc(w.places, token, func(at place, t *big.Int) int { return at.token.Cmp(t) })
	if i == len(w.places) {
		i = 0
	}
	return i, found
}

// holders lists the nodes that hold the rows of a token.
func (w *placement) holders(token *big.Int) []int {
	if len(w.places) == 0 {
		return nil
	}
	i, _ := w.find(token)
	return slices.Clone(w.replicas(i))
}
