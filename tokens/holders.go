package tokens

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
)

// Of is the token of a partition key, as its bytes are sent.
func Of(p Partitioner, key []byte) (*big.Int, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if p == Murmur3 {
		return big.NewInt(murmur3(key)), nil
	}
	// The bytes of the hash are a signed number, and the token is how large it is.
	sum := md5.Sum(key)
	t := new(big.Int).SetBytes(sum[:])
	if sum[0] > 127 {
		t.Sub(new(big.Int).Lsh(big.NewInt(1), 128), t)
	}
	return t, nil
}

// murmur3 is the first half of MurmurHash3_x64_128 (Appleby, 2008) with seed 0, as Cassandra
// has it: it takes the bytes of an unfinished block for signed, and never gives the lowest
// number.
func murmur3(key []byte) int64 {
	const c1, c2 = 0x87c37b91114253d5, 0x4cf5ad432745937f
	mix1 := func(k uint64) uint64 { return bits.RotateLeft64(k*c1, 31) * c2 }
	mix2 := func(k uint64) uint64 { return bits.RotateLeft64(k*c2, 33) * c1 }
	var h1, h2 uint64
	rest := key
	for ; len(rest) >= 16; rest = rest[16:] {
		h1 ^= mix1(binary.LittleEndian.Uint64(rest))
		h1 = (bits.RotateLeft64(h1, 27)+h2)*5 + 0x52dce729
		h2 ^= mix2(binary.LittleEndian.Uint64(rest[8:]))
		h2 = (bits.RotateLeft64(h2, 31)+h1)*5 + 0x38495ab5
	}
	var k1, k2 uint64
	for i, b := range rest {
		if signed := uint64(int64(int8(b))); i < 8 {
			k1 ^= signed << (8 * i)
		} else {
			k2 ^= signed << (8 * (i - 8))
		}
	}
	h1, h2 = h1^mix1(k1)^uint64(len(key)), h2^mix2(k2)^uint64(len(key))
	h1 += h2
	h2 += h1
	h1, h2 = finish(h1), finish(h2)
	if t := int64(h1 + h2); t != math.MinInt64 {
		return t
	}
	return math.MaxInt64
}

func finish(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// Holders knows which nodes hold a row under NetworkTopologyStrategy. It is for one goroutine.
type Holders struct{ walks []*placement }

// NewHolders takes the nodes of a ring and the replication of a keyspace as
// EffectiveOwnership does.
func NewHolders(p Partitioner, nodes []Node, replication map[string]int) (*Holders, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	h := &Holders{}
	for dc, factor := range replication {
		if factor <= 0 {
			continue
		}
		var places []place
		for i, n := range nodes {
			for _, t := range n.Tokens {
				if n.Datacenter == dc {
					places = append(places, place{token: t, node: i})
				}
			}
		}
		if len(places) == 0 {
			return nil, fmt.Errorf("replication of datacenter %s: it has no node with a token", dc)
		}
		if err := arrange(p, places); err != nil {
			return nil, err
		}
		h.walks = append(h.walks, newPlacement(nodes, places, factor))
	}
	return h, nil
}

// Of lists the nodes, by their place among those of NewHolders and ascending, that hold the
// rows of a token.
func (h *Holders) Of(token *big.Int) []int {
	var all []int
	for _, w := range h.walks {
		at, _ := slices.BinarySearchFunc(w.places, token, func(p place, t *big.Int) int { return p.token.Cmp(t) })
		all = append(all, w.replicas(at%len(w.places))...)
	}
	slices.Sort(all)
	return all
}
