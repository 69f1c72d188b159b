package endtoend_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/sampleimport"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
	"github.com/delfos/delfos/server/target"
)

// A farm has the turbines that its file names and no other: nothing is missing of a
// turbine that nobody has, however often the schema is applied, and /data without a
// selector answers with the first one that there is.
func TestNoTurbineThatNobodyHas(t *testing.T) {
	t.Parallel()
	sourceURL := pgtest.Empty(t)
	s := &system{source: pgtest.Pool(t, sourceURL), targetURL: pgtest.Target(t)}
	s.target = pgtest.Pool(t, s.targetURL)
	apply := func() {
		t.Helper()
		if _, err := schema.Apply(t.Context(), sourceURL, schema.Source, schema.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	apply()
	importFile(t, s.source, "turbine_id,timestamp,wind_speed,power,ambient_temperature\n77,2025-01-01T00:00:00Z,7.25,500,\n")
	apply()
	s.serve(t, sourceURL, slog.New(slog.NewTextHandler(t.Output(), nil)))
	s.job = s.newJob(t, s.targetURL)
	if got := s.run(t, 1).Partitions[0].Expected; got != 1440 {
		t.Errorf("%d samples are expected, want the 1440 of turbine 77", got)
	}
	const want = `[{"timestamp":"2025-01-01T00:00:00Z","wind_speed":7.25,"power":500.0,"ambient_temperature":null}]`
	if got := (apitest.Client{TB: t, URL: s.directURL}).Get("/data?start=2025-01-01&end=2025-01-02"); got.Body != want {
		t.Errorf("/data answers %d %s, want %s", got.Status, got.Body, want)
	}
}

// importFile imports a file of CSV.
func importFile(t *testing.T, source *pgxpool.Pool, text string) {
	t.Helper()
	if _, err := sampleimport.Run(t.Context(), source, []sampleimport.File{{
		Name: "file.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}}, sampleimport.Options{}); err != nil {
		t.Fatal(err)
	}
}

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

// A turbine that logs every ten minutes has a whole day of 144 samples, and its energy,
// beside one that logs each minute. One whose interval is wrong is told how to mend it.
func TestTenMinuteData(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	pgtest.Exec(t, s.source, "INSERT INTO turbine (id, name) VALUES (2, 'R80711')")
	pgtest.Exec(t, s.source, "INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature) "+
		"SELECT 2, at, 7 + extract(epoch FROM at)::bigint / 600 % 7, 600, 20 - extract(epoch FROM at)::bigint / 600 % 11 "+
		"FROM generate_series('2025-01-01Z'::timestamptz, '2025-01-01T23:50Z', '10 min') AS at")
	s.run(t, 1)
	const told = "completeness warn 1296: 1296 of 2880 samples missing: turbine 2: 1296 of 1440 (they come every 10m; if that is right: delfos turbine set 2 --sample-interval 10m)"
	wantLines(t, "doubts of an interval that is wrong", s.doubts(t), told)

	pgtest.Exec(t, s.source, "UPDATE turbine SET sample_interval = '10 minutes' WHERE id = 2")
	got := s.run(t, 1).Partitions[0]
	if got.Samples != 1440+144 || got.Expected != 1440+144 || got.Written != 0 {
		t.Errorf("%d of %d samples, %d values written, want 1584 of 1584, 0", got.Samples, got.Expected, got.Written)
	}
	wantLines(t, "doubts", s.doubts(t))

	pool, err := target.OpenPool(t.Context(), s.targetURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	api := httptest.NewServer(target.New(target.Config{Pool: pool, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now}))
	t.Cleanup(api.Close)
	var windows []struct {
		Energy float64 `json:"WTUR_SupWh"`
	}
	answer := (apitest.Client{TB: t, URL: api.URL}).OK("/windows?start=2025-01-01&before=2025-01-02&naming=openoa&turbines=2")
	if err := json.Unmarshal([]byte(answer.Body), &windows); err != nil {
		t.Fatal(err)
	}
	var energy float64
	for _, w := range windows {
		energy += w.Energy
	}
	if len(windows) != 144 || energy != 14_400 {
		t.Errorf("%d windows have %g kWh, want 144 with 14400", len(windows), energy)
	}
}
