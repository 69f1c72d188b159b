package orchestrator

import (
	"context"
	"errors"
	"time"
)

// Sweep looks for late data, as the schedule does from time to time.
func (o *Orchestrator) Sweep(ctx context.Context, now time.Time) error {
	return unlessNotDue(o.control.sweep(ctx, now))
}

// Prune removes old days, as the schedule does from time to time.
func (o *Orchestrator) Prune(ctx context.Context, now time.Time) error {
	return unlessNotDue(o.control.prune(ctx, now))
}

// Tick asks for due days, as the schedule does from time to time.
func (o *Orchestrator) Tick(ctx context.Context, now time.Time) error {
	return o.control.tick(ctx, now)
}

func unlessNotDue(err error) error {
	if errors.Is(err, errNotDue) {
		return nil
	}
	return err
}
