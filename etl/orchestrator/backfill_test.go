package orchestrator_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestBackfillLoadsItsDays(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 5)
	c := s.start(t, 2).Control()
	dry := days(7, "")
	dry.DryRun = true
	if plan := startRun(t, c, dry); plan.RunID != 0 || plan.Partitions != 7 || plan.UpToDate != 0 {
		t.Errorf("dry run: %+v, want 7 days and no run", plan)
	}
	if got := states(t, c, 7); got != "......." {
		t.Errorf("states after a dry run: %s", got)
	}

	plan := startRun(t, c, days(7, ""))
	run := awaitRun(t, c, plan.RunID, "the end of the run", ended)
	if run.State != "done" || run.Total != 7 || run.Done != 5 || run.Empty != 2 {
		t.Errorf("run: %+v, want 5 days done and 2 empty", run)
	}
	if got := states(t, c, 8); got != "dddddee." {
		t.Errorf("states: %s", got)
	}
	s.checkWhole(t)
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM river.river_job WHERE kind = 'partition' AND state = 'completed'"); n != 7 {
		t.Errorf("%d jobs completed, want 7", n)
	}

	dry.Only = enum.RunScopeMissing
	if plan := startRun(t, c, dry); plan.Partitions != 0 || plan.UpToDate != 7 {
		t.Errorf("only missing: %+v, want nothing left of 7", plan)
	}
	again := startRun(t, c, days(7, ""))
	run = awaitRun(t, c, again.RunID, "the end of the second run", ended)
	if run.Total != 7 || run.Done != 5 || run.Empty != 2 {
		t.Errorf("a finished day was not run again: %+v", run)
	}
}

func TestRequestIsChecked(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.orchestrator(t, 1).Control()
	if err := c.Cancel(t.Context(), 99); !errors.Is(err, orchestrator.ErrNoRun) {
		t.Errorf("cancel of no run: %v", err)
	}

	keyed := days(2, "")
	keyed.Key, keyed.Request = "one", "two days"
	plans := make([]orchestrator.Plan, 8)
	var all sync.WaitGroup
	for i := range plans {
		all.Go(func() { plans[i] = startRun(t, c, keyed) })
	}
	all.Wait()
	for _, plan := range plans {
		if plan != plans[0] || plan.Partitions != 2 {
			t.Errorf("the same key made %+v and %+v", plans[0], plan)
		}
	}
	keyed.Request = "three days"
	if _, err := c.Start(t.Context(), keyed); !errors.Is(err, orchestrator.ErrKeyReused) {
		t.Errorf("another request under the key: %v", err)
	}
}

func TestDayOfTwoRunsRunsOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3)
	o := s.orchestrator(t, 1)
	a, b := startRun(t, o.Control(), days(3, "")), startRun(t, o.Control(), days(2, ""))
	c := s.start(t, 2).Control()
	for _, id := range []int64{a.RunID, b.RunID} {
		if run := awaitRun(t, c, id, "the end of a run", ended); run.Done != run.Total || run.State != "done" {
			t.Errorf("run %d: %+v", id, run)
		}
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM attempt"); n != 3 {
		t.Errorf("%d attempts for 3 days", n)
	}
}

func TestCancelStopsAndRetryGoesOn(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 12)
	c := s.start(t, 2).Control()
	plan := startRun(t, c, days(12, ""))
	awaitRun(t, c, plan.RunID, "four days", func(r targetdb.ReadRunsRow) bool { return r.Done >= 4 })
	s.slow.Store(int64(time.Minute))
	awaitRun(t, c, plan.RunID, "two days in work", func(r targetdb.ReadRunsRow) bool { return r.Running == 2 })

	if err := c.Cancel(t.Context(), plan.RunID); err != nil {
		t.Fatal(err)
	}
	run := awaitRun(t, c, plan.RunID, "nothing in work", func(r targetdb.ReadRunsRow) bool { return ended(r) && r.Running == 0 })
	if run.State != "cancelled" || run.Done+run.Cancelled != 12 {
		t.Errorf("cancelled run: %+v", run)
	}
	await.Value(t, "the workers to let go", func() (any, bool) {
		n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM partition WHERE lease_until IS NOT NULL")
		return n, n == 0
	})
	s.checkWhole(t)
	if got := states(t, c, 12); strings.Trim(got, "dc") != "" {
		t.Errorf("states: %s", got)
	}

	s.slow.Store(0)
	if err := c.Retry(t.Context(), plan.RunID); err != nil {
		t.Fatal(err)
	}
	if run := awaitRun(t, c, plan.RunID, "the end of the retry", ended); run.State != "done" || run.Done != 12 {
		t.Errorf("retried run: %+v", run)
	}
	s.checkWhole(t)
}

// After the answer to a cancel no day of the run starts, however close it comes to the
// workers' next one; until they have let go, the run says how many days are in work.
func TestNothingStartsAfterACancel(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const all = 28
	s.seed(t, all)
	c := s.start(t, 2).Control()
	plan := startRun(t, c, days(all, ""))
	left := int64(0) // by the last cancel
	for done := int64(0); done < all-2; {
		await.Value(t, "the next day", func() (any, bool) {
			n := pgtest.Query[int64](t, s.target, "SELECT count(*) FROM attempt WHERE outcome = 'done'")
			return n, n > done
		})
		if err := c.Cancel(t.Context(), plan.RunID); err != nil {
			t.Fatal(err)
		}
		answered := pgtest.Query[time.Time](t, s.target, "SELECT clock_timestamp()")
		run := awaitRun(t, c, plan.RunID, "the run's end", ended)
		if run.Run.CancelledAt == nil && run.Cancelled > 0 || run.Running > 0 || run.Total != run.Done+run.Cancelled {
			t.Errorf("cancelled: %+v", run)
		}
		await.Value(t, "the queue to be empty", func() (any, bool) {
			n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM river.river_job WHERE kind = 'partition' AND state IN ('available', 'running')")
			return n, n == 0
		})
		if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM attempt WHERE started_at > $1", answered); n > 0 {
			t.Fatalf("%d days started after the cancel", n)
		}
		done, left = run.Done, run.Cancelled
		if err := c.Retry(t.Context(), plan.RunID); err != nil {
			t.Fatal(err)
		}
	}
	if run := awaitRun(t, c, plan.RunID, "the end of the last retry", ended); run.Done != all || left > 0 && run.Run.CancelledAt != nil {
		t.Errorf("retried: %+v", run)
	}
	s.checkWhole(t)
}

// A cancelled run is running until its days in work have stopped.
func TestCancelledRunIsStopping(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3)
	c := s.start(t, 1).Control()
	release := s.lock(t)
	plan := startRun(t, c, days(3, ""))
	s.whileLoading(t, "SELECT")
	// A session that does not hear of the cancel: nobody tells the worker.
	pgtest.Exec(t, s.target, "UPDATE run_partition SET outcome = 'cancelled', finished_at = now(); UPDATE run SET cancelled_at = now()")
	run, err := c.Run(t.Context(), plan.RunID)
	if err != nil || run.State != "running" || run.Running != 1 || run.Cancelled != 2 || run.FinishedAt != nil {
		t.Errorf("stopping: %+v, %v", run, err)
	}
	release()
	run = awaitRun(t, c, plan.RunID, "the end", ended)
	if run.State != "cancelled" || run.Cancelled != 3 || run.FinishedAt == nil {
		t.Errorf("stopped: %+v", run)
	}
	s.checkWhole(t)
}

// The first day that fails for good ends the run: what is in work finishes, and nothing
// else starts.
func TestStopOnFailure(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 12)
	c := s.start(t, 1).Control()
	release := s.lock(t)
	request := days(12, "")
	request.StopOnFailure = true
	plan, other := startRun(t, c, request), startRun(t, c, days(3, ""))
	s.whileLoading(t, "SELECT") // the first day
	refused := "2025-01-02"
	s.refused.Store(&refused)
	s.start(t, 1) // takes the second day
	run := awaitRun(t, c, plan.RunID, "the failure", func(r targetdb.ReadRunsRow) bool { return r.Failed == 1 })
	if run.State != "running" || run.Running != 1 || run.Cancelled != 10 || run.Run.CancelledAt != nil {
		t.Errorf("after the failure: %+v", run)
	}
	release()
	run = awaitRun(t, c, plan.RunID, "the end of the run", ended)
	if run.State != "failed" || run.Done != 1 || run.Failed != 1 || run.Cancelled != 10 {
		t.Errorf("stopped run: %+v", run)
	}
	if run := awaitRun(t, c, other.RunID, "the end of the other run", ended); run.State != "failed" || run.Done != 2 {
		t.Errorf("a run that does not stop: %+v", run)
	}
	if got := states(t, c, 12); got != "dfdccccccccc" {
		t.Errorf("states: %s", got)
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM attempt"); n != 3 {
		t.Errorf("%d attempts, want those at the three days that two runs asked for", n)
	}

	s.refused.Store(nil)
	if err := c.Retry(t.Context(), plan.RunID); err != nil {
		t.Fatal(err)
	}
	if run := awaitRun(t, c, plan.RunID, "the end of the retry", ended); run.State != "done" || run.Done != 12 {
		t.Errorf("retried run: %+v", run)
	}
	s.checkWhole(t)
}

func TestCancelLeavesTheDaysOfOthers(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3)
	o := s.orchestrator(t, 1)
	a, b := startRun(t, o.Control(), days(3, "")), startRun(t, o.Control(), days(1, ""))
	if err := o.Control().Cancel(t.Context(), a.RunID); err != nil {
		t.Fatal(err)
	}
	c := s.start(t, 1).Control()
	if run := awaitRun(t, c, b.RunID, "the end of the other run", ended); run.State != "done" {
		t.Errorf("the other run: %+v", run)
	}
	if got := states(t, c, 3); got != "dcc" {
		t.Errorf("states: %s, want the other's day done", got)
	}
}

func TestBoundOnParallelDays(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 6)
	c := s.start(t, 4).Control()
	r := days(6, "")
	r.Parallel = 1
	plan := startRun(t, c, r)
	if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.Done != 6 {
		t.Errorf("run: %+v", run)
	}
	const overlaps = `SELECT count(*) FROM attempt AS a JOIN attempt AS b ON a.day < b.day AND a.started_at < b.finished_at AND b.started_at < a.finished_at`
	if n := pgtest.Query[int](t, s.target, overlaps); n != 0 {
		t.Errorf("%d pairs of days were in work at once, want one at a time", n)
	}
}

// The jobs of a long run are made in parts, in the order in which days were asked for; an
// urgent day is before all.
func TestManyDaysDoNotStarveTheUrgent(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.orchestrator(t, 1).Control()
	jobs := func() []string {
		return strings.Fields(pgtest.Query[string](t, s.target, "SELECT string_agg(args ->> 'day', ' ' ORDER BY priority, scheduled_at, id) FROM river.river_job WHERE state = 'available'"))
	}
	plan := startRun(t, c, days(1500, ""))
	var want []string
	for i := range 1500 {
		want = append(want, date("2025-01-01").AddDate(0, 0, i).Format(time.DateOnly))
	}
	if diff := cmp.Diff(want[:1000], jobs()); diff != "" {
		t.Fatalf("the first jobs (-want +got):\n%s", diff)
	}
	// As the schedule does for a day that the backfill has queued already.
	const urgent, later = "2025-06-01", "2024-01-01"
	pgtest.Exec(t, s.target, `WITH r AS (INSERT INTO run (trigger, first_day, last_day) VALUES ('schedule', '2025-06-01', '2025-06-01') RETURNING id)
		INSERT INTO run_partition (run_id, day) SELECT id, '2025-06-01' FROM r`)
	startRun(t, c, orchestrator.StartRequest{From: date(later), To: date(later)})
	want = slices.Concat([]string{urgent}, slices.DeleteFunc(want, func(day string) bool { return day == urgent }), []string{later})
	if diff := cmp.Diff(want, jobs()); diff != "" {
		t.Errorf("all jobs (-want +got):\n%s", diff)
	}
	if err := c.Cancel(t.Context(), plan.RunID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{urgent, later}, jobs()); diff != "" {
		t.Errorf("the jobs of others after the cancel (-want +got):\n%s", diff)
	}
}
