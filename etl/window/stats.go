package window

import (
	"math"
	"math/big"
)

// Stats are the statistics of one variable's readings in one window, in the
// variable's unit. With no reading only Count is meaningful; Std, the sample
// deviation (n - 1), is NaN for a single one.
type Stats struct {
	Mean, Min, Max, Std float64
	Count               int
}

// Of computes the statistics of finite readings. Mean and Std are within 1e-12
// relative of the exact values; Std is +Inf when it is beyond a float64.
//
// The mean is a compensated sum (Neumaier 1974) divided with a correction. The
// deviation takes a second pass around it, corrected for the rounding of the
// mean (Chan, Golub and LeVeque 1983). Where readings cancel so far, or are so
// large or small, that this could miss the bound, exact arithmetic takes over.
func Of(readings []float64) Stats {
	s := Stats{Mean: math.NaN(), Min: math.NaN(), Max: math.NaN(), Std: math.NaN(), Count: len(readings)}
	if s.Count == 0 {
		return s
	}
	n := float64(s.Count)
	var sum, low, size float64
	s.Min, s.Max = readings[0], readings[0]
	for _, x := range readings {
		s.Min, s.Max = min(s.Min, x), max(s.Max, x)
		size += math.Abs(x)
		next := sum + x
		rest := next - sum
		low += (sum - (next - rest)) + (x - rest)
		sum = next
	}
	if s.Min == s.Max {
		s.Mean = s.Min
		if s.Count > 1 {
			s.Std = 0
		}
		return s
	}
	high := sum + low
	low -= high - sum
	// The compensated sum errs by at most about n² u² Σ|x|, u = 2⁻⁵³.
	if bound := n * n * 1.3e-32 * size; !(math.Abs(high)*1e-13 > bound) || !safe(size) || !safe(high) {
		s.Mean, s.Std = exact(readings)
		return s
	}
	s.Mean = high / n
	s.Mean += (math.FMA(-s.Mean, n, high) + low) / n

	var squares, rest, widest float64
	for _, x := range readings {
		d := x - s.Mean
		squares += d * d
		rest += d
		widest = max(widest, math.Abs(d))
	}
	correction := rest * rest / n
	if correction > squares/8 || !safe(widest) {
		_, s.Std = exact(readings)
		return s
	}
	s.Std = math.Sqrt((squares - correction) / (n - 1))
	return s
}

// safe reports whether x and its square are far from overflow and from the loss of
// digits near zero.
func safe(x float64) bool { x = math.Abs(x); return x > 1e-140 && x < 1e140 }

// exact computes mean and sample deviation in rational arithmetic and rounds
// once, for two readings or more.
func exact(readings []float64) (mean, std float64) {
	var sum, squares, x, square big.Rat
	for _, reading := range readings {
		x.SetFloat64(reading)
		sum.Add(&sum, &x)
		squares.Add(&squares, square.Mul(&x, &x))
	}
	n := new(big.Rat).SetInt64(int64(len(readings)))
	mean, _ = new(big.Rat).Quo(&sum, n).Float64()

	variance := new(big.Rat).Sub(&squares, new(big.Rat).Quo(new(big.Rat).Mul(&sum, &sum), n))
	variance.Quo(variance, new(big.Rat).SetInt64(int64(len(readings)-1)))
	root := new(big.Float).SetPrec(200).SetRat(variance)
	std, _ = root.Sqrt(root).Float64()
	return mean, std
}

// Rollup joins the statistics of windows of one variable into those of all their
// readings, as if these were one window. A statistic that a window does not have is
// NaN, and so is one that the result does not have; a count is 0. A window of one
// reading has no deviation, which counts as 0. The deviation is pooled:
//
//	s² = [Σ(n_w−1)s_w² + Σn_w(m_w−m)²] / (n−1)
//
// Mean and Std are within 1e-12 of the largest absolute value of exact arithmetic, of
// up to some thousand windows. Std is +Inf when it is beyond a float64.
//
// The second pass over the means corrects the rounding of the first; the third
// takes the deviation around what they found, corrected for what is left.
func Rollup(windows []Stats) Stats {
	all := Stats{Mean: math.NaN(), Min: math.NaN(), Max: math.NaN(), Std: math.NaN()}
	var n, size float64
	for _, w := range windows {
		all.Count += w.Count
		if w.Min < all.Min || math.IsNaN(all.Min) {
			all.Min = w.Min
		}
		if w.Max > all.Max || math.IsNaN(all.Max) {
			all.Max = w.Max
		}
		if w.weighs() {
			n += float64(w.Count)
			size = max(size, math.Abs(w.Mean), math.Abs(w.deviation()))
		}
	}
	if n == 0 {
		return all
	}
	// A power of two, so that neither sums nor squares leave a float64's range.
	_, exponent := math.Frexp(size)
	exponent = max(exponent, -1000)
	scale := math.Ldexp(1, -exponent)

	var mean float64
	for range 2 {
		var rest float64
		for _, w := range windows {
			if w.weighs() {
				rest += float64(w.Count) * (w.Mean*scale - mean)
			}
		}
		mean += rest / n
	}
	all.Mean = math.Ldexp(mean, exponent)
	if n == 1 {
		return all
	}
	var squares, rest float64
	for _, w := range windows {
		if w.weighs() {
			s, d := w.deviation()*scale, w.Mean*scale-mean
			squares += float64(w.Count-1)*s*s + float64(w.Count)*d*d
			rest += float64(w.Count) * d
		}
	}
	all.Std = math.Ldexp(math.Sqrt(max(0, squares-rest*rest/n)/(n-1)), exponent)
	return all
}

// weighs reports whether a window has a part in mean and deviation.
func (s Stats) weighs() bool { return s.Count > 0 && !math.IsNaN(s.Mean) }

// deviation is Std, or 0 of a single reading.
func (s Stats) deviation() float64 {
	if s.Count == 1 {
		return 0
	}
	return s.Std
}
