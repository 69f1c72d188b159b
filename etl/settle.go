package etl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dberror"
)

// result is what an attempt has to record.
type result struct {
	written

	outcome           enum.Outcome
	err               error
	samples, expected int64
	windows           int64
	source            *int64 // digest of the samples; nil when they are not all of the day's
	rows, digest      int64
	erase             bool // it was allowed to remove what it liked
}

// commit writes the ledger by the last statement of the load's transaction and
// commits it. ErrClaimLost: the claim is somebody else's, all is rolled
// back.
func (c *claim) commit(ctx context.Context, tx pgx.Tx, r result) error {
	var message *string
	if r.err != nil {
		text := Storable(r.err.Error())
		message = &text
	}
	again, err := c.settle(ctx, tx, r.outcome, r.err)
	if err != nil {
		return err
	}
	c.quiet()
	if !c.subset {
		if err := c.q.RecordDay(ctx, targetdb.RecordDayParams{
			Day: c.day, Token: c.token, Outcome: r.outcome, Error: message, NextAttemptAt: again,
			Samples: &r.samples, Expected: &r.expected, Windows: &r.windows,
		}); err != nil {
			return fmt.Errorf("record the day: %w", err)
		}
	}
	if _, err := c.q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
		Day: c.day, Token: c.token, Outcome: r.outcome, Error: message,
		Samples: &r.samples, Expected: &r.expected, Inserted: &r.inserted, Updated: &r.updated, Deleted: &r.deleted,
		SourceDigest: r.source, TargetDigest: &r.digest,
	}); err != nil {
		return fmt.Errorf("record the attempt: %w", err)
	}
	mine, err := c.q.CommitPartition(ctx, targetdb.CommitPartitionParams{
		Day: c.day, Token: c.token, StartedAt: c.taken.StartedAt,
		Inserted: r.inserted, Updated: r.updated, Deleted: r.deleted,
		Rows: r.rows, SourceDigest: r.source, TargetDigest: r.digest, AllowEmpty: r.erase,
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
	c.doubtful = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveTimeout)
	defer cancel()
	q := targetdb.New(c.ledger.upkeep)
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		outcome, err := c.outcome(ctx, q)
		switch {
		case err == nil && outcome != nil:
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
func (c *claim) outcome(ctx context.Context, q *targetdb.Queries) (*enum.Outcome, error) {
	session := targetdb.SessionAliveParams{Pid: &c.taken.Pid, BackendStart: c.taken.BackendStart}
	if err := q.EndSession(ctx, targetdb.EndSessionParams(session)); err != nil {
		return nil, fmt.Errorf("end the session: %w", err)
	}
	alive, err := q.SessionAlive(ctx, session)
	if err != nil {
		return nil, fmt.Errorf("look for the session: %w", err)
	}
	if alive {
		return nil, errors.New("the session has not ended")
	}
	outcome, err := q.ReadOutcome(ctx, targetdb.ReadOutcomeParams{Day: c.day, Token: c.token})
	if err != nil {
		return nil, fmt.Errorf("read the attempt: %w", err)
	}
	return outcome, nil
}

// fail records an attempt that wrote nothing, on another session than the one
// that may have broken, and tells whether the claim was still ours. It works
// for a cancelled context too; for a live one it waits for a target that
// restarts, longer where another attempt would only wait for it as well: an
// attempt that the ledger was not told of looks lost with its worker.
func (c *claim) fail(ctx context.Context, outcome enum.Outcome, cause error) (mine bool, err error) {
	patience := settleTimeout
	if !c.order.own() && ctx.Err() == nil {
		patience = tellTimeout
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		mine, err = c.recordFailure(bounded, outcome, cause)
		if class := dberror.Target.Of(err).Class; class != dberror.Again && class != dberror.Away {
			return mine, err
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-bounded.Done():
			return false, err
		case <-ticker.C:
		}
	}
}

func (c *claim) recordFailure(ctx context.Context, outcome enum.Outcome, cause error) (mine bool, err error) {
	err = pgx.BeginFunc(ctx, c.ledger.upkeep, func(tx pgx.Tx) error {
		q := targetdb.New(tx)
		message := Storable(cause.Error())
		fresh, err := q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
			Day: c.day, Token: c.token, Outcome: outcome, Error: &message,
		})
		if err != nil {
			return fmt.Errorf("record the attempt: %w", err)
		}
		if fresh == 0 { // it is recorded, only the answer was lost
			mine = true
			return nil
		}
		again, err := c.settle(ctx, tx, outcome, cause)
		if err != nil {
			return err
		}
		if !c.subset {
			if err := q.RecordDay(ctx, targetdb.RecordDayParams{
				Day: c.day, Token: c.token, Outcome: outcome, Error: &message, NextAttemptAt: again,
			}); err != nil {
				return fmt.Errorf("record the day: %w", err)
			}
		}
		released, err := q.ReleaseClaim(ctx, targetdb.ReleaseClaimParams{Day: c.day, Token: c.token, StartedAt: c.taken.StartedAt})
		if err != nil {
			return fmt.Errorf("release the claim: %w", err)
		}
		mine = released > 0
		return nil
	})
	return mine, err
}
