package orchestrator_test

import (
	"errors"
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

// traces are how many rows each table has of a day.
func (s *system) traces(t *testing.T, day string) map[string]int {
	t.Helper()
	traces := map[string]int{}
	for table, where := range map[string]string{
		"partition": "day = $1", "attempt": "day = $1", "run_partition": "day = $1", "check_result": "day = $1",
		"data": "timestamp >= $1::date AT TIME ZONE 'UTC' AND timestamp < ($1::date + 1) AT TIME ZONE 'UTC'",
		"flag": "timestamp >= $1::date AT TIME ZONE 'UTC' AND timestamp < ($1::date + 1) AT TIME ZONE 'UTC'",
	} {
		if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM "+table+" WHERE "+where, date(day)); n > 0 {
			traces[table] = n
		}
	}
	return traces
}

func (s *system) wantNoTraces(t *testing.T, day string) {
	t.Helper()
	if diff := cmp.Diff(map[string]int{}, s.traces(t, day)); diff != "" {
		t.Errorf("what is left of %s (-want +got):\n%s", day, diff)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 4)
	pgtest.Exec(t, s.source, "UPDATE data SET wind_speed = 99 WHERE timestamp < '2025-01-03'") // to be flagged
	c := s.start(t, 2).Control()
	plan := startRun(t, c, days(4, ""))
	awaitRun(t, c, plan.RunID, "the end of the run", ended)
	if got := s.traces(t, "2025-01-02"); len(got) != 6 {
		t.Fatalf("a loaded day has rows in %v, want them in all", got)
	}

	var sampled *orchestrator.SampledError
	if err := c.Forget(t.Context(), date("2025-01-02"), false); !errors.As(err, &sampled) || sampled.Samples != daySamples {
		t.Errorf("a day with samples: got %v", err)
	}
	s.away.Store(true)
	if err := c.Forget(t.Context(), date("2025-01-02"), false); !errors.Is(err, orchestrator.ErrSourceUnasked) {
		t.Errorf("a source that is away: got %v", err)
	}
	if err := c.Forget(t.Context(), date("2025-01-03"), true); err != nil {
		t.Errorf("by force, the source is away: got %v", err)
	}
	s.away.Store(false)
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp >= '2025-01-02' AND timestamp < '2025-01-03'")
	if err := c.Forget(t.Context(), date("2025-01-02"), false); err != nil {
		t.Errorf("a day without samples: got %v", err)
	}
	for _, day := range []string{"2025-01-02", "2025-01-03"} {
		s.wantNoTraces(t, day)
		if err := c.Forget(t.Context(), date(day), true); !errors.Is(err, orchestrator.ErrUnknownDay) {
			t.Errorf("%s again: got %v", day, err)
		}
	}
	if got := states(t, c, 5); got != "d..d." {
		t.Errorf("states: %s", got)
	}
	if run := awaitRun(t, c, plan.RunID, "the run", ended); run.State != "done" || run.Total != 2 || run.Done != 2 {
		t.Errorf("the run that counted the days: %+v", run)
	}
	s.checkWhole(t)
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM event WHERE kind = 'partition' AND state = 'missing' AND day IN ('2025-01-02', '2025-01-03')"); n != 2 {
		t.Errorf("%d events, want one for each day", n)
	}

	// Asked for again it is loaded as for the first time, but for its token.
	plan = startRun(t, c, days(4, enum.RunScopeMissing))
	if run := awaitRun(t, c, plan.RunID, "the end of the second run", ended); run.Total != 2 || run.Done != 1 || run.Empty != 1 {
		t.Errorf("second run: %+v", run)
	}
	s.checkWhole(t)
	if token := pgtest.Query[int64](t, s.target, "SELECT token FROM partition WHERE day = '2025-01-03'"); token != 2 {
		t.Errorf("the token after a forgotten one is %d, want 2", token)
	}
}

// Days that can't be believed are forgotten like any other, to both ends.
func TestForgetUnbelievableDays(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.start(t, 2).Control()
	for _, day := range []string{"0001-01-01", "0225-01-01", "1970-01-01", "2099-01-01", "9999-12-31"} {
		plan := startRun(t, c, orchestrator.StartRequest{From: date(day), To: date(day)})
		if run := awaitRun(t, c, plan.RunID, "the run of "+day, ended); run.Empty != 1 {
			t.Errorf("%s: %+v", day, run)
		}
		pgtest.Exec(t, s.target, "INSERT INTO data VALUES (7, 1, ($1::text || ' 23:50Z')::timestamptz, 1)", day) // of whoever
		if err := c.Forget(t.Context(), date(day), false); err != nil {
			t.Errorf("forget %s: %v", day, err)
		}
		s.wantNoTraces(t, day)
	}
}

// A request that waits is taken off the queue with its day, and its job does not
// bring the day back.
func TestForgetWaitingDay(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3)
	o := s.orchestrator(t, 1)
	plan := startRun(t, o.Control(), days(3, ""))
	only := startRun(t, o.Control(), orchestrator.StartRequest{From: date("2025-01-02"), To: date("2025-01-02")})
	if err := o.Control().Forget(t.Context(), date("2025-01-02"), true); err != nil {
		t.Fatal(err)
	}
	c := s.start(t, 1).Control()
	if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" || run.Total != 2 || run.Done != 2 {
		t.Errorf("run: %+v", run)
	}
	if run := awaitRun(t, c, only.RunID, "the end of the run of the day alone", ended); run.Total != 0 {
		t.Errorf("run of the day alone: %+v", run)
	}
	s.wantNoTraces(t, "2025-01-02")
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM river.river_job WHERE args ->> 'day' = '2025-01-02' AND state <> 'cancelled'"); n != 0 {
		t.Errorf("%d jobs are left of the day", n)
	}
}

func TestForgetWaitsForALoad(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	s.slow.Store(int64(time.Minute))
	c := s.start(t, 1).Control()
	plan := startRun(t, c, days(1, ""))
	awaitRun(t, c, plan.RunID, "the day to be in work", func(r targetdb.ReadRunsRow) bool { return r.Running == 1 })
	var busy *orchestrator.InWorkError
	if err := c.Forget(t.Context(), date("2025-01-01"), true); !errors.As(err, &busy) || busy.RunID != plan.RunID {
		t.Errorf("a day in work: got %v", err)
	}
	if run := awaitRun(t, c, plan.RunID, "the run to go on", func(r targetdb.ReadRunsRow) bool { return r.Running == 1 }); run.Total != 1 {
		t.Errorf("after a refusal: %+v", run)
	}
	if err := c.Cancel(t.Context(), plan.RunID); err != nil {
		t.Fatal(err)
	}
	await.Value(t, "the day to be forgotten", func() (any, bool) {
		err := c.Forget(t.Context(), date("2025-01-01"), true)
		return err, err == nil
	})
	s.wantNoTraces(t, "2025-01-01")
}

// A load that is asked for, begins and ends while the former requests are being removed
// leaves no request of a day that is gone.
func TestForgetBesideAWholeLoad(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	c := s.start(t, 1).Control()
	awaitRun(t, c, startRun(t, c, days(1, "")).RunID, "the former run", ended)
	holder, err := s.target.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "SELECT FROM run_partition FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	forgotten := make(chan error, 1)
	go func() { forgotten <- c.Forget(t.Context(), date("2025-01-01"), true) }()
	await.True(t, "the removal of requests to wait", func() bool {
		return pgtest.Query[bool](t, s.target, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%DELETE FROM run_partition%')`)
	})
	awaitRun(t, c, startRun(t, c, days(1, "")).RunID, "the run beside it", ended)
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = <-forgotten
	if _, busy := errors.AsType[*orchestrator.InWorkError](err); busy { // no time is left to try again
		err = c.Forget(t.Context(), date("2025-01-01"), true)
	}
	if err != nil {
		t.Error(err)
	}
	s.wantNoTraces(t, "2025-01-01")
}

// Whatever comes first, a load or the end of its day: there is the whole day or
// nothing of it, and no token is handed out twice.
func TestForgetAmidLoads(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	day := date("2025-01-01")
	a, b := s.start(t, 2), s.start(t, 2)
	tokens := map[int64]bool{}
	for range 12 {
		before := pgtest.Query[int64](t, s.target, "SELECT coalesce(max(entry), 0) FROM event")
		var work sync.WaitGroup
		for _, c := range []*orchestrator.Control{a.Control(), b.Control()} {
			work.Go(func() {
				if _, err := c.Start(t.Context(), days(1, "")); err != nil {
					t.Error(err)
				}
			})
			work.Go(func() {
				err := c.Forget(t.Context(), day, true)
				var busy *orchestrator.InWorkError
				if err != nil && !errors.As(err, &busy) && !errors.Is(err, orchestrator.ErrUnknownDay) {
					t.Error(err)
				}
			})
		}
		work.Wait()
		await.Value(t, "the runs to end", func() (any, bool) {
			n := pgtest.Query[int](t, s.target, `SELECT (SELECT count(*) FROM run_partition WHERE outcome IS NULL)
				+ (SELECT count(*) FROM partition WHERE lease_until IS NOT NULL)
				+ (SELECT count(*) FROM river.river_job WHERE kind = 'partition' AND state IN ('available', 'running', 'retryable', 'scheduled'))`)
			return n, n == 0
		})
		got := s.traces(t, "2025-01-01")
		if got["partition"] != min(got["data"], 1) || got["run_partition"] > 0 != (got["partition"] > 0) || got["attempt"] > 0 != (got["partition"] > 0) {
			t.Fatalf("what there is of the day: %v", got)
		}
		s.checkWhole(t)
		if got["partition"] > 0 {
			token := pgtest.Query[int64](t, s.target, "SELECT token FROM partition")
			if tokens[token] && pgtest.Query[bool](t, s.target, "SELECT EXISTS (SELECT FROM event WHERE entry > $1 AND kind = 'partition' AND state = 'running')", before) {
				t.Fatalf("token %d was handed out again", token)
			}
			tokens[token] = true
		}
	}
}
