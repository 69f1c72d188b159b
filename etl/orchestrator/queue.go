package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/attribute"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/tracing"
)

const (
	// partitionQueue is River's queue of days.
	partitionQueue = "partition"
	// todayQueue is that of the running day, which has a worker of its own: it neither
	// waits for a backfill nor holds one up.
	todayQueue = "today"
)

// jobsAtOnce is how many jobs are made in one transaction: the others of a long run follow
// within seconds, and whoever asked for it does not wait for them.
const jobsAtOnce = 1000

// maxAttempts bounds the attempts at one job; retryAfter says which failures are
// tried again.
const maxAttempts = 200

// PartitionArgs are those of a job that loads a day. RunID is the run that the
// job was made for; it works for whoever asks when it starts.
type PartitionArgs struct {
	Day   string `json:"day"    river:"unique"`
	RunID int64  `json:"run_id"`
}

// Kind implements river.JobArgs.
func (PartitionArgs) Kind() string { return "partition" }

// InsertOpts implements river.JobArgsWithInsertOpts: a day has one job that is
// not finished, and a finished one does not keep it from being asked for again.
func (PartitionArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue:       partitionQueue,
		MaxAttempts: maxAttempts,
		UniqueOpts: river.UniqueOpts{
			ByArgs: true,
			ByState: []rivertype.JobState{
				rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
				rivertype.JobStateRunning, rivertype.JobStateScheduled,
			},
		},
	}
}

// queue makes River's jobs from the ledger's open requests.
type queue struct {
	client *river.Client[pgx.Tx]
}

// open enters a run with its days, each an open request, and queues their jobs, in a span
// of the context's trace, or of a new one. The error is pgx.ErrNoRows if the run's
// idempotency key has made one before.
func (q *queue) open(ctx context.Context, tx pgx.Tx, run targetdb.OpenRunParams) (runID int64, err error) {
	ctx, end := tracing.Span(ctx, "open run", attribute.String("delfos.trigger", string(run.Trigger)))
	defer func() {
		if errors.Is(err, pgx.ErrNoRows) {
			end(nil)
		} else {
			end(err)
		}
	}()
	run.TraceID = tracing.TraceID(ctx)
	runID, err = targetdb.New(tx).OpenRun(ctx, run)
	if err != nil {
		return 0, fmt.Errorf("open a run: %w", err)
	}
	return runID, q.ask(ctx, tx, runID, run.Days, run.Actor)
}

// ask queues days of a run that have just got open requests, on behalf of an actor.
func (q *queue) ask(ctx context.Context, tx pgx.Tx, runID int64, days []time.Time, by string) error {
	db := targetdb.New(tx)
	if err := db.ClearNextAttempts(ctx, days); err != nil {
		return fmt.Errorf("clear next attempts: %w", err)
	}
	delayed, err := db.DelayedJobs(ctx, days)
	if err != nil {
		return fmt.Errorf("read delayed jobs: %w", err)
	}
	for _, id := range delayed {
		if _, err := q.client.JobRetryTx(ctx, tx, id); err != nil {
			return fmt.Errorf("hurry job %d: %w", id, err)
		}
	}
	if err := q.dispatch(ctx, tx); err != nil {
		return err
	}
	err = db.AddEvent(ctx, targetdb.AddEventParams{Kind: enum.EventKindRun, RunID: &runID, State: string(enum.RunStateQueued), Actor: by})
	if err != nil {
		return fmt.Errorf("note that run %d is queued: %w", runID, err)
	}
	return nil
}

// dispatch inserts the jobs that open requests lack, the first of them, and moves up those
// that are wanted more urgently by now.
func (q *queue) dispatch(ctx context.Context, tx pgx.Tx) error {
	db := targetdb.New(tx)
	if err := db.SetNestedLoops(ctx, false); err != nil {
		return fmt.Errorf("have the queue read by hash: %w", err)
	}
	due, err := db.DueJobs(ctx, jobsAtOnce)
	if err != nil {
		return fmt.Errorf("read due jobs: %w", err)
	}
	if len(due) > 0 {
		jobs := make([]river.InsertManyParams, len(due))
		for i, d := range due {
			jobs[i] = river.InsertManyParams{
				Args:       PartitionArgs{Day: d.Day.Format(time.DateOnly), RunID: d.RunID},
				InsertOpts: &river.InsertOpts{Priority: int(d.Priority)},
			}
			if d.Today {
				jobs[i].InsertOpts.Queue = todayQueue
			}
		}
		// Another dispatch may have been faster: its jobs are as good.
		if _, err := q.client.InsertManyTx(ctx, tx, jobs); err != nil {
			return fmt.Errorf("insert %d jobs: %w", len(jobs), err)
		}
	}
	if err := db.RaiseJobs(ctx, todayQueue); err != nil {
		return fmt.Errorf("raise jobs: %w", err)
	}
	if err := db.SetNestedLoops(ctx, true); err != nil {
		return fmt.Errorf("have others read as they like: %w", err)
	}
	return nil
}

// halt cancels what has not begun of runs.
func (q *queue) halt(ctx context.Context, tx pgx.Tx, runs []int64) error {
	if len(runs) == 0 {
		return nil
	}
	db := targetdb.New(tx)
	// By a statement before, so that the next one sees who has begun a day meanwhile.
	if _, err := db.LockRequests(ctx, runs); err != nil {
		return fmt.Errorf("hold the requests of runs %v: %w", runs, err)
	}
	days, err := db.StopRuns(ctx, runs)
	if err != nil {
		return fmt.Errorf("stop runs %v: %w", runs, err)
	}
	return q.drop(ctx, tx, days)
}

// drop takes the jobs of days that nobody asks for any more off the queue, and
// stops those in work.
func (q *queue) drop(ctx context.Context, tx pgx.Tx, days []time.Time) error {
	db := targetdb.New(tx)
	if err := db.DropJobs(ctx, days); err != nil {
		return fmt.Errorf("drop jobs: %w", err)
	}
	if err := db.ClearNextAttempts(ctx, days); err != nil {
		return fmt.Errorf("clear next attempts: %w", err)
	}
	unwanted, err := db.UnwantedRunningJobs(ctx)
	if err != nil {
		return fmt.Errorf("read unwanted jobs: %w", err)
	}
	for _, id := range unwanted {
		if _, err := q.client.JobCancelTx(ctx, tx, id); err != nil {
			return fmt.Errorf("cancel job %d: %w", id, err)
		}
	}
	return nil
}
