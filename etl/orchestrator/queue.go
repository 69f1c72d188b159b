package orchestrator

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// Schema is where River has its tables.
const Schema = "river"

// partitionQueue is River's queue of partitions; the schedule has its own.
const partitionQueue = "partition"

// maxAttempts bounds the attempts at one job; what may be tried again, and when,
// is the policy's to say.
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

// request is what open enters in the ledger.
type request struct {
	Trigger  enum.RunTrigger
	From, To time.Time
	Scope    enum.RunScope
	Parallel *int32
	// AllowEmpty lets it remove what the source no longer has, however much.
	AllowEmpty bool
	Key        *string // of idempotency, with what was asked under it
	Body       *string
}

// open enters a run with its days, each an open request, and queues their jobs.
func (q *queue) open(ctx context.Context, tx pgx.Tx, r request, days []time.Time) (runID int64, err error) {
	db := targetdb.New(tx)
	runID, err = db.OpenRun(ctx, targetdb.OpenRunParams{
		Trigger: r.Trigger, FirstDay: r.From, LastDay: r.To, Scope: r.Scope,
		Parallel: r.Parallel, AllowEmpty: r.AllowEmpty, IdempotencyKey: r.Key, Request: r.Body,
	})
	if err != nil {
		return 0, fmt.Errorf("open a run: %w", err)
	}
	if len(days) > 0 {
		if _, err := db.AddRunDays(ctx, targetdb.AddRunDaysParams{RunID: runID, Days: days}); err != nil {
			return 0, fmt.Errorf("enter the days of run %d: %w", runID, err)
		}
	}
	if err := q.ask(ctx, tx, runID, days); err != nil {
		return 0, err
	}
	return runID, nil
}

// ask queues days of a run that have just got open requests.
func (q *queue) ask(ctx context.Context, tx pgx.Tx, runID int64, days []time.Time) error {
	db := targetdb.New(tx)
	if _, err := db.ClearNextAttempts(ctx, days); err != nil {
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
	return note(ctx, tx, enum.EventKindRun, runID, string(enum.RunStateQueued))
}

// dispatch makes the jobs that open requests lack, and moves up those that are
// wanted more urgently by now.
func (q *queue) dispatch(ctx context.Context, tx pgx.Tx) error {
	db := targetdb.New(tx)
	due, err := db.DueJobs(ctx)
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
		}
		// Another dispatch may have been faster: its jobs are as good.
		if _, err := q.client.InsertManyTx(ctx, tx, jobs); err != nil {
			return fmt.Errorf("insert %d jobs: %w", len(jobs), err)
		}
	}
	if _, err := db.RaiseJobs(ctx); err != nil {
		return fmt.Errorf("raise jobs: %w", err)
	}
	return nil
}

// drop takes the jobs of days that nobody asks for any more off the queue, and
// stops those in work.
func (q *queue) drop(ctx context.Context, tx pgx.Tx, days []time.Time) error {
	db := targetdb.New(tx)
	if _, err := db.DropJobs(ctx, days); err != nil {
		return fmt.Errorf("drop jobs: %w", err)
	}
	if _, err := db.ClearNextAttempts(ctx, days); err != nil {
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
