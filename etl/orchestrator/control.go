package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/internal/selector"
)

var (
	// ErrNoRun is wrapped when there is no run of an id.
	ErrNoRun = errors.New("there is no such run")
	// ErrNotOurs is wrapped when somebody wants to steer a run of the command line,
	// which only its own process can.
	ErrNotOurs = errors.New("the run was started by \"delfos etl\" and can only be cancelled there")
	// ErrPrunes is wrapped when somebody wants to steer a run that loads nothing.
	ErrPrunes = errors.New("the run prunes days and loads none, so it can be neither cancelled nor retried; \"delfos prune\" goes on where it ended")
	// ErrKeyReused is wrapped when an idempotency key comes with another request.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
)

// Control shows and steers days, runs, the schedule and events. It works on the
// ledger alone, so that any number of processes may have one; it is safe for
// concurrent use.
type Control struct {
	*scheduler
	*events
}

// Grid returns the state of each day in [from, to], in order.
func (c *Control) Grid(ctx context.Context, from, to time.Time) ([]targetdb.ReadGridRow, error) {
	return readGrid(ctx, c.config.Target, from, to)
}

func readGrid(ctx context.Context, db targetdb.DBTX, first, last time.Time) ([]targetdb.ReadGridRow, error) {
	grid, err := targetdb.New(db).ReadGrid(ctx, targetdb.ReadGridParams{FirstDay: first, LastDay: last})
	if err != nil {
		return nil, fmt.Errorf("read the grid: %w", err)
	}
	return grid, nil
}

// Runs returns at most limit runs, the newest first; before, if it is not zero,
// is the id to go on below.
func (c *Control) Runs(ctx context.Context, limit int32, before int64) ([]targetdb.ReadRunsRow, error) {
	p := targetdb.ReadRunsParams{Count: limit}
	if before > 0 {
		p.Before = &before
	}
	runs, err := targetdb.New(c.config.Target).ReadRuns(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	return runs, nil
}

// Run returns a run; ErrNoRun if there is none.
func (c *Control) Run(ctx context.Context, id int64) (targetdb.ReadRunsRow, error) {
	return ReadRun(ctx, c.config.Target, id)
}

// ReadRun is Control.Run on any session of the target.
func ReadRun(ctx context.Context, db targetdb.DBTX, id int64) (targetdb.ReadRunsRow, error) {
	runs, err := targetdb.New(db).ReadRuns(ctx, targetdb.ReadRunsParams{ID: &id, Count: 1})
	if err == nil && len(runs) == 0 {
		err = ErrNoRun
	}
	if err != nil {
		return targetdb.ReadRunsRow{}, fmt.Errorf("read run %d: %w", id, err)
	}
	return runs[0], nil
}

// Waiting is what a run's days wait for, and how long they will take.
type Waiting struct {
	targetdb.ReadWaitingRow

	// Ahead are the days that are queued before the run's.
	Ahead []targetdb.ReadAheadRow
	// MedianSeconds is how long a day takes to load.
	MedianSeconds float64
}

// Waiting reads what the days of a run wait for.
func (c *Control) Waiting(ctx context.Context, id int64) (w Waiting, err error) {
	db := targetdb.New(c.config.Target)
	w.ReadWaitingRow, err = db.ReadWaiting(ctx, targetdb.ReadWaitingParams{RunID: id, Queue: partitionQueue})
	if err == nil && w.Position > 1 {
		w.Ahead, err = db.ReadAhead(ctx, targetdb.ReadAheadParams{Queue: partitionQueue, Position: w.Position})
	}
	if err == nil {
		w.MedianSeconds, err = db.MedianSeconds(ctx)
	}
	if err != nil {
		return Waiting{}, fmt.Errorf("read what run %d waits for: %w", id, err)
	}
	return w, nil
}

// StartRequest asks for a backfill of the days From to To, both inclusive, at
// UTC midnight; at most MaxDays.
type StartRequest struct {
	From, To time.Time
	Only     enum.RunScope // enum.RunScopeAll if it is empty
	DryRun   bool
	// Parallel bounds how many of the days are in work at once; 0 leaves that
	// to the workers.
	Parallel int32
	// AllowEmpty lets the run remove values that the source no longer has samples
	// for, however many they are.
	AllowEmpty bool
	// StopOnFailure cancels the days that wait once one has failed for good.
	StopOnFailure bool
	// Key, if any, makes the request idempotent: with the same Request it finds
	// the run that it made before.
	Key, Request string
}

// Plan is what a request amounts to.
type Plan struct {
	RunID      int64 // 0 after a dry run
	Partitions int64
	// UpToDate counts the days of the range that are done or empty.
	UpToDate int64
	// Gone is what the target holds of the days that the source has no longer; of a
	// dry run, and nil when the source can't tell.
	Gone *etl.Removal
}

// goneTimeout bounds what a dry run asks of the source: 60 million samples, digested.
const goneTimeout = 20 * time.Second

// Start queues the days that r asks for as one run.
func (c *Control) Start(ctx context.Context, r StartRequest) (Plan, error) {
	if r.Only == "" {
		r.Only = enum.RunScopeAll
	}
	believed := r.From // the first day for whose changes the source is believed
	if r.Only == enum.RunScopeStale {
		believed = c.config.Schedule.SourceRetention.Clip(r.From, c.config.Now())
		if !believed.After(r.To) {
			if _, err := c.config.Job.Look(ctx, etl.Request{From: believed, To: r.To, Turbines: selector.All()}); err != nil {
				return Plan{}, fmt.Errorf("ask the source for stale days: %w", err)
			}
		}
	}
	var plan Plan
	var days []time.Time
	asked := false // and not found by its key
	err := pgx.BeginFunc(ctx, c.config.Target, func(tx pgx.Tx) (err error) {
		if plan, days, err = wantedDays(ctx, tx, r, believed, c.config.Now()); err != nil || r.DryRun {
			return err
		}
		plan.RunID, err = c.queue.open(ctx, tx, targetdb.OpenRunParams{
			Trigger: enum.RunTriggerBackfill, FirstDay: r.From, LastDay: r.To, Scope: r.Only, Days: days,
			Parallel: r.Parallel, AllowEmpty: r.AllowEmpty, StopOnFailure: r.StopOnFailure, IdempotencyKey: r.Key, Request: r.Request,
			Actor: actor.Of(ctx), RequestID: actor.Request(ctx),
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return findRun(ctx, tx, r, &plan)
		}
		asked = err == nil
		return err
	})
	if err == nil && r.DryRun {
		plan.Gone, err = c.gone(ctx, days)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("start a backfill: %w", err)
	}
	if asked {
		c.tell(ctx, plan.RunID, "the run was asked for", plan.Partitions)
	}
	return plan, nil
}

func wantedDays(ctx context.Context, tx pgx.Tx, r StartRequest, believed, now time.Time) (plan Plan, days []time.Time, err error) {
	grid, err := readGrid(ctx, tx, r.From, r.To)
	if err != nil {
		return Plan{}, nil, err
	}
	for _, row := range grid {
		if row.State == enum.PartitionStateDone || row.State == enum.PartitionStateEmpty {
			plan.UpToDate++
		}
		rest := r.Only == enum.RunScopeMissing && half(row) && !row.Day.After(yesterday(now))
		if (takes(r.Only, row.State) || rest) && !row.Day.Before(believed) {
			days = append(days, row.Day)
		}
	}
	plan.Partitions = int64(len(days))
	return plan, days, nil
}

func takes(scope enum.RunScope, s enum.PartitionState) bool {
	switch scope {
	case enum.RunScopeMissing:
		return s == enum.PartitionStateMissing || s == enum.PartitionStateCancelled
	case enum.RunScopeFailed:
		return s == enum.PartitionStateFailed
	case enum.RunScopeStale:
		return s == enum.PartitionStateStale
	case enum.RunScopeAll:
	}
	return true
}

func findRun(ctx context.Context, tx pgx.Tx, r StartRequest, plan *Plan) error {
	made, err := targetdb.New(tx).FindRunByKey(ctx, r.Key)
	if err != nil {
		return fmt.Errorf("look for the key: %w", err)
	}
	if made.Request != r.Request {
		return fmt.Errorf("%q: %w", r.Key, ErrKeyReused)
	}
	plan.RunID, plan.Partitions = made.ID, made.Partitions
	return nil
}

// gone counts what the target holds of the days that the source has no longer; nil
// if the source can't tell.
func (c *Control) gone(ctx context.Context, days []time.Time) (*etl.Removal, error) {
	bounded, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	gone, err := c.config.Job.Removal(bounded, days)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		c.config.Log.WarnContext(ctx, "the source does not say what it has no longer", "error", err)
		return nil, nil //nolint:nilnil // It is not known.
	}
	return &gone, nil
}

// Cancel closes the open requests of a run: waiting days leave the queue, and
// those in work stop, unless another run wants them.
func (c *Control) Cancel(ctx context.Context, id int64) error {
	return c.change(ctx, id, "cancel", "the run was cancelled", func(tx pgx.Tx) ([]time.Time, error) {
		days, err := targetdb.New(tx).CancelRun(ctx, targetdb.CancelRunParams{RunID: id, Actor: actor.Of(ctx)})
		if err != nil || len(days) == 0 {
			return nil, err
		}
		return days, c.queue.drop(ctx, tx, days)
	})
}

// Retry opens the requests of a run that failed or were cancelled again.
func (c *Control) Retry(ctx context.Context, id int64) error {
	return c.change(ctx, id, "retry", "the run was retried", func(tx pgx.Tx) ([]time.Time, error) {
		days, err := targetdb.New(tx).RetryRun(ctx, targetdb.RetryRunParams{RunID: id, Actor: actor.Of(ctx)})
		if err != nil || len(days) == 0 {
			return nil, err
		}
		slices.SortFunc(days, time.Time.Compare)
		return days, c.queue.ask(ctx, tx, id, days, actor.Of(ctx))
	})
}

// change holds a run of the queue while its requests change, and logs it as done if any
// day's does.
func (c *Control) change(ctx context.Context, id int64, what, done string, change func(pgx.Tx) ([]time.Time, error)) error {
	var days []time.Time
	err := pgx.BeginFunc(ctx, c.config.Target, func(tx pgx.Tx) error {
		run, err := targetdb.New(tx).LockRun(ctx, id)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrNoRun
		case err != nil:
			return err
		case run.Trigger == enum.RunTriggerCommand:
			return ErrNotOurs
		case run.Trigger == enum.RunTriggerPruneTarget, run.Trigger == enum.RunTriggerPruneSource:
			return ErrPrunes
		}
		days, err = change(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s run %d: %w", what, id, err)
	}
	if len(days) > 0 {
		c.tell(ctx, id, done, int64(len(days)))
	}
	return nil
}

// tell logs who did something to a run, and by which request, in the run's log as well.
func (c *Control) tell(ctx context.Context, id int64, what string, days int64) {
	c.config.Log.InfoContext(withRun(ctx, id, time.Time{}), what, "run", id, "days", days, "actor", actor.Of(ctx), "request_id", actor.Request(ctx)) //nolint:sloglint // One of three messages.
}
