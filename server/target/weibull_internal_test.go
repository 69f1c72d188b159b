package target

import (
	"math"
	"testing"
)

// The fit finds a distribution by its own mean, mean cube and share above the mean.
func TestFitWeibull(t *testing.T) {
	t.Parallel()
	for _, want := range []struct{ a, k float64 }{{8.9, 2.1}, {1, 1}, {0.3, 0.4}, {1e6, 2}, {12, 3.6}, {7, 20}} {
		mean := want.a * math.Gamma(1+1/want.k)
		cube := want.a * want.a * want.a * math.Gamma(1+3/want.k)
		got := fitWeibull(mean, cube, math.Exp(-math.Pow(mean/want.a, want.k)))
		if got == nil || math.Abs(got.A-want.a) > 1e-11*want.a || math.Abs(got.K-want.k) > 1e-11*want.k {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for _, none := range [][3]float64{
		{0, 1, 0.5},            // calm
		{-1, 1, 0.5},           // no wind speed
		{1, 0, 0.5}, {5, 1, 0}, // all are equal
		{5, 150, 1}, {math.NaN(), 1, 0.5},
	} {
		if got := fitWeibull(none[0], none[1], none[2]); got != nil {
			t.Errorf("%v: got %v, want none", none, got)
		}
	}
}
