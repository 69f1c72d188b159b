package verify

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/delfos/delfos/etl/window"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		readings []float64
		want     summary
	}{
		"one":               {[]float64{7}, summary{7, 7, 7, math.NaN(), 1}},
		"two":               {[]float64{1, 2}, summary{1.5, 1, 2, math.Sqrt(0.5), 2}},
		"zeros":             {[]float64{0, 0}, summary{0, 0, 0, 0, 2}},
		"equal":             {[]float64{0.1, 0.1, 0.1}, summary{0.1, 0.1, 0.1, 0, 3}},
		"negative":          {[]float64{-3, -1, -2}, summary{-2, -3, -1, 1, 3}},
		"far from zero":     {[]float64{1e9, 1e9 + 0.0009765625, 1e9 + 0.001953125}, summary{1e9 + 0.0009765625, 1e9, 1e9 + 0.001953125, 0.0009765625, 3}},
		"cancelling":        {[]float64{1e16, 1, -1e16}, summary{1.0 / 3, -1e16, 1e16, 1e16, 3}},
		"sum overflows":     {[]float64{1e308, 1e308, 0.5e308}, summary{2.5 / 3 * 1e308, 0.5e308, 1e308, 1e308 / math.Sqrt(12), 3}},
		"squares underflow": {[]float64{1e-200, 3e-200}, summary{2e-200, 1e-200, 3e-200, math.Sqrt2 * 1e-200, 2}},
		"denormal":          {[]float64{0, 0x1p-1073}, summary{0x1p-1074, 0, 0x1p-1073, 0x1p-1073 * math.Sqrt(0.5), 2}},
		"beyond a double":   {[]float64{1.7e308, -1.7e308}, summary{0, -1.7e308, 1.7e308, math.Inf(1), 2}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := summarize(tt.readings)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(summary{}), cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-15, 0)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSummarizeAndWindow holds the two ways against one another.
func TestSummarizeAndWindow(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		readings := make([]float64, 1+random.IntN(20))
		center, spread := random.NormFloat64()*math.Pow(10, float64(random.IntN(12))), math.Pow(10, float64(random.IntN(12)-6))
		for i := range readings {
			readings[i] = center + random.NormFloat64()*spread
		}
		want, got := summarize(readings), window.Of(readings)
		if got.Count != want.count || got.Min != want.min || got.Max != want.max ||
			relative(got.Mean, want.mean) > 1e-13 || want.count > 1 && relative(got.Std, want.std) > 1e-13 {
			t.Fatalf("%v: got %+v, want %+v", readings, got, want)
		}
	}
}

func BenchmarkSummarize(b *testing.B) {
	readings := []float64{6.745, 6.2, 7.31, 5.99, 6.1, 6.745, 6.2, 7.31, 5.99, 6.1}
	b.ReportAllocs()
	for b.Loop() {
		summarize(readings)
	}
}
