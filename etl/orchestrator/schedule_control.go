package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/targetdb"
)

// Pause pauses or resumes the schedule, for all processes and over restarts.
func (c *Control) Pause(ctx context.Context, paused bool) error {
	return c.scheduler.Pause(ctx, paused)
}

// Schedule reads the schedule.
func (c *Control) Schedule(ctx context.Context) (ScheduleState, error) {
	return c.scheduler.State(ctx)
}

// Range is the first and the last day that there is anything to say of: that the
// ledger knows, or that the schedule begins with. It is not known while there is
// none.
func (c *Control) Range(ctx context.Context) (first, last time.Time, known bool, err error) {
	first, known, err = c.scheduler.start.day(ctx, c.scheduler.now(), c.scheduler.now())
	if err != nil {
		return time.Time{}, time.Time{}, false, err
	}
	last = first
	ledger, err := targetdb.New(c.pool).LedgerRange(ctx)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return first, last, known, nil
	case err != nil:
		return time.Time{}, time.Time{}, false, fmt.Errorf("read the range of the ledger: %w", err)
	}
	if !known || ledger.FirstDay.Before(first) {
		first = ledger.FirstDay
	}
	if !known || ledger.LastDay.After(last) {
		last = ledger.LastDay
	}
	return first, last, true, nil
}
