package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/check"
)

// every is a turbine that logs each interval.
func every(interval time.Duration) check.Turbine { return check.Turbine{Interval: interval} }

// without leaves out the samples of a logger from one place to another.
func without(samples []sample, from, to int) []sample { return slices.Delete(samples, from, to) }

// wavering moves every second sample by a time.
func wavering(samples []sample, by time.Duration) []sample {
	for i := 1; i < len(samples); i += 2 {
		samples[i].at += by.Microseconds()
	}
	return samples
}

// What a turbine misses is counted by its own interval.
func TestCompletenessFollowsTheInterval(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		farm     farm
		turbines []check.Turbine
		want     string
	}{
		"each second":                 {farm{newLogger(time.Second, 0)}, []check.Turbine{every(time.Second)}, ""},
		"each minute":                 {farm{newLogger(time.Minute, 0)}, []check.Turbine{every(time.Minute)}, ""},
		"each minute, off the minute": {farm{newLogger(time.Minute, 42*time.Second)}, []check.Turbine{every(time.Minute)}, ""},
		"each 9 minutes":              {farm{newLogger(9*time.Minute, 0)}, []check.Turbine{every(9 * time.Minute)}, ""},
		"each 10 minutes":             {farm{newLogger(10*time.Minute, 0)}, []check.Turbine{every(10 * time.Minute)}, ""},
		"each 11 minutes":             {farm{newLogger(11*time.Minute, 0)}, []check.Turbine{every(11 * time.Minute)}, ""},
		"each 11 minutes, begun late": {farm{newLogger(11*time.Minute, 10*time.Minute+30*time.Second)}, []check.Turbine{every(11 * time.Minute)}, ""},
		"each 19 minutes":             {farm{newLogger(19*time.Minute, 0)}, []check.Turbine{every(19 * time.Minute)}, ""},
		"once a day":                  {farm{newLogger(24*time.Hour, 0)}, []check.Turbine{every(24 * time.Hour)}, ""},
		"a clock that wavers":         {farm{wavering(newLogger(10*time.Minute, 0), 7*time.Second)}, []check.Turbine{every(10 * time.Minute)}, ""},
		"more often than told":        {farm{newLogger(9*time.Minute, 0)}, []check.Turbine{every(10 * time.Minute)}, ""},
		"less often than told": {
			farm{newLogger(11*time.Minute, 0)},
			[]check.Turbine{every(10 * time.Minute)},
			"13 of 144 samples missing: turbine 1: 13 of 144 (they come every 11m; if that is right: delfos turbine set 1 --sample-interval 11m)",
		},
		"ten times less often than told": {
			farm{newLogger(10*time.Minute, 0)},
			[]check.Turbine{every(time.Minute)},
			"1296 of 1440 samples missing: turbine 1: 1296 of 1440 (they come every 10m; if that is right: delfos turbine set 1 --sample-interval 10m)",
		},
		"ten times less often than told, with a gap": {
			farm{without(newLogger(10*time.Minute, 0), 20, 50)},
			[]check.Turbine{every(time.Minute)},
			"1326 of 1440 samples missing: turbine 1: 1326 of 1440 (they come every 10m; if that is right: delfos turbine set 1 --sample-interval 10m)",
		},
		"a single sample says nothing of an interval": {
			farm{newLogger(23*time.Hour, 0)[:1]},
			[]check.Turbine{every(time.Minute)},
			"1439 of 1440 samples missing: turbine 1: 1439 of 1440",
		},
		"a gap of a second": {
			farm{without(newLogger(time.Second, 0), 5000, 5001)},
			[]check.Turbine{every(time.Second)},
			"1 of 86400 samples missing: turbine 1: 1 of 86400",
		},
		"a gap of a minute": {
			farm{without(newLogger(time.Minute, 0), 500, 501)},
			[]check.Turbine{every(time.Minute)},
			"1 of 1440 samples missing: turbine 1: 1 of 1440",
		},
		"a gap of ten minutes": {
			farm{without(newLogger(10*time.Minute, 0), 50, 51)},
			[]check.Turbine{every(10 * time.Minute)},
			"1 of 144 samples missing: turbine 1: 1 of 144",
		},
		"gaps at both ends": {
			farm{without(without(newLogger(19*time.Minute, 0), 70, 76), 0, 2)},
			[]check.Turbine{every(19 * time.Minute)},
			"7 of 75 samples missing: turbine 1: 7 of 75",
		},
		"each its own": {
			farm{newLogger(time.Minute, 0), newLogger(10*time.Minute, 0), newLogger(time.Second, 0), without(newLogger(10*time.Minute, 0), 50, 53)},
			[]check.Turbine{every(time.Minute), every(10 * time.Minute), every(time.Second), every(10 * time.Minute)},
			"3 of 88128 samples missing: turbine 4: 3 of 144",
		},
		"a turbine that is not there yet": {
			farm{newLogger(time.Minute, 0), nil, without(newLogger(time.Minute, 0), 0, 720)},
			[]check.Turbine{every(time.Minute), {Interval: time.Minute, Idle: true}, {Interval: time.Minute, Idle: true}},
			"",
		},
		"a turbine without samples": {
			farm{newLogger(time.Minute, 0), nil},
			[]check.Turbine{every(time.Minute), every(10 * time.Minute)},
			"144 of 1584 samples missing: turbine 2: 144 of 144",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := check.NewRules(noCurve())
			rules.Turbines = map[int32]check.Turbine{}
			for i, turbine := range tt.turbines {
				rules.Turbines[int32(i+1)] = turbine
			}
			var want []string
			if tt.want != "" {
				want = []string{"completeness warn: " + tt.want}
			}
			if diff := cmp.Diff(want, doubts(tt.farm.judgeBy(t, rules))); diff != "" {
				t.Errorf("doubts (-want +got):\n%s", diff)
			}
		})
	}
}

// A flat run is a length of time, whatever the interval.
func TestFrozenFollowsTheInterval(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		interval time.Duration
		to       string
		want     string // how long the run is, from 03:00; "": there is none
		flags    string
	}{
		"each second, 29 minutes":     {time.Second, "03:29", "", ""},
		"each second, 30 minutes":     {time.Second, "03:30", "30 minutes", "03:00-03:20 x3"},
		"each minute, 29 minutes":     {time.Minute, "03:29", "", ""},
		"each minute, 30 minutes":     {time.Minute, "03:30", "30 minutes", "03:00-03:20 x3"},
		"each 5 minutes":              {5 * time.Minute, "03:30", "30 minutes", "03:00-03:20 x3"},
		"each 10 minutes, by chance":  {10 * time.Minute, "03:50", "", ""},
		"each 10 minutes":             {10 * time.Minute, "04:00", "60 minutes", "03:00-03:50 x6"},
		"each 9 minutes":              {9 * time.Minute, "03:54", "54 minutes", "03:00-03:40 x5"},
		"each 20 minutes":             {20 * time.Minute, "05:00", "120 minutes", "03:00-04:40 x11"},
		"each 10 minutes, to the end": {10 * time.Minute, "24:00", "1260 minutes", "03:00-23:50 x126"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := farm{newLogger(time.Minute, 0), newLogger(tt.interval, 0), newLogger(10*time.Minute, 0)}
			f.set(2, "03:00", tt.to, 2, 6.7)
			rules := check.NewRules(nil)
			rules.Turbines = map[int32]check.Turbine{2: every(tt.interval), 3: every(10 * time.Minute)}
			r := f.judgeBy(t, rules)
			var want, flags []string
			if tt.want != "" {
				want = []string{"frozen ambient_temperature warn: 1 flat run: turbine 2: 6.7 °C for " + tt.want + " from 2025-01-02T03:00:00Z"}
				flags = []string{"turbine 2 frozen ambient_temperature " + tt.flags}
			}
			if diff := cmp.Diff(want, doubts(r)); diff != "" {
				t.Errorf("doubts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(flags, flagged(r)); diff != "" {
				t.Errorf("flags (-want +got):\n%s", diff)
			}
		})
	}
}

// The power curve is drawn of windows whose readings cover half of them, even one reading.
func TestPowerCurveFollowsTheInterval(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{time.Second, time.Minute, 9 * time.Minute, 10 * time.Minute, 11 * time.Minute} {
		f := farm{newLogger(interval, 0)}
		f.each(1, "05:00", "07:00", func(_ int, r *[3]float64) bool { r[1] = 20 + r[0]; return true })
		rules := check.NewRules(nil)
		rules.Turbines = map[int32]check.Turbine{1: every(interval)}
		if got := doubts(f.judgeBy(t, rules)); len(got) != 1 || !strings.HasPrefix(got[0], "power_curve power warn: ") {
			t.Errorf("each %s: got %q, want a doubt about the power curve alone", interval, got)
		}
	}
}
