package orchestrator

import "context"

// Pause pauses or resumes the schedule, for all processes and over restarts.
func (c *Control) Pause(ctx context.Context, paused bool) error {
	return c.scheduler.Pause(ctx, paused)
}

// Schedule reads the schedule.
func (c *Control) Schedule(ctx context.Context) (ScheduleState, error) {
	return c.scheduler.State(ctx)
}
