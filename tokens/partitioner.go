// Package tokens places the nodes of a Cassandra ring: evenly spaced initial
// tokens for each datacenter, and what share of the data a node then owns. All
// arithmetic is exact.
package tokens

import (
	"fmt"
	"math/big"
	"strings"
)

// Partitioner is the short class name of a Cassandra partitioner whose tokens
// are numbers.
type Partitioner string

const (
	// Random is RandomPartitioner: an MD5 hash, tokens 0 ≤ t < 2^127.
	Random Partitioner = "RandomPartitioner"
	// Murmur3 is Murmur3Partitioner: a 64-bit hash, tokens -2^63 ≤ t < 2^63.
	Murmur3 Partitioner = "Murmur3Partitioner"
)

// classPrefix is the Java package that cassandra.yaml may name partitioners with.
const classPrefix = "org.apache.cassandra.dht."

// ParsePartitioner takes "random" and "murmur3" in any case, a short class name
// or a full one.
func ParsePartitioner(name string) (Partitioner, error) {
	short := strings.ToLower(strings.TrimPrefix(name, classPrefix))
	switch strings.TrimSuffix(short, "partitioner") {
	case "random":
		return Random, nil
	case "murmur3":
		return Murmur3, nil
	}
	return "", fmt.Errorf("partitioner %q: only %s and %s have tokens that can be spaced evenly", name, Murmur3, Random)
}

// Min is the lowest token that a node can be given.
func (p Partitioner) Min() *big.Int {
	if p == Murmur3 {
		return new(big.Int).Lsh(big.NewInt(-1), 63)
	}
	return new(big.Int)
}

// Size is how many tokens the ring has; the highest is Min + Size - 1.
func (p Partitioner) Size() *big.Int {
	if p == Murmur3 {
		return new(big.Int).Lsh(big.NewInt(1), 64)
	}
	return new(big.Int).Lsh(big.NewInt(1), 127)
}

// wrap brings t, in place, into the ring.
func (p Partitioner) wrap(t *big.Int) *big.Int {
	lowest := p.Min()
	t.Sub(t, lowest)
	t.Mod(t, p.Size())
	return t.Add(t, lowest)
}

// contains says whether t is a token of the ring.
func (p Partitioner) contains(t *big.Int) bool {
	lowest := p.Min()
	return t.Cmp(lowest) >= 0 && t.Cmp(lowest.Add(lowest, p.Size())) < 0
}

func (p Partitioner) check() error {
	if p != Random && p != Murmur3 {
		return fmt.Errorf("partitioner %q: not %s or %s", string(p), Murmur3, Random)
	}
	return nil
}
