package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

const (
	// scheduleQueue is River's queue of ticks, beside that of partitions, which a
	// backfill fills.
	scheduleQueue = "schedule"
	// scheduleWorkers lets a tick pass while another sweeps.
	scheduleWorkers = 2
	// DefaultTickEvery is how often due days are looked for.
	DefaultTickEvery = 30 * time.Second
	// overdue is after how many missed ticks a process looks by itself.
	overdue = 3
)

// TickArgs are those of the job that looks for due and changed days.
type TickArgs struct{}

// Kind implements river.JobArgs.
func (TickArgs) Kind() string { return "tick" }

// tick works on the jobs that the leader's timer makes.
type tick struct {
	river.WorkerDefaults[TickArgs]

	scheduler *Scheduler
}

// Timeout implements river.Worker.
func (t *tick) Timeout(*river.Job[TickArgs]) time.Duration {
	return t.scheduler.config.SweepEvery + time.Minute
}

// Work implements river.Worker.
func (t *tick) Work(ctx context.Context, _ *river.Job[TickArgs]) error { return t.scheduler.look(ctx) }

// look is what there is to do at any time.
func (s *Scheduler) look(ctx context.Context) error {
	return errors.Join(s.Tick(ctx, s.now()), s.Sweep(ctx, s.now()))
}

// register adds the worker of ticks.
func (s *Scheduler) register(workers *river.Workers) {
	river.AddWorker(workers, &tick{scheduler: s})
}

// Periodic returns what River's leader shall do by the clock. A tick is unique
// by its time alone: one that was lost with its worker must not keep others from
// being made, as it would by its state.
func (s *Scheduler) Periodic() []*river.PeriodicJob {
	return []*river.PeriodicJob{river.NewPeriodicJob(ticks{s.cron, s.config.TickEvery},
		func() (river.JobArgs, *river.InsertOpts) {
			return TickArgs{}, &river.InsertOpts{
				Queue: scheduleQueue, MaxAttempts: 1,
				UniqueOpts: river.UniqueOpts{ByPeriod: time.Second},
			}
		}, &river.PeriodicJobOpts{ID: "tick", RunOnStart: true})}
}

// ticks are the moments at which a day is due, and others at intervals.
type ticks struct {
	cron  Cron
	every time.Duration
}

// Next implements river.PeriodicSchedule.
func (t ticks) Next(current time.Time) time.Time {
	next := current.Add(t.every)
	if at, _, ok := t.cron.upcoming(dates.Earliest(), current); ok && at.Before(next) {
		return at
	}
	return next
}

// watch does what a tick does if there has been none for long: River's timer is
// its leader's, which may be a process that doesn't know of ticks.
func (s *Scheduler) watch(ctx context.Context) error {
	row, err := targetdb.New(s.pool).ReadSchedule(ctx)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read the schedule: %w", err)
	}
	now := s.now()
	if row.CheckedAt != nil && row.CheckedAt.Add(overdue*s.config.TickEvery).After(now) {
		return nil
	}
	return s.look(ctx)
}
