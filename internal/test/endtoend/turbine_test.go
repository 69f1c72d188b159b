package endtoend_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/pgtest"
)

// The target has the turbines of the source with all that is known of them. A dry run
// writes none, an unchanged day brings what has changed, and one that the source no
// longer has stays.
func TestTurbinesAreFollowed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 3)
	pgtest.Exec(t, s.source, "UPDATE turbine SET name = 'Nord \"1\" é', sample_interval = '10 minutes', rated_power = 2050, cut_in = 3.5, cut_out = 25, rotor_diameter = 82, "+
		"hub_height = 80, altitude = -3.25, latitude = 48.4509, longitude = -5.59, commissioned = '2009-03-01', decommissioned = '2029-12-31' WHERE id = 2")
	turbines := func(db *pgxpool.Pool) string {
		t.Helper()
		return pgtest.Query[string](t, db, "SELECT coalesce(jsonb_pretty(jsonb_agg(t ORDER BY id)), 'none') FROM turbine t")
	}
	dry := request(1)
	dry.DryRun = true
	if _, err := s.job.Run(t.Context(), dry); err != nil || turbines(s.target) != "none" {
		t.Errorf("a dry run: %v, wrote %s", err, turbines(s.target))
	}
	if got := s.run(t, 1).Partitions[0].Expected; got != 1440+144+1440 {
		t.Errorf("%d samples are expected, want %d", got, 1440+144+1440)
	}
	if diff := cmp.Diff(turbines(s.source), turbines(s.target)); diff != "" {
		t.Errorf("turbines of source and target (-source +target):\n%s", diff)
	}

	pgtest.Exec(t, s.source, "UPDATE turbine SET name = 'South', rated_power = NULL, commissioned = '2025-01-02' WHERE id = 2")
	if got := s.run(t, 1).Partitions[0]; got.Written != 0 || got.Expected != 2*1440 {
		t.Errorf("an unchanged day: %d values are written, want 0, %d samples expected, want %d", got.Written, got.Expected, 2*1440)
	}
	if diff := cmp.Diff(turbines(s.source), turbines(s.target)); diff != "" {
		t.Errorf("turbines that have changed (-source +target):\n%s", diff)
	}

	pgtest.Exec(t, s.source, "DELETE FROM data WHERE turbine_id = 3")
	pgtest.Exec(t, s.source, "DELETE FROM turbine WHERE id = 3")
	_, _ = s.job.Run(t.Context(), request(1))
	if got := pgtest.Query[string](t, s.target, "SELECT string_agg(name, ', ' ORDER BY id) FROM turbine"); got != "Turbine 1, South, Turbine 3" {
		t.Errorf("the target has the turbines %s", got)
	}
}
