package tokens

import (
	"fmt"
	"math/big"
	"slices"
)

// Strategy says how the datacenters' tokens are kept apart.
type Strategy string

const (
	// NTS is what Cassandra's own token-generator does for
	// NetworkTopologyStrategy: datacenter k lies k steps back on the ring.
	NTS Strategy = "nts"
	// CCM is what Cassandra Cluster Manager does: datacenter k lies k*100 ahead.
	CCM Strategy = "ccm"
)

// ParseStrategy takes "nts" or "ccm".
func ParseStrategy(name string) (Strategy, error) {
	s := Strategy(name)
	return s, s.check()
}

func (s Strategy) check() error {
	if s != NTS && s != CCM {
		return fmt.Errorf("token strategy %q: not %s or %s", string(s), NTS, CCM)
	}
	return nil
}

const (
	// minDivisor is token-generator's least divisor of the ring for the step
	// between datacenters.
	minDivisor = 235
	// ccmStep is ccm's distance between datacenters.
	ccmStep = 100
	// maxTokens bounds one ring: 20 datacenters of 1,000 nodes with 256 tokens
	// each fit.
	maxTokens = 1 << 23
)

// CollisionError says that two nodes would get one token. Cassandra refuses such
// a ring.
type CollisionError struct {
	Token *big.Int
	// The datacenters and the positions in them, from 0. First is the earlier
	// datacenter.
	FirstDC, FirstNode   int
	SecondDC, SecondNode int
}

func (e *CollisionError) Error() string {
	return fmt.Sprintf("token %s: wanted by node %d of datacenter %d and by node %d of datacenter %d",
		e.Token, e.FirstNode+1, e.FirstDC+1, e.SecondNode+1, e.SecondDC+1)
}

// Generate gives one token to each node, by datacenter, ascending in each. Each
// datacenter is divided as if it were a ring of its own: with n nodes, node i
// stands at i*floor(size/n) past the lowest token. Then datacenter k is moved:
// by k*floor(-size/max(2*datacenters*largest, 235)) for NTS, by k*100 for CCM.
//
// A datacenter may have no nodes. Two datacenters can come out with a token in
// common, rarely (RandomPartitioner with 12, 12, 12 and 31 nodes); then the error
// is a *CollisionError, and the tokens are returned beside it for Separate.
func Generate(p Partitioner, s Strategy, nodesPerDC []int) ([][]*big.Int, error) {
	if err := checkAll(p, s, nodesPerDC); err != nil {
		return nil, err
	}
	size := p.Size()
	step := s.step(size, nodesPerDC)
	ring := make([][]*big.Int, len(nodesPerDC))
	for k, n := range nodesPerDC {
		start := new(big.Int).Mul(step, big.NewInt(int64(k)))
		start.Add(start, p.Min())
		arc := new(big.Int).Div(size, big.NewInt(int64(max(n, 1))))
		ring[k] = make([]*big.Int, n)
		for i := range n {
			t := new(big.Int).Mul(arc, big.NewInt(int64(i)))
			ring[k][i] = p.wrap(t.Add(t, start))
		}
		slices.SortFunc(ring[k], (*big.Int).Cmp)
	}
	return ring, CheckUnique(ring)
}

// Deal hands the tokens of each datacenter to its nodes in turn.
func Deal(ring [][]*big.Int, nodesPerDC []int) [][][]*big.Int {
	dealt := make([][][]*big.Int, len(ring))
	for k, places := range ring {
		dealt[k] = make([][]*big.Int, nodesPerDC[k])
		for i, t := range places {
			j := i % nodesPerDC[k]
			dealt[k][j] = append(dealt[k][j], t)
		}
	}
	return dealt
}

// CheckUnique returns a *CollisionError for the first token that occurs twice.
func CheckUnique(ring [][]*big.Int) error {
	type place struct{ dc, node int }
	seen := map[string]place{}
	for k, places := range ring {
		for i, t := range places {
			key := string(t.Append(nil, 62))
			if first, ok := seen[key]; ok {
				return &CollisionError{Token: t, FirstDC: first.dc, FirstNode: first.node, SecondDC: k, SecondNode: i}
			}
			seen[key] = place{k, i}
		}
	}
	return nil
}

// Separate returns the ring with every token occurring once: one that was given
// out before moves up to the next free token. Each datacenter stays ascending.
func Separate(p Partitioner, ring [][]*big.Int) [][]*big.Int {
	taken := map[string]bool{}
	apart := make([][]*big.Int, len(ring))
	for k, places := range ring {
		apart[k] = make([]*big.Int, len(places))
		for i, t := range places {
			free := new(big.Int).Set(t)
			for taken[string(free.Append(nil, 62))] {
				p.wrap(free.Add(free, big.NewInt(1)))
			}
			taken[string(free.Append(nil, 62))] = true
			apart[k][i] = free
		}
		slices.SortFunc(apart[k], (*big.Int).Cmp)
	}
	return apart
}

// step is the distance from one datacenter to the next.
func (s Strategy) step(size *big.Int, nodesPerDC []int) *big.Int {
	if s == CCM {
		return big.NewInt(ccmStep)
	}
	divisor := max(int64(len(nodesPerDC))*int64(slices.Max(nodesPerDC))*2, minDivisor)
	// Div rounds down for a positive divisor, as token-generator's division does.
	return new(big.Int).Div(new(big.Int).Neg(size), big.NewInt(divisor))
}

func checkAll(p Partitioner, s Strategy, nodesPerDC []int) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	if len(nodesPerDC) == 0 {
		return fmt.Errorf("tokens: no datacenters")
	}
	total := 0
	for k, n := range nodesPerDC {
		if n < 0 {
			return fmt.Errorf("datacenter %d: %d nodes", k+1, n)
		}
		if n > maxTokens-total {
			return fmt.Errorf("datacenter %d: more than %d tokens in the ring", k+1, maxTokens)
		}
		total += n
	}
	return nil
}
