package verify

import (
	"math"
	"math/big"
)

// precision of quotients and roots, in bits: far beyond the 53 of a float64,
// to which they are rounded last.
const precision = 200

// summary holds the statistics of readings, each rounded once to a float64. std,
// the sample deviation, is NaN for a single reading and +Inf beyond a float64.
type summary struct {
	mean, min, max, std float64
	count               int
}

// summarize computes in whole numbers: a float64 is an integer times a power of
// two, so with the smallest of the powers taken out Σx and Σx² are integers, and
// the variance is (nΣx² - (Σx)²) / n(n-1). There must be a finite reading.
func summarize(readings []float64) summary {
	s := summary{min: readings[0], max: readings[0], std: math.NaN(), count: len(readings)}
	unit := math.MaxInt
	for _, x := range readings {
		s.min, s.max = math.Min(s.min, x), math.Max(s.max, x)
		if x != 0 {
			_, exponent := split(x)
			unit = min(unit, exponent)
		}
	}
	if unit == math.MaxInt { // nothing but zeros
		if s.count > 1 {
			s.std = 0
		}
		return s
	}

	var sum, squares, x, square big.Int
	for _, reading := range readings {
		if reading == 0 {
			continue
		}
		mantissa, exponent := split(reading)
		x.Lsh(x.SetInt64(mantissa), uint(exponent-unit))
		sum.Add(&sum, &x)
		squares.Add(&squares, square.Mul(&x, &x))
	}
	n := big.NewInt(int64(s.count))
	s.mean = scaled(quotient(&sum, n), unit)
	if s.count > 1 {
		squares.Mul(&squares, n)
		squares.Sub(&squares, square.Mul(&sum, &sum))
		variance := quotient(&squares, x.Mul(n, big.NewInt(int64(s.count-1))))
		s.std = scaled(root(variance), unit)
	}
	return s
}

// split returns x as mantissa × 2^exponent, both whole.
func split(x float64) (mantissa int64, exponent int) {
	fraction, exponent := math.Frexp(x)
	return int64(math.Ldexp(fraction, 53)), exponent - 53
}

func quotient(a, b *big.Int) *big.Float {
	return new(big.Float).SetPrec(precision).Quo(new(big.Float).SetInt(a), new(big.Float).SetInt(b))
}

// root is the square root of a positive x to 100 bits, or zero of zero: that of a float64
// by one step of Newton's, which doubles its 53 bits, where x is within the range of one.
func root(x *big.Float) *big.Float {
	near, _ := x.Float64()
	if near < math.SmallestNonzeroFloat64*(1<<53) || math.IsInf(near, 0) {
		return x.Sqrt(x)
	}
	first := big.NewFloat(math.Sqrt(near)).SetPrec(precision)
	second := new(big.Float).Quo(x, first)
	return second.SetMantExp(second.Add(second, first), -1)
}

// scaled rounds x × 2^exponent to a float64.
func scaled(x *big.Float, exponent int) float64 {
	rounded, _ := new(big.Float).SetMantExp(x, exponent).Float64()
	return rounded
}
