// Package binomial bounds the share of a whole by a sample of it, exactly: by the
// binomial distribution itself, without an approximation that fails where all, or
// nearly all, of the sample is of one kind.
package binomial

import "math"

// Lower is the one-sided lower bound of a share of which k of n were seen, at a
// confidence in (0, 1): were the share less than that, k or more of n would be seen with
// a chance of less than 1 - confidence. It is 0 for k = 0, and (1-confidence)^(1/n) for
// k = n. NaN where n < 1, or k is not among 0..n.
//
// Source: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits
// illustrated in the case of the binomial", Biometrika 26 (1934), 404-413; as the quantile
// 1-confidence of the beta distribution with k and n-k+1.
func Lower(k, n int64, confidence float64) float64 {
	switch {
	case n < 1 || k < 0 || k > n || !(confidence > 0 && confidence < 1):
		return math.NaN()
	case k == 0:
		return 0
	case k == n:
		return math.Pow(1-confidence, 1/float64(n))
	}
	low, high := 0.0, 1.0
	for {
		mid := low + (high-low)/2
		if mid <= low || mid >= high {
			return low // no number lies between: the bound is never above the true one
		}
		if AtLeast(k, n, mid) < 1-confidence {
			low = mid
		} else {
			high = mid
		}
	}
}

// AtLeast is the chance of k or more of n, each of which comes with the chance p: the
// regularized incomplete beta function I_p(k, n-k+1).
//
// Source: NIST Digital Library of Mathematical Functions, 8.17.5, and 8.17.22 for the
// continued fraction, summed by Lentz's method.
func AtLeast(k, n int64, p float64) float64 {
	switch {
	case k <= 0 || p >= 1:
		return 1
	case k > n || p <= 0:
		return 0
	}
	a, b := float64(k), float64(n-k)+1
	// The fraction converges quickly on the near side of the mean; the other side is
	// the rest of one.
	if p > (a+1)/(a+b+2) {
		return 1 - fraction(b, a, 1-p, p)
	}
	return fraction(a, b, p, 1-p)
}

// fraction is I_x(a, b), y being 1-x.
func fraction(a, b, x, y float64) float64 {
	const enough = 1e-15
	const tiny = 1e-300
	steps := 200 + 20*int(math.Sqrt(math.Max(a, b)))
	c, d := 1.0, 1/nonzero(1-(a+b)*x/(a+1), tiny)
	h := d
	for m := 1; m < steps; m++ {
		m := float64(m)
		for _, t := range [2]float64{
			m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)),
			-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)),
		} {
			d = 1 / nonzero(1+t*d, tiny)
			c = nonzero(1+t/c, tiny)
			h *= d * c
		}
		if math.Abs(d*c-1) < enough {
			break
		}
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log(y)) * h / a
}

func nonzero(x, tiny float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}
