package target_test

import (
	"encoding/csv"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/internal/signal"
)

// stored fills data with the windows of two turbines around days on which clocks
// change. Some windows are missing, some have a single reading.
func (b *bundle) stored() {
	b.TB.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var turbines, signals []int32
	var times []time.Time
	var values []float64
	for turbine, reading := range []func() float64{
		func() float64 { return 25 * r.Float64() },
		func() float64 { return 1e9 + 1e-3*r.Float64() },
	} {
		for _, day := range []string{"2025-03-29", "2025-03-30", "2025-03-31", "2025-09-06", "2025-09-07", "2025-10-25", "2025-10-26", "2025-10-27"} {
			midnight, err := time.Parse(time.DateOnly, day)
			if err != nil {
				b.TB.Fatal(err)
			}
			for at := midnight; at.Before(midnight.Add(24 * time.Hour)); at = at.Add(window.Width) {
				for i := range signal.Count / len(signal.Statistics) {
					readings := make([]float64, max(0, r.IntN(14)-3))
					for j := range readings {
						readings[j] = reading()
					}
					s := window.Of(readings)
					for j, x := range []float64{s.Mean, s.Min, s.Max, s.Std, float64(s.Count)} {
						if !math.IsNaN(x) && s.Count > 0 {
							turbines, signals = append(turbines, int32(turbine+1)), append(signals, int32(i*len(signal.Statistics)+j+1))
							times, values = append(times, at), append(values, x)
						}
					}
				}
			}
		}
	}
	b.exec("INSERT INTO data SELECT unnest($1::integer[]), unnest($2::integer[]), unnest($3::timestamptz[]), unnest($4::double precision[])", turbines, signals, times, values)
}

// table reads an answer in CSV and long shape: values by turbine, signal and time.
func (b *bundle) table(query string) map[string]float64 {
	b.TB.Helper()
	a := b.OK("/windows?format=csv&" + query)
	records, err := csv.NewReader(strings.NewReader(a.Body)).ReadAll()
	if err != nil {
		b.TB.Fatal(err)
	}
	all := make(map[string]float64)
	for _, fields := range records[1:] {
		x, err := strconv.ParseFloat(fields[3], 64)
		if err != nil {
			b.TB.Fatal(err)
		}
		all[strings.Join([]string{fields[1], fields[2], fields[0]}, " ")] = x
	}
	if len(all) != len(records)-1 {
		b.TB.Errorf("%s: %d rows have %d keys", query, len(records)-1, len(all))
	}
	return all
}

// clock is what tells a period from others by the clock of a zone.
func clock(step string, at time.Time) string {
	switch step {
	case "1h":
		return at.Format("2006-01-02 15 -0700")
	case "6h":
		return at.Format("2006-01-02 ") + strconv.Itoa(at.Hour()/6)
	case "1d":
		return at.Format("2006-01-02")
	default:
		return at.Format("2006-01")
	}
}

// The values of periods are those of exact arithmetic over the windows stored.
func TestRollups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.stored()
	const span = "start=2025-03-29T10:30Z&before=2025-10-27T20:10Z"
	windows := b.table(span)
	for _, tt := range []struct{ step, zone string }{
		{"1h", "UTC"},
		{"1h", "Asia/Kolkata"},
		{"1h", "Europe/Berlin"},
		{"6h", "Europe/Berlin"},
		{"6h", "Asia/Kathmandu"},
		{"1d", "UTC"},
		{"1d", "Europe/Berlin"},
		{"1d", "America/Santiago"},
		{"1mo", "Europe/Berlin"},
		{"1mo", "UTC"},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		// The clock has shown the same period since its start.
		starts := map[time.Time]time.Time{}
		var start func(at time.Time) time.Time
		start = func(at time.Time) time.Time {
			if _, known := starts[at]; !known {
				starts[at] = at
				if before := at.Add(-5 * time.Minute); clock(tt.step, before) == clock(tt.step, at) {
					starts[at] = start(before)
				}
			}
			return starts[at]
		}
		want := exactPeriods(t, windows, func(at time.Time) time.Time { return start(at.In(zone)) })
		query := span + "&step=" + tt.step + "&tz=" + tt.zone
		all := b.table(query)
		got := maps.Clone(all)
		for key, x := range want {
			largest, _ := want[maximum(key)].Float64()
			exact, _ := x.Float64()
			if y, ok := got[key]; !ok || !(math.Abs(y-exact) <= 1e-12*math.Abs(largest)) {
				t.Errorf("%s: %s is %v (%t), want %v", query, key, y, ok, exact)
			}
			delete(got, key)
		}
		for key, y := range got {
			t.Errorf("%s: %s is %v, want no such row", query, key, y)
		}
		// A statistic is the same when it is asked for alone.
		for _, name := range []string{"power_mean", "power_std", "wind_speed_max", "wind_speed_count"} {
			for key, y := range b.table(query + "&signals=" + name) {
				if all[key] != y || !strings.Contains(key, name) {
					t.Errorf("%s: %s is %v alone, and %v among others", query, key, y, all[key])
				}
				delete(all, key)
			}
			for key := range all {
				if strings.Contains(key, name) {
					t.Errorf("%s: %s is missing when it is asked for alone", query, key)
				}
			}
		}
	}
}

// maximum is the key of the largest value beside a key: no other one is larger.
func maximum(key string) string {
	parts := strings.Split(key, " ")
	i := strings.LastIndexByte(parts[1], '_')
	return parts[0] + " " + parts[1][:i] + "_max " + parts[2]
}

// exactPeriods joins windows by rational arithmetic; start is that of a window's period.
func exactPeriods(t *testing.T, windows map[string]float64, start func(time.Time) time.Time) map[string]*big.Rat {
	t.Helper()
	type sums struct{ n, sum, squares, low, high *big.Rat }
	rat := func(x float64) *big.Rat { return new(big.Rat).SetFloat64(x) }
	mul := func(x, y *big.Rat) *big.Rat { return new(big.Rat).Mul(x, y) }
	all, starts := map[string]*sums{}, map[string]string{}
	for key, n := range windows {
		measured, ok := strings.CutSuffix(strings.Split(key, " ")[1], "_count")
		if !ok {
			continue
		}
		fields := strings.Split(key, " ")
		if starts[fields[2]] == "" {
			at, err := time.Parse(time.RFC3339, fields[2])
			if err != nil {
				t.Fatal(err)
			}
			starts[fields[2]] = start(at).UTC().Format(time.RFC3339)
		}
		of := func(statistic string) *big.Rat {
			return rat(windows[fields[0]+" "+measured+"_"+statistic+" "+fields[2]])
		}
		period := fields[0] + " " + measured + " " + starts[fields[2]]
		if all[period] == nil {
			all[period] = &sums{rat(0), rat(0), rat(0), of("min"), of("max")}
		}
		// Σx² of a window is (n − 1)s² + nm².
		s, m := all[period], of("mean")
		s.n.Add(s.n, rat(n))
		s.sum.Add(s.sum, mul(rat(n), m))
		s.squares.Add(s.squares, mul(rat(n-1), mul(of("std"), of("std"))))
		s.squares.Add(s.squares, mul(rat(n), mul(m, m)))
		s.low = slices.MinFunc([]*big.Rat{s.low, of("min")}, (*big.Rat).Cmp)
		s.high = slices.MaxFunc([]*big.Rat{s.high, of("max")}, (*big.Rat).Cmp)
	}
	want := map[string]*big.Rat{}
	for period, s := range all {
		fields := strings.Split(period, " ")
		key := func(statistic string) string {
			return fields[0] + " " + fields[1] + "_" + statistic + " " + fields[2]
		}
		mean := new(big.Rat).Quo(s.sum, s.n)
		want[key("mean")], want[key("min")], want[key("max")], want[key("count")] = mean, s.low, s.high, s.n
		if less := new(big.Rat).Sub(s.n, rat(1)); less.Sign() > 0 {
			variance := new(big.Rat).Quo(new(big.Rat).Sub(s.squares, mul(s.sum, mean)), less)
			root := new(big.Float).SetPrec(200).SetRat(variance)
			want[key("std")], _ = root.Sqrt(root).Rat(nil)
		}
	}
	return want
}
