package orchestrator_test

import (
	"testing"
	"time"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestSourceThatComesBack(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 3)
	s.away.Store(true)
	c := s.start(t, 2).Control()
	plan := startRun(t, c, days(3, ""))
	await.Value(t, "each day to have failed once", func() (any, bool) {
		got := states(t, c, 3)
		return got, got == "fff"
	})
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM partition WHERE next_attempt_at IS NOT NULL AND error LIKE '%503%'"); n != 3 {
		t.Errorf("%d days tell when they are tried again and why, want 3", n)
	}
	if run, err := c.Run(t.Context(), plan.RunID); err != nil || ended(run) || run.Failed != 0 {
		t.Errorf("the run while its days wait: %+v, %v; want it open", run, err)
	}
	s.away.Store(false)
	if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" || run.Done != 3 {
		t.Errorf("run: %+v", run)
	}
	s.checkWhole(t)
}

func TestWhatTheSourceRefusesFailsAtOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2)
	refused := "2025-01-01"
	s.refused.Store(&refused)
	c := s.start(t, 2).Control()
	plan := startRun(t, c, days(2, ""))
	run := awaitRun(t, c, plan.RunID, "the end of the run", ended)
	if run.State != "failed" || run.Failed != 1 || run.Done != 1 {
		t.Errorf("run: %+v", run)
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM attempt WHERE day = '2025-01-01'"); n != 1 {
		t.Errorf("%d attempts at what can't succeed", n)
	}
	s.refused.Store(nil)
	again := startRun(t, c, days(2, enum.RunScopeFailed))
	if run := awaitRun(t, c, again.RunID, "the end of the second run", ended); run.Total != 1 || run.Done != 1 {
		t.Errorf("only failed: %+v", run)
	}
	s.checkWhole(t)
}

func TestJobOfALostWorkerGoesBack(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	plan := startRun(t, s.orchestrator(t, 1).Control(), days(1, ""))
	pgtest.Exec(t, s.target, "UPDATE river.river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{gone}' WHERE kind = 'partition'")
	c := s.start(t, 1).Control()
	run := awaitRun(t, c, plan.RunID, "the end of the run", ended)
	if run.State != "done" {
		t.Errorf("run: %+v", run)
	}
	if n := pgtest.Query[int](t, s.target, "SELECT attempt FROM river.river_job WHERE kind = 'partition'"); n != 2 {
		t.Errorf("the job was at attempt %d, want its second", n)
	}
}

func TestJobsAreMadeAnew(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2)
	plan := startRun(t, s.orchestrator(t, 1).Control(), days(2, ""))
	pgtest.Exec(t, s.target, "TRUNCATE river.river_job")
	c := s.start(t, 1).Control()
	if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" || run.Done != 2 {
		t.Errorf("run: %+v", run)
	}
}

func TestStoppedInGoodOrder(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2)
	s.slow.Store(int64(time.Hour))
	first := s.start(t, 2)
	plan := startRun(t, first.Control(), days(2, ""))
	awaitRun(t, first.Control(), plan.RunID, "two days in work", func(r targetdb.ReadRunsRow) bool { return r.Running == 2 })
	first.stop()
	if got := states(t, first.Control(), 2); got != "qq" {
		t.Errorf("states after the stop: %s, want both days queued", got)
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM worker"); n != 0 {
		t.Errorf("%d workers on the list after the stop", n)
	}
	s.slow.Store(0)
	c := s.start(t, 2).Control()
	if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" {
		t.Errorf("run: %+v", run)
	}
	s.checkWhole(t)
}
