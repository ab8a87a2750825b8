package plan

import (
	"errors"
	"math/big"
	"slices"

	"crossring/internal/topology"
	"crossring/tokens"
)

// giveTokens gives tokens to the nodes of afterwards. A datacenter whose nodes stay the
// same keeps all of them. In any other, with one token to a node, the places are even
// and as few nodes as possible move; with several, where a node can't move, the new
// ones take their share from the others. No token is given out that another node has
// at any time of the change.
func (b *changer) giveTokens(nodes []topology.Node, dcs []datacenter) error {
	p, err := tokens.ParsePartitioner(b.Have.Partitioner)
	if err != nil {
		return err
	}
	counts := make([]int, len(dcs))
	for k, dc := range dcs {
		counts[k] = len(dc.nodes) * max(1, b.Have.NumTokens)
	}
	ring, err := tokens.Generate(p, tokens.NTS, counts)
	var collision *tokens.CollisionError
	if err != nil && !errors.As(err, &collision) { // a token in use is passed over below
		return err
	}
	taken := map[string]bool{}
	for _, n := range b.Have.Nodes {
		for _, t := range n.Tokens {
			taken[t] = true
		}
	}
	for k, dc := range dcs {
		switch {
		case !b.changes(nodes, dc):
		case b.Have.NumTokens > 1:
			err = b.placeMany(p, nodes, dc, ring[k], taken)
		default:
			err = b.placeEvenly(p, nodes, dc, ring[k], taken)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changes says whether a datacenter gets or loses a node.
func (b *changer) changes(nodes []topology.Node, dc datacenter) bool {
	before := 0
	for _, n := range b.Have.Nodes {
		if n.Datacenter == dc.name {
			before++
		}
	}
	return before != len(dc.nodes) || slices.ContainsFunc(dc.nodes, func(i int) bool { return len(nodes[i].Tokens) == 0 })
}

// placeEvenly chooses, of all even rings of the datacenter that one of its nodes is
// on already, and of the generator's own, the one in which the fewest nodes move.
func (b *changer) placeEvenly(p tokens.Partitioner, nodes []topology.Node, dc datacenter, own []*big.Int, taken map[string]bool) error {
	best, err := b.fit(p, nodes, dc, own)
	if err != nil {
		return err
	}
	for _, i := range dc.nodes {
		if len(nodes[i].Tokens) != 1 {
			continue
		}
		at, err := parseToken(nodes[i].Name, nodes[i].Tokens[0])
		if err != nil {
			return err
		}
		turned := make([]*big.Int, len(own))
		for j, t := range own {
			turned[j] = within(p, new(big.Int).Add(at, new(big.Int).Sub(t, own[0])))
		}
		slices.SortFunc(turned, (*big.Int).Cmp)
		if other, err := b.fit(p, nodes, dc, turned); err != nil {
			return err
		} else if other.moves < best.moves {
			best = other
		}
	}
	for i, t := range best.tokens {
		nodes[i].Tokens = []string{free(p, t, taken).String()}
	}
	return nil
}

// fitting is which node goes where.
type fitting struct {
	tokens map[int]*big.Int // of the nodes that move or are new, by their place in the plan
	moves  int              // nodes that have a token and get another
}

// fit hands places, ascending, to a datacenter's nodes. Its racks take turns on the
// ring; in a rack a node that is on a place stays, and each of the others has the
// nearest that is left.
func (b *changer) fit(p tokens.Partitioner, nodes []topology.Node, dc datacenter, places []*big.Int) (fitting, error) {
	f := fitting{tokens: map[int]*big.Int{}}
	left := map[string][]*big.Int{} // by rack
	for j, i := range inTurn(nodes, dc.nodes) {
		left[nodes[i].Rack] = append(left[nodes[i].Rack], places[j])
	}
	// Shares that differ by less than this are even: tokens are whole numbers, and one
	// that was in use has been passed over.
	const even = 40
	near := new(big.Int).Rsh(p.Size(), even)
	var moving []int
	current := map[int]*big.Int{}
	for _, i := range dc.nodes {
		if len(nodes[i].Tokens) == 0 {
			moving = append(moving, i)
			continue
		}
		t, err := parseToken(nodes[i].Name, nodes[i].Tokens[0])
		if err != nil {
			return f, err
		}
		rack := left[nodes[i].Rack]
		if j := nearest(p, rack, t); distance(p, rack[j], t).Cmp(near) <= 0 {
			left[nodes[i].Rack] = slices.Delete(rack, j, j+1)
			continue
		}
		f.moves++
		current[i] = t
		moving = append(moving, i)
	}
	// Those that have data choose first.
	slices.SortStableFunc(moving, func(a, b int) int {
		switch {
		case current[a] != nil && current[b] == nil:
			return -1
		case current[a] == nil && current[b] != nil:
			return 1
		}
		return 0
	})
	for _, i := range moving {
		rack := left[nodes[i].Rack]
		j := 0
		if t := current[i]; t != nil {
			j = nearest(p, rack, t)
		}
		f.tokens[i] = rack[j]
		left[nodes[i].Rack] = slices.Delete(rack, j, j+1)
	}
	return f, nil
}

// nearest is the index of the place that is nearest to t on the ring; there is one at
// least.
func nearest(p tokens.Partitioner, places []*big.Int, t *big.Int) int {
	best := 0
	for j := range places {
		if distance(p, places[j], t).Cmp(distance(p, places[best], t)) < 0 {
			best = j
		}
	}
	return best
}

// distance is the shorter way round the ring.
func distance(p tokens.Partitioner, a, b *big.Int) *big.Int {
	d := new(big.Int).Sub(a, b)
	d.Abs(d)
	if other := new(big.Int).Sub(p.Size(), d); other.Cmp(d) < 0 {
		return other
	}
	return d
}

// within brings t, in place, into the ring.
func within(p tokens.Partitioner, t *big.Int) *big.Int {
	lowest := p.Min()
	t.Sub(t, lowest)
	t.Mod(t, p.Size())
	return t.Add(t, lowest)
}

// free is t, or the next token that nobody has, and takes it.
func free(p tokens.Partitioner, t *big.Int, taken map[string]bool) *big.Int {
	t = new(big.Int).Set(t)
	for taken[t.String()] {
		within(p, t.Add(t, big.NewInt(1)))
	}
	taken[t.String()] = true
	return t
}

// vnode is a token and the node that has it.
type vnode struct {
	token *big.Int
	node  int
}

// placeMany gives each new node its tokens: each takes an equal part of what the node
// with the largest share has, off the front of its largest range. Where none of the
// datacenter's nodes stays, the new ones get the generator's own places.
func (b *changer) placeMany(p tokens.Partitioner, nodes []topology.Node, dc datacenter, own []*big.Int, taken map[string]bool) error {
	var ring []vnode
	members := 0
	for _, i := range dc.nodes {
		if len(nodes[i].Tokens) > 0 {
			members++
		}
		for _, text := range nodes[i].Tokens {
			t, err := parseToken(nodes[i].Name, text)
			if err != nil {
				return err
			}
			ring = append(ring, vnode{t, i})
		}
	}
	if members == 0 {
		dealt := tokens.Deal([][]*big.Int{own}, []int{len(dc.nodes)})[0]
		for j, i := range inTurn(nodes, dc.nodes) {
			for k, t := range dealt[j] {
				dealt[j][k] = free(p, t, taken)
			}
			slices.SortFunc(dealt[j], (*big.Int).Cmp)
			nodes[i].Tokens = tokens.Strings(dealt[j])
		}
		return nil
	}
	for _, i := range dc.nodes {
		if len(nodes[i].Tokens) > 0 {
			continue
		}
		members++
		part := new(big.Int).Div(p.Size(), big.NewInt(int64(members)*int64(b.Have.NumTokens)))
		var mine []*big.Int
		for range b.Have.NumTokens {
			t := free(p, cut(p, ring, i, part), taken)
			ring = append(ring, vnode{t, i})
			mine = append(mine, t)
		}
		slices.SortFunc(mine, (*big.Int).Cmp)
		nodes[i].Tokens = tokens.Strings(mine)
	}
	return nil
}

// cut is the token with which a new node takes part of the ring, or half of a range
// that is less, from the node with the largest share.
func cut(p tokens.Partitioner, ring []vnode, mine int, part *big.Int) *big.Int {
	slices.SortFunc(ring, func(a, b vnode) int { return a.token.Cmp(b.token) })
	share := map[int]*big.Int{}
	largest := map[int]int{} // index of the node's largest range
	width := func(k int) *big.Int {
		w := new(big.Int).Sub(ring[k].token, ring[(k+len(ring)-1)%len(ring)].token)
		if w.Sign() <= 0 {
			w.Add(w, p.Size())
		}
		return w
	}
	for k, v := range ring {
		if v.node == mine {
			continue
		}
		if share[v.node] == nil {
			share[v.node], largest[v.node] = new(big.Int), k
		}
		share[v.node].Add(share[v.node], width(k))
		if width(k).Cmp(width(largest[v.node])) > 0 {
			largest[v.node] = k
		}
	}
	richest := -1
	for _, v := range ring { // in ring order, so that the same ring gives the same cut
		if v.node != mine && (richest < 0 || share[v.node].Cmp(share[richest]) > 0) {
			richest = v.node
		}
	}
	k := largest[richest]
	w := width(k)
	if part.Cmp(w) >= 0 {
		part = new(big.Int).Rsh(w, 1)
	}
	before := ring[(k+len(ring)-1)%len(ring)].token
	return within(p, new(big.Int).Add(before, part))
}
