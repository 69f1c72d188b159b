package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dberror"
)

const (
	// queueTimeout is settleTimeout for the attempt of a queue whose worker goes on.
	queueTimeout = time.Minute
	// resolveTimeout bounds the search for the outcome of a COMMIT whose answer
	// was lost.
	resolveTimeout = 30 * time.Second
)

var (
	// ErrClaimLost is the cause when a worker finds that its day was taken over,
	// because it was stopped for longer than its lease. It has written nothing.
	ErrClaimLost = errors.New("the claim on the day was lost to another worker")
	// ErrNotRecorded is wrapped when not even the failure of an attempt could be recorded.
	ErrNotRecorded = errors.New("and the ledger could not record it")
)

// Order says on whose behalf a day is loaded, and what its load may do.
type Order struct {
	// RunID is the run of the attempt.
	RunID int64
	// AllowEmpty lets values be removed that the source no longer has samples for,
	// however many they are.
	AllowEmpty bool
	// Subset says that some of the turbines alone are loaded, which does not make a
	// day done.
	Subset bool
	// Prune says that nothing is loaded: an attempt that fails leaves the day's state alone.
	Prune bool
	// Settler, if any, records how the attempt ended for those who asked, and may have
	// it made again. Without one the ledger records it for the run alone.
	Settler Settler
}

// Settler answers those who asked for a day.
type Settler interface {
	// Settle records how an attempt ended, in the transaction that also writes the
	// values and the ledger. It returns when a failed attempt will be made again, nil
	// when it will not be. An error rolls all of it back.
	Settle(ctx context.Context, tx pgx.Tx, s Settlement) (again *time.Time, err error)
}

// Claim is the right to write one day, bound to one database session and
// fenced by a token that grows with each claim of the day.
type Claim struct {
	// Entry has the claim's token and session, and what the ledger had of the day
	// when it was claimed.
	Entry targetdb.ClaimPartitionRow

	ledger        *Ledger
	conn          *pgxpool.Conn
	q             *targetdb.Queries // on conn
	tx            pgx.Tx            // likewise; nil until Begin
	day           time.Time
	order         Order
	settled       bool // the ledger has how the attempt ended
	doubtful      bool // a COMMIT of the session was not answered
	lost          context.CancelCauseFunc
	stop          chan struct{}
	renewalsEnded sync.Once
	stopped       chan struct{}
}

// Settlement is how an attempt ended.
type Settlement struct {
	Day       time.Time
	Token     int64
	StartedAt time.Time
	Outcome   enum.Outcome
	Err       error // of an attempt that failed or was cancelled
}

// Result is what an attempt loaded.
type Result struct {
	Outcome                    enum.Outcome
	Unchanged                  bool  // nothing was read or written, so no removal was allowed either
	SourcePruned               bool  // the source has no samples of the day, on purpose
	Err                        error // of a day some of whose turbines keep what they had
	Samples, Expected, Windows int64
	Inserted, Updated, Deleted int64
	Rows                       int64  // values that the target holds of the day now
	TargetDigest               int64  // of these
	SourceDigest               *int64 // of the samples; nil when they are not all of the day's
}

// Begin opens the load's transaction on the claim's session. Commit ends it, or Fail. It
// returns with it what asks within it.
func (c *Claim) Begin(ctx context.Context) (pgx.Tx, *targetdb.Queries, error) {
	tx, err := c.conn.Begin(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("begin: %w", err)
	}
	c.tx = tx
	return tx, c.q, nil
}

// Commit writes the ledger by the last statement of the load's transaction and commits
// it. ErrClaimLost: the claim is somebody else's, all is rolled back.
func (c *Claim) Commit(ctx context.Context, r Result) error {
	var message *string
	if r.Err != nil {
		message = new(Storable(r.Err.Error()))
	}
	again, err := c.settle(ctx, c.tx, r.Outcome, r.Err)
	if err != nil {
		return err
	}
	c.endRenewals()
	if !c.order.Subset {
		if err := c.q.RecordDay(ctx, targetdb.RecordDayParams{
			Day: c.day, Token: c.Entry.Token, Outcome: r.Outcome, Error: message, NextAttemptAt: again,
			Samples: &r.Samples, Expected: &r.Expected, Windows: &r.Windows,
		}); err != nil {
			return fmt.Errorf("record the day: %w", err)
		}
	}
	if _, err := c.q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
		Day: c.day, Token: c.Entry.Token, Outcome: r.Outcome, Error: message,
		Samples: &r.Samples, Expected: &r.Expected, Inserted: &r.Inserted, Updated: &r.Updated, Deleted: &r.Deleted,
		SourceDigest: r.SourceDigest, TargetDigest: &r.TargetDigest,
	}); err != nil {
		return fmt.Errorf("record the attempt: %w", err)
	}
	mine, err := c.q.CommitPartition(ctx, targetdb.CommitPartitionParams{
		Day: c.day, Token: c.Entry.Token, StartedAt: c.Entry.StartedAt,
		Inserted: r.Inserted, Updated: r.Updated, Deleted: r.Deleted,
		Rows: r.Rows, SourceDigest: r.SourceDigest, TargetDigest: r.TargetDigest, AllowEmpty: c.order.AllowEmpty && !r.Unchanged,
		SourcePruned: r.SourcePruned,
	})
	return c.end(ctx, mine, err)
}

// end commits the transaction whose last statement released the claim, if that was
// still ours. ErrClaimLost: all is rolled back.
func (c *Claim) end(ctx context.Context, mine int64, err error) error {
	if err != nil {
		return fmt.Errorf("record the partition: %w", err)
	}
	if mine == 0 {
		return ErrClaimLost
	}
	if err := c.tx.Commit(ctx); err != nil {
		if err := c.resolve(ctx, fmt.Errorf("commit: %w", err)); err != nil {
			return err
		}
	}
	c.settled = true
	return nil
}

// endRenewals ends the upkeep, so that the commit's own release of the claim can't
// be taken for a loss.
func (c *Claim) endRenewals() {
	c.renewalsEnded.Do(func() { close(c.stop) })
	<-c.stopped
}

func (c *Claim) settle(ctx context.Context, tx pgx.Tx, outcome enum.Outcome, cause error) (again *time.Time, err error) {
	if c.order.Settler == nil {
		_, err = targetdb.New(tx).SettleRunPartition(ctx, targetdb.SettleRunPartitionParams{
			RunID: c.order.RunID, Day: c.day, Token: &c.Entry.Token, Outcome: outcome,
		})
	} else {
		again, err = c.order.Settler.Settle(ctx, tx, Settlement{
			Day: c.day, Token: c.Entry.Token, StartedAt: c.Entry.StartedAt, Outcome: outcome, Err: cause,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("settle the day for those who asked: %w", err)
	}
	return again, nil
}

// Settled reports whether the ledger has how the attempt ended.
func (c *Claim) Settled() bool { return c.settled }

// Doubtful reports whether the claim's session was ended, as it did not answer its
// COMMIT.
func (c *Claim) Doubtful() bool { return c.doubtful }

// resolve finds out whether a transaction was committed whose answer was lost:
// once its session is gone the ledger tells.
func (c *Claim) resolve(ctx context.Context, lost error) error {
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
			c.ledger.log.InfoContext(ctx, "the answer to COMMIT was lost, but it was done", "day", c.day.Format(time.DateOnly), "token", c.Entry.Token)
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

func (c *Claim) outcome(ctx context.Context, q *targetdb.Queries) (*enum.Outcome, error) {
	session := targetdb.SessionAliveParams{Pid: &c.Entry.Pid, BackendStart: c.Entry.BackendStart}
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
	outcome, err := q.ReadOutcome(ctx, targetdb.ReadOutcomeParams{Day: c.day, Token: c.Entry.Token})
	if err != nil {
		return nil, fmt.Errorf("read the attempt: %w", err)
	}
	return outcome, nil
}

// Fail rolls back and records an attempt that wrote nothing, on another session than the
// one that may have broken, for a cancelled context too. ErrClaimLost: the claim was not
// ours any more. ErrNotRecorded: it could not be recorded. For a live context it waits
// for a target that restarts: an attempt that the ledger has no result of looks lost with
// its worker.
func (c *Claim) Fail(ctx context.Context, outcome enum.Outcome, cause error) error {
	c.rollBack(ctx)
	patience := settleTimeout
	if c.order.Settler != nil && ctx.Err() == nil {
		patience = queueTimeout
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		mine, err := c.recordFailure(bounded, outcome, cause)
		if err == nil {
			c.settled = true
			if !mine {
				return ErrClaimLost
			}
			return nil
		}
		err = fmt.Errorf("%w: %w", ErrNotRecorded, err)
		if class := dberror.Target.Of(err).Class; class != dberror.Again && class != dberror.Away {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-bounded.Done():
			return err
		case <-ticker.C:
		}
	}
}

func (c *Claim) rollBack(ctx context.Context) {
	if c.tx != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		_ = c.tx.Rollback(ctx)
	}
}

func (c *Claim) recordFailure(ctx context.Context, outcome enum.Outcome, cause error) (mine bool, err error) {
	err = pgx.BeginFunc(ctx, c.ledger.upkeep, func(tx pgx.Tx) error {
		q := targetdb.New(tx)
		message := Storable(cause.Error())
		fresh, err := q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
			Day: c.day, Token: c.Entry.Token, Outcome: outcome, Error: &message,
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
		if !c.order.Subset && !c.order.Prune {
			if err := q.RecordDay(ctx, targetdb.RecordDayParams{
				Day: c.day, Token: c.Entry.Token, Outcome: outcome, Error: &message, NextAttemptAt: again,
			}); err != nil {
				return fmt.Errorf("record the day: %w", err)
			}
		}
		released, err := q.ReleaseClaim(ctx, targetdb.ReleaseClaimParams{Day: c.day, Token: c.Entry.Token, StartedAt: c.Entry.StartedAt})
		if err != nil {
			return fmt.Errorf("release the claim: %w", err)
		}
		mine = released > 0
		return nil
	})
	return mine, err
}

// Storable is a text as PostgreSQL can hold it: what a source or a proxy says may
// have bytes that are not text, and PostgreSQL takes no zero byte.
func Storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// Prune removes the values of the claimed day, its flags and what the checks found, and
// has the ledger call it pruned. ErrClaimLost: the claim is somebody else's, all is
// rolled back.
func (c *Claim) Prune(ctx context.Context) (deleted int64, err error) {
	_, q, err := c.Begin(ctx)
	if err != nil {
		return 0, err
	}
	stop := c.day.AddDate(0, 0, 1)
	if deleted, err = q.PruneValues(ctx, targetdb.PruneValuesParams{Start: c.day, Stop: stop}); err != nil {
		return 0, fmt.Errorf("remove values: %w", err)
	}
	if err := q.PruneFlags(ctx, targetdb.PruneFlagsParams{Start: c.day, Stop: stop}); err != nil {
		return 0, fmt.Errorf("remove flags: %w", err)
	}
	if err := q.PruneCheckResults(ctx, c.day); err != nil {
		return 0, fmt.Errorf("remove the results of checks: %w", err)
	}
	if err := c.settlePruned(ctx, enum.OutcomePruned, deleted, new(int64)); err != nil {
		return 0, err
	}
	mine, err := q.PrunePartition(ctx, targetdb.PrunePartitionParams{
		Day: c.day, Token: c.Entry.Token, StartedAt: c.Entry.StartedAt, Deleted: deleted,
	})
	return deleted, c.end(ctx, mine, err)
}

// NoteSourcePruned has the ledger know that the samples of the claimed day are removed
// from the source on purpose, and ends the claim. ErrClaimLost: it is somebody else's.
func (c *Claim) NoteSourcePruned(ctx context.Context, outcome enum.Outcome) error {
	_, q, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	if err := c.settlePruned(ctx, outcome, 0, c.Entry.TargetDigest); err != nil {
		return err
	}
	mine, err := q.NoteSourcePruned(ctx, targetdb.NoteSourcePrunedParams{Day: c.day, Token: c.Entry.Token})
	return c.end(ctx, mine, err)
}

func (c *Claim) settlePruned(ctx context.Context, outcome enum.Outcome, deleted int64, digest *int64) error {
	if _, err := c.settle(ctx, c.tx, enum.OutcomePruned, nil); err != nil {
		return err
	}
	c.endRenewals()
	none := new(int64)
	if _, err := c.q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
		Day: c.day, Token: c.Entry.Token, Outcome: outcome,
		Inserted: none, Updated: none, Deleted: &deleted, SourceDigest: c.Entry.SourceDigest, TargetDigest: digest,
	}); err != nil {
		return fmt.Errorf("record the attempt: %w", err)
	}
	return nil
}
