package orchestrator_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// The schedule prunes exactly the days beyond the retention, and nothing but a run of all
// days brings them back.
func TestPruneByTheSchedule(t *testing.T) {
	t.Parallel()
	f := loaded(t, 6, 1, 0)
	pgtest.Exec(t, f.target, "INSERT INTO flag SELECT 1, 'power', timestamp, 'range', 1, '' FROM data WHERE signal_id = 1")
	const whole = 2160
	check := func(what, states string, rows ...int64) {
		t.Helper()
		if got := statesOf(t, f); got != states {
			t.Errorf("%s: states %s, want %s", what, got, states)
		}
		if diff := cmp.Diff(rows, f.rows()); diff != "" {
			t.Errorf("%s: values by day (-want +got):\n%s", what, diff)
		}
	}
	keep := func(days int) *orchestrator.Orchestrator {
		return f.orchestrator(t, 1, func(c *orchestrator.Config) {
			c.Schedule = orchestrator.ScheduleConfig{Cron: "0 1 * * *", CatchUpDays: 30, StaleDays: 30, TargetRetention: days}
		})
	}
	prune := func(o *orchestrator.Orchestrator) {
		t.Helper()
		if err := o.Prune(t.Context(), f.now); err != nil {
			t.Fatal(err)
		}
	}
	prune(keep(0))
	check("without a retention", "dddddd", whole, whole, whole, whole, whole, whole)

	f.sweeper = keep(2)
	if err := f.sweeper.Control().Pause(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	prune(f.sweeper)
	check("while paused", "dddddd", whole, whole, whole, whole, whole, whole)
	if err := f.sweeper.Control().Pause(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	prune(f.sweeper)
	check("pruned", "ppppdd", 0, 0, 0, 0, whole, whole)
	left := pgtest.Query[string](t, f.target, `
		SELECT concat_ws(' ', (SELECT count(DISTINCT timestamp::date) FROM flag), (SELECT count(DISTINCT day) FROM check_result),
			(SELECT count(*) FROM attempt WHERE outcome = 'pruned' AND deleted = 2160), (SELECT count(*) FROM event WHERE state = 'pruned'))`)
	if left != "2 2 4 4" {
		t.Errorf("days with flags and results, attempts, events: %s, want 2 2 4 4", left)
	}
	runs := pgtest.Query[int64](t, f.target, "SELECT max(id) FROM run WHERE trigger = 'prune_target' AND first_day = '2025-01-01' AND last_day = '2025-01-04'")
	if run := awaitRun(t, f.control, runs, "the run that pruned", ended); run.State != "done" || run.Total != 4 || run.Done != 4 {
		t.Errorf("the run that pruned: %+v", run)
	}
	if err := f.control.Retry(t.Context(), runs); !errors.Is(err, orchestrator.ErrPrunes) {
		t.Errorf("its retry: got %v, want %v", err, orchestrator.ErrPrunes)
	}

	// Nothing brings them back by itself, whatever changes at the source.
	pgtest.Exec(t, f.source, "UPDATE data SET power = power + 1 WHERE timestamp < '2025-01-03Z'")
	if got := f.sweep(); got != "" {
		t.Errorf("the source is suspect: %s", got)
	}
	if err := f.sweeper.Tick(t.Context(), f.now); err != nil {
		t.Fatal(err)
	}
	for _, only := range []enum.RunScope{enum.RunScopeMissing, enum.RunScopeFailed, enum.RunScopeStale} {
		if got := f.run(only, false); got != [3]int64{} {
			t.Errorf("only %s: %v days done, empty, failed, want none", only, got)
		}
	}
	prune(f.sweeper)
	check("after sweep and schedule", "ppppdd", 0, 0, 0, 0, whole, whole)
	if n := pgtest.Query[int](t, f.target, "SELECT count(DISTINCT run_id) FROM run_partition"); n != 2 {
		t.Errorf("%d runs, want the load and the prune", n)
	}

	// A day that is asked for is loaded, and pruned once nobody asks any more.
	if got := f.run(enum.RunScopeAll, false); got != [3]int64{6, 0, 0} {
		t.Errorf("only all: %v days done, empty, failed", got)
	}
	check("loaded again", "dddddd", slices.Repeat([]int64{whole}, 6)...)
	startRun(t, f.orchestrator(t, 1).Control(), days(1, "")) // no worker takes it before the prune
	f.sweep()
	prune(f.sweeper)
	check("pruned again", "ppppdd", 0, 0, 0, 0, whole, whole)
}
