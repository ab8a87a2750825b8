package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// ar1 is a series of mean m in which each figure hangs on the one before by r; its standard
// deviation is sd.
func ar1(rng *rand.Rand, n int, m, r, sd float64) []float64 {
	x := make([]float64, n)
	v := rng.NormFloat64() * sd // as it is after a long time
	for i := range x {
		v = r*v + math.Sqrt(1-r*r)*sd*rng.NormFloat64()
		x[i] = m + v
	}
	return x
}

// naive is a mean's error by the formula for figures that do not hang together.
func naive(x []float64) Estimate {
	n := float64(len(x))
	return Estimate{Mean: mean(x), Variance: variance(x) / n, DF: n - 1, N: len(x)}
}

const seeds = 1000

// The interval has the true mean in it about 95 times of 100, however much neighbours are
// alike; the formula without regard for that has not.
func TestIntervalsHold(t *testing.T) {
	for _, tt := range []struct {
		n     int
		r     float64
		least float64 // share of the seeds: the standard error of 1,000 is 0.007
	}{
		{16, 0, 0.93}, {16, 0.5, 0.9}, {32, 0.5, 0.92}, {64, -0.5, 0.93}, {64, 0, 0.93}, {64, 0.5, 0.92}, {64, 0.9, 0.9},
		{256, 0, 0.93}, {256, 0.5, 0.93}, {256, 0.9, 0.93}, {1024, 0.5, 0.93}, {1024, 0.9, 0.93}, {1024, 0.95, 0.93},
	} {
		rng := rand.New(rand.NewPCG(uint64(tt.n), uint64(100+tt.r*100)))
		held, simple := 0, 0
		for range seeds {
			x := ar1(rng, tt.n, 100, tt.r, 10)
			if e := OfSeries(x); math.Abs(e.Mean-100) <= e.HalfWidth() {
				held++
			}
			if e := naive(x); math.Abs(e.Mean-100) <= e.HalfWidth() {
				simple++
			}
		}
		share := float64(held) / seeds
		t.Logf("%d figures, correlation %g: the interval holds in %.3f, by the simple formula in %.3f", tt.n, tt.r, share, float64(simple)/seeds)
		if share < tt.least || share > 0.999 {
			t.Errorf("%d figures, correlation %g: the interval holds in %.3f, want %.2f or more, and not always", tt.n, tt.r, share, tt.least)
		}
		if tt.r >= 0.5 && simple > 800 {
			t.Errorf("%d figures, correlation %g: the simple formula holds in %d of %d: is this series correlated?", tt.n, tt.r, simple, seeds)
		}
	}
}

// Intervals get narrower with more figures, as the square root has it.
func TestIntervalsNarrow(t *testing.T) {
	width := func(n int) (sum float64) {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		for range 200 {
			sum += OfSeries(ar1(rng, n, 100, 0.5, 10)).HalfWidth()
		}
		return sum
	}
	if a, b := width(1024), width(4*1024); b > 0.65*a || b < 0.35*a {
		t.Errorf("four times the figures make %.1f of %.1f", b, a)
	}
}

// Of two series of one mean a difference is shown in about 5 of 100; of two that are 10 % apart
// it is found, with the right sign.
func TestDifferences(t *testing.T) {
	for r, least := range map[float64]int{0: 990, 0.5: 980, 0.9: 750} { // so much is left of 256 figures that are all alike
		rng := rand.New(rand.NewPCG(2, uint64(r*100)))
		false95, found, wrong := 0, 0, 0
		for range seeds {
			a, same, more := OfSeries(ar1(rng, 256, 100, r, 5)), OfSeries(ar1(rng, 256, 100, r, 15)), OfSeries(ar1(rng, 256, 110, r, 5))
			if d := Compare(a, same); d.P < 0.05 {
				false95++
			}
			d := Compare(a, more)
			if d.P < 0.05 {
				found++
				if d.Value < 0 {
					wrong++
				}
			}
			if shown := math.Abs(d.Value) > d.HalfWidth; shown != (d.P < 0.05) {
				t.Fatalf("the interval %v ± %v and the chance %v say different things", d.Value, d.HalfWidth, d.P)
			}
		}
		t.Logf("correlation %g: shown without being there %d, found %d, of the wrong sign %d, of %d", r, false95, found, wrong, seeds)
		if false95 > 75 {
			t.Errorf("correlation %g: a difference that is not there is shown in %d of %d", r, false95, seeds)
		}
		if found < least || wrong > 0 {
			t.Errorf("correlation %g: 10 %% are found in %d of %d, %d of the wrong sign", r, found, seeds, wrong)
		}
	}
}

// Rounds differ from each other by more than their own course shows. Several rounds know that,
// one does not.
func TestRounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	round := func(m float64) Estimate { return OfSeries(ar1(rng, 256, m+6*rng.NormFloat64(), 0.3, 5)) }
	sample := func(m float64, n int) (all []Estimate) {
		for range n {
			all = append(all, round(m))
		}
		return all
	}
	one, five, held, found := 0, 0, 0, 0
	for range seeds {
		if Compare(round(100), round(100)).P < 0.05 {
			one++
		}
		a, b := OfRounds(sample(100, 5)), OfRounds(sample(100, 5))
		if Compare(a, b).P < 0.05 {
			five++
		}
		if math.Abs(a.Mean-100) <= a.HalfWidth() {
			held++
		}
		if d := Compare(a, OfRounds(sample(120, 5))); d.P < 0.05 && d.Value > 0 {
			found++
		}
	}
	t.Logf("shown without being there: one round %d, five rounds %d, of %d; interval holds in %d; found %d", one, five, seeds, held, found)
	if one < 200 || five > 75 || held < 920 || found < 950 {
		t.Errorf("shown without being there: one round %d, five rounds %d, of %d; interval holds in %d; 20 %% found in %d", one, five, seeds, held, found)
	}
}

func TestEdges(t *testing.T) {
	nan := math.IsNaN
	if e := OfSeries(nil); !nan(e.Mean) || !nan(e.HalfWidth()) || e.N != 0 {
		t.Errorf("of nothing: %+v", e)
	}
	if e := OfSeries([]float64{1, 2, 3}); e.Mean != 2 || !nan(e.HalfWidth()) || e.N != 3 {
		t.Errorf("of three: %+v", e)
	}
	same := OfSeries([]float64{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7})
	if same.Mean != 7 || same.HalfWidth() != 0 {
		t.Errorf("all the same: %+v", same)
	}
	if d := Compare(same, same); d.P != 1 || d.Value != 0 || d.HalfWidth != 0 {
		t.Errorf("the same and the same: %+v", d)
	}
	if d := Compare(same, Estimate{Mean: 8, Variance: 0, DF: 3}); d.P != 0 || d.Value != 1 {
		t.Errorf("figures that never change, and differ: %+v", d)
	}
	if d := Compare(same, OfSeries([]float64{1})); !nan(d.P) || !nan(d.HalfWidth) || d.Value != -6 {
		t.Errorf("a single figure: %+v", d)
	}
	// Single figures of several rounds are enough to scatter.
	two := OfRounds([]Estimate{OfSeries([]float64{10}), OfSeries([]float64{12})})
	if two.Mean != 11 || two.Variance != 1 || two.DF != 1 || math.Abs(two.HalfWidth()-12.706) > 0.001 {
		t.Errorf("two rounds of a figure each: %+v ± %v", two, two.HalfWidth())
	}
	if one := OfRounds([]Estimate{same}); one != same {
		t.Errorf("one round: %+v", one)
	}
	if e := OfRounds(nil); !nan(e.Mean) || !nan(e.HalfWidth()) {
		t.Errorf("no rounds: %+v", e)
	}
	if v, df := Between([]Estimate{{Mean: 1}, {Mean: 3}}); v != 2 || df != 1 {
		t.Errorf("between: %v, %v", v, df)
	}
}

// Welch's own figures: the example of the test in R's documentation of t.test, extra sleep by two
// drugs (data of "Student", 1908): t = -1.8608, df = 17.776, p = 0.07939, interval -3.365 to 0.205.
func TestWelchByItsExample(t *testing.T) {
	a := naive([]float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2})
	b := naive([]float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4})
	d := Compare(a, b)
	if math.Abs(d.P-0.07939) > 0.00001 || math.Abs(d.Value-d.HalfWidth+0.2054832) > 0.0001 || math.Abs(d.Value+d.HalfWidth-3.3654832) > 0.0001 {
		t.Errorf("%+v", d)
	}
}

func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, math.NaN(), 0.04, 0.03, 0.9})
	want := []float64{0.04, math.NaN(), 0.09, 0.09, 0.9}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 || math.IsNaN(got[i]) != math.IsNaN(want[i]) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	// Of families without any difference no more than 5 of 100 show one.
	rng := rand.New(rand.NewPCG(4, 4))
	shown := 0
	for range seeds {
		p := make([]float64, 8)
		for i := range p {
			p[i] = rng.Float64()
		}
		for _, v := range Holm(p) {
			if v < 0.05 {
				shown++
				break
			}
		}
	}
	if shown > 75 {
		t.Errorf("%d of %d families show a difference", shown, seeds)
	}
}
