package orchestrator_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// What passes by itself is tried again, and the day ends done.
func TestFaultsThatPass(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault  func(*testing.T, *system)
		failed string // what the ledger has of the attempt that failed; empty if it need not
	}{
		"an administrator's cancel": {func(t *testing.T, s *system) {
			t.Helper()
			s.whileLoading(t, "SELECT pg_cancel_backend(claim_pid) FROM partition WHERE lease_until IS NOT NULL")
		}, "57014"},
		"a session that was ended": {func(t *testing.T, s *system) {
			t.Helper()
			s.whileLoading(t, "SELECT pg_terminate_backend(claim_pid) FROM partition WHERE lease_until IS NOT NULL")
		}, "57P01"},
		"a read-only switch": {func(t *testing.T, s *system) {
			t.Helper()
			s.whileLoading(t, "SELECT") // before, a fault is one of the start, and ends the worker
			admin := s.session(t)
			const ours = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'delfos%'"
			alter(t, admin, "SET default_transaction_read_only = 'on'")
			count(t, admin, "SELECT count(pg_terminate_backend(pid)) "+ours)
			await.Value(t, "sessions that can't write", func() (any, bool) {
				n := count(t, admin, "SELECT count(*) "+ours)
				return n, n > 0
			})
			alter(t, admin, "RESET default_transaction_read_only")
		}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.seed(t, 1)
			c := s.start(t, 1).Control()
			release := s.lock(t)
			plan := startRun(t, c, days(1, ""))
			tt.fault(t, s)
			if tt.failed != "" {
				await.Value(t, "the attempt to have failed", func() (any, bool) {
					got := pgtest.Query[string](t, s.target, "SELECT coalesce(string_agg(error, ' '), '') FROM attempt WHERE outcome = 'failed'")
					return got, strings.Contains(got, tt.failed)
				})
			}
			release()
			await.Value(t, "the end of the run", func() (any, bool) { // by a session that nobody ends
				got := pgtest.Query[string](t, s.target, "SELECT coalesce(outcome::text, '') FROM run_partition WHERE run_id = $1", plan.RunID)
				return got, got == "done"
			})
			s.checkWhole(t)
		})
	}
}

// The source hangs for longer than the target lets a transaction idle.
func TestIdleInTransaction(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	alter(t, s.session(t), "SET idle_in_transaction_session_timeout = '100ms'")
	s.slow.Store(int64(300 * time.Millisecond))
	c := s.start(t, 1).Control()
	plan := startRun(t, c, days(1, ""))
	// With the session's own setting, which is not the role's, nothing fails.
	await.Value(t, "an attempt to have ended", func() (any, bool) {
		n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM attempt WHERE outcome IS NOT NULL")
		return n, n > 0
	})
	s.slow.Store(0)
	if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" {
		t.Errorf("run: %+v", run)
	}
	s.checkWhole(t)
}

// What somebody has to mend first fails at once, with what to do; when it is
// mended the run goes on.
func TestFaultsThatStay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil, mend string
		inSource    bool
		want        []string
	}{
		"a missing privilege": {
			"REVOKE INSERT ON data FROM delfos_etl", "GRANT INSERT ON data TO delfos_etl", false,
			[]string{"42501", "connect as the owner of the tables in TARGET_DB_URL, or grant the role what it lacks"},
		},
		"a missing table": {
			"ALTER TABLE data RENAME TO gone", "ALTER TABLE gone RENAME TO data", false,
			[]string{"42P01", "`delfos schema apply target`"},
		},
		"a missing privilege of the source's API": {
			"REVOKE SELECT ON data FROM delfos_api", "GRANT SELECT ON data TO delfos_api", true,
			[]string{"500 Internal Server Error", "grant the role what it lacks"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.seed(t, 2)
			pool := s.target
			if tt.inSource {
				pool = s.source
			}
			pgtest.Exec(t, pool, tt.spoil)
			c := s.start(t, 2).Control()
			plan := startRun(t, c, days(2, ""))
			if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "failed" || run.Failed != 2 {
				t.Errorf("run: %+v", run)
			}
			if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM attempt"); n != 2 {
				t.Errorf("%d attempts at two days that can't succeed", n)
			}
			got := pgtest.Query[string](t, s.target, "SELECT string_agg(error, E'\n') FROM partition WHERE next_attempt_at IS NULL")
			for _, want := range tt.want {
				if strings.Count(got, want) != 2 {
					t.Errorf("the ledger says %q, want %q of each day", got, want)
				}
			}
			pgtest.Exec(t, pool, tt.mend)
			if err := c.Retry(t.Context(), plan.RunID); err != nil {
				t.Fatal(err)
			}
			if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" {
				t.Errorf("run: %+v", run)
			}
			s.checkWhole(t)
		})
	}
}

// A source whose schema is applied while days are being loaded, as in an upgrade.
func TestOutdatedSource(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	pgtest.Exec(t, s.source, "ALTER TABLE turbine RENAME COLUMN hub_height TO height")
	c := s.start(t, 1).Control()
	plan := startRun(t, c, days(1, ""))
	await.Value(t, "an attempt to have said what to do", func() (any, bool) {
		said := pgtest.Query[string](t, s.target, "SELECT coalesce(max(error), '') FROM partition WHERE next_attempt_at IS NOT NULL")
		return said, strings.Contains(said, "`delfos schema apply source`")
	})
	pgtest.Exec(t, s.source, "ALTER TABLE turbine RENAME COLUMN height TO hub_height")
	if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" {
		t.Errorf("run: %+v", run)
	}
	s.checkWhole(t)
}

// A ledger that can't be told leaves its requests open, and they are not tried
// without a pause.
func TestLedgerThatCantBeTold(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	c := s.start(t, 1).Control()
	pgtest.Exec(t, s.target, "REVOKE INSERT ON attempt FROM delfos_etl")
	plan := startRun(t, c, days(1, ""))
	await.Value(t, "the job to have failed once", func() (any, bool) {
		n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM river.river_job WHERE kind = 'partition' AND errors[1] ->> 'error' LIKE '%42501%'")
		return n, n > 0
	})
	pgtest.Exec(t, s.target, "GRANT INSERT ON attempt TO delfos_etl")
	if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" {
		t.Errorf("run: %+v", run)
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM river.river_job WHERE kind = 'partition'"); n != 1 {
		t.Errorf("%d jobs were made for a day, want one", n)
	}
}

// A day that has taken its worker with it again and again is given up, until
// somebody asks for it again.
func TestDayThatKillsItsWorkers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lost  int
		state enum.RunState
	}{"some times": {4, "done"}, "too often": {5, "failed"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.seed(t, 1)
			plan := startRun(t, s.orchestrator(t, 1).Control(), days(1, ""))
			pgtest.Exec(t, s.target, "INSERT INTO partition (day, token) VALUES ('2025-01-01', $1)", tt.lost)
			pgtest.Exec(t, s.target, "INSERT INTO attempt (day, token, run_id) SELECT '2025-01-01', n, $2 FROM generate_series(1, $1::bigint) AS n", tt.lost, plan.RunID)
			c := s.start(t, 1).Control()
			if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != tt.state {
				t.Errorf("run: %+v, want %s", run, tt.state)
			}
			if tt.state == "done" {
				s.checkWhole(t)
				return
			}
			got := pgtest.Query[string](t, s.target, "SELECT outcome || ' ' || error FROM partition WHERE next_attempt_at IS NULL")
			if !strings.HasPrefix(got, "failed the workers of the last 5 attempts were lost") {
				t.Errorf("the ledger says %q", got)
			}
			if err := c.Retry(t.Context(), plan.RunID); err != nil {
				t.Fatal(err)
			}
			if run := awaitRun(t, c, plan.RunID, "the end of the run", ended); run.State != "done" {
				t.Errorf("asked for again: %+v", run)
			}
			s.checkWhole(t)
		})
	}
}

// A run can be cancelled while a load that refers to it commits: each would wait
// for the other.
func TestCancelBesideACommit(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c := s.orchestrator(t, 1).Control()
	plan := startRun(t, c, days(1, ""))
	tx, err := s.session(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// As the foreign key of partition.run_id does.
	if _, err := tx.Exec(t.Context(), "SELECT FROM run WHERE id = $1 FOR KEY SHARE", plan.RunID); err != nil {
		t.Fatal(err)
	}
	if err := c.Cancel(t.Context(), plan.RunID); err != nil {
		t.Errorf("cancel: %v", err)
	}
}

// An attempt that fails when its day was called off announces no other.
func TestFailedAfterItWasCalledOff(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1)
	c := s.start(t, 1).Control()
	release := s.lock(t)
	startRun(t, c, days(1, ""))
	s.whileLoading(t, "UPDATE run_partition SET outcome = 'cancelled', finished_at = now()")
	s.whileLoading(t, "SELECT pg_cancel_backend(claim_pid) FROM partition WHERE lease_until IS NOT NULL")
	await.Value(t, "the attempt to have failed", func() (any, bool) {
		got := pgtest.Query[string](t, s.target, "SELECT coalesce(string_agg(coalesce(outcome::text, ''), ' '), '') FROM partition WHERE lease_until IS NULL")
		return got, got == "failed"
	})
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM partition WHERE next_attempt_at IS NOT NULL"); n != 0 {
		t.Error("it announces another attempt")
	}
	release()
}

// lock keeps loads from writing until what it returns is called.
func (s *system) lock(t *testing.T) (release func()) {
	t.Helper()
	session := s.session(t)
	tx, err := session.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE data IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return func() { _ = session.Close(context.WithoutCancel(t.Context())) }
}

// whileLoading runs SQL when a load waits for lock's release.
func (s *system) whileLoading(t *testing.T, sql string) {
	t.Helper()
	const waits = "SELECT count(*) FROM partition AS p JOIN pg_stat_activity AS a ON a.pid = p.claim_pid WHERE a.wait_event_type = 'Lock'"
	await.Value(t, "a load to wait", func() (any, bool) {
		n := pgtest.Query[int](t, s.target, waits)
		return n, n > 0
	})
	pgtest.Exec(t, s.target, sql)
}

// session is one of the test's own, with the settings that the database had
// when it began.
func (s *system) session(t *testing.T) *pgx.Conn {
	t.Helper()
	session, err := pgx.Connect(t.Context(), s.target.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close(context.WithoutCancel(t.Context())) })
	return session
}

// alter changes a setting of the database, for sessions to come.
func alter(t *testing.T, session *pgx.Conn, change string) {
	t.Helper()
	sql := "ALTER DATABASE " + pgx.Identifier{session.Config().Database}.Sanitize() + " " + change
	if _, err := session.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func count(t *testing.T, session *pgx.Conn, sql string) (n int) {
	t.Helper()
	if err := session.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}
