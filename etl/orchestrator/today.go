package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

// today asks for the running day, if the source has samples of it: also if none has come
// since, as more are expected by now. It returns errNotDue while the schedule is paused or the source suspect, before it is
// time again, and while what has come late of yesterday is to be loaded; one process at
// a time does it.
func (s *scheduler) today(ctx context.Context, now time.Time) error {
	c := s.config.Schedule
	day := dates.Of(now)
	if c.TodayEvery == 0 || c.PartitionStart != nil && day.Before(*c.PartitionStart) {
		return errNotDue
	}
	turn, err := targetdb.New(s.config.Target).ClaimToday(ctx, targetdb.ClaimTodayParams{At: now, Every: c.TodayEvery, Yesterday: yesterday(now)})
	if err != nil || turn == 0 {
		return cmp.Or(err, errNotDue)
	}
	samples, err := s.config.Job.Samples(ctx, day)
	s.origin.heard(now, err)
	if err != nil || samples == 0 {
		return err
	}
	return s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if row.Paused {
			return nil
		}
		return s.askForToday(ctx, tx, day)
	})
}

// askForToday asks for the running day, by one run however often it does. A day that
// somebody has called off is left alone; one that somebody else waits for is not.
func (s *scheduler) askForToday(ctx context.Context, tx pgx.Tx, day time.Time) error {
	grid, err := readGrid(ctx, tx, day, day)
	if err != nil {
		return err
	}
	calledOff, err := targetdb.New(tx).CalledOffDays(ctx, targetdb.CalledOffDaysParams{FirstDay: day, LastDay: day})
	if err != nil {
		return fmt.Errorf("read called off days: %w", err)
	}
	if grid[0].State == enum.PartitionStateRunning || grid[0].NextAttemptAt != nil || len(calledOff) > 0 {
		return nil
	}
	id, err := targetdb.New(tx).ReopenToday(ctx, day)
	if err == nil {
		return s.queue.ask(ctx, tx, id, []time.Time{day}, "")
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("ask for the running day again: %w", err)
	}
	key := "today " + day.Format(time.DateOnly)
	_, err = s.queue.open(ctx, tx, targetdb.OpenRunParams{
		Trigger: enum.RunTriggerToday, FirstDay: day, LastDay: day, Scope: enum.RunScopeAll, Days: []time.Time{day}, IdempotencyKey: key, Request: key,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // It still asks, or the day was forgotten.
	}
	return err
}
