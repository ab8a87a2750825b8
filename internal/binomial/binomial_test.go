package binomial

import (
	"math"
	"math/big"
	"testing"
	"testing/quick"
)

// exact is AtLeast by whole numbers: p is num/den.
func exact(k, n, num, den int64) float64 {
	sum, term := new(big.Rat), new(big.Rat)
	p, q := big.NewRat(num, den), big.NewRat(den-num, den)
	power := func(r *big.Rat, e int64) *big.Rat {
		out := big.NewRat(1, 1)
		for range e {
			out.Mul(out, r)
		}
		return out
	}
	for i := k; i <= n; i++ {
		term.SetInt(new(big.Int).Binomial(n, i))
		term.Mul(term, power(p, i)).Mul(term, power(q, n-i))
		sum.Add(sum, term)
	}
	out, _ := sum.Float64()
	return out
}

func TestAtLeastIsTheSum(t *testing.T) {
	for _, n := range []int64{1, 2, 5, 20, 60} {
		for k := range n + 2 {
			for _, num := range []int64{1, 30, 50, 90, 99} {
				want, got := exact(k, n, num, 100), AtLeast(k, n, float64(num)/100)
				if math.Abs(got-want) > 1e-12 {
					t.Errorf("%d or more of %d at %d %%: %v, want %v", k, n, num, got, want)
				}
			}
		}
	}
}

// The bounds of Clopper and Pearson as tables have them, one-sided at 95 %.
func TestLower(t *testing.T) {
	for _, tt := range []struct {
		k, n int64
		want float64
	}{
		{0, 10, 0},
		{1, 1, 0.05},
		{1, 10, 0.0051162},
		{5, 10, 0.2224411},
		{10, 10, 0.7411344},
		{9, 10, 0.6058367},
		{100_000, 100_000, 0.9999700431}, // nearly the rule of three: 1 - 3/n
	} {
		if got := Lower(tt.k, tt.n, 0.95); math.Abs(got-tt.want) > 1e-7 {
			t.Errorf("%d of %d: %.10f, want %.10f", tt.k, tt.n, got, tt.want)
		}
	}
	for _, bad := range [][2]int64{{0, 0}, {-1, 5}, {6, 5}} {
		if got := Lower(bad[0], bad[1], 0.95); !math.IsNaN(got) {
			t.Errorf("%d of %d: %v, want none", bad[0], bad[1], got)
		}
	}
}

// At the bound the chance is what it is said to be, it is below what was seen, and it
// grows with it.
func TestLowerIsABound(t *testing.T) {
	property := func(a, b uint32) bool {
		n := int64(a%5_000_000) + 1
		k := int64(b) % (n + 1)
		got := Lower(k, n, 0.95)
		if k == 0 {
			return got == 0
		}
		chance := AtLeast(k, n, got)
		return math.Abs(chance-0.05) < 1e-6 && got < float64(k)/float64(n) && got > Lower(k-1, n, 0.95)
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
}

func FuzzAtLeast(f *testing.F) {
	f.Add(int64(3), int64(10), 0.3)
	f.Add(int64(1_000_000), int64(1_000_000), 0.999999)
	f.Fuzz(func(t *testing.T, k, n int64, p float64) {
		if n < 1 || n > 10_000_000 || !(p >= 0 && p <= 1) {
			return
		}
		got := AtLeast(k, n, p)
		if !(got >= 0 && got <= 1+1e-9) {
			t.Fatalf("%d or more of %d at %v: %v is no chance", k, n, p, got)
		}
	})
}
