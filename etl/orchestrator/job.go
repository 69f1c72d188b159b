package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// partitionTimeout bounds an attempt at a day: a worker that is stuck for longer
// gives it up, and it is tried again.
const partitionTimeout = time.Hour

// loader loads a day; *etl.Job is one.
type loader interface {
	Load(ctx context.Context, day time.Time, o etl.Order) (etl.Partition, error)
}

// worker works on the jobs of partitions.
type worker struct {
	river.WorkerDefaults[PartitionArgs]

	job    loader
	pool   *pgxpool.Pool
	queue  *queue
	inHand *inHand
	log    *slog.Logger
}

// Timeout implements river.Worker.
func (w *worker) Timeout(*river.Job[PartitionArgs]) time.Duration { return partitionTimeout }

// NextRetry implements river.Worker.
func (w *worker) NextRetry(job *river.Job[PartitionArgs]) time.Time {
	return time.Now().Add(wait(job.ID, job.Attempt))
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[PartitionArgs]) error {
	defer w.inHand.take(job.ID)()
	day, err := time.Parse(time.DateOnly, job.Args.Day)
	if err != nil {
		return river.JobCancel(fmt.Errorf("day: %w", err)) //nolint:wrapcheck // River's own.
	}
	by, err := targetdb.New(w.pool).WantedBy(ctx, day)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil // Nobody asks any more.
	case err != nil:
		return fmt.Errorf("look who asks for %s: %w", job.Args.Day, err)
	}
	ctx = withRun(ctx, by.RunID, day)
	answered := false
	p, err := w.job.Load(ctx, day, etl.Order{RunID: by.RunID, AllowEmpty: by.AllowEmpty, Settle: func(ctx context.Context, tx pgx.Tx, s etl.Settlement) (*time.Time, error) {
		again, err := w.settle(ctx, tx, job, s, by)
		answered = err == nil && again == nil
		return again, err
	}})
	w.report(ctx, job, p, err)
	if by.Bounded && ctx.Err() == nil {
		w.goOn(ctx)
	}
	return w.verdict(ctx, job, err, answered)
}

// settle closes the requests that the attempt answers and completes the job, or
// tells when there will be another attempt. It is part of the transaction that
// the ledger's token fences: whoever holds the token may complete the job, be it
// River's idea that another attempt of it has begun or not, for that one will
// find nothing to do.
func (w *worker) settle(ctx context.Context, tx pgx.Tx, job *river.Job[PartitionArgs], s etl.Settlement, by targetdb.WantedByRow) (*time.Time, error) {
	if s.Outcome == enum.OutcomeCancelled {
		return nil, nil //nolint:nilnil // Requests that are still open are answered by another attempt.
	}
	if s.Outcome == enum.OutcomeFailed {
		if after, ok := next(s.Err, job.ID, job.Attempt); ok {
			asking, err := targetdb.New(tx).HoldRequests(ctx, s.Day)
			if err != nil {
				return nil, fmt.Errorf("look who still asks: %w", err)
			}
			if len(asking) == 0 {
				return nil, nil //nolint:nilnil // It was called off: there is no other attempt.
			}
			again := time.Now().Add(after)
			return &again, nil
		}
	}
	closed, err := targetdb.New(tx).SettleRequests(ctx, targetdb.SettleRequestsParams{
		Day: s.Day, Token: s.Token, StartedAt: s.StartedAt, Outcome: s.Outcome,
	})
	if err != nil {
		return nil, fmt.Errorf("close requests: %w", err)
	}
	if s.Outcome == enum.OutcomeFailed {
		return nil, nil //nolint:nilnil // River hears of it from Work.
	}
	// What one run allows is not done for another once it is called off.
	if len(closed) == 0 || by.AllowEmpty && !slices.Contains(closed, by.RunID) {
		return nil, etl.ErrCalledOff
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
		return nil, fmt.Errorf("complete job %d: %w", job.ID, err)
	}
	return nil, nil //nolint:nilnil // No other attempt.
}

// verdict is what River is told; answered says whether those who asked for the day
// were told how it ended.
func (w *worker) verdict(ctx context.Context, job *river.Job[PartitionArgs], err error, answered bool) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, etl.ErrCalledOff), errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely):
		return river.JobCancel(err) //nolint:wrapcheck // River's own.
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		// The worker stops; somebody else goes on at once.
		return river.JobSnooze(0) //nolint:wrapcheck // River's own.
	}
	if _, ok := next(err, job.ID, job.Attempt); ok || !answered {
		// Who has not been told still asks: without this job another would be
		// made at once, and again, for as long as the ledger can't be told.
		return err
	}
	return river.JobCancel(err) //nolint:wrapcheck // River's own.
}

// goOn queues what the end of a day makes room for, in a run that bounds its
// days. What it can't, the next look at the queue does.
func (w *worker) goOn(ctx context.Context) {
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error { return w.queue.dispatch(ctx, tx) })
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "queueing the next day failed; it is tried again soon", "error", err)
	}
}

// report writes what became of the day to the log, the run's among them.
func (w *worker) report(ctx context.Context, job *river.Job[PartitionArgs], p etl.Partition, err error) {
	facts := []any{"day", p.Day, "outcome", p.Outcome, "attempt", job.Attempt, "token", p.Token, "seconds", p.Seconds}
	switch {
	case err == nil:
		w.log.InfoContext(ctx, "partition", append(facts, "samples", p.Samples, "expected", p.Expected, "rows", p.Rows,
			"inserted", p.Inserted, "updated", p.Updated, "deleted", p.Deleted)...)
	case p.Outcome == enum.OutcomeCancelled:
		w.log.WarnContext(ctx, "partition stopped", append(facts, "error", err)...)
	default:
		if after, ok := next(err, job.ID, job.Attempt); ok {
			w.log.WarnContext(ctx, "partition failed; it will be tried again", append(facts, "error", err, "after", after.Round(time.Millisecond).String())...)
			return
		}
		w.log.ErrorContext(ctx, "partition failed", append(facts, "error", err)...)
	}
}
