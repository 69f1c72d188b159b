package orchestrator_test

import (
	"testing"
	"time"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// While a backfill keeps the only worker busy the running day is loaded beside it, with
// the samples that can be there by now.
func TestTodayBesideABackfill(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 6)
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp >= '2025-01-06T12:00:00Z'")
	s.now = func() time.Time { return date("2025-01-06").Add(12*time.Hour + 30*time.Second) }
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
