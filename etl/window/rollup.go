package window

import "math"

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
