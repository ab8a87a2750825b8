// Package stats says how well a mean is known, and whether two differ, of figures that come
// one after the other and hang together: the rate of a second is much like that of the second
// before. A formula that takes each for a news of its own promises too much.
package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Estimate is a mean, and how well it is known.
type Estimate struct {
	Mean float64
	// Variance is that of the mean. NaN where it can't be told: of a single figure, or of
	// too few.
	Variance float64
	// DF are the degrees of freedom that Variance has; 0 where that is NaN.
	DF float64
	// N is how many batches it is made of, over all rounds.
	N int
}

const (
	// mostBatches is how many batches a series is cut into at first, and fewestBatches how
	// many at least. More than 30 gain next to nothing, fewer than 10 cost much: B. Schmeiser,
	// "Batch size effects in the analysis of simulation output", Operations Research 30
	// (1982), 556-568.
	mostBatches   = 32
	fewestBatches = 8
	// suspicion is the level at which batches count as hanging together, so that longer ones
	// are taken. It is generous: a batch that is too short promises too much, one that is too
	// long only says less.
	suspicion = 0.2
	// These are the correlations beyond which the correction for what is left does not grow. A
	// negative one is of an open loop: what a stall holds up is caught up with right after it.
	mostCorrelation  = 0.9
	leastCorrelation = -0.5
)

// Confidence is that of all intervals.
const Confidence = 0.95

// OfSeries is the mean of figures in the order of time, by batch means: neighbours are put
// together into batches, as long as those still hang together by von Neumann's ratio and there
// are enough of them. What correlation is left after that widens the error, or narrows it.
//
// Sources: G. S. Fishman, "Grouping observations in digital simulation", Management Science
// 24 (1978), 510-521, for the choice of the batches' size by the ratio; J. von Neumann,
// "Distribution of the ratio of the mean square successive difference to the variance",
// Annals of Mathematical Statistics 12 (1941), 367-395; A. Tafazzoli, J. R. Wilson,
// "Skart: a skewness- and autoregression-adjusted batch-means procedure", IIE Transactions 43
// (2011), 110-128, for the factor (1+r)/(1-r) of what correlation r is left.
func OfSeries(x []float64) Estimate {
	if len(x) < fewestBatches {
		return Estimate{Mean: mean(x), Variance: math.NaN(), N: len(x)}
	}
	size := max(1, len(x)/mostBatches)
	batches := batchMeans(x, size)
	for len(x)/(2*size) >= fewestBatches && correlated(batches) {
		size *= 2
		batches = batchMeans(x, size)
	}
	b := float64(len(batches))
	e := Estimate{Mean: mean(x), Variance: variance(batches) / b, DF: b - 1, N: len(batches)}
	r := min(max(successive(batches), leastCorrelation), mostCorrelation)
	e.Variance *= (1 + r) / (1 - r)
	if r > 0 { // so many batches would say as much if they did not hang together
		e.DF = max(2, b*(1-r)/(1+r)-1)
	}
	return e
}

// OfRounds is the mean over rounds of the same, each of which counts once. Where there are
// several, how they scatter among each other is part of the error: a round differs from the next
// by more than its own course shows. Of the two errors the larger one counts, and the degrees of
// freedom are those of the rounds: they are the samples, however long their courses are.
func OfRounds(rounds []Estimate) Estimate {
	if len(rounds) == 1 {
		return rounds[0]
	}
	n := float64(len(rounds))
	var means []float64
	e := Estimate{Variance: math.NaN()}
	var within float64
	for _, r := range rounds {
		means = append(means, r.Mean)
		e.N += r.N
		within += r.Variance / (n * n)
	}
	e.Mean = mean(means)
	if len(rounds) == 0 {
		return e
	}
	e.Variance, e.DF = variance(means)/n, n-1
	if within > e.Variance { // and is a number
		e.Variance = within
	}
	return e
}

// Between is the variance of one round among rounds of the same; NaN where there is but one.
func Between(rounds []Estimate) (v, df float64) {
	if len(rounds) < 2 {
		return math.NaN(), 0
	}
	var means []float64
	for _, r := range rounds {
		means = append(means, r.Mean)
	}
	return variance(means), float64(len(rounds) - 1)
}

// HalfWidth is half of the interval of Confidence around the mean; NaN where it can't be told.
func (e Estimate) HalfWidth() float64 {
	return quantile(e.DF) * math.Sqrt(e.Variance)
}

// Difference is that of two means.
type Difference struct {
	Value     float64 // of the second less the first
	HalfWidth float64 // of its interval; NaN where it can't be told
	// P is the chance of a difference of this size or more if there were none; NaN where it
	// can't be told.
	P float64
}

// Compare is b less a, by Welch's test, which does not ask for equal variances.
//
// Sources: B. L. Welch, "The generalization of 'Student's' problem when several different
// population variances are involved", Biometrika 34 (1947), 28-35; F. E. Satterthwaite, "An
// approximate distribution of estimates of variance components", Biometrics Bulletin 2 (1946),
// 110-114, for the degrees of freedom.
func Compare(a, b Estimate) Difference {
	d := Difference{Value: b.Mean - a.Mean, HalfWidth: math.NaN(), P: math.NaN()}
	v := a.Variance + b.Variance
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return d
	case v == 0: // figures that never change
		d.HalfWidth, d.P = 0, 1
		if d.Value != 0 {
			d.P = 0
		}
		return d
	}
	df := welchSatterthwaite(v, a.Variance*a.Variance/a.DF+b.Variance*b.Variance/b.DF)
	d.HalfWidth = quantile(df) * math.Sqrt(v)
	d.P = 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(math.Abs(d.Value)/math.Sqrt(v))
	return d
}

// welchSatterthwaite are the degrees of freedom of a sum of variances v; squares is the sum of
// each one's square over its own degrees.
func welchSatterthwaite(v, squares float64) float64 {
	if v == 0 || squares == 0 {
		return 1
	}
	return max(1, v*v/squares)
}

// quantile is Student's t for Confidence, on both sides; NaN without degrees of freedom.
func quantile(df float64) float64 {
	if !(df > 0) {
		return math.NaN()
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(1 - (1-Confidence)/2)
}

// batchMeans are the means of size figures each. What is left over at the beginning, where a
// run is least itself, is left out.
func batchMeans(x []float64, size int) []float64 {
	var out []float64
	for x := x[len(x)%size:]; len(x) > 0; x = x[size:] {
		out = append(out, mean(x[:size]))
	}
	return out
}

// correlated says whether neighbours are more alike than chance would have them, by von
// Neumann's ratio, which is near 2 where they are not; by its normal approximation, of
// variance 4(n-2)/(n²-1).
func correlated(x []float64) bool {
	n := float64(len(x))
	return (1-ratio(x)/2)/math.Sqrt((n-2)/(n*n-1)) > distuv.UnitNormal.Quantile(1-suspicion)
}

// ratio is the mean square successive difference over the variance; 2 of figures that are all
// the same.
func ratio(x []float64) float64 {
	v := variance(x)
	if v == 0 {
		return 2
	}
	var sum float64
	for i := range x[1:] {
		sum += (x[i+1] - x[i]) * (x[i+1] - x[i])
	}
	return sum / float64(len(x)-1) / v
}

// successive is how much neighbours are alike, from -1 to 1: the correlation at lag one, by the
// ratio, with the bias that the mean of few figures gives it, about -1/n, taken off.
func successive(x []float64) float64 {
	return 1 - ratio(x)/2 + 1/float64(len(x))
}

func mean(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// variance is that of a sample; NaN of fewer than two.
func variance(x []float64) float64 {
	if len(x) < 2 {
		return math.NaN()
	}
	m := mean(x)
	var sum float64
	for _, v := range x {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(x)-1)
}

// Holm are p-values of several tests, raised so that no more than 5 of 100 such families have
// one below 0.05 by chance. NaN stays NaN, and is none of the tests.
//
// Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
// Journal of Statistics 6 (1979), 65-70.
func Holm(p []float64) []float64 {
	order := make([]int, 0, len(p))
	out := make([]float64, len(p))
	for i, v := range p {
		if out[i] = v; !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	for i := 1; i < len(order); i++ { // few: by insertion
		for j := i; j > 0 && p[order[j]] < p[order[j-1]]; j-- {
			order[j], order[j-1] = order[j-1], order[j]
		}
	}
	least := 0.0
	for rank, i := range order {
		least = max(least, min(1, p[i]*float64(len(order)-rank)))
		out[i] = least
	}
	return out
}
