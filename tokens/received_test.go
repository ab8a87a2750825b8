package tokens

import (
	"math"
	"math/big"
	"testing"
)

func TestTransfers(t *testing.T) {
	quarter := func(k int64) []*big.Int {
		q := new(big.Int).Div(Random.Size(), big.NewInt(4))
		return []*big.Int{q.Mul(q, big.NewInt(k))}
	}
	node := func(tokens []*big.Int) Node { return Node{Datacenter: "a", Rack: "r", Tokens: tokens} }
	for name, tt := range map[string]struct {
		before, after [3][]*big.Int
		factor        int
		receives      [3]float64
		gives         [3]float64
	}{
		"nothing":            {before: [3][]*big.Int{quarter(0), quarter(2)}, after: [3][]*big.Int{quarter(0), quarter(2)}, factor: 1},
		"a node joins":       {before: [3][]*big.Int{quarter(0)}, after: [3][]*big.Int{quarter(0), quarter(2)}, factor: 1, receives: [3]float64{0, 0.5, 0}, gives: [3]float64{0.5, 0, 0}},
		"a node leaves":      {before: [3][]*big.Int{quarter(0), quarter(2)}, after: [3][]*big.Int{quarter(0)}, factor: 1, receives: [3]float64{0.5, 0, 0}, gives: [3]float64{0, 0.5, 0}},
		"a node moves on":    {before: [3][]*big.Int{quarter(0), quarter(1)}, after: [3][]*big.Int{quarter(0), quarter(2)}, factor: 1, receives: [3]float64{0, 0.25, 0}, gives: [3]float64{0.25, 0, 0}},
		"two copies":         {before: [3][]*big.Int{quarter(0), quarter(1)}, after: [3][]*big.Int{quarter(0), quarter(1), quarter(2)}, factor: 2, receives: [3]float64{0, 0, 0.5}, gives: [3]float64{0.25, 0.25, 0}},
		"no copies here":     {before: [3][]*big.Int{quarter(0)}, after: [3][]*big.Int{quarter(0), quarter(1)}},
		"the whole is taken": {before: [3][]*big.Int{quarter(0)}, after: [3][]*big.Int{nil, quarter(1)}, factor: 1, receives: [3]float64{0, 1, 0}, gives: [3]float64{1, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after []Node
			for i := range 3 {
				before, after = append(before, node(tt.before[i])), append(after, node(tt.after[i]))
			}
			got, err := Transfers(Random, before, after, map[string]int{"a": tt.factor})
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range got {
				if math.Abs(g.Receives-tt.receives[i]) > 1e-9 || math.Abs(g.Gives-tt.gives[i]) > 1e-9 {
					t.Errorf("node %d: %+v, want %g and %g", i, g, tt.receives[i], tt.gives[i])
				}
			}
		})
	}
	if _, err := Transfers(Random, []Node{node(quarter(1))}, nil, nil); err == nil {
		t.Error("rings of different nodes are compared")
	}
	if _, err := Transfers(Random, []Node{node(quarter(1)), node(quarter(1))}, []Node{node(nil), node(nil)}, map[string]int{"a": 1}); err == nil {
		t.Error("a token twice is taken")
	}
}
