package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

// takes tells whether a day of state s is wanted.
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

// StartRequest asks for a backfill of the days From to To, both inclusive, at
// UTC midnight.
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
	Gone *etl.Gone
}

var (
	// ErrKeyReused is wrapped when an idempotency key comes with another request.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
	// ErrRange is wrapped when a range of days is reversed or too long.
	ErrRange = errors.New("not a range of days")
)

// checkRange tells what is wrong with a range, if anything is.
func checkRange(from, to time.Time) error {
	switch days := dates.Count(from, to); {
	case days < 1:
		return fmt.Errorf("%w: from %s is after to %s", ErrRange, from.Format(time.DateOnly), to.Format(time.DateOnly))
	case days > MaxDays:
		return fmt.Errorf("%w: from %s to %s are %d days, at most %d are allowed", ErrRange, from.Format(time.DateOnly), to.Format(time.DateOnly), days, MaxDays)
	}
	return nil
}

// goneTimeout bounds what a dry run asks of the source: 60 million samples, digested.
const goneTimeout = 20 * time.Second

// Start queues the days that r asks for as one run.
func (c *Control) Start(ctx context.Context, r StartRequest) (Plan, error) {
	if r.Only == "" {
		r.Only = enum.RunScopeAll
	}
	if err := checkRange(r.From, r.To); err != nil {
		return Plan{}, err
	}
	believed := r.From // the first day for whose changes the source is believed
	if r.Only == enum.RunScopeStale {
		believed = c.scheduler.config.SourceRetention.Clip(r.From, c.scheduler.now())
		if !believed.After(r.To) {
			if _, err := c.stale.Look(ctx, believed, r.To); err != nil {
				return Plan{}, fmt.Errorf("look for stale days: %w", err)
			}
		}
	}
	var plan Plan
	var days []time.Time
	start := func() error {
		return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) (err error) {
			plan, days, err = c.start(ctx, tx, r, believed)
			return err
		})
	}
	err := start()
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.ConstraintName == "run_idempotency_key_key" {
		err = start() // The same request was faster on another connection.
	}
	if err != nil {
		return Plan{}, fmt.Errorf("start a backfill: %w", err)
	}
	if r.DryRun {
		bounded, cancel := context.WithTimeout(ctx, goneTimeout)
		defer cancel()
		gone, err := c.stale.Gone(bounded, days)
		switch {
		case ctx.Err() != nil:
			return Plan{}, fmt.Errorf("start a backfill: %w", context.Cause(ctx))
		case err != nil:
			c.log.WarnContext(ctx, "what the source has no longer can't be told", "error", err)
		default:
			plan.Gone = &gone
		}
	}
	return plan, nil
}

func (c *Control) start(ctx context.Context, tx pgx.Tx, r StartRequest, believed time.Time) (plan Plan, days []time.Time, err error) {
	db := targetdb.New(tx)
	grid, err := db.ReadGrid(ctx, targetdb.ReadGridParams{FirstDay: r.From, LastDay: r.To})
	if err != nil {
		return Plan{}, nil, fmt.Errorf("read the grid: %w", err)
	}
	for _, row := range grid {
		state := row.State
		if state == enum.PartitionStateDone || state == enum.PartitionStateEmpty {
			plan.UpToDate++
		}
		if takes(r.Only, state) && !row.Day.Before(believed) {
			days = append(days, row.Day)
		}
	}
	plan.Partitions = int64(len(days))
	if r.DryRun {
		return plan, days, nil
	}
	open := request{Trigger: enum.RunTriggerBackfill, From: r.From, To: r.To, Scope: r.Only, AllowEmpty: r.AllowEmpty}
	if r.Parallel > 0 {
		open.Parallel = &r.Parallel
	}
	if r.Key != "" {
		open.Key, open.Body = &r.Key, &r.Request
		made, err := db.FindRunByKey(ctx, &r.Key)
		switch {
		case err == nil && (made.Request == nil || *made.Request != r.Request):
			return Plan{}, nil, fmt.Errorf("%q: %w", r.Key, ErrKeyReused)
		case err == nil:
			plan.RunID = made.ID
			plan.Partitions, err = db.CountRunDays(ctx, made.ID)
			return plan, days, err //nolint:wrapcheck // Start says what was being done.
		case !errors.Is(err, pgx.ErrNoRows):
			return Plan{}, nil, fmt.Errorf("look for the key: %w", err)
		}
	}
	plan.RunID, err = c.queue.open(ctx, tx, open, days)
	return plan, days, err
}

// Cancel closes the open requests of a run: waiting days leave the queue, and
// those in work stop, unless another run wants them.
func (c *Control) Cancel(ctx context.Context, id int64) error {
	return c.change(ctx, id, "cancel", func(tx pgx.Tx) error {
		days, err := targetdb.New(tx).CancelRun(ctx, id)
		if err != nil || len(days) == 0 {
			return err //nolint:wrapcheck // change says what was being done.
		}
		return c.queue.drop(ctx, tx, days)
	})
}

// Retry opens the requests of a run that failed or were cancelled again.
func (c *Control) Retry(ctx context.Context, id int64) error {
	return c.change(ctx, id, "retry", func(tx pgx.Tx) error {
		days, err := targetdb.New(tx).RetryRun(ctx, id)
		if err != nil || len(days) == 0 {
			return err //nolint:wrapcheck // change says what was being done.
		}
		slices.SortFunc(days, time.Time.Compare)
		return c.queue.ask(ctx, tx, id, days)
	})
}

// change holds a run of the queue while its requests change.
func (c *Control) change(ctx context.Context, id int64, what string, change func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		run, err := targetdb.New(tx).LockRun(ctx, id)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrNoRun
		case err != nil:
			return err //nolint:wrapcheck // The caller says what was being done.
		case run.Trigger == enum.RunTriggerCommand:
			return ErrNotOurs
		}
		return change(tx)
	})
	if err != nil {
		return fmt.Errorf("%s run %d: %w", what, id, err)
	}
	return nil
}

// ErrNotOurs is wrapped when somebody wants to steer a run of the command line,
// which only its own process can.
var ErrNotOurs = errors.New("the run is one of the command line, and not the queue's")
