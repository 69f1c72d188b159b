package etl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/targetdb"
)

const (
	// DefaultLease is how long a claim lives without a sign of life. A stopped
	// process frees its day after that and the 5 s that its session may take
	// to end: within 30 s.
	DefaultLease = 15 * time.Second
	// renewals is how many times a lease is renewed before it would run out,
	// so that one may fail.
	renewals = 3
	// poll is how often a claim that somebody else holds is looked at.
	poll = 100 * time.Millisecond
	// settleTimeout bounds what is still done for a run that was cancelled.
	settleTimeout = 10 * time.Second
	// resolveTimeout bounds the search for the outcome of a COMMIT whose answer
	// was lost.
	resolveTimeout = 30 * time.Second
)

// ErrClaimLost is the cause when a worker finds that its day was taken over,
// because it was stopped for longer than its lease. It has written nothing.
var ErrClaimLost = errors.New("the claim on the day was lost to another worker")

// ledger hands out claims on days. All its state is in the target's tables
// partition, attempt and run_partition.
type ledger struct {
	pool  *pgxpool.Pool
	lease time.Duration
	log   *slog.Logger
}

// claim is the right to write one day, bound to one database session and
// fenced by a token that grows with each claim of the day.
type claim struct {
	ledger    *ledger
	conn      *pgxpool.Conn
	session   targetdb.OwnSessionRow
	day       time.Time
	runID     int64
	token     int64
	startedAt time.Time
	subset    bool
	lost      context.CancelCauseFunc
	stop      chan struct{}
	stopped   chan struct{}
}

// claim waits until the day is free, claims it for a session of its own and
// keeps the lease up until the claim is released. The context returned ends
// with ErrClaimLost when the claim does.
func (l *ledger) claim(ctx context.Context, day time.Time, runID int64, subset bool) (context.Context, *claim, error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("claim: %w", err)
	}
	q := targetdb.New(conn)
	c := &claim{ledger: l, conn: conn, day: day, runID: runID, subset: subset, stop: make(chan struct{}), stopped: make(chan struct{})}
	if c.session, err = q.OwnSession(ctx); err == nil {
		if err = q.EnsurePartition(ctx, day); err == nil {
			err = c.take(ctx, q)
		}
	}
	if err != nil {
		conn.Release()
		return nil, nil, fmt.Errorf("claim: %w", err)
	}
	ctx, c.lost = context.WithCancelCause(ctx)
	go c.keep(ctx)
	return ctx, c, nil
}

// take waits for the holder to finish, die or outlive its lease.
func (c *claim) take(ctx context.Context, q *targetdb.Queries) error {
	waiting := false
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		held, err := q.ReadClaim(ctx, c.day)
		if err != nil {
			return fmt.Errorf("read claim: %w", err)
		}
		if held.Claimed && held.Alive && held.Expired {
			c.ledger.log.WarnContext(ctx, "ending the session of an expired claim", "day", format(c.day), "token", held.Token, "pid", held.Pid)
			if err := q.EndSession(ctx, targetdb.EndSessionParams{Pid: &held.Pid, BackendStart: held.BackendStart}); err != nil {
				return fmt.Errorf("end the session of an expired claim: %w", err)
			}
		}
		if !held.Claimed || !held.Alive || held.Expired {
			taken, err := q.ClaimPartition(ctx, targetdb.ClaimPartitionParams{Day: c.day, Token: held.Token, RunID: c.runID, Lease: c.ledger.lease})
			if err == nil {
				c.token, c.startedAt = taken.Token, taken.StartedAt
				return nil
			}
			if !errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("compare and set: %w", err)
			}
			// Somebody was faster.
		} else if !waiting {
			waiting = true
			c.ledger.log.InfoContext(ctx, "another worker holds the day; waiting", "day", format(c.day), "token", held.Token)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// keep renews the lease on another session, since the claim's own is busy
// loading.
func (c *claim) keep(ctx context.Context) {
	defer close(c.stopped)
	q := targetdb.New(c.ledger.pool)
	renewal := c.ledger.lease / renewals
	ticker := time.NewTicker(renewal)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, renewal)
		kept, err := q.RenewLease(bounded, targetdb.RenewLeaseParams{Day: c.day, Token: c.token, Lease: c.ledger.lease})
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			// The load's own session will tell if the target is gone.
			c.ledger.log.WarnContext(ctx, "renewing the lease failed", "day", format(c.day), "error", err)
		case err == nil && kept == 0:
			select {
			case <-c.stop: // released while the renewal was under way
			default:
				c.lost(ErrClaimLost)
			}
			return
		}
	}
}

// release ends the claim's upkeep and gives its session back. A session that
// may still hold the claim is closed, for nobody shall find it alive.
func (c *claim) release(ctx context.Context, settled bool) {
	c.lost(nil)
	<-c.stopped
	if !settled {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		_ = c.conn.Conn().Close(ctx)
	}
	c.conn.Release()
}

// quiet ends the upkeep, so that the commit's own release of the claim can't
// be taken for a loss.
func (c *claim) quiet() {
	close(c.stop)
	<-c.stopped
}

// result is what an attempt has to record.
type result struct {
	written

	outcome           Outcome
	err               error
	samples, expected int64
	rows, digest      int64
}

// commit writes the ledger as the last statements of the load's transaction
// and commits it. ErrClaimLost: the claim is somebody else's, all is rolled
// back.
func (c *claim) commit(ctx context.Context, tx pgx.Tx, r result) error {
	q := targetdb.New(tx)
	var message *string
	if r.err != nil {
		text := r.err.Error()
		message = &text
	}
	if _, err := q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
		Day: c.day, Token: c.token, Outcome: string(r.outcome), Error: message,
		Samples: &r.samples, Expected: &r.expected,
		Inserted: &r.inserted, Updated: &r.updated, Deleted: &r.deleted, TargetDigest: &r.digest,
	}); err != nil {
		return fmt.Errorf("record the attempt: %w", err)
	}
	if _, err := q.SettleRunPartition(ctx, targetdb.SettleRunPartitionParams{
		RunID: c.runID, Day: c.day, Token: &c.token, Outcome: string(r.outcome),
	}); err != nil {
		return fmt.Errorf("settle the day in its run: %w", err)
	}
	c.quiet()
	mine, err := q.CommitPartition(ctx, targetdb.CommitPartitionParams{
		Day: c.day, Token: c.token, RunID: c.runID, Subset: c.subset,
		Outcome: string(r.outcome), Error: message, StartedAt: c.startedAt,
		Samples: r.samples, Expected: r.expected,
		Inserted: r.inserted, Updated: r.updated, Deleted: r.deleted,
		Rows: r.rows, TargetDigest: r.digest,
	})
	if err != nil {
		return fmt.Errorf("record the partition: %w", err)
	}
	if mine == 0 {
		return ErrClaimLost
	}
	if err := tx.Commit(ctx); err != nil {
		return c.resolve(ctx, fmt.Errorf("commit: %w", err))
	}
	return nil
}

// resolve finds out whether a transaction was committed whose answer was lost:
// once its session is gone the ledger tells.
func (c *claim) resolve(ctx context.Context, lost error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveTimeout)
	defer cancel()
	q := targetdb.New(c.ledger.pool)
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		outcome, err := c.outcome(ctx, q)
		switch {
		case err == nil && outcome != "":
			c.ledger.log.InfoContext(ctx, "the answer to COMMIT was lost, but it was done", "day", format(c.day), "token", c.token)
			return nil
		case err == nil:
			return lost
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; whether it was done can't be found out, run the day again: %w", lost, err)
		case <-ticker.C:
		}
	}
}

// outcome reads how the attempt ended, after the end of its session.
func (c *claim) outcome(ctx context.Context, q *targetdb.Queries) (string, error) {
	session := targetdb.SessionAliveParams{Pid: &c.session.Pid, BackendStart: c.session.BackendStart}
	if err := q.EndSession(ctx, targetdb.EndSessionParams(session)); err != nil {
		return "", fmt.Errorf("end the session: %w", err)
	}
	alive, err := q.SessionAlive(ctx, session)
	if err != nil {
		return "", fmt.Errorf("look for the session: %w", err)
	}
	if alive {
		return "", errors.New("the session has not ended")
	}
	outcome, err := q.ReadOutcome(ctx, targetdb.ReadOutcomeParams{Day: c.day, Token: c.token})
	if err != nil {
		return "", fmt.Errorf("read the attempt: %w", err)
	}
	return outcome, nil
}

// fail records an attempt that wrote nothing, on another session than the one
// that may have broken, and tells whether the claim was still ours. It works
// for a cancelled context too.
func (c *claim) fail(ctx context.Context, outcome Outcome, cause error) (mine bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err = pgx.BeginFunc(ctx, c.ledger.pool, func(tx pgx.Tx) error {
		q := targetdb.New(tx)
		message := cause.Error()
		if _, err := q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
			Day: c.day, Token: c.token, Outcome: string(outcome), Error: &message,
		}); err != nil {
			return fmt.Errorf("record the attempt: %w", err)
		}
		if _, err := q.SettleRunPartition(ctx, targetdb.SettleRunPartitionParams{
			RunID: c.runID, Day: c.day, Token: &c.token, Outcome: string(outcome),
		}); err != nil {
			return fmt.Errorf("settle the day in its run: %w", err)
		}
		released, err := q.FailPartition(ctx, targetdb.FailPartitionParams{
			Day: c.day, Token: c.token, RunID: c.runID, Subset: c.subset,
			Outcome: string(outcome), Error: message, StartedAt: c.startedAt,
		})
		if err != nil {
			return fmt.Errorf("record the partition: %w", err)
		}
		mine = released > 0
		return nil
	})
	return mine, err
}
