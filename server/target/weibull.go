package target

import (
	"math"

	"github.com/delfos/delfos/gen/targetapi"
)

// fitWeibull is the Weibull distribution that WAsP fits to wind speeds u: it has their
// mean cube, ⟨u³⟩ = a³Γ(1+3/k), and the share of them that is above their mean,
// exp(−(mean/a)^k). Where all are equal, or the mean is not positive, there is none.
func fitWeibull(mean, cube, above float64) *targetapi.Weibull {
	if !(mean > 0 && cube > 0 && above > 0 && above < 1) {
		return nil
	}
	logGamma := func(k float64) float64 {
		g, _ := math.Lgamma(1 + 3/k)
		return g
	}
	// With a from the first equation, the second one's logarithm falls with k: from
	// infinity to minus infinity, as the mean cube is larger than the cube of the mean.
	ratio := 3*math.Log(mean) - math.Log(cube)
	want := math.Log(-math.Log(above))
	beyond := func(k float64) bool { return k/3*(ratio+logGamma(k)) < want }
	low, high := 1.0/64, 1.0/32
	for !beyond(high) {
		if low, high = high, 2*high; high > 1<<20 {
			return nil
		}
	}
	for {
		k := (low + high) / 2
		if k == low || k == high {
			break
		}
		if beyond(k) {
			high = k
		} else {
			low = k
		}
	}
	return &targetapi.Weibull{A: math.Exp((math.Log(cube) - logGamma(low)) / 3), K: low}
}
