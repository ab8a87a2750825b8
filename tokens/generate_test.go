package tokens

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"testing/quick"
)

// The values of NTS are token-generator's; those of CCM are ccm's.
func TestGenerateGolden(t *testing.T) {
	tests := []struct {
		p     Partitioner
		s     Strategy
		nodes []int
		want  [][]string
	}{
		{Random, CCM, []int{1, 1}, [][]string{{"0"}, {"100"}}},
		{Random, NTS, []int{1, 1}, [][]string{{"0"}, {"169417178424467235000914166253263322299"}}},
		{Murmur3, CCM, []int{1, 1}, [][]string{{"-9223372036854775808"}, {"-9223372036854775708"}}},
		{Murmur3, NTS, []int{1, 1}, [][]string{{"-9223372036854775808"}, {"9144875253562394737"}}},
		{Random, CCM, []int{2, 2}, [][]string{
			{"0", "85070591730234615865843651857942052864"},
			{"100", "85070591730234615865843651857942052964"}}},
		{Random, NTS, []int{2, 2}, [][]string{
			{"0", "85070591730234615865843651857942052864"},
			{"84346586694232619135070514395321269435", "169417178424467235000914166253263322299"}}},
		{Random, CCM, []int{3, 3}, [][]string{
			{"0", "56713727820156410577229101238628035242", "113427455640312821154458202477256070484"},
			{"100", "56713727820156410577229101238628035342", "113427455640312821154458202477256070584"}}},
		{Random, NTS, []int{3, 3}, [][]string{
			{"0", "56713727820156410577229101238628035242", "113427455640312821154458202477256070484"},
			{"55989722784154413846455963776007251813", "112703450604310824423685065014635287055", "169417178424467235000914166253263322299"}}},
		{Murmur3, CCM, []int{3, 3}, [][]string{
			{"-9223372036854775808", "-3074457345618258603", "3074457345618258602"},
			{"-9223372036854775708", "-3074457345618258503", "3074457345618258702"}}},
		{Murmur3, NTS, []int{3, 3}, [][]string{
			{"-9223372036854775808", "-3074457345618258603", "3074457345618258602"},
			{"-3152954128910639674", "2995960562325877531", "9144875253562394737"}}},
		{Murmur3, NTS, []int{1, 1, 1}, [][]string{{"-9223372036854775808"}, {"9144875253562394737"}, {"9066378470270013666"}}},
		{Random, NTS, []int{0, 2, 1}, [][]string{
			{},
			{"84346586694232619135070514395321269435", "169417178424467235000914166253263322299"},
			{"168693173388465238270141028790642538870"}}},
		{Murmur3, NTS, []int{3, 3, 6, 4, 2}, [][]string{
			{"-9223372036854775808", "-3074457345618258603", "3074457345618258602"},
			{"-3152954128910639674", "2995960562325877531", "9144875253562394737"},
			{"-6305908257821279348", "-3231450912203020746", "-156993566584762144", "2917463779033496458", "5991921124651755060", "9066378470270013666"},
			{"-4847176368304531117", "-235490349877143213", "4376195668550244691", "8987881686977632595"},
			{"-313987133169524284", "8909384903685251524"}}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s/%s/%v", tt.p, tt.s, tt.nodes), func(t *testing.T) {
			ring, err := Generate(tt.p, tt.s, tt.nodes)
			if err != nil {
				t.Fatal(err)
			}
			got := make([][]string, len(ring))
			for k := range ring {
				got[k] = Strings(ring[k])
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %v\nwant %v", got, tt.want)
			}
		})
	}
}

func TestGenerateRefuses(t *testing.T) {
	tests := []struct {
		p     Partitioner
		s     Strategy
		nodes []int
		want  string
	}{
		{Random, NTS, nil, "tokens: no datacenters"},
		{Random, NTS, []int{1, -2}, "datacenter 2: -2 nodes"},
		{Random, NTS, []int{1, 1 << 24}, "datacenter 2: more than 8388608 tokens in the ring"},
		{Random, "onts", []int{1}, `token strategy "onts": not nts or ccm`},
		{"ByteOrderedPartitioner", NTS, []int{1}, `partitioner "ByteOrderedPartitioner": not Murmur3Partitioner or RandomPartitioner`},
	}
	for _, tt := range tests {
		ring, err := Generate(tt.p, tt.s, tt.nodes)
		if err == nil || err.Error() != tt.want || ring != nil {
			t.Errorf("Generate(%s, %s, %v): got %v, %v, want %s", tt.p, tt.s, tt.nodes, ring, err, tt.want)
		}
	}
}

// token-generator's own arithmetic makes these rings collide.
func TestGenerateCollision(t *testing.T) {
	for _, tt := range []struct {
		p     Partitioner
		nodes []int
	}{
		{Random, []int{12, 12, 12, 31}},
		{Murmur3, []int{17, 1, 1, 1, 1, 1, 1, 16}},
	} {
		ring, err := Generate(tt.p, NTS, tt.nodes)
		var collision *CollisionError
		if !errors.As(err, &collision) {
			t.Fatalf("%s %v: got %v, want a collision", tt.p, tt.nodes, err)
		}
		first, second := ring[collision.FirstDC][collision.FirstNode], ring[collision.SecondDC][collision.SecondNode]
		if first.Cmp(collision.Token) != 0 || second.Cmp(collision.Token) != 0 || collision.FirstDC >= collision.SecondDC {
			t.Errorf("%v: names %s and %s", collision, first, second)
		}
		apart := Separate(tt.p, ring)
		if err := CheckUnique(apart); err != nil {
			t.Errorf("after Separate: %v", err)
		}
		moved := 0
		for k := range ring {
			if !slices.IsSortedFunc(apart[k], (*big.Int).Cmp) {
				t.Errorf("datacenter %d is not ascending after Separate", k)
			}
			for i := range ring[k] {
				if d := new(big.Int).Sub(apart[k][i], ring[k][i]); d.Sign() != 0 {
					moved++
					if d.Cmp(big.NewInt(1)) != 0 {
						t.Errorf("token %s moved by %s", ring[k][i], d)
					}
				}
			}
		}
		if moved == 0 {
			t.Error("Separate moved nothing")
		}
	}
}

func TestSeparateWraps(t *testing.T) {
	last := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 127), big.NewInt(1))
	apart := Separate(Random, [][]*big.Int{{big.NewInt(0)}, {last}, {last}})
	if got := apart[2][0].String(); got != "1" {
		t.Errorf("got %s, want 1: 2^127-1 and 0 are taken", got)
	}
}

// shape is a random ring's outline: up to 20 datacenters of up to 40 nodes.
type shape struct {
	P     Partitioner
	S     Strategy
	Nodes []int
}

func (shape) Generate(r *rand.Rand, _ int) reflect.Value {
	sh := shape{P: []Partitioner{Random, Murmur3}[r.Intn(2)], S: []Strategy{NTS, CCM}[r.Intn(2)], Nodes: make([]int, 1+r.Intn(20))}
	for i := range sh.Nodes {
		sh.Nodes[i] = 1 + r.Intn(40)
	}
	return reflect.ValueOf(sh)
}

func TestGenerateProperties(t *testing.T) {
	property := func(sh shape) bool {
		ring, err := Generate(sh.P, sh.S, sh.Nodes)
		var collision *CollisionError
		if errors.As(err, &collision) {
			ring = Separate(sh.P, ring)
			err = CheckUnique(ring)
		}
		return err == nil && wellPlaced(t, sh.P, ring, sh.Nodes, 1)
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

// wellPlaced checks that each datacenter's tokens are ascending, in the ring and
// evenly spaced: arcs are floor(size/n), but for one, which has what rounding
// left over (less than n), and for slack, by which Separate may have moved one.
func wellPlaced(t *testing.T, p Partitioner, ring [][]*big.Int, nodes []int, slack int64) bool {
	t.Helper()
	ok := true
	for k, places := range ring {
		if len(places) != nodes[k] {
			t.Errorf("datacenter %d: %d tokens for %d nodes", k, len(places), nodes[k])
			return false
		}
		if len(places) == 0 {
			continue
		}
		n := int64(len(places))
		even := new(big.Int).Div(p.Size(), big.NewInt(n))
		sum, uneven := 0.0, 0
		for i, tok := range places {
			before := places[(i+len(places)-1)%len(places)]
			gap := new(big.Int).Sub(tok, before)
			if i == 0 {
				gap.Add(gap, p.Size())
			}
			gap.Sub(gap, even)
			if !p.contains(tok) || (i > 0 && before.Cmp(tok) >= 0) || gap.CmpAbs(big.NewInt(n+slack)) > 0 {
				t.Errorf("datacenter %d of %v: token %d is %s, %s from even", k, nodes, i, tok, gap)
				ok = false
			}
			if gap.CmpAbs(big.NewInt(slack)) > 0 {
				uneven++
			}
		}
		if uneven > 1 {
			t.Errorf("datacenter %d of %v: %d arcs are uneven, want at most one", k, nodes, uneven)
			ok = false
		}
		owned, err := Ownership(p, places)
		if err != nil {
			t.Error(err)
			return false
		}
		for _, f := range owned {
			sum += f
		}
		if sum < 1-1e-9 || sum > 1+1e-9 {
			t.Errorf("datacenter %d of %v: ownership adds up to %v", k, nodes, sum)
			ok = false
		}
	}
	return ok
}

func TestGenerateLarge(t *testing.T) {
	nodes := make([]int, 20)
	for i := range nodes {
		nodes[i] = 1000
	}
	for _, p := range []Partitioner{Random, Murmur3} {
		for _, s := range []Strategy{NTS, CCM} {
			ring, err := Generate(p, s, nodes)
			if err != nil {
				t.Errorf("%s %s: %v", p, s, err)
			}
			wellPlaced(t, p, ring, nodes, 0)
		}
	}
}

func TestDeal(t *testing.T) {
	nodes := []int{3, 2}
	places, err := Generate(Murmur3, NTS, []int{12, 8})
	if err != nil {
		t.Fatal(err)
	}
	dealt := Deal(places, nodes)
	for k, n := range nodes {
		if len(dealt[k]) != n {
			t.Fatalf("datacenter %d: %d nodes, want %d", k, len(dealt[k]), n)
		}
		for j, own := range dealt[k] {
			for v, tok := range own {
				if tok.Cmp(places[k][j+v*n]) != 0 {
					t.Errorf("datacenter %d node %d token %d: %s, want %s", k, j, v, tok, places[k][j+v*n])
				}
			}
			if len(own) != 4 {
				t.Errorf("datacenter %d node %d: %d tokens, want 4", k, j, len(own))
			}
		}
	}
}

func FuzzGenerate(f *testing.F) {
	f.Add(true, false, []byte{1, 1})
	f.Add(false, true, []byte{3, 0, 6, 4, 2})
	f.Add(true, false, []byte{12, 12, 12, 31})
	f.Fuzz(func(t *testing.T, random, ccm bool, counts []byte) {
		if len(counts) > 40 {
			counts = counts[:40]
		}
		p, s := Murmur3, NTS
		if random {
			p = Random
		}
		if ccm {
			s = CCM
		}
		nodes := make([]int, len(counts))
		for i, c := range counts {
			nodes[i] = int(c)
		}
		ring, err := Generate(p, s, nodes)
		var collision *CollisionError
		switch {
		case errors.As(err, &collision):
			ring = Separate(p, ring)
			if err := CheckUnique(ring); err != nil {
				t.Error(err)
			}
		case err != nil && len(nodes) > 0:
			t.Fatal(err)
		}
		wellPlaced(t, p, ring, nodes, 4)
	})
}
