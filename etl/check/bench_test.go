package check_test

import (
	"testing"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/variable"
)

// fleet is how many turbines the benchmark's day has: 1.44 million samples.
const fleet = 1000

// BenchmarkDay is what the checks cost on a fleet's day beside the windows,
// which are computed beforehand.
func BenchmarkDay(b *testing.B) {
	f := newFarm(10)
	windows := make([][]window.Window, len(f))
	for i, samples := range f {
		a := window.NewAggregator(variable.Count)
		for _, s := range samples {
			if err := a.Add(s.at, s.readings[:]); err != nil {
				b.Fatal(err)
			}
		}
		var err error
		if windows[i], err = a.Windows(); err != nil {
			b.Fatal(err)
		}
	}
	rules := check.NewRules(nil)
	b.ReportAllocs()
	for b.Loop() {
		d, r := check.NewDay(rules, day()), check.NewReader(rules, day())
		for turbine := range fleet {
			i := turbine % len(f)
			r.Begin(int32(turbine + 1))
			for j := range f[i] {
				s := &f[i][j]
				r.Add(s.at, s.readings[:])
			}
			d.Add(r.End(windows[i]))
		}
		if got := d.Report().Warnings(); got != 0 {
			b.Fatalf("got %d warnings, want 0", got)
		}
	}
	b.ReportMetric(float64(fleet*1440*b.N)/b.Elapsed().Seconds(), "samples/s")
}

// TestSampleAllocatesNothing pins that memory grows with what is to be doubted,
// not with the samples.
func TestSampleAllocatesNothing(t *testing.T) {
	samples := newFarm(1)[0]
	r := check.NewReader(check.NewRules(nil), day())
	if got := testing.AllocsPerRun(10, func() {
		r.Begin(1)
		for i := range samples {
			r.Add(samples[i].at, samples[i].readings[:])
		}
		r.End(nil)
	}); got != 0 {
		t.Errorf("allocations of a turbine's day: got %v, want 0", got)
	}
}
