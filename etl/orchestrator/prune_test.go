package orchestrator_test

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/sampleimport"
	"github.com/delfos/delfos/internal/sourceprune"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// The schedule prunes exactly the days beyond the retention, and nothing but a run of all
// days brings them back.
func TestPruneByTheSchedule(t *testing.T) {
	t.Parallel()
	f := loaded(t, 6, 1, 0)
	pgtest.Exec(t, f.target, "INSERT INTO flag SELECT 1, 'power', timestamp, 'range', 1, '' FROM data WHERE signal_id = 1")
	const whole = dayValues
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
			(SELECT count(*) FROM attempt WHERE outcome = 'pruned' AND deleted = $1), (SELECT count(*) FROM event WHERE state = 'pruned'))`, whole)
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

// The source keeps two weeks, the target for ever, and the sweep runs all the time: what the
// source prunes is not lost, late data is found without a digest of other days, and a prune
// of the target removes exactly those days.
func TestRetentionOfBoth(t *testing.T) {
	t.Parallel()
	const total, kept = 17, 14
	f := loaded(t, total, 1, 0)
	f.source.Reset() // a session that ends is counted
	await.True(t, "the seed to be counted", func() bool {
		return pgtest.Query[bool](t, f.source, "SELECT pg_stat_get_tuples_inserted('data'::regclass) = count(*) FROM data")
	})
	if got := f.follow(); got != "" {
		t.Errorf("the source is suspect: %s", got)
	}
	want := slices.Repeat([]int64{dayValues}, total)
	check := func(what, states string) {
		t.Helper()
		if diff := cmp.Diff(want, f.rows()); diff != "" || statesOf(t, f) != states {
			t.Errorf("%s: states %s, want %s; values by day (-want +got):\n%s", what, statesOf(t, f), states, diff)
		}
	}
	pruner, err := etl.NewPruner(t.Context(), f.target, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer pruner.Close()
	const old = "2025-01-04" // the first day that the source keeps
	writer := pgtest.Pool(t, pgtest.As(t, pgtest.Import, f.source.Config().ConnString()))
	p, err := pruner.Source(t.Context(), etl.PruneRequest{Before: date(old)}, sourceprune.Samples{Source: writer})
	if err != nil || len(p.Days) != total-kept {
		t.Fatalf("prune of the source: got %+v, %v", p, err)
	}
	file := sampleimport.File{Name: "late.csv", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("timestamp,wind_speed,power,ambient_temperature\n2025-01-09T12:00:00Z,1,2,3\n")), nil
	}}
	if _, err := sampleimport.Run(t.Context(), writer, []sampleimport.File{file}, sampleimport.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, digested := range [][]string{{"2025-01-01..2025-01-03", "2025-01-09..2025-01-09", "2025-01-09..2025-01-09"}, nil} { // by sweep and load
		f.mu.Lock()
		f.digested = nil
		f.mu.Unlock()
		if got := f.follow(); got != "" {
			t.Errorf("the source is suspect: %s", got)
		}
		if diff := cmp.Diff(digested, f.digested); diff != "" {
			t.Errorf("digests (-want +got):\n%s", diff)
		}
		check("after a sweep", strings.Repeat("d", total))
	}
	if got := pgtest.Query[string](t, f.target, "SELECT string_agg(day::text, ' ') FROM partition WHERE updated > 0"); got != "2025-01-09" {
		t.Errorf("days with values that were updated: got %s, want 2025-01-09", got)
	}
	if got := f.sweep(); got != "" { // at all days
		t.Errorf("the source is suspect: %s", got)
	}
	check("after a sweep of all days", strings.Repeat("d", total))

	keep := f.orchestrator(t, 1, func(c *orchestrator.Config) {
		c.Schedule = orchestrator.ScheduleConfig{StaleDays: 30, TargetRetention: total - 2}
	})
	if err := keep.Prune(t.Context(), f.now); err != nil {
		t.Fatal(err)
	}
	want[0], want[1] = 0, 0
	check("prune of the target", "pp"+strings.Repeat("d", total-2))
}

// A source whose old days are pruned costs the target nothing: no sweep, no run, whatever
// it allows.
func TestPrunedSource(t *testing.T) {
	t.Parallel()
	f := loaded(t, 5, 2, 0)
	want := f.rows()
	check := func(what string) {
		t.Helper()
		if got := statesOf(t, f); got != "ddddd" {
			t.Errorf("%s: states %s, want all done", what, got)
		}
		if diff := cmp.Diff(want, f.rows()); diff != "" {
			t.Errorf("%s: values by day (-want +got):\n%s", what, diff)
		}
	}
	pruner, err := etl.NewPruner(t.Context(), f.target, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer pruner.Close()
	prune := func(before string) (etl.Pruning, error) {
		return pruner.Source(t.Context(), etl.PruneRequest{Before: date(before)}, sourceprune.Samples{Source: f.source})
	}

	// What is not loaded stays, and so does all else.
	const samples = 5 * 2 * daySamples
	pgtest.Exec(t, f.source, "CREATE TABLE away AS TABLE data; UPDATE data SET power = power + 1 WHERE timestamp = '2025-01-02 12:00Z'")
	_, err = prune("2025-01-04")
	if unloaded, ok := errors.AsType[*etl.UnloadedError](err); !ok || unloaded.Error() !=
		"the target does not hold what the source has of 1 days (2025-01-02 stale), so no samples are removed: load them by `delfos etl 2025-01-02`, then prune again" {
		t.Errorf("a stale day: got %v", err)
	}
	if n := pgtest.Query[int](t, f.source, "SELECT count(*) FROM data"); n != samples {
		t.Errorf("%d samples are left, want all", n)
	}
	if got := f.sweep(); got != "" {
		t.Errorf("the source is suspect: %s", got)
	}

	p, err := prune("2025-01-04")
	if err != nil || len(p.Days) != 3 || p.Values != 3*2*daySamples {
		t.Errorf("prune: got %+v, %v, want three days of both turbines", p, err)
	}
	if n := pgtest.Query[int](t, f.source, "SELECT count(*) FROM data WHERE timestamp >= '2025-01-04Z'"); n != samples-int(p.Values) {
		t.Errorf("%d samples of the other days are left, want all", n)
	}
	if p, err := prune("2025-01-04"); err != nil || len(p.Days) != 0 {
		t.Errorf("again: got %+v, %v, want nothing", p, err)
	}
	check("pruned")
	for range 2 {
		if got := f.sweep(); got != "" {
			t.Errorf("the source is suspect: %s", got)
		}
		check("a sweep")
	}
	if got := f.run(enum.RunScopeStale, false); got != [3]int64{} {
		t.Errorf("only stale: %v days done, empty, failed, want none", got)
	}
	for _, allow := range []bool{false, true} {
		if got := f.run(enum.RunScopeAll, allow); got != [3]int64{5, 0, 0} {
			t.Errorf("only all, allow_empty %t: %v days done, empty, failed", allow, got)
		}
		check("only all")
	}
	if got := f.etl(); got != [3]int64{5, 0, 0} {
		t.Errorf("etl: %v days done, empty, failed", got)
	}
	check("etl")

	// The other days are followed as ever, and a pruned one whose samples come back.
	pgtest.Exec(t, f.source, "DELETE FROM away WHERE timestamp >= '2025-01-02Z'; INSERT INTO data TABLE away; UPDATE data SET power = power + 1 WHERE timestamp IN ('2025-01-01 12:00Z', '2025-01-05 12:00Z')")
	if got := f.sweep(); got != "" {
		t.Errorf("the source is suspect: %s", got)
	}
	check("late data")
	const marks = "SELECT string_agg(concat_ws(' ', updated, source_pruned_at IS NOT NULL), ', ' ORDER BY day) FROM partition"
	if got := pgtest.Query[string](t, f.target, marks); got != "4 f, 0 t, 0 t, 0 f, 4 f" {
		t.Errorf("values updated and marks by day: got %s", got)
	}
}
