package ledger

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// testDay is the day that these tests claim.
func testDay() time.Time { return time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC) }

// worker is a ledger with sessions of its own, as another process has.
func worker(t *testing.T, url string, lease time.Duration) *Ledger {
	t.Helper()
	pool, err := pgpool.Open(t.Context(), url, pgpool.Options{Name: "delfos etl"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	l, err := New(t.Context(), pool, lease, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func newRun(t *testing.T, l *Ledger) int64 {
	t.Helper()
	id, err := l.OpenRun(t.Context(), targetdb.CreateRunParams{Trigger: enum.RunTriggerCommand, FirstDay: testDay(), LastDay: testDay(), Days: []time.Time{testDay()}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func mustClaim(t *testing.T, l *Ledger, runID int64) (context.Context, *Claim) {
	t.Helper()
	ctx, c, err := l.Claim(t.Context(), testDay(), Order{RunID: runID})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, c
}

func TestClaimWaitsForItsHolder(t *testing.T) {
	t.Parallel()
	url := pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	first, second := worker(t, url, DefaultLease), worker(t, url, DefaultLease)
	run := newRun(t, first)
	_, held := mustClaim(t, first, run)

	short, cancel := context.WithTimeout(t.Context(), 5*poll)
	defer cancel()
	if _, _, err := second.Claim(short, testDay(), Order{RunID: run}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("claim of a held day: got %v, want it to wait", err)
	}
	if err := held.Fail(t.Context(), enum.OutcomeFailed, errors.New("nothing to do")); err != nil {
		t.Fatal(err)
	}
	held.Release(t.Context())
	if _, _, err := second.Claim(t.Context(), testDay(), Order{RunID: run}); !errors.Is(err, ErrCalledOff) {
		t.Errorf("claim for a run that was told how the day ended: got %v, want %v", err, ErrCalledOff)
	}
	_, c := mustClaim(t, second, newRun(t, second))
	if c.Entry.Token != held.Entry.Token+1 {
		t.Errorf("token: got %d, want %d", c.Entry.Token, held.Entry.Token+1)
	}
	c.Release(t.Context())
}

func TestClaimOfADeadSessionIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	first, second := worker(t, url, time.Hour), worker(t, url, time.Hour)
	run := newRun(t, first)
	_, held := mustClaim(t, first, run)
	held.Release(t.Context()) // closes the session with the claim still standing
	_, c := mustClaim(t, second, run)
	c.Release(t.Context())
}

// A worker does not see when a session of another role began: it leaves a claim of one
// alone until the lease has run out, and then takes it over without ending the session.
func TestClaimOfAnotherRole(t *testing.T) {
	t.Parallel()
	owner := pgtest.Target(t)
	second := worker(t, pgtest.As(t, pgtest.ETL, owner), time.Hour)
	first := worker(t, owner, 2*time.Second)
	run := newRun(t, first)
	_, held := mustClaim(t, first, run)
	short, cancel := context.WithTimeout(t.Context(), 5*poll)
	defer cancel()
	if _, _, err := second.Claim(short, testDay(), Order{RunID: run}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("claim of a day that another role holds: got %v, want it to wait", err)
	}
	held.endRenewals()
	_, c := mustClaim(t, second, run)
	if c.Entry.Token != held.Entry.Token+1 {
		t.Errorf("token: got %d, want %d", c.Entry.Token, held.Entry.Token+1)
	}
	if err := held.conn.Ping(t.Context()); err != nil {
		t.Errorf("the session of the first: %v", err)
	}
	held.Release(t.Context())
	c.Release(t.Context())
}

func TestExpiredClaimIsTakenOverAndFenced(t *testing.T) {
	t.Parallel()
	url := pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	first, second := worker(t, url, 300*time.Millisecond), worker(t, url, time.Hour)
	run := newRun(t, first)
	ctx, held := mustClaim(t, first, run)
	if _, _, err := held.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	held.endRenewals() // as a stopped process does, it renews no more

	_, c := mustClaim(t, second, run)
	if c.Entry.Token != held.Entry.Token+1 {
		t.Errorf("token: got %d, want %d", c.Entry.Token, held.Entry.Token+1)
	}
	if err := held.Commit(ctx, Result{Outcome: enum.OutcomeDone}); err == nil {
		t.Error("the old holder's commit succeeded")
	}
	if _, err := held.Prune(ctx); err == nil {
		t.Error("the old holder's prune succeeded")
	}
	if err := held.Fail(ctx, enum.OutcomeFailed, errors.New("woke too late")); !errors.Is(err, ErrClaimLost) {
		t.Errorf("the old holder's record: got %v, want %v", err, ErrClaimLost)
	}
	held.Release(t.Context())

	got, err := targetdb.New(second.pool).ReadPartition(t.Context(), testDay())
	if err != nil {
		t.Fatal(err)
	}
	if got.Token != c.Entry.Token || got.LeaseUntil == nil || got.Outcome != nil {
		t.Errorf("partition: got token %d, lease %v, outcome %v; want the new holder's, untouched", got.Token, got.LeaseUntil, got.Outcome)
	}
	c.Release(t.Context())
}

func TestClaimLostWhileRunning(t *testing.T) {
	t.Parallel()
	url := pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	first := worker(t, url, 300*time.Millisecond)
	run := newRun(t, first)
	ctx, held := mustClaim(t, first, run)
	// The token of another worker, as after a takeover that ended this worker's
	// session before the worker noticed it.
	if _, err := first.pool.Exec(t.Context(), "UPDATE partition SET token = token + 1"); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, ErrClaimLost) {
		t.Errorf("cause: got %v, want %v", cause, ErrClaimLost)
	}
	held.Release(t.Context())
}

func TestLeaseIsKept(t *testing.T) {
	t.Parallel()
	url := pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	first := worker(t, url, 300*time.Millisecond)
	run := newRun(t, first)
	_, held := mustClaim(t, first, run)
	q := targetdb.New(first.pool)
	begun, err := q.ReadPartition(t.Context(), testDay())
	if err != nil {
		t.Fatal(err)
	}
	for renewed := 0; renewed < 2; {
		now, err := q.ReadPartition(t.Context(), testDay())
		if err != nil {
			t.Fatal(err)
		}
		if now.LeaseUntil.After(*begun.LeaseUntil) {
			renewed++
			begun = now
		}
	}
	if claim, err := q.ReadClaim(t.Context(), testDay()); err != nil || !claim.Alive {
		t.Errorf("claim: got %+v, %v, want it alive", claim, err)
	}
	held.Release(t.Context())
}

// TestEndExpiredSparesOthers shows that only the session of the expired claim
// is ended: none that has settled the day meanwhile, nor one that is alive.
func TestEndExpiredSparesOthers(t *testing.T) {
	t.Parallel()
	first := worker(t, pgtest.Target(t), time.Hour)
	_, held := mustClaim(t, first, newRun(t, first))
	q := targetdb.New(first.upkeep)
	spared := func(when string) {
		t.Helper()
		if err := EndExpired(t.Context(), q, held.day, held.Entry.Token); err != nil {
			t.Fatal(err)
		}
		if alive, err := q.SessionAlive(t.Context(), targetdb.SessionAliveParams{Pid: &held.Entry.Pid, BackendStart: held.Entry.BackendStart}); err != nil || !alive {
			t.Errorf("session of %s: got alive %t, %v, want it spared", when, alive, err)
		}
	}
	spared("a claim that is kept")
	if err := held.Fail(t.Context(), enum.OutcomeFailed, errors.New("nothing to do")); err != nil {
		t.Fatal(err)
	}
	spared("a claim that was settled")
	held.Release(t.Context())
}

// TestFailureIsRecordedOnce covers a record whose answer was lost.
func TestFailureIsRecordedOnce(t *testing.T) {
	t.Parallel()
	first := worker(t, pgtest.Target(t), time.Hour)
	_, held := mustClaim(t, first, newRun(t, first))
	for _, message := range []string{"first", "second"} {
		if err := held.Fail(t.Context(), enum.OutcomeFailed, errors.New(message)); err != nil {
			t.Errorf("%s record: %v", message, err)
		}
	}
	held.Release(t.Context())
	p, err := targetdb.New(first.pool).ReadPartition(t.Context(), testDay())
	if err != nil || *p.Error != "first" || p.Attempt != 1 {
		t.Errorf("partition: got error %q, attempt %d, %v, want first and 1", *p.Error, p.Attempt, err)
	}
}

// A forgotten day can't be claimed for a run that asked for it before. A later claim
// gets a higher token than any before.
func TestClaimOfAForgottenDay(t *testing.T) {
	t.Parallel()
	url := pgtest.As(t, pgtest.ETL, pgtest.Target(t))
	l := worker(t, url, time.Minute)
	pool := pgtest.Pool(t, url)
	exec := func(db interface {
		Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
	}, sql string,
	) {
		t.Helper()
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	runID := newRun(t, l)
	claimed := make(chan error, 1)
	claim := func(runID int64) {
		_, c, err := l.Claim(t.Context(), testDay(), Order{RunID: runID})
		if err == nil {
			c.Release(t.Context())
		}
		claimed <- err
	}

	// A claim waits while a transaction removes the day, and succeeds when that
	// transaction is rolled back.
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(tx, "DELETE FROM run_partition")
	go claim(runID)
	for tried := false; !tried; { // and looks whether it is still asked for
		const asks = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%AsksFor%')"
		if err := pool.QueryRow(t.Context(), asks).Scan(&tried); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-claimed:
			t.Fatalf("claimed while its request is being removed: %v", err)
		default:
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-claimed; err != nil {
		t.Fatalf("after that was rolled back: %v", err)
	}

	// The day is forgotten while a claim waits for it.
	_, holder := mustClaim(t, l, runID)
	waiting := newRun(t, l)
	go claim(waiting)
	exec(pool, `WITH r AS (DELETE FROM run_partition), a AS (DELETE FROM attempt), p AS (DELETE FROM partition RETURNING day, token)
		INSERT INTO forgotten (day, token) SELECT day, token FROM p`)
	if err := <-claimed; !errors.Is(err, ErrCalledOff) {
		t.Errorf("the claim that waited: got %v, want %v", err, ErrCalledOff)
	}
	holder.Release(t.Context())
	go claim(waiting)
	if err := <-claimed; !errors.Is(err, ErrCalledOff) {
		t.Errorf("a later claim: got %v, want %v", err, ErrCalledOff)
	}

	_, c := mustClaim(t, l, newRun(t, l))
	defer c.Release(t.Context())
	if c.Entry.Token <= holder.Entry.Token {
		t.Errorf("token %d after %d was forgotten", c.Entry.Token, holder.Entry.Token)
	}
}
