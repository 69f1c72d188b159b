package orchestrator_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// farm is a system whose first days of 2025 are loaded, and which has lost samples
// since.
type farm struct {
	*system

	t       *testing.T
	days    int
	control *orchestrator.Control
	sweeper *orchestrator.Orchestrator
	now     time.Time
}

// loaded loads a farm. The sweeps are the test's to make.
func loaded(t *testing.T, days, turbines int, retention etl.Retention) *farm {
	t.Helper()
	s := setup(t)
	s.seedFarm(t, days, turbines)
	f := &farm{system: s, t: t, days: days, now: date("2025-01-01").AddDate(0, 0, days).Add(2 * time.Hour)}
	configure := func(c *orchestrator.Config) {
		c.Now = func() time.Time { return date("2025-01-01").AddDate(0, 0, days).Add(2 * time.Hour) }
		c.Schedule = orchestrator.ScheduleConfig{PartitionStart: new(date("2026-01-01")), SourceRetention: retention}
	}
	f.control = s.start(t, 2, configure).Control()
	f.sweeper = s.orchestrator(t, 1, configure, func(c *orchestrator.Config) { c.Schedule.StaleDays = 30 })
	f.run(enum.RunScopeAll, false)
	return f
}

// run loads the days by a backfill, waits for it and returns how many of them are
// done, empty and failed.
func (f *farm) run(only enum.RunScope, allow bool) [3]int64 {
	f.t.Helper()
	r := days(f.days, only)
	r.AllowEmpty = allow
	plan := startRun(f.t, f.control, r)
	if plan.Partitions == 0 {
		return [3]int64{}
	}
	run := awaitRun(f.t, f.control, plan.RunID, "the end of a run", ended)
	return [3]int64{run.Done, run.Empty, run.Failed}
}

// sweep is follow of all days: these tests write by SQL, which PostgreSQL may count only
// when the session has been idle for some seconds.
func (f *farm) sweep() string {
	f.t.Helper()
	pgtest.Exec(f.t, f.target, "UPDATE schedule SET swept_whole_at = NULL")
	return f.follow()
}

// follow looks for late data, waits for what that asks for, and tells why the source
// is suspect.
func (f *farm) follow() string {
	f.t.Helper()
	f.now = f.now.Add(orchestrator.DefaultSweepEvery)
	if err := f.sweeper.Sweep(f.t.Context(), f.now); err != nil {
		f.t.Fatal(err)
	}
	await.Value(f.t, "the days of the sweep", func() (any, bool) {
		open := pgtest.Query[int](f.t, f.target, "SELECT count(*) FROM run_partition WHERE outcome IS NULL")
		return open, open == 0
	})
	state, err := f.control.Schedule(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	if (state.SuspectReason == nil) != (state.SuspectSince == nil) {
		f.t.Errorf("suspect since %v for %v", state.SuspectSince, state.SuspectReason)
	}
	if state.SuspectReason == nil {
		return ""
	}
	return *state.SuspectReason
}

// etl loads the days as `delfos etl` does.
func (f *farm) etl() [3]int64 {
	f.t.Helper()
	s, _ := f.job(f.t, slog.New(slog.DiscardHandler)).Run(f.t.Context(), etl.Request{
		From: date("2025-01-01"), To: date("2025-01-01").AddDate(0, 0, f.days-1), Turbines: selector.All(), Parallel: 2,
	})
	return [3]int64{int64(s.Done), int64(s.Empty), int64(s.Failed)}
}

// rows is how many values the target has, by day.
func (f *farm) rows() []int64 {
	f.t.Helper()
	return pgtest.Query[[]int64](f.t, f.target, `
		SELECT array_agg(coalesce(n, 0) ORDER BY day)
		FROM generate_series($1::date, $1::date + $2::integer - 1, interval '1 day') AS day
		LEFT JOIN (SELECT date_trunc('day', timestamp, 'UTC') AT TIME ZONE 'UTC' AS day, count(*) AS n FROM data GROUP BY 1) AS held USING (day)`,
		date("2025-01-01"), f.days)
}

// What the source loses stays, by every way in; what is deleted on purpose goes.
func TestWhatTheSourceLosesStays(t *testing.T) {
	t.Parallel()
	type way struct {
		ended  [3]int64 // days done, empty, failed
		states string
	}
	tests := []struct {
		name           string
		days, turbines int
		retention      etl.Retention
		change         string
		suspect        string // a part of the reason
		swept          string // states after the sweep
		stale, all     way
		gone           etl.Removal   // of a dry run
		lost           map[int]int64 // values by day that go by themselves
		allowed        way
		left           []int64 // values by day once it is allowed
	}{
		{
			name: "an emptied source", gone: etl.Removal{Values: 3 * dayValues, Days: 3}, days: 3, turbines: 1, change: "DELETE FROM data",
			suspect: "the source has no samples of 3 days that are loaded, 2025-01-01 to 2025-01-03;", swept: "sss",
			stale: way{[3]int64{0, 0, 3}, "fff"}, all: way{[3]int64{0, 0, 3}, "fff"},
			allowed: way{[3]int64{0, 3, 0}, "eee"}, left: []int64{0, 0, 0},
		},
		{
			name: "no turbines", gone: etl.Removal{Values: 3 * dayValues, Days: 3}, days: 3, turbines: 1, change: "DELETE FROM data; DELETE FROM turbine",
			suspect: "the source lists no turbines, and 3 days are loaded from it;", swept: "sss",
			stale: way{[3]int64{0, 0, 3}, "fff"}, all: way{[3]int64{0, 0, 3}, "fff"},
			allowed: way{[3]int64{0, 3, 0}, "eee"}, left: []int64{0, 0, 0},
		},
		{
			name: "one turbine of three", gone: etl.Removal{Values: 3 * dayValues, Days: 3}, days: 3, turbines: 3, change: "DELETE FROM data WHERE turbine_id = 2; DELETE FROM turbine WHERE id = 2",
			swept: "fff", stale: way{[3]int64{}, "fff"}, all: way{[3]int64{0, 0, 3}, "fff"},
			allowed: way{[3]int64{3, 0, 0}, "ddd"}, left: []int64{2 * dayValues, 2 * dayValues, 2 * dayValues},
		},
		{
			name: "one day of four", gone: etl.Removal{Values: dayValues, Days: 1}, days: 4, turbines: 1, change: "DELETE FROM data WHERE timestamp >= '2025-01-03Z' AND timestamp < '2025-01-04Z'; UPDATE data SET power = power + 1",
			swept: "ddfd", stale: way{[3]int64{}, "ddfd"}, all: way{[3]int64{3, 0, 1}, "ddfd"},
			allowed: way{[3]int64{3, 1, 0}, "dded"}, left: []int64{dayValues, dayValues, 0, dayValues},
		},
		{
			name: "nine readings", days: 3, turbines: 1, change: "DELETE FROM data WHERE timestamp >= '2025-01-02 12:00Z' AND timestamp < '2025-01-02 12:09Z'",
			swept: "ddd", stale: way{[3]int64{}, "ddd"}, all: way{[3]int64{3, 0, 0}, "ddd"}, lost: map[int]int64{1: 3},
			allowed: way{[3]int64{3, 0, 0}, "ddd"}, left: []int64{dayValues, dayValues - 3, dayValues},
		},
		{
			name: "purged beyond 3 days", gone: etl.Removal{Values: 2 * dayValues, Days: 2}, days: 5, turbines: 1, change: "DELETE FROM data WHERE timestamp < '2025-01-03Z'",
			suspect: "the source has no samples of 2 days that are loaded, 2025-01-01 to 2025-01-02;", swept: "ssddd",
			stale: way{[3]int64{0, 0, 2}, "ffddd"}, all: way{[3]int64{3, 0, 2}, "ffddd"},
		},
		{
			name: "purged beyond 3 days, and told so", gone: etl.Removal{Values: 2 * dayValues, Days: 2}, days: 5, turbines: 1, retention: 3, change: "DELETE FROM data WHERE timestamp < '2025-01-03 01:00Z'",
			swept: "ddddd", stale: way{[3]int64{}, "ddddd"}, all: way{[3]int64{3, 0, 2}, "ffddd"}, lost: map[int]int64{2: 90},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := loaded(t, tt.days, tt.turbines, tt.retention)
			want := f.rows()
			pgtest.Exec(t, f.source, tt.change)
			check := func(what, states string) {
				t.Helper()
				if diff := cmp.Diff(want, f.rows()); diff != "" {
					t.Errorf("after %s: values by day (-want +got):\n%s", what, diff)
				}
				if got := statesOf(t, f); got != states {
					t.Errorf("after %s: states %s, want %s", what, got, states)
				}
			}
			lose := func() {
				for day, n := range tt.lost {
					want[day] -= n
				}
			}
			if tt.retention == 0 {
				lose()
			}
			if got := f.sweep(); !strings.HasPrefix(got, tt.suspect) || (got == "") != (tt.suspect == "") {
				t.Errorf("the source is suspect for %q, want %q", got, tt.suspect)
			}
			check("the sweep", tt.swept)
			if got := f.run(enum.RunScopeStale, false); got != tt.stale.ended {
				t.Errorf("only stale: got %v days done, empty, failed, want %v", got, tt.stale.ended)
			}
			check("only stale", tt.stale.states)
			dry := days(f.days, "")
			dry.DryRun = true
			if got := startRun(t, f.control, dry).Gone; got == nil || *got != tt.gone {
				t.Errorf("a dry run: got %+v gone, want %+v", got, tt.gone)
			}
			if tt.retention > 0 { // An explicit request is not bound to it.
				lose()
			}
			if got := f.run(enum.RunScopeAll, false); got != tt.all.ended {
				t.Errorf("only all: got %v days done, empty, failed, want %v", got, tt.all.ended)
			}
			check("only all", tt.all.states)
			if got := f.etl(); got != tt.all.ended {
				t.Errorf("etl: got %v days done, empty, failed, want %v", got, tt.all.ended)
			}
			check("etl", tt.all.states)
			// What has failed is not asked for again and again, nor for it is the source suspect.
			if got := f.sweep(); got != "" && tt.turbines > 0 && !strings.Contains(got, "no turbines") {
				t.Errorf("suspect again for what has failed: %s", got)
			}
			check("another sweep", tt.all.states)
			if tt.left == nil {
				return
			}
			if got := f.run(enum.RunScopeAll, true); got != tt.allowed.ended {
				t.Errorf("allowed: got %v days done, empty, failed, want %v", got, tt.allowed.ended)
			}
			want = slices.Clone(tt.left)
			check("a run that allows it", tt.allowed.states)
		})
	}
}

func statesOf(t *testing.T, f *farm) string {
	t.Helper()
	return states(t, f.control, f.days)
}

// A source that is suspect is believed again by itself, by any process.
func TestSuspectSourceComesBack(t *testing.T) {
	t.Parallel()
	f := loaded(t, 3, 1, 0)
	pgtest.Exec(t, f.source, "CREATE TABLE away AS TABLE data; DELETE FROM data")
	want := f.rows()
	first := f.sweep()
	since := pgtest.Query[time.Time](t, f.target, "SELECT suspect_since FROM schedule")
	f.sweeper = f.orchestrator(t, 1, func(c *orchestrator.Config) { c.Schedule.StaleDays = 30 }) // as after a restart
	if again := f.sweep(); first == "" || again != first || !since.Equal(pgtest.Query[time.Time](t, f.target, "SELECT suspect_since FROM schedule")) {
		t.Errorf("suspect for %q, then for %q, want the same", first, again)
	}
	pgtest.Exec(t, f.source, "INSERT INTO data TABLE away; UPDATE data SET power = power + 1 WHERE timestamp = '2025-01-02 12:00Z'")
	if got := f.sweep(); got != "" {
		t.Errorf("suspect for %q once the source is back", got)
	}
	if diff := cmp.Diff(want, f.rows()); diff != "" || statesOf(t, f) != "ddd" {
		t.Errorf("states %s, values by day (-want +got):\n%s", statesOf(t, f), diff)
	}
	if got := pgtest.Query[string](t, f.target, "SELECT string_agg(state::text, ' ' ORDER BY entry) FROM event WHERE kind = 'schedule'"); got != "source_suspect source_believed" {
		t.Errorf("events: got %s", got)
	}
	if n := pgtest.Query[int](t, f.target, "SELECT count(*) FROM run_partition AS rp JOIN run AS r ON r.id = rp.run_id WHERE r.trigger = 'sweep'"); n != 1 {
		t.Errorf("the sweeps asked for %d days, want the one that has changed", n)
	}

	// Days that have failed meanwhile, as somebody ran them, are done again too.
	pgtest.Exec(t, f.source, "DELETE FROM data")
	f.sweep()
	if f.run(enum.RunScopeStale, false); statesOf(t, f) != "fff" {
		t.Errorf("states %s, want all failed", statesOf(t, f))
	}
	pgtest.Exec(t, f.source, "INSERT INTO data TABLE away")
	if got := f.sweep(); got != "" || statesOf(t, f) != "ddd" {
		t.Errorf("suspect for %q, states %s, want all done", got, statesOf(t, f))
	}
	if diff := cmp.Diff(want, f.rows()); diff != "" {
		t.Errorf("values by day (-want +got):\n%s", diff)
	}
}

// What one run may do is done for it alone, and kept for its retry.
func TestPermissionIsOfARun(t *testing.T) {
	t.Parallel()
	f := loaded(t, 1, 1, 0)
	pgtest.Exec(t, f.source, "DELETE FROM data")
	idle := f.orchestrator(t, 1).Control()
	ask := func(allow bool) int64 {
		t.Helper()
		r := days(1, "")
		r.AllowEmpty = allow
		return startRun(t, idle, r).RunID
	}
	held, err := f.target.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Rollback(t.Context()) }()
	if _, err := held.Exec(t.Context(), "SELECT FROM signal FOR UPDATE"); err != nil { // A load waits for it.
		t.Fatal(err)
	}
	allowing, other := ask(true), ask(false)
	await.Value(t, "the first run's attempt", func() (any, bool) {
		by := pgtest.Query[int64](t, f.target, "SELECT coalesce(claim_run_id, 0) FROM partition")
		return by, by == allowing
	})
	// The attempt under way is the first run's; called off, it is not done for the other.
	if err := idle.Cancel(t.Context(), allowing); err != nil {
		t.Fatal(err)
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if run := awaitRun(t, idle, other, "the end of the other", ended); run.State != "failed" {
		t.Errorf("the other: %+v", run)
	}
	if got := f.rows()[0]; got != dayValues {
		t.Errorf("%d values are left, want all", got)
	}
	if err := idle.Retry(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if run := awaitRun(t, idle, other, "the end of its retry", ended); run.State != "failed" || f.rows()[0] != dayValues {
		t.Errorf("the retry of a run without permission: %+v", run)
	}
	if err := idle.Retry(t.Context(), allowing); err != nil {
		t.Fatal(err)
	}
	if run := awaitRun(t, idle, allowing, "the end of the retry", ended); run.State != "done" || run.Empty != 1 || f.rows()[0] != 0 {
		t.Errorf("the retry of a run with permission: %+v", run)
	}
}
