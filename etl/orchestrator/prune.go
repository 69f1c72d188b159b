package orchestrator

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// kept is the first day that stays in the target, if there is one: the last days that
// are over stay, as many as TargetRetention.
func (c ScheduleConfig) kept(now time.Time) (day time.Time, bounded bool) {
	if c.TargetRetention == 0 {
		return time.Time{}, false
	}
	return yesterday(now).AddDate(0, 0, 1-c.TargetRetention), true
}

// clip returns the later of from and the first day that both retentions leave: the
// schedule loads no day that it would prune.
func (c ScheduleConfig) clip(from, now time.Time) time.Time {
	from = c.SourceRetention.Clip(from, now)
	if kept, bounded := c.kept(now); bounded && from.Before(kept) {
		return kept
	}
	return from
}

// prune removes the days from the target that are older than TargetRetention, unless the
// schedule is paused. Days that somebody asks for are left until they are loaded. Of
// several processes one takes the days, because the run that asks for them is opened
// while it holds the schedule.
func (s *scheduler) prune(ctx context.Context, now time.Time) error {
	before, bounded := s.config.Schedule.kept(now)
	if !bounded {
		return errNotDue
	}
	var days []etl.PrunedDay
	var run int64
	err := s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) (err error) {
		if row.Paused {
			return nil
		}
		if days, err = etl.Prunable(ctx, tx, before, true); err != nil || len(days) == 0 {
			return err
		}
		run, err = targetdb.New(tx).CreateRun(ctx, etl.PruneRun(enum.RunTriggerPruneTarget, days))
		return err
	})
	if err != nil || run == 0 {
		return err
	}
	if err := s.config.Job.PruneDays(ctx, run, days); err != nil {
		return fmt.Errorf("run %d: %w", run, err)
	}
	s.config.Log.InfoContext(ctx, "days beyond TARGET_RETENTION_DAYS were pruned", "run", run, "days", len(days),
		"from", days[0].Date, "to", days[len(days)-1].Date)
	return nil
}
