package check_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/checkrule"
)

// noCurve leaves the power curve out, which doubts a stuck sensor too.
func noCurve() []checkrule.Rule {
	return []checkrule.Rule{{Check: "power_curve", Variable: "power", Severity: enum.SeverityOff}}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	none := math.NaN()
	tests := map[string]struct {
		turbines    int
		spoil       func(farm)
		doubts      []string
		flags       []string
		rules       []checkrule.Rule
		until       time.Duration // of the day, after which no sample is missed; 0 is its end
		wantBlocked string
	}{
		"nothing":                    {turbines: 3},
		"nothing, of a lone turbine": {turbines: 1},
		"gaps": {
			turbines: 3,
			spoil: func(f farm) {
				f.drop(2, "03:00", "04:00")
				f.drop(3, "10:00", "10:01")
				f.set(3, "12:00", "12:05", 1, none)
				f.set(3, "13:00", "13:01", 0, none)
			},
			doubts: []string{
				"completeness warn: 61 of 4320 samples missing: turbine 2: 60 of 1440, turbine 3: 1 of 1440",
				"completeness power warn: 5 readings missing in 4259 samples: turbine 3: 5",
				"completeness wind_speed warn: 1 reading missing in 4259 samples: turbine 3: 1",
			},
		},
		"a turbine without samples": {
			turbines: 2,
			spoil:    func(f farm) { f[1] = nil },
			doubts:   []string{"completeness warn: 1440 of 2880 samples missing: turbine 2: 1440 of 1440"},
		},
		"two samples in a minute don't make up for a gap": {
			turbines: 1,
			spoil: func(f farm) {
				f.drop(1, "03:00", "03:01")
				extra := f[0][100]
				extra.at += 30e6
				f[0] = slices.Insert(f[0], 101, extra)
			},
			doubts: []string{"completeness warn: 1 of 1440 samples missing: turbine 1: 1 of 1440"},
		},
		"a day that is not over": {
			turbines: 2,
			until:    12 * time.Hour,
			spoil: func(f farm) {
				f.drop(1, "12:07", "24:00")
				f.drop(2, "03:00", "03:05")
				f.drop(2, "11:30", "24:00")
			},
			doubts: []string{"completeness warn: 35 of 1440 samples missing: turbine 2: 35 of 720"},
		},
		"a day that is not over, of a source whose clock is ahead": {turbines: 1, until: 12 * time.Hour},
		"a day that has not begun":                                 {turbines: 1, until: -time.Hour, spoil: func(f farm) { f[0] = nil }},
		"a day that was over when it was read": {
			turbines: 1,
			until:    36 * time.Hour,
			spoil:    func(f farm) { f.drop(1, "12:00", "24:00") },
			doubts:   []string{"completeness warn: 720 of 1440 samples missing: turbine 1: 720 of 1440"},
		},
		"spikes out of range": {
			turbines: 2,
			spoil: func(f farm) {
				f.set(1, "03:03", "03:05", 0, 75)
				f.set(1, "03:12", "03:13", 0, -0.1)
				f.set(2, "06:00", "06:01", 1, 1e9)
				f.set(2, "07:00", "07:01", 2, -273.15)
			},
			doubts: []string{
				"range ambient_temperature warn: 1 reading outside [-50, 60] °C: turbine 2: -273.15 at 2025-01-02T07:00:00Z",
				"range power warn: 1 reading outside [-500, 20000] kW: turbine 2: 1e+09 at 2025-01-02T06:00:00Z",
				"range wind_speed warn: 3 readings outside [0, 60] m/s: turbine 1: 75 at 2025-01-02T03:03:00Z",
			},
			flags: []string{
				"turbine 1 range wind_speed 03:00-03:10 x2",
				"turbine 2 range power 06:00-06:00 x1",
				"turbine 2 range ambient_temperature 07:00-07:00 x1",
			},
		},
		"limits are in range, and a turbine at rest consumes": {
			turbines: 2,
			spoil: func(f farm) {
				f.set(1, "03:03", "03:04", 0, 60)
				f.set(1, "03:20", "03:21", 2, -50)
				f.set(1, "03:23", "03:24", 1, -500)
			},
		},
		"limits of one's own, one of them open": {
			turbines: 1,
			spoil: func(f farm) {
				f.set(1, "03:03", "03:04", 2, -60)
				f.set(1, "04:03", "04:04", 2, 41)
			},
			rules: []checkrule.Rule{{Check: "range", Variable: "ambient_temperature", Severity: enum.SeverityWarn, Low: none, High: 40}},
			doubts: []string{
				"range ambient_temperature warn: 1 reading outside [-Inf, 40] °C: turbine 1: 41 at 2025-01-02T04:03:00Z",
			},
			flags: []string{"turbine 1 range ambient_temperature 04:00-04:00 x1"},
		},
		"a stuck sensor among three": {
			turbines: 3,
			spoil:    func(f farm) { f.set(2, "03:05", "04:00", 2, 6.7) },
			doubts:   []string{"frozen ambient_temperature warn: 1 flat run: turbine 2: 6.7 °C for 55 minutes from 2025-01-02T03:05:00Z"},
			flags:    []string{"turbine 2 frozen ambient_temperature 03:00-03:50 x6"},
		},
		"a stuck anemometer among three": {
			turbines: 3,
			spoil:    func(f farm) { f.set(2, "03:00", "03:30", 0, 6.7) },
			doubts:   []string{"frozen wind_speed warn: 1 flat run: turbine 2: 6.7 m/s for 30 minutes from 2025-01-02T03:00:00Z"},
			flags:    []string{"turbine 2 frozen wind_speed 03:00-03:20 x3"},
			rules:    noCurve(),
		},
		"29 minutes are not enough": {
			turbines: 3,
			spoil:    func(f farm) { f.set(2, "03:00", "03:29", 2, 6.7) },
		},
		"a missing reading ends a run": {
			turbines: 3,
			spoil: func(f farm) {
				f.set(2, "03:00", "03:50", 2, 6.7)
				f.set(2, "03:25", "03:26", 2, none)
			},
			doubts: []string{"completeness ambient_temperature warn: 1 reading missing in 4320 samples: turbine 2: 1"},
		},
		"a flat run that neighbours share": {
			turbines: 3,
			spoil: func(f farm) {
				f.set(2, "03:00", "05:00", 2, 6.7)
				f.set(3, "02:30", "04:30", 2, 6.8)
			},
		},
		"a lone flat temperature": {
			turbines: 1,
			spoil:    func(f farm) { f.set(1, "03:00", "05:00", 2, 6.7) },
		},
		"a lone flat power": {
			turbines: 1,
			spoil:    func(f farm) { f.set(1, "03:00", "03:40", 1, 700) },
			rules:    noCurve(),
		},
		"a lone stuck anemometer, while the power moves": {
			turbines: 1,
			spoil:    func(f farm) { f.set(1, "03:00", "05:00", 0, 8.2) },
			doubts:   []string{"frozen wind_speed warn: 1 flat run: turbine 1: 8.2 m/s for 120 minutes from 2025-01-02T03:00:00Z"},
			flags:    []string{"turbine 1 frozen wind_speed 03:00-04:50 x12"},
			rules:    noCurve(),
		},
		"a lone calm": {
			turbines: 1,
			spoil: func(f farm) {
				f.set(1, "03:00", "05:00", 0, 0)
				f.each(1, "03:00", "05:00", func(m int, r *[3]float64) bool { r[1] = -4 - float64(m%3); return true })
			},
		},
		"a calm at one of three": {
			turbines: 3,
			spoil: func(f farm) {
				f.set(1, "03:00", "05:00", 0, 0)
				f.set(1, "03:00", "05:00", 1, 0)
			},
		},
		"an iced anemometer: calm, and the turbine turns": {
			turbines: 3,
			spoil:    func(f farm) { f.set(1, "03:00", "05:00", 0, 0) },
			doubts: []string{
				"frozen wind_speed warn: 1 flat run: turbine 1: 0 m/s for 120 minutes from 2025-01-02T03:00:00Z",
			},
			flags: []string{"turbine 1 frozen wind_speed 03:00-04:50 x12"},
		},
		"a stuck power among neighbours at rated power": {
			turbines: 3,
			spoil: func(f farm) {
				f.set(1, "03:00", "03:40", 1, 700)
				f.set(2, "02:00", "05:00", 1, 2000)
				f.set(3, "02:00", "05:00", 1, 2000)
			},
			doubts: []string{"frozen power warn: 1 flat run: turbine 1: 700 kW for 40 minutes from 2025-01-02T03:00:00Z"},
			flags:  []string{"turbine 1 frozen power 03:00-03:30 x4"},
			rules:  noCurve(),
		},
		"a storm: full power, then a cut-out that comes and goes": {
			turbines: 2,
			spoil: func(f farm) {
				f.each(1, "06:00", "18:00", func(m int, r *[3]float64) bool {
					r[0] = 23.5 + 2.5*math.Sin(float64(m)/9) + 0.01*float64(m%7)
					if r[1] = 2000; m/55%2 == 1 {
						r[1] = -6
					}
					return true
				})
			},
		},
		"ice: power far below the curve": {
			turbines: 2,
			spoil: func(f farm) {
				f.each(2, "05:00", "07:00", func(_ int, r *[3]float64) bool { r[1] *= 0.3; return true })
			},
			doubts: []string{"power_curve power warn: 6 windows far off the curve: turbine 2: 179 kW at 8.9 m/s, where 590 kW are usual that day at 2025-01-02T05:20:00Z"},
			flags:  []string{"turbine 2 power_curve power 05:20-06:10 x6"},
		},
		"a minute twice": {
			turbines: 2,
			spoil:    func(f farm) { f[1] = slices.Insert(f[1], 5, f[1][4]) },
			doubts:   []string{"order block: turbine 2: 2025-01-02T00:04:00Z after 2025-01-02T00:04:00Z: samples must be in order of time, each time once"},
		},
		"minutes out of order, under a rule that warns": {
			turbines: 2,
			spoil:    func(f farm) { f[1][8], f[1][9] = f[1][9], f[1][8] },
			rules:    []checkrule.Rule{{Check: "order", Severity: enum.SeverityWarn}},
			doubts:   []string{"order warn: turbine 2: 2025-01-02T00:08:00Z after 2025-01-02T00:09:00Z: samples must be in order of time, each time once"},
		},
		"a rule that blocks": {
			turbines:    1,
			spoil:       func(f farm) { f.set(1, "03:03", "03:05", 0, 75) },
			rules:       []checkrule.Rule{{Check: "range", Variable: "wind_speed", Severity: enum.SeverityBlock, Low: 0, High: 50}},
			doubts:      []string{"range wind_speed block: 2 readings outside [0, 50] m/s: turbine 1: 75 at 2025-01-02T03:03:00Z"},
			flags:       []string{"turbine 1 range wind_speed 03:00-03:00 x1"},
			wantBlocked: "the check range of wind_speed blocks the day: 2 readings outside [0, 50] m/s: turbine 1: 75 at 2025-01-02T03:03:00Z",
		},
		"all that is off": {
			turbines: 3,
			spoil: func(f farm) {
				f.drop(2, "01:00", "02:00")
				f.set(1, "03:03", "03:05", 0, 75)
				f.set(1, "05:00", "09:00", 2, 5)
			},
			rules: []checkrule.Rule{
				{Check: "completeness", Severity: enum.SeverityOff},
				{Check: "range", Variable: "wind_speed", Severity: enum.SeverityOff, Low: 0, High: 60},
				{Check: "frozen", Variable: "ambient_temperature", Severity: enum.SeverityOff},
				{Check: "no such check", Variable: "ambient_temperature", Severity: enum.SeverityBlock},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFarm(tt.turbines)
			if tt.spoil != nil {
				tt.spoil(f)
			}
			var until time.Time
			if tt.until != 0 {
				until = day().Add(tt.until)
			}
			r := f.judge(t, until, tt.rules...)
			if diff := cmp.Diff(tt.doubts, doubts(r)); diff != "" {
				t.Errorf("doubts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.flags, flagged(r)); diff != "" {
				t.Errorf("flags (-want +got):\n%s", diff)
			}
			if got := r.Warnings(); got != len(tt.doubts) {
				t.Errorf("warnings: got %d, want %d", got, len(tt.doubts))
			}
			blocked := ""
			if err := r.Blocked(); err != nil {
				blocked = err.Error()
			}
			if blocked != tt.wantBlocked {
				t.Errorf("blocked: got %q, want %q", blocked, tt.wantBlocked)
			}
		})
	}
}
