package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// partitionTimeout bounds an attempt at a day: a worker that is stuck for longer
// gives it up, and it is tried again.
const partitionTimeout = time.Hour

type worker struct {
	river.WorkerDefaults[PartitionArgs]

	config   Config
	queue    *queue
	running  *runningJobs
	counters *counters
}

func (w *worker) NextRetry(job *river.Job[PartitionArgs]) time.Time {
	return time.Now().Add(wait(job.ID, job.Attempt))
}

func (w *worker) Work(ctx context.Context, job *river.Job[PartitionArgs]) error {
	defer w.running.add(job.ID)()
	day, err := time.Parse(time.DateOnly, job.Args.Day)
	if err != nil {
		return river.JobCancel(fmt.Errorf("day: %w", err))
	}
	by, err := targetdb.New(w.config.Target).WantedBy(ctx, day)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil // Nobody asks any more.
	case err != nil:
		return fmt.Errorf("look who asks for %s: %w", job.Args.Day, err)
	}
	ctx = withRun(ctx, by.RunID, day)
	r := &dayJob{job: job, by: by, queue: w.queue}
	p, err := w.config.Job.Load(ctx, day, ledger.Order{RunID: by.RunID, AllowEmpty: by.AllowEmpty, Settler: r})
	w.report(ctx, job, p, err)
	if by.Bounded && ctx.Err() == nil {
		w.goOn(ctx)
	}
	return result(ctx, job, err, r.answered)
}

// dayJob is River's job for a day, on behalf of those who ask for it.
type dayJob struct {
	job      *river.Job[PartitionArgs]
	by       targetdb.WantedByRow
	queue    *queue
	answered bool // those who asked for the day were told how it ended
}

// Settle implements ledger.Settler: it closes the requests that the attempt answers and
// completes the job, or says when there will be another attempt. A day that failed for
// good stops the runs that asked for that. Whoever holds the ledger's token may complete
// the job, even if River has begun another attempt meanwhile, which will find nothing to
// do.
func (r *dayJob) Settle(ctx context.Context, tx pgx.Tx, s ledger.Settlement) (again *time.Time, err error) {
	defer func() { r.answered = err == nil && again == nil }()
	if s.Outcome == enum.OutcomeCancelled {
		return nil, nil //nolint:nilnil // Requests that are still open are answered by another attempt.
	}
	var stopping []int64 // the runs that this failure ends
	if s.Outcome == enum.OutcomeFailed {
		if after, ok := retryAfter(s.Err, r.job.ID, r.job.Attempt); ok {
			asking, err := targetdb.New(tx).HoldRequests(ctx, s.Day)
			if err != nil {
				return nil, fmt.Errorf("look who still asks: %w", err)
			}
			if len(asking) == 0 {
				return nil, nil //nolint:nilnil // It was called off: there is no other attempt.
			}
			return new(time.Now().Add(after)), nil
		}
		if stopping, err = targetdb.New(tx).LockStopping(ctx, s.Day); err != nil {
			return nil, fmt.Errorf("look which runs stop: %w", err)
		}
	}
	closed, err := targetdb.New(tx).SettleRequests(ctx, targetdb.SettleRequestsParams{
		Day: s.Day, Token: s.Token, StartedAt: s.StartedAt, Outcome: s.Outcome,
	})
	if err != nil {
		return nil, fmt.Errorf("close requests: %w", err)
	}
	if s.Outcome == enum.OutcomeFailed {
		stopping = slices.DeleteFunc(stopping, func(id int64) bool { return !slices.Contains(closed, id) })
		return nil, r.queue.halt(ctx, tx, stopping) // River hears of the failure from Work.
	}
	// What one run allows is not done for another once it is called off.
	if len(closed) == 0 || r.by.AllowEmpty && !slices.Contains(closed, r.by.RunID) {
		return nil, ledger.ErrCalledOff
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, r.job); err != nil {
		return nil, fmt.Errorf("complete job %d: %w", r.job.ID, err)
	}
	return nil, nil //nolint:nilnil // No other attempt.
}

// goOn queues what the end of a day makes room for, in a run that bounds its
// days. If it fails, the next look at the queue does it.
func (w *worker) goOn(ctx context.Context) {
	err := pgx.BeginFunc(ctx, w.config.Target, func(tx pgx.Tx) error { return w.queue.dispatch(ctx, tx) })
	if err != nil && ctx.Err() == nil {
		w.config.Log.WarnContext(ctx, "queueing the next day failed; it is tried again soon", "error", err)
	}
}

func (w *worker) report(ctx context.Context, job *river.Job[PartitionArgs], p etl.Partition, err error) {
	facts := []any{"day", p.Day, "outcome", p.Outcome, "attempt", job.Attempt, "token", p.Token, "seconds", p.Seconds}
	after, again := time.Duration(0), false
	if err != nil && p.Outcome != enum.OutcomeCancelled {
		after, again = retryAfter(err, job.ID, job.Attempt)
	}
	w.counters.count(p, err, again)
	switch {
	case err == nil:
		w.config.Log.InfoContext(ctx, "partition finished", append(facts, "samples", p.Samples, "expected", p.Expected, "rows", p.Rows,
			"inserted", p.Inserted, "updated", p.Updated, "deleted", p.Deleted)...)
	case p.Outcome == enum.OutcomeCancelled:
		w.config.Log.WarnContext(ctx, "partition stopped", append(facts, "error", err)...)
	case again:
		w.config.Log.WarnContext(ctx, "partition failed; it will be tried again", append(facts, "error", err, "after", after.Round(time.Millisecond).String())...)
	default:
		w.config.Log.ErrorContext(ctx, "partition failed", append(facts, "error", err)...)
	}
}

// result is what Work returns to River; answered says whether those who asked for
// the day were told how it ended.
func result(ctx context.Context, job *river.Job[PartitionArgs], err error, answered bool) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrCalledOff), errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely):
		return river.JobCancel(err)
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		// The worker stops; another goes on at once.
		return river.JobSnooze(0)
	}
	if _, ok := retryAfter(err, job.ID, job.Attempt); ok || !answered {
		// Whoever has not been told still asks: without this job another would be
		// made at once, and again, for as long as the ledger can't be written.
		return err
	}
	return river.JobCancel(err)
}

// The policy of retries. What only time can mend is tried again for most of a
// day, with waits that double up to longestWait; readings of single turbines
// that can't be had are tried brokenAttempts times, as the rest of their day is
// loaded. All else fails at once: it would only fail again.
const (
	firstWait      = time.Second
	longestWait    = 5 * time.Minute
	brokenAttempts = 5
)

// retryAfter is how long to wait before the job's next attempt, or false if there
// is to be none. attempt counts from 1.
func retryAfter(err error, jobID int64, attempt int) (time.Duration, bool) {
	_, broken := errors.AsType[*extract.BrokenError](err)
	if attempt >= maxAttempts || !etl.Temporary(err) || broken && attempt >= brokenAttempts {
		return 0, false
	}
	return wait(jobID, attempt), true
}

// wait doubles with each attempt, and is up to a quarter longer by the job, so
// that those that failed together don't come back together. The ledger and River
// both ask, and get the same answer.
func wait(jobID int64, attempt int) time.Duration {
	d := longestWait
	if shift := max(attempt, 1) - 1; shift < 16 {
		d = min(firstWait<<shift, longestWait)
	}
	h := fnv.New32a()
	_, _ = h.Write(strconv.AppendInt(strconv.AppendInt(nil, jobID, 10), int64(attempt), 10))
	return d + d/4*time.Duration(h.Sum32()%1000)/1000
}

// lingering is how long a job that has ended still counts as running: River may
// need a moment to write down how it ended.
const lingering = 10 * time.Second

type runningJobs struct {
	mu    sync.Mutex
	ended map[int64]time.Time // when each job ended; zero while it has not
}

// add enters a job, until the function returned is called.
func (r *runningJobs) add(id int64) (done func()) {
	set := func(ended time.Time) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended[id] = ended
	}
	set(time.Time{})
	return func() { set(time.Now()) }
}

func (r *runningJobs) list() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.ended, func(_ int64, ended time.Time) bool {
		return !ended.IsZero() && time.Since(ended) > lingering
	})
	return slices.AppendSeq([]int64{}, maps.Keys(r.ended)) // Never nil, which would be NULL.
}
