package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/selector"
)

// MaxDays bounds a range of days.
const MaxDays = 20_000

// ErrNoRun is wrapped when there is no run of an id.
var ErrNoRun = errors.New("there is no such run")

// StaleFinder asks the source what it has of the days [from, to], and notes in the
// ledger what it saw.
type StaleFinder interface {
	Look(ctx context.Context, from, to time.Time) (etl.Look, error)
	// Gone counts what the target holds of the days that the source has no longer.
	Gone(ctx context.Context, days []time.Time) (etl.Gone, error)
}

// staleOf asks by a job.
type staleOf struct{ job *etl.Job }

// Look implements StaleFinder.
func (s staleOf) Look(ctx context.Context, from, to time.Time) (etl.Look, error) {
	look, err := s.job.Look(ctx, etl.Request{From: from, To: to, Turbines: selector.All()})
	if err != nil {
		return etl.Look{}, fmt.Errorf("ask the source: %w", err)
	}
	return look, nil
}

// Gone implements StaleFinder.
func (s staleOf) Gone(ctx context.Context, days []time.Time) (etl.Gone, error) {
	gone, err := s.job.Gone(ctx, days)
	if err != nil {
		return etl.Gone{}, fmt.Errorf("ask the source: %w", err)
	}
	return gone, nil
}

// Control shows and steers runs. It works on the ledger alone, so that any
// number of processes may have one; it is safe for concurrent use.
type Control struct {
	pool      *pgxpool.Pool // of the target
	job       *etl.Job
	queue     *queue
	stale     StaleFinder
	scheduler *Scheduler
	feed      *feed
	// forgetWait is how long a load may hold up that its day is forgotten.
	forgetWait time.Duration
	log        *slog.Logger
}

// Grid returns the state of each day in [from, to], in order.
func (c *Control) Grid(ctx context.Context, from, to time.Time) ([]targetdb.ReadGridRow, error) {
	grid, err := targetdb.New(c.pool).ReadGrid(ctx, targetdb.ReadGridParams{FirstDay: from, LastDay: to})
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
	runs, err := targetdb.New(c.pool).ReadRuns(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	return runs, nil
}

// Run returns a run; ErrNoRun if there is none.
func (c *Control) Run(ctx context.Context, id int64) (targetdb.ReadRunsRow, error) {
	return ReadRun(ctx, c.pool, id)
}

// ReadRun is Control.Run on any session of the target.
func ReadRun(ctx context.Context, db targetdb.DBTX, id int64) (targetdb.ReadRunsRow, error) {
	runs, err := targetdb.New(db).ReadRuns(ctx, targetdb.ReadRunsParams{ID: &id, Count: 1})
	if err != nil {
		return targetdb.ReadRunsRow{}, fmt.Errorf("read run %d: %w", id, err)
	}
	if len(runs) == 0 {
		return targetdb.ReadRunsRow{}, fmt.Errorf("run %d: %w", id, ErrNoRun)
	}
	return runs[0], nil
}
