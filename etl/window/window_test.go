package window_test

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/etl/window"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOf(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	tests := map[string]struct {
		readings []float64
		want     window.Stats
	}{
		"none":               {nil, window.Stats{Mean: nan, Min: nan, Max: nan, Std: nan}},
		"one has no std":     {[]float64{7}, window.Stats{Mean: 7, Min: 7, Max: 7, Std: nan, Count: 1}},
		"two":                {[]float64{1, 2}, window.Stats{Mean: 1.5, Min: 1, Max: 2, Std: math.Sqrt(0.5), Count: 2}},
		"equal readings":     {[]float64{0.1, 0.1, 0.1}, window.Stats{Mean: 0.1, Min: 0.1, Max: 0.1, Std: 0, Count: 3}},
		"negative power":     {[]float64{-3, -1, -2}, window.Stats{Mean: -2, Min: -3, Max: -1, Std: 1, Count: 3}},
		"1e9 apart by 1e-3":  {[]float64{1e9, 1e9 + 0.0009765625, 1e9 + 0.001953125}, window.Stats{Mean: 1e9 + 0.0009765625, Min: 1e9, Max: 1e9 + 0.001953125, Std: 0.0009765625, Count: 3}},
		"total cancellation": {[]float64{1e16, 1, -1e16}, window.Stats{Mean: 1.0 / 3, Min: -1e16, Max: 1e16, Std: 1e16, Count: 3}},
		"sum overflows":      {[]float64{1e308, 1e308, 0.5e308}, window.Stats{Mean: 2.5 / 3 * 1e308, Min: 0.5e308, Max: 1e308, Std: 1e308 / math.Sqrt(12), Count: 3}},
		"squares underflow":  {[]float64{1e-200, 3e-200}, window.Stats{Mean: 2e-200, Min: 1e-200, Max: 3e-200, Std: math.Sqrt2 * 1e-200, Count: 2}},
		"neighbours":         {[]float64{1, 1, 1, math.Nextafter(1, 2)}, window.Stats{Mean: 1, Min: 1, Max: math.Nextafter(1, 2), Std: 0x1p-53, Count: 4}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := window.Of(tt.readings)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-14, 0)); diff != "" {
				t.Errorf("Of(%v) (-want +got):\n%s", tt.readings, diff)
			}
		})
	}
}

// rational is the definition, in exact arithmetic and by another formula.
func rational(readings []float64) (mean, std float64) {
	n := new(big.Rat).SetInt64(int64(len(readings)))
	m := new(big.Rat)
	for _, x := range readings {
		m.Add(m, new(big.Rat).SetFloat64(x))
	}
	m.Quo(m, n)
	v := new(big.Rat)
	for _, x := range readings {
		d := new(big.Rat).Sub(new(big.Rat).SetFloat64(x), m)
		v.Add(v, d.Mul(d, d))
	}
	v.Quo(v, new(big.Rat).SetInt64(int64(len(readings)-1)))
	mean, _ = m.Float64()
	std, _ = new(big.Float).Sqrt(new(big.Float).SetPrec(300).SetRat(v)).Float64()
	return mean, std
}

// relative is the error of got; near the smallest float64 a digit is all there is.
func relative(got, want float64) float64 {
	if got == want || math.Abs(got-want) <= math.SmallestNonzeroFloat64 {
		return 0
	}
	return math.Abs(got-want) / math.Abs(want)
}

func check(t *testing.T, readings []float64) {
	t.Helper()
	if len(readings) < 2 {
		return
	}
	got := window.Of(readings)
	mean, std := rational(readings)
	if e := relative(got.Mean, mean); !(e <= 1e-12) && math.Abs(mean) > 1e-300 {
		t.Errorf("mean of %v: got %v, want %v, off by %g", readings, got.Mean, mean, e)
	}
	if e := relative(got.Std, std); !(e <= 1e-12) && math.Abs(std) > 1e-300 {
		t.Errorf("std of %v: got %v, want %v, off by %g", readings, got.Std, std, e)
	}
	if got.Mean < got.Min || got.Mean > got.Max {
		t.Errorf("mean %v of %v is outside [%v, %v]", got.Mean, readings, got.Min, got.Max)
	}
}

func TestOfAgainstRationals(t *testing.T) {
	t.Parallel()
	shapes := map[string]func(*rand.Rand) float64{
		"wind":          func(r *rand.Rand) float64 { return 25 * r.Float64() },
		"1e9 by 1e-3":   func(r *rand.Rand) float64 { return 1e9 + 1e-3*r.Float64() },
		"around zero":   func(r *rand.Rand) float64 { return r.NormFloat64() },
		"all exponents": func(r *rand.Rand) float64 { return math.Ldexp(r.NormFloat64(), r.IntN(1800)-900) },
		"1e17 by ulps":  func(r *rand.Rand) float64 { return 1e17 + 16*float64(r.IntN(3)) },
		"opposites":     func(r *rand.Rand) float64 { return []float64{-1e15, 1e15, 1e-5}[r.IntN(3)] },
	}
	for name, reading := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			for range 300 {
				readings := make([]float64, 2+r.IntN(30))
				for i := range readings {
					readings[i] = reading(r)
				}
				check(t, readings)
			}
		})
	}
}

func FuzzOf(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 4.0, uint8(10))
	f.Add(1e9, 1e9+1e-3, 1e9-1e-3, 1e9, uint8(10))
	f.Add(1e16, 1.0, -1e16, 1e-16, uint8(7))
	f.Add(math.MaxFloat64, -math.MaxFloat64, 5e-324, 0.0, uint8(4))
	f.Fuzz(func(t *testing.T, a, b, c, d float64, n uint8) {
		readings := make([]float64, 0, n)
		for i := range int(n) {
			readings = append(readings, []float64{a, b, c, d, a - b, b - c}[i%6])
			if x := readings[i]; math.IsNaN(x) || math.IsInf(x, 0) {
				return
			}
		}
		check(t, readings)
	})
}

func at(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

func TestStart(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2025-01-01T00:00:00Z":        "2025-01-01T00:00:00Z",
		"2025-01-01T00:09:59.999999Z": "2025-01-01T00:00:00Z",
		"2025-01-01T00:10:00Z":        "2025-01-01T00:10:00Z",
		"1969-12-31T23:59:59Z":        "1969-12-31T23:50:00Z",
		"1969-12-31T23:50:00Z":        "1969-12-31T23:50:00Z",
	} {
		if got := window.Start(at(in)); got != at(want) {
			t.Errorf("Start(%s): got %s, want %s", in, time.UnixMicro(got).UTC(), want)
		}
	}
}

func TestAggregator(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	type sample struct {
		at     string
		values []float64
	}
	tests := map[string]struct {
		samples []sample
		want    []window.Window
	}{
		"no samples": {},
		"a missing reading does not count": {
			[]sample{{"2025-01-01T00:00:00Z", []float64{1, nan}}, {"2025-01-01T00:09:59.999999Z", []float64{3, 5}}},
			[]window.Window{{at("2025-01-01T00:00:00Z"), []window.Stats{
				{Mean: 2, Min: 1, Max: 3, Std: math.Sqrt2, Count: 2},
				{Mean: 5, Min: 5, Max: 5, Std: nan, Count: 1},
			}}},
		},
		"a window without readings is left out": {
			[]sample{
				{"2025-01-01T00:00:00Z", []float64{1, 1}},
				{"2025-01-01T00:10:00Z", []float64{nan, nan}},
				{"2025-01-01T00:20:00Z", []float64{nan, 2}},
			},
			[]window.Window{
				{at("2025-01-01T00:00:00Z"), []window.Stats{{Mean: 1, Min: 1, Max: 1, Std: nan, Count: 1}, {Mean: 1, Min: 1, Max: 1, Std: nan, Count: 1}}},
				{at("2025-01-01T00:20:00Z"), []window.Stats{{Mean: nan, Min: nan, Max: nan, Std: nan}, {Mean: 2, Min: 2, Max: 2, Std: nan, Count: 1}}},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := window.NewAggregator(2)
			for _, s := range tt.samples {
				if err := a.Add(at(s.at), s.values); err != nil {
					t.Fatalf("Add(%s): %v", s.at, err)
				}
			}
			got, err := a.Windows()
			if err != nil {
				t.Fatalf("Windows: %v", err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-15, 0)); diff != "" {
				t.Errorf("windows (-want +got):\n%s", diff)
			}
			if again, err := a.Windows(); err != nil || len(again) != 0 {
				t.Errorf("second Windows: got %v, %v, want none", again, err)
			}
		})
	}
}

func TestAggregatorRefuses(t *testing.T) {
	t.Parallel()
	a := window.NewAggregator(1)
	if err := a.Add(at("2025-01-01T00:01:00Z"), []float64{1}); err != nil {
		t.Fatal(err)
	}
	for _, again := range []string{"2025-01-01T00:01:00Z", "2025-01-01T00:00:00Z"} {
		if err := a.Add(at(again), []float64{1}); !errors.Is(err, window.ErrOrder) {
			t.Errorf("Add(%s): got %v, want %v", again, err, window.ErrOrder)
		}
	}
	b := window.NewAggregator(1)
	for i, x := range []float64{math.MaxFloat64, -math.MaxFloat64} {
		if err := b.Add(int64(i), []float64{x}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Windows(); !errors.Is(err, window.ErrOverflow) {
		t.Errorf("Windows: got %v, want %v", err, window.ErrOverflow)
	}
}

// Windows of one series stay what they are while others come, also when their
// memory moves, and go with Reset.
func TestAggregatorKeepsWindows(t *testing.T) {
	t.Parallel()
	const turbines = 50
	a := window.NewAggregator(2)
	for range 3 { // the second time around in memory that there is
		var series [turbines][]window.Window
		for i := range series {
			for minute := range 60 {
				if err := a.Add(int64(minute)*60_000_000, []float64{float64(i), float64(minute)}); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			if series[i], err = a.Windows(); err != nil {
				t.Fatal(err)
			}
		}
		for i, windows := range series {
			if len(windows) != 6 {
				t.Fatalf("series %d has %d windows, want 6", i, len(windows))
			}
			for j, w := range windows {
				want := window.Window{Start: int64(j) * 600_000_000, Stats: []window.Stats{
					{Mean: float64(i), Min: float64(i), Max: float64(i), Count: 10},
					{Mean: float64(10*j) + 4.5, Min: float64(10 * j), Max: float64(10*j + 9), Std: math.Sqrt(82.5 / 9), Count: 10},
				}}
				if diff := cmp.Diff(want, w, cmpopts.EquateApprox(1e-15, 0)); diff != "" {
					t.Fatalf("series %d, window %d (-want +got):\n%s", i, j, diff)
				}
			}
		}
		// What was begun is gone as well.
		if err := a.Add(0, []float64{1e6, 1e6}); err != nil {
			t.Fatal(err)
		}
		a.Reset()
	}
}

// turbineDay is a turbine's samples of a day.
func turbineDay() [][3]float64 {
	r := rand.New(rand.NewPCG(1, 2))
	samples := make([][3]float64, 1440)
	for i := range samples {
		samples[i] = [3]float64{25 * r.Float64(), 2000 * r.Float64(), 20 * r.NormFloat64()}
	}
	return samples
}

// aggregate takes a series from samples to windows.
func aggregate(tb testing.TB, a *window.Aggregator, samples [][3]float64) {
	tb.Helper()
	for i := range samples {
		if err := a.Add(int64(i)*60_000_000, samples[i][:]); err != nil {
			tb.Fatal(err)
		}
	}
	if windows, err := a.Windows(); err != nil || len(windows) != len(samples)/10 {
		tb.Fatalf("got %d windows, %v", len(windows), err)
	}
}

// After the first group of turbines a group costs no memory. Allocations are
// counted for the whole process: nothing runs beside this test.
func TestAggregatorDoesNotAllocate(t *testing.T) {
	samples := turbineDay()
	a := window.NewAggregator(3)
	group := func() {
		for range 4 {
			aggregate(t, a, samples)
		}
		a.Reset()
	}
	if got := testing.AllocsPerRun(10, group); got != 0 {
		t.Errorf("four turbines' days allocate %g times, want 0", got)
	}
}

// One iteration is a turbine's day, 1,440 samples of three variables: 0
// allocations.
func BenchmarkAggregator(b *testing.B) {
	samples := turbineDay()
	a := window.NewAggregator(3)
	b.ReportAllocs()
	for b.Loop() {
		aggregate(b, a, samples)
		a.Reset()
	}
	b.ReportMetric(float64(len(samples)*b.N)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(len(samples)*b.N), "ns/row")
}
