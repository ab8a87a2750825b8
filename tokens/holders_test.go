package tokens

import (
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// Tokens of MurmurHash3 are those that Cassandra's own implementation gives, as the tests of
// its Java and Go drivers have them; each further byte takes another way through the tail.
func TestMurmur3Tokens(t *testing.T) {
	want := []uint64{
		0x0000000000000000, 0x2ac9debed546a380, 0x649e4eaa7fc1708e, 0xce68f60d7c353bdb, 0x0f95757ce7f38254, 0x0f04e459497f3fc1,
		0x88c0a92586be0a27, 0x13eb9fb82606f7a6, 0x8236039b7387354d, 0x4c1e87519fe738ba, 0x3f9652ac3effeb24, 0x3f33760ded9006c6,
		0xaed70a6631854cb1, 0x8a299a8f8e0e2da7, 0x624b675c779249a6, 0xa4b203bb1d90b9a3, 0xa3293ad698ecb99a, 0xbc740023dbd50048,
		0x3fe5ab9837d25cdd, 0x2d0338c1ca87d132,
	}
	const text = "01234567890123456789"
	for n, w := range want {
		if got, err := Of(Murmur3, []byte(text[:n])); err != nil || got.Int64() != int64(w) {
			t.Errorf("%q: %v, want %d (%v)", text[:n], got, int64(w), err)
		}
	}
	signed, _ := hex.DecodeString("00104327529fb645dd00b883ec39ae448bb800000400066a6b00")
	if got, _ := Of(Murmur3, signed); got.Int64() != -9223371632693506265 {
		t.Errorf("bytes over 127 in the tail: %v", got)
	}
}

// MD5 of "" is d41d8cd98f00b204e9800998ecf8427e, which is negative; that of "a" begins with 0c.
func TestRandomTokens(t *testing.T) {
	whole := new(big.Int).Lsh(big.NewInt(1), 128)
	empty, _ := new(big.Int).SetString("d41d8cd98f00b204e9800998ecf8427e", 16)
	a, _ := new(big.Int).SetString("0cc175b9c0f1b6a831c399e269772661", 16)
	for key, want := range map[string]*big.Int{"": new(big.Int).Sub(whole, empty), "a": a} {
		if got, err := Of(Random, []byte(key)); err != nil || got.Cmp(want) != 0 {
			t.Errorf("%q: %v, want %v (%v)", key, got, want, err)
		}
	}
	if _, err := Of("ByteOrderedPartitioner", nil); err == nil {
		t.Error("a partitioner without numbers gave a token")
	}
}

// Counted over many keys, who holds a row is what EffectiveOwnership says.
func TestHoldersHoldTheirShare(t *testing.T) {
	nodes := []Node{{Datacenter: "a", Rack: "1"}, {Datacenter: "a", Rack: "1"}, {Datacenter: "a", Rack: "2"}, {Datacenter: "b", Rack: "1"}, {Datacenter: "b", Rack: "1"}}
	replication := map[string]int{"a": 2, "b": 1, "c": 0}
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range []Partitioner{Murmur3, Random} {
		for i := range nodes {
			nodes[i].Tokens = nil
			for range 1 + i%2 {
				high, low := new(big.Int).SetUint64(r.Uint64()), new(big.Int).SetUint64(r.Uint64())
				nodes[i].Tokens = append(nodes[i].Tokens, p.wrap(low.Add(low, high.Lsh(high, 64))))
			}
		}
		want, err := EffectiveOwnership(p, nodes, replication)
		if err != nil {
			t.Fatal(err)
		}
		h, err := NewHolders(p, nodes, replication)
		if err != nil {
			t.Fatal(err)
		}
		const keys = 40_000
		held := make([]float64, len(nodes))
		var key [8]byte
		for k := range keys {
			binary.BigEndian.PutUint64(key[:], uint64(k))
			token, err := Of(p, key[:])
			if err != nil {
				t.Fatal(err)
			}
			all := h.Of(token)
			if len(all) != 3 || !slices.IsSorted(all) || all[2] < 3 || all[1] > 2 || nodes[all[0]].Rack == nodes[all[1]].Rack {
				t.Fatalf("%s: key %d on nodes %v", p, k, all)
			}
			for _, n := range all {
				held[n] += 1. / keys
			}
		}
		for i := range nodes {
			if d := held[i] - want[i]; d > 0.02 || d < -0.02 {
				t.Errorf("%s: node %d holds %.3f of the rows, and should %.3f", p, i, held[i], want[i])
			}
		}
	}
}

// A token is its own node's, and the one after it the next one's; after the last comes the first.
func TestHoldersAtTheEdges(t *testing.T) {
	nodes := []Node{{Datacenter: "a", Tokens: []*big.Int{big.NewInt(-5)}}, {Datacenter: "a", Tokens: []*big.Int{big.NewInt(5)}}}
	h, err := NewHolders(Murmur3, nodes, map[string]int{"a": 1})
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[int64]int{-6: 0, -5: 0, -4: 1, 5: 1, 6: 0} {
		if got := h.Of(big.NewInt(token)); len(got) != 1 || got[0] != want {
			t.Errorf("token %d is on %v, want %d", token, got, want)
		}
	}
	if _, err := NewHolders(Murmur3, nodes, map[string]int{"b": 1}); err == nil {
		t.Error("a datacenter without nodes has replicas")
	}
}
