package orchestrator

import (
	"context"
	"time"
)

// Sweep looks for late data, as the schedule does from time to time.
func (o *Orchestrator) Sweep(ctx context.Context, now time.Time) error {
	return o.control.sweep(ctx, now)
}
