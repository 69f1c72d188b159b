package window_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/delfos/delfos/etl/window"
)

func TestRollup(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	none := window.Stats{Mean: nan, Min: nan, Max: nan, Std: nan}
	single := func(x float64) window.Stats { return window.Stats{Mean: x, Min: x, Max: x, Std: nan, Count: 1} }
	frozen := window.Stats{Mean: 0.1, Min: 0.1, Max: 0.1, Count: 7}
	tests := map[string]struct {
		windows []window.Stats
		want    window.Stats
	}{
		"none":                         {nil, none},
		"windows without a reading":    {[]window.Stats{none, none}, none},
		"one reading has no deviation": {[]window.Stats{single(7), none}, single(7)},
		"two readings": {
			[]window.Stats{single(1), single(2)},
			window.Stats{Mean: 1.5, Min: 1, Max: 2, Std: math.Sqrt(0.5), Count: 2},
		},
		"weights": {
			[]window.Stats{{Mean: 1, Min: 0, Max: 2, Std: 1, Count: 3}, none, single(9)},
			window.Stats{Mean: 3, Min: 0, Max: 9, Std: math.Sqrt((2 + 3*4 + 36) / 3.), Count: 4},
		},
		"equal readings": {[]window.Stats{frozen, frozen, frozen}, window.Stats{Mean: 0.1, Min: 0.1, Max: 0.1, Count: 21}},
		"a count alone": {
			[]window.Stats{{Mean: nan, Min: nan, Max: nan, Std: nan, Count: 3}, single(2)},
			window.Stats{Mean: 2, Min: 2, Max: 2, Std: nan, Count: 4},
		},
		"means alone have no weight": {[]window.Stats{{Mean: 1, Min: nan, Max: 5, Std: nan}}, window.Stats{Mean: nan, Min: nan, Max: 5, Std: nan}},
		"the deviation of several readings is missing": {
			[]window.Stats{{Mean: 1, Min: 0, Max: 2, Std: nan, Count: 3}, single(1)},
			window.Stats{Mean: 1, Min: 0, Max: 2, Std: nan, Count: 4},
		},
		"the largest numbers": {
			[]window.Stats{{Mean: math.MaxFloat64, Min: 0, Max: 1, Std: 0, Count: 2}, {Mean: math.MaxFloat64 / 2, Min: 0, Max: 1, Std: 0, Count: 2}},
			window.Stats{Mean: math.MaxFloat64 / 4 * 3, Min: 0, Max: 1, Std: math.MaxFloat64 / 4 * math.Sqrt(4./3), Count: 4},
		},
		"the smallest numbers": {
			[]window.Stats{single(5e-324), single(15e-324)},
			window.Stats{Mean: 10e-324, Min: 5e-324, Max: 15e-324, Std: 5e-324, Count: 2},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, window.Rollup(tt.windows), cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-15, 0)); diff != "" {
				t.Errorf("Rollup (-want +got):\n%s", diff)
			}
		})
	}
}

// windowsOf are windows of n readings, some of them missing: a window may have one
// reading or none.
func windowsOf(r *rand.Rand, n int, reading func(*rand.Rand) float64) []window.Stats {
	windows := make([]window.Stats, n)
	for i := range windows {
		readings := make([]float64, r.IntN(11))
		for j := range readings {
			readings[j] = reading(r)
		}
		windows[i] = window.Of(readings)
	}
	return windows
}

// Mean and deviation are those of exact arithmetic over the windows.
func TestRollupAgainstRationals(t *testing.T) {
	t.Parallel()
	shapes := map[string]func(*rand.Rand) float64{
		"wind":          func(r *rand.Rand) float64 { return 25 * r.Float64() },
		"1e9 by 1e-3":   func(r *rand.Rand) float64 { return 1e9 + 1e-3*r.Float64() },
		"around zero":   func(r *rand.Rand) float64 { return r.NormFloat64() },
		"all exponents": func(r *rand.Rand) float64 { return math.Ldexp(r.NormFloat64(), r.IntN(1800)-900) },
		"opposites":     func(r *rand.Rand) float64 { return []float64{-1e15, 1e15, 1e-5}[r.IntN(3)] },
	}
	for name, reading := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			for i := range 100 {
				windows := windowsOf(r, 1+r.IntN(20), reading)
				if i == 0 {
					windows = windowsOf(r, 4464, reading) // a month
				}
				got := window.Rollup(windows)
				if got.Count < 2 {
					continue // as TestRollup has it
				}
				mean, std, size := exactRollup(windows)
				if diff := math.Abs(got.Mean - mean); !(diff <= 1e-12*size) {
					t.Errorf("the mean of %d windows is %v, want %v", len(windows), got.Mean, mean)
				}
				if diff := math.Abs(got.Std - std); !(diff <= 1e-12*std) {
					t.Errorf("the deviation of %d windows is %v, want %v", len(windows), got.Std, std)
				}
			}
		})
	}
}

// exactRollup computes what Rollup does in rational arithmetic; size is the largest
// absolute value.
func exactRollup(windows []window.Stats) (mean, std, size float64) {
	rat := func(x float64) *big.Rat { return new(big.Rat).SetFloat64(x) }
	n, sum, squares := new(big.Rat), new(big.Rat), new(big.Rat)
	for _, w := range windows {
		if w.Count > 0 {
			n.Add(n, rat(float64(w.Count)))
			sum.Add(sum, new(big.Rat).Mul(rat(float64(w.Count)), rat(w.Mean)))
			size = max(size, math.Abs(w.Min), math.Abs(w.Max))
		}
	}
	m := new(big.Rat).Quo(sum, n)
	for _, w := range windows {
		if w.Count > 0 {
			d := new(big.Rat).Sub(rat(w.Mean), m)
			squares.Add(squares, d.Mul(d, d).Mul(d, rat(float64(w.Count))))
		}
		if w.Count > 1 {
			s := rat(w.Std)
			squares.Add(squares, s.Mul(s, s).Mul(s, rat(float64(w.Count-1))))
		}
	}
	squares.Quo(squares, n.Sub(n, rat(1)))
	root := new(big.Float).SetPrec(200).SetRat(squares)
	std, _ = root.Sqrt(root).Float64()
	mean, _ = m.Float64()
	return mean, std, size
}

// One iteration is a day of one variable.
func BenchmarkRollup(b *testing.B) {
	windows := windowsOf(rand.New(rand.NewPCG(1, 2)), 144, func(r *rand.Rand) float64 { return 25 * r.Float64() })
	b.ReportAllocs()
	for b.Loop() {
		window.Rollup(windows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(len(windows)*b.N), "ns/window")
}
