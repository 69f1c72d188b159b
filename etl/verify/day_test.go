package verify_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// lines is what a person reads of a report: days that aren't clean, findings.
func lines(r verify.Report) []string {
	var all []string
	for _, d := range r.NotClean {
		all = append(all, d.String())
	}
	for _, f := range r.Findings {
		all = append(all, f.String())
	}
	return all
}

// TestDifferencesAreNamed spoils what is loaded and known to be clean, each time
// in another way.
func TestDifferencesAreNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		target, source string // what somebody does by hand
		request        verify.Request
		want           []string
	}{
		"nothing": {},
		"one changed": {
			target: `UPDATE data SET value = 41 WHERE turbine_id = 2 AND signal_id = 2 AND timestamp = '2025-01-02T12:40Z'`,
			want: []string{
				"2025-01-02  different (1 value wrong)",
				"2025-01-02  turbine 2  wind_speed_min  2025-01-02T12:40:00Z  got 41, want 2.40625, relative difference 0.941",
			},
		},
		"one a little more than the tolerance": {
			target: `UPDATE data SET value = value * (1 + 2e-12) WHERE turbine_id = 3 AND signal_id = 1 AND timestamp = '2025-01-01'`,
			want: []string{
				"2025-01-01  different (1 value wrong)",
				"2025-01-01  turbine 3  wind_speed_mean  2025-01-01T00:00:00Z  got 4.515625000009031, want 4.515625, relative difference 2e-12",
			},
		},
		"one within the tolerance": {
			target: `UPDATE data SET value = value * (1 + 5e-13) WHERE turbine_id = 3 AND signal_id IN (1, 4) AND timestamp = '2025-01-01'`,
		},
		"a minimum as little as that": {
			target: `UPDATE data SET value = value * (1 + 5e-13) WHERE turbine_id = 3 AND signal_id = 2 AND timestamp = '2025-01-01'`,
			want: []string{
				"2025-01-01  different (1 value wrong)",
				"2025-01-01  turbine 3  wind_speed_min  2025-01-01T00:00:00Z  got 4.375000000002188, want 4.375, relative difference 5e-13",
			},
		},
		"one deleted": {
			target: `DELETE FROM data WHERE turbine_id = 1 AND signal_id = 15 AND timestamp = '2025-01-01T23:50Z'`,
			want: []string{
				"2025-01-01  different (1 value missing)",
				"2025-01-01  turbine 1  ambient_temperature_count  2025-01-01T23:50:00Z  missing: want 10",
			},
		},
		"one added beside the windows": {
			target: `INSERT INTO data VALUES (1, 1, '2025-01-01T00:05Z', 7)`,
			want: []string{
				"2025-01-01  different (1 value that should not be there)",
				"2025-01-01  turbine 1  wind_speed_mean  2025-01-01T00:05:00Z  should not be there: got 7",
			},
		},
		"one added under another signal": {
			target: `INSERT INTO data VALUES (1, 99, '2025-01-01T00:00Z', 7)`,
			want: []string{
				"2025-01-01  different (1 value that should not be there)",
				"2025-01-01  turbine 1  signal 99  2025-01-01T00:00:00Z  should not be there: got 7",
			},
		},
		"turbines added": {
			target: `INSERT INTO data SELECT t, 1, '2025-01-02T00:00Z'::timestamptz + i * interval '10 min', 7
				FROM generate_series(8, 9) AS t, generate_series(1, 7) AS i`,
			want: []string{
				"2025-01-02  different (2 turbines that the source has not)",
				"2025-01-02  turbine 8  7 values, and the source has no such turbine",
				"2025-01-02  turbine 9  7 values, and the source has no such turbine",
			},
		},
		"another turbine than the selected": {
			target:  `UPDATE data SET value = 41 WHERE turbine_id = 2 AND signal_id = 2`,
			request: verify.Request{Turbines: turbines(t, "1,3")},
		},
		"another day than the asked for": {
			target:  `UPDATE data SET value = 41 WHERE timestamp >= '2025-01-02'`,
			request: verify.Request{To: new(date(t, "2025-01-01"))},
		},
		"a window moved": {
			target: `UPDATE data SET timestamp = timestamp - interval '1 us' WHERE turbine_id = 2 AND signal_id = 10 AND timestamp = '2025-01-01T12:00Z'`,
			want: []string{
				"2025-01-01  different (1 value missing, 1 value that should not be there)",
				"2025-01-01  turbine 2  power_count  2025-01-01T11:59:59.999999Z  should not be there: got 10",
				"2025-01-01  turbine 2  power_count  2025-01-01T12:00:00Z  missing: want 10",
			},
		},
		"the source changed": {
			source: `UPDATE data SET power = 1 WHERE turbine_id = 2 AND timestamp = '2025-01-01T12:00Z'`,
			want:   []string{"2025-01-01  stale: the source has changed since it was loaded (3 values wrong)"},
		},
		"the source changed without a trace in the windows": {
			source: `UPDATE data SET timestamp = timestamp + interval '1 s' WHERE turbine_id = 2 AND timestamp = '2025-01-01T12:09Z'`,
		},
		"a day that was never loaded": {
			request: verify.Request{From: new(date(t, "2025-01-02")), To: new(date(t, "2025-01-03"))},
			want:    []string{"2025-01-03  unloaded: it was never loaded (810 values missing)"},
		},
		"a day that failed": {
			target: `UPDATE partition SET outcome = 'failed', error = 'broken' WHERE day = '2025-01-01';
				DELETE FROM data WHERE turbine_id = 3 AND timestamp < '2025-01-02'`,
			request: verify.Request{From: new(date(t, "2025-01-01")), To: new(date(t, "2025-01-02"))},
			want:    []string{"2025-01-01  unloaded: the last load of it is failed (270 values missing)"},
		},
		"a day that is being loaded": {
			target: `DELETE FROM data WHERE turbine_id = 3 AND timestamp < '2025-01-02';
				UPDATE partition AS p SET claim_run_id = run_id, claim_pid = a.pid, claim_backend_start = a.backend_start, lease_until = now() + interval '1 hour'
				FROM pg_stat_activity AS a WHERE a.pid = pg_backend_pid() AND p.day = '2025-01-01'`,
			want: []string{"2025-01-01  stale: it is being loaded at this moment (270 values missing)"},
		},
		"a day that was emptied": {
			target:  `DELETE FROM data WHERE timestamp < '2025-01-02'; UPDATE partition SET outcome = 'empty' WHERE day = '2025-01-01'`,
			request: verify.Request{Turbines: turbines(t, "2"), Limit: 1},
			want: []string{
				"2025-01-01  different (270 values missing)",
				"2025-01-01  turbine 2  wind_speed_mean  2025-01-01T00:00:00Z  missing: want 3.515625",
			},
		},
		"a deviation beyond a double": {
			source: `UPDATE data SET power = CASE timestamp WHEN '2025-01-01T12:00Z' THEN 1.7e308 WHEN '2025-01-01T12:01Z' THEN -1.7e308 END
				WHERE turbine_id = 2 AND timestamp BETWEEN '2025-01-01T12:00Z' AND '2025-01-01T12:09Z'`,
			want: []string{"2025-01-01  stale: the source has changed since it was loaded (1 turbine that can't be computed)"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.seedHours(t, 3)
			s.load(t, "2025-01-01", "2025-01-02")
			if clean := s.verify(t, verify.Request{Parallel: 2}); !clean.OK() || clean.Days != 2 || clean.Values != 2*3*270 || clean.Findings == nil {
				t.Fatalf("before: %+v", clean)
			}
			if tt.target != "" {
				pgtest.Exec(t, s.target, tt.target)
			}
			if tt.source != "" {
				pgtest.Exec(t, s.source, tt.source)
			}
			report := s.verify(t, tt.request)
			if diff := cmp.Diff(tt.want, lines(report), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if report.OK() != (tt.want == nil) {
				t.Errorf("OK is %t with %d findings", report.OK(), len(tt.want))
			}
		})
	}
}
