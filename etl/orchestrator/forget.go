package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/actor"
)

const forgetPoll = 50 * time.Millisecond

var (
	// ErrUnknownDay is wrapped when neither the ledger nor the target has
	// anything of a day.
	ErrUnknownDay = errors.New("nothing is known of the day")
	// ErrSourceUnasked is wrapped when the source does not say whether it has
	// samples of a day.
	ErrSourceUnasked = errors.New("the source does not say whether it has samples of the day")
)

// A SampledError says that the source has samples of a day that is to be
// forgotten.
type SampledError struct {
	Day     time.Time
	Samples int64
}

func (e *SampledError) Error() string {
	return fmt.Sprintf("the source has %d samples of %s", e.Samples, e.Day.Format(time.DateOnly))
}

// An InWorkError says that a day is being loaded, and by which run.
type InWorkError struct {
	Day   time.Time
	RunID int64
}

func (e *InWorkError) Error() string {
	return fmt.Sprintf("%s is being loaded by run %d", e.Day.Format(time.DateOnly), e.RunID)
}

// Forget removes the values of a day and what the ledger has of it. The errors are
// ErrUnknownDay, a *SampledError and ErrSourceUnasked, unless force is given, and an
// *InWorkError when a load of the day does not end soon.
func (c *Control) Forget(ctx context.Context, day time.Time, force bool) error {
	known, err := targetdb.New(c.config.Target).KnowsDay(ctx, targetdb.KnowsDayParams{Day: day, Start: day, Stop: day.AddDate(0, 0, 1)})
	switch {
	case err != nil:
		err = fmt.Errorf("look for it: %w", err)
	case !known:
		err = ErrUnknownDay
	case !force:
		var samples int64
		if samples, err = c.config.Job.Samples(ctx, day); err != nil {
			err = fmt.Errorf("%w: %w", ErrSourceUnasked, err)
		} else if samples > 0 {
			err = &SampledError{Day: day, Samples: samples}
		}
	}
	if err == nil {
		err = c.forgetOnceFree(ctx, day)
	}
	if err != nil {
		return fmt.Errorf("forget %s: %w", day.Format(time.DateOnly), err)
	}
	c.config.Log.InfoContext(ctx, "a day was forgotten", "day", day.Format(time.DateOnly), "force", force, "actor", actor.Of(ctx))
	return nil
}

func (c *Control) forgetOnceFree(ctx context.Context, day time.Time) error {
	bounded, cancel := context.WithTimeout(ctx, c.config.ForgetWait)
	defer cancel()
	for {
		err := c.forget(ctx, day)
		if _, busy := errors.AsType[*InWorkError](err); !busy {
			return err
		}
		select {
		case <-bounded.Done():
			return cmp.Or(context.Cause(ctx), err)
		case <-time.After(forgetPoll):
		}
	}
}

// forget removes all there is of a day in one transaction; an *InWorkError if
// somebody works on it. Without its request nobody can claim it any more.
func (c *Control) forget(ctx context.Context, day time.Time) error {
	// Before any lock: who has claimed the day may hold its row for long.
	before, err := freeToken(ctx, targetdb.New(c.config.Target), day)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, c.config.Target, func(tx pgx.Tx) error {
		db := targetdb.New(tx)
		if err := db.ForgetRequests(ctx, day); err != nil {
			return fmt.Errorf("remove its requests: %w", err)
		}
		if err := lockFree(ctx, db, day, before); err != nil {
			return err
		}
		if err := db.ForgetPartition(ctx, targetdb.ForgetPartitionParams{Day: day, Start: day, Stop: day.AddDate(0, 0, 1), Actor: actor.Of(ctx)}); err != nil {
			return fmt.Errorf("remove what there is of it: %w", err)
		}
		if err := c.queue.drop(ctx, tx, []time.Time{day}); err != nil {
			return err
		}
		err := db.AddEvent(ctx, targetdb.AddEventParams{
			Kind: enum.EventKindPartition, Day: &day, State: string(enum.PartitionStateMissing), Actor: actor.Of(ctx),
		})
		if err != nil {
			return fmt.Errorf("note an event: %w", err)
		}
		return nil
	})
}

// lockFree holds a day's row, if there is one; an *InWorkError if somebody works on
// the day, or has claimed it since it had the token before: a load that somebody asked for
// meanwhile may have begun and ended.
func lockFree(ctx context.Context, db *targetdb.Queries, day time.Time, before int64) error {
	if _, err := freeToken(ctx, db, day); err != nil {
		return err
	}
	token, err := db.LockPartition(ctx, day)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("hold it: %w", err)
	case token != before:
		return &InWorkError{Day: day}
	}
	return nil
}

// freeToken is the token of a day that nobody works on, an *InWorkError otherwise.
// As for whoever takes over a claim, a session whose lease has run out is ended.
func freeToken(ctx context.Context, db *targetdb.Queries, day time.Time) (int64, error) {
	held, err := db.ReadClaim(ctx, day)
	if err == nil && held.Claimed && held.Alive && held.Expired {
		if err = ledger.EndExpired(ctx, db, day, held.Token); err == nil {
			held, err = db.ReadClaim(ctx, day)
		}
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, nil // The ledger does not know it.
	case err != nil:
		return 0, fmt.Errorf("look who works on it: %w", err)
	case held.Claimed && held.Alive:
		return 0, &InWorkError{Day: day, RunID: held.RunID}
	}
	return held.Token, nil
}

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
