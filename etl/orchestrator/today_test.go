package orchestrator_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// seedWhole writes a sample of each minute of a day.
func (s *system) seedWhole(t *testing.T, day string, turbines int) {
	t.Helper()
	if _, err := seed.Run(t.Context(), s.source, seed.Options{Start: date(day), Days: 1, Turbines: turbines}); err != nil {
		t.Fatal(err)
	}
}

// While a backfill keeps the only worker busy the running day is loaded beside it, with
// the samples that can be there by now.
func TestTodayBesideABackfill(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 5)
	s.seedWhole(t, "2025-01-06", 1)
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp >= '2025-01-06T12:00:00Z'")
	s.now = func() time.Time { return date("2025-01-06").Add(12*time.Hour - 30*time.Second) }
	s.slow.Store(int64(time.Second))
	w := s.start(t, 1, func(c *orchestrator.Config) {
		c.Now = s.now
		c.Schedule = orchestrator.ScheduleConfig{Cron: "0 1 29 2 *", TodayEvery: time.Minute}
	})
	backfill := startRun(t, w.Control(), days(5, ""))
	const loaded = "SELECT coalesce((SELECT outcome || ' ' || samples || ' of ' || expected FROM partition WHERE day = '2025-01-06' AND outcome IS NOT NULL), '')"
	got := await.Value(t, "the running day", func() (string, bool) {
		got := pgtest.Query[string](t, s.target, loaded)
		return got, got != ""
	})
	if want := "done 720 of 720"; got != want {
		t.Errorf("the running day is %s, want %s", got, want)
	}
	if faults := pgtest.Query[int](t, s.target, "SELECT count(*) FROM check_result WHERE day = '2025-01-06' AND status <> 'pass'"); faults != 0 {
		t.Errorf("%d checks doubt a running day of which nothing is missing", faults)
	}
	run, err := w.Control().Run(t.Context(), backfill.RunID)
	if err != nil {
		t.Fatal(err)
	}
	if ended(run) {
		t.Error("the running day was loaded after the backfill")
	}
	run = awaitRun(t, w.Control(), backfill.RunID, "the backfill", ended)
	if run.Done != 5 {
		t.Errorf("the backfill has %d of 5 days done", run.Done)
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM run WHERE trigger = 'today'"); n != 1 {
		t.Errorf("the running day has %d runs, want one", n)
	}
}

// A turbine of the running day whose digest is the same is not read again, and is missed
// as time goes by; after the end of the day each is read.
func TestUnchangedTurbineOfTodayCostsItsDigest(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seedWhole(t, "2025-01-01", 3)
	pgtest.Exec(t, s.source, "CREATE TABLE later AS TABLE data")
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp >= '2025-01-01T12:00:00Z'")
	pgtest.Exec(t, s.source, "UPDATE data SET wind_speed = 1000 WHERE turbine_id = 3 AND timestamp = '2025-01-01T03:00:00Z'")
	noon := date("2025-01-01").Add(12 * time.Hour)
	now := noon
	s.now = func() time.Time { return now }
	job := s.job(t, slog.New(slog.DiscardHandler))
	load := func(at time.Time, read, want, completeness string) {
		t.Helper()
		now, s.read = at, nil
		sum, err := job.Run(t.Context(), etl.Request{From: date("2025-01-01"), To: date("2025-01-01"), Turbines: selector.All()})
		if err != nil {
			t.Fatal(err)
		}
		p := sum.Partitions[0]
		got := fmt.Sprintf("%d of %d samples, %d windows, %d rows, %d written", p.Samples, p.Expected, p.Windows, p.Rows, p.Written)
		if asked := strings.Join(s.read, " "); asked != read || got != want {
			t.Errorf("at %s: turbines %q were read, want %q: got %s, want %s", at.Format(time.TimeOnly), asked, read, got, want)
		}
		if got := pgtest.Query[string](t, s.target, "SELECT detail FROM check_result WHERE check_name = 'completeness' AND variable = ''"); got != completeness {
			t.Errorf("at %s: completeness is %q, want %q", at.Format(time.TimeOnly), got, completeness)
		}
		if n := pgtest.Query[int](t, s.target, "SELECT faults FROM check_result WHERE check_name = 'range' AND variable = 'wind_speed'"); n != 1 {
			t.Errorf("at %s: %d readings are out of range, want one", at.Format(time.TimeOnly), n)
		}
	}
	load(noon, "1,2,3", "2160 of 2160 samples, 216 windows, 3240 rows, 3240 written", "no sample is missing of 3 turbines")
	pgtest.Exec(t, s.source, `INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature)
		SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature FROM later
		WHERE turbine_id = 1 AND timestamp >= '2025-01-01T12:00:00Z' AND timestamp < '2025-01-01T12:20:00Z'`)
	load(noon.Add(20*time.Minute), "1,3", "2180 of 2220 samples, 218 windows, 3270 rows, 30 written", "40 of 2220 samples missing: turbine 2: 20 of 740, turbine 3: 20 of 740")
	load(noon.Add(20*time.Minute), "", "2180 of 2220 samples, 218 windows, 3270 rows, 0 written", "40 of 2220 samples missing: turbine 2: 20 of 740, turbine 3: 20 of 740")
	load(noon.Add(30*time.Minute), "3", "2180 of 2250 samples, 218 windows, 3270 rows, 0 written", "70 of 2250 samples missing: turbine 1: 10 of 750, turbine 2: 30 of 750, turbine 3: 30 of 750")
	// The target's values may not be the ones that the digests stand for.
	pgtest.Exec(t, s.target, "DELETE FROM data WHERE turbine_id = 2")
	load(noon.Add(40*time.Minute), "1,2,3", "2180 of 2280 samples, 218 windows, 3270 rows, 1080 written", "100 of 2280 samples missing: turbine 1: 20 of 760, turbine 2: 40 of 760, turbine 3: 40 of 760")
	// All of the day is expected in its last second, and the last window not yet missed.
	load(date("2025-01-02").Add(-time.Second), "3", "2180 of 4320 samples, 218 windows, 3270 rows, 0 written", "2110 of 4290 samples missing: turbine 1: 690 of 1430, turbine 2: 710 of 1430, turbine 3: 710 of 1430")
	pgtest.Exec(t, s.target, "UPDATE partition SET started_at = '2025-01-01T23:59:59Z'")
	load(date("2025-01-02"), "1,2,3", "2180 of 4320 samples, 218 windows, 3270 rows, 0 written", "2140 of 4320 samples missing: turbine 1: 700 of 1440, turbine 2: 720 of 1440, turbine 3: 720 of 1440")
	load(date("2025-01-03"), "", "2180 of 4320 samples, 218 windows, 3270 rows, 0 written", "2140 of 4320 samples missing: turbine 1: 700 of 1440, turbine 2: 720 of 1440, turbine 3: 720 of 1440")
}
