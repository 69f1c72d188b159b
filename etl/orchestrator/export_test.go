package orchestrator

import (
	"context"
	"errors"
	"time"
)

// Sweep looks for late data, as the schedule does from time to time.
func (o *Orchestrator) Sweep(ctx context.Context, now time.Time) error {
	if err := o.control.sweep(ctx, now); !errors.Is(err, errNotDue) {
		return err
	}
	return nil
}
