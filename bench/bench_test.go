package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{4}, 4},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{5, 4, 3, 100, 1}, 4},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median of %v: got %v, want %v", test.values, got, test.want)
		}
	}
}

func TestMet(t *testing.T) {
	t.Parallel()
	of := func(value float64, written int64) []sample { return []sample{{value: value, written: written}} }
	for name, test := range map[string]struct {
		result result
		want   bool
	}{
		"time below":      {result{line: line{target: 0.5}, base: of(2, 0), ours: of(1, 0)}, true},
		"time above":      {result{line: line{target: 0.5}, base: of(2, 0), ours: of(1.1, 0)}, false},
		"rate above":      {result{line: line{target: 2, rate: true}, base: of(100, 0), ours: of(201, 0)}, true},
		"rate below":      {result{line: line{target: 2, rate: true}, base: of(100, 0), ours: of(199, 0)}, false},
		"further missed":  {result{line: line{target: 1, further: nothingWritten}, base: of(2, 0), ours: of(1, 3)}, false},
		"further reached": {result{line: line{target: 1, further: nothingWritten}, base: of(2, 9), ours: of(1, 0)}, true},
	} {
		if got := test.result.met(); got != test.want {
			t.Errorf("%s: got %t, want %t", name, got, test.want)
		}
	}
}

func TestReadGoBench(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "bench.txt")
	text := `goos: linux
pkg: github.com/delfos/delfos/etl/window
BenchmarkAdd-2   	  100	 12.5 ns/op	 3.0 rows/s	 0 B/op	 1 allocs/op
PASS
`
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatalf("write the benchmarks: %v", err)
	}
	got, err := readGoBench(name)
	if err != nil {
		t.Fatalf("read the benchmarks: %v", err)
	}
	want := []string{"| etl/window | Add-2 | 12.5 | 0 | 1 | 3.0 rows/s |\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestRateOf(t *testing.T) {
	t.Parallel()
	got, err := rateOf([]byte("latency average = 4.0 ms\ntps = 1631.25 (without initial connection time)\n"))
	if err != nil || got != 1631.25 {
		t.Errorf("rate: got %v and %v, want 1631.25", got, err)
	}
	if _, err := rateOf([]byte("no such thing")); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("no rate: got %v, want an error that quotes it", err)
	}
}

// TestChoose: lines are run in their own order, and an unknown one is refused.
func TestChoose(t *testing.T) {
	t.Parallel()
	all := (&bench{}).lines()
	got, err := choose(all, "etl-day,day-json")
	if err != nil || len(got) != 2 || got[0].name != "day-json" || got[1].name != "etl-day" {
		t.Errorf("two lines: got %d and %v, want day-json and etl-day", len(got), err)
	}
	if _, err := choose(all, "day-json,fast"); err == nil || !strings.Contains(err.Error(), `"fast"`) {
		t.Errorf("unknown line: got %v, want an error that names it", err)
	}
}
