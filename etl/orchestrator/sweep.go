package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

// sweepShare is how many times its own duration a sweep is followed by rest: a
// large fleet's source must not digest all day.
const sweepShare = 20

// errNotDue is returned by a task that had nothing to do, and so neither failed nor
// shows that it works.
var errNotDue = errors.New("it is not yet time")

// sweep asks the source which of the last StaleDays days have changed since they were
// loaded, and asks for exactly those as one run; one process at a time does it. It
// returns errNotDue before it is time again. What a suspect source says (see etl.Look) is
// not followed, which the schedule says until the source is believed again.
func (s *scheduler) sweep(ctx context.Context, now time.Time) error {
	c := s.config.Schedule
	if c.StaleDays == 0 {
		return errNotDue
	}
	db := targetdb.New(s.config.Target)
	turn, err := db.ClaimSweep(ctx, targetdb.ClaimSweepParams{At: now, Every: c.SweepEvery, Share: sweepShare})
	if err != nil || turn == 0 {
		return cmp.Or(err, errNotDue)
	}
	if since, bounded := c.SourceRetention.Since(now); bounded {
		// Days that the source is not believed of would be stale for ever.
		if err := db.UnseeDays(ctx, since); err != nil {
			return fmt.Errorf("take back what was seen before %s: %w", since.Format(time.DateOnly), err)
		}
	}
	days := etl.Span{Last: yesterday(now)}
	days.First = c.clip(dates.Later(days.Last.AddDate(0, 0, 1-c.StaleDays), dates.Earliest()), now)
	if days.First.After(days.Last) {
		return nil
	}
	before, err := seenDigests(ctx, db, days)
	if err != nil {
		return err
	}
	// No other begins before this one ends.
	bounded, cancel := context.WithTimeout(ctx, c.SweepEvery)
	defer cancel()
	begun := s.config.Now()
	todo, err := s.agenda(bounded, now, days)
	if err != nil {
		return err
	}
	look, failure := s.config.Job.LookAt(bounded, todo.days)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.origin.heard(now, failure)
	if err := db.NoteSweepTook(ctx, max(s.config.Now().Sub(begun), 0)); err != nil {
		return fmt.Errorf("note how long it took: %w", err)
	}
	if failure != nil {
		return failure
	}
	if suspect, err := s.suspect(ctx, now, look.Suspect()); err != nil || suspect {
		return err
	}
	if err := s.askForStale(ctx, days, before); err != nil {
		return err
	}
	err = db.NoteSweep(ctx, targetdb.NoteSweepParams{Cursor: todo.cursor, Again: todo.again, Whole: todo.whole, At: now})
	if err != nil {
		return fmt.Errorf("note how far the source was looked at: %w", err)
	}
	return nil
}

// suspect reports whether the source is suspect, which it is if there is a reason,
// and records, notes and logs when that changes.
func (s *scheduler) suspect(ctx context.Context, now time.Time, reason string) (bool, error) {
	var before string
	err := s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if before = *cmp.Or(row.SuspectReason, new(string)); reason == before {
			return nil
		}
		if err := targetdb.New(tx).NoteSuspicion(ctx, targetdb.NoteSuspicionParams{At: now, Reason: reason}); err != nil {
			return fmt.Errorf("record whether the source is believed: %w", err)
		}
		switch {
		case reason == "":
			return note(ctx, tx, sourceBelieved, "")
		case before == "":
			return note(ctx, tx, sourceSuspect, "")
		}
		return nil
	})
	switch {
	case err != nil || reason == before:
	case reason != "":
		s.config.Log.ErrorContext(ctx, "the source is suspect: what is loaded stays, and late data is not followed", "reason", reason)
	default:
		s.config.Log.InfoContext(ctx, "the source is believed again: late data is followed")
	}
	return reason != "", err
}

// askForStale asks for the stale days. The ledger says which, as the source was
// asked just now; one that somebody called off is left until it changes again.
func (s *scheduler) askForStale(ctx context.Context, days etl.Span, before map[time.Time]int64) error {
	after, err := seenDigests(ctx, targetdb.New(s.config.Target), days)
	if err != nil {
		return err
	}
	var run scheduledRun
	err = s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if row.Paused {
			return nil
		}
		grid, calledOff, err := readStates(ctx, tx, days.First, days.Last)
		if err != nil {
			return err
		}
		var wanted []time.Time
		for _, day := range grid {
			changed := before[day.Day] != after[day.Day]
			// What failed may be well now that the source has another answer.
			mended := day.State == enum.PartitionStateFailed && changed
			if (day.State == enum.PartitionStateStale || mended) && (changed || !calledOff[day.Day]) {
				wanted = append(wanted, day.Day)
			}
		}
		run, err = s.open(ctx, tx, enum.RunTriggerSweep, enum.RunScopeStale, wanted)
		return err
	})
	if err == nil && run.id != 0 {
		s.config.Log.InfoContext(ctx, "days have changed at the source; they are loaded again", run.facts()...)
	}
	return err
}

func seenDigests(ctx context.Context, db *targetdb.Queries, days etl.Span) (map[time.Time]int64, error) {
	rows, err := db.SeenDigests(ctx, targetdb.SeenDigestsParams{FirstDay: days.First, LastDay: days.Last})
	if err != nil {
		return nil, fmt.Errorf("read digests: %w", err)
	}
	seen := make(map[time.Time]int64, len(rows))
	for _, row := range rows {
		seen[row.Day] = row.Digest
	}
	return seen, nil
}

type agenda struct {
	days   []time.Time // ascending
	whole  bool        // they are all that are followed
	again  []time.Time // those of them that the next sweep looks at too
	cursor string      // by which the next one asks for changes; "" for none
}

// agenda asks the source which of the days have changed since the last sweep. It is all
// of them when the source can't tell or is suspect, and once a UTC day: people write by
// SQL, and the day that has just ended is followed from now on.
//
// A load that is under way may have read a day before the change, and record what it has
// read after the look. So its day is looked at again, whoever changed it.
func (s *scheduler) agenda(ctx context.Context, now time.Time, followed etl.Span) (agenda, error) {
	db := targetdb.New(s.config.Target)
	row, err := db.ReadSchedule(ctx)
	if err != nil {
		return agenda{}, fmt.Errorf("read how far the source was looked at: %w", err)
	}
	since := *cmp.Or(row.SweepCursor, new(string))
	// An older source has no changes to tell. One that is away fails the look too.
	changes, failure := s.config.Job.Changes(ctx, since)
	if failure != nil {
		changes = extract.Changes{}
		s.config.Log.DebugContext(ctx, "the source does not tell what has changed; all days are looked at", "error", failure)
	}
	a := agenda{cursor: changes.Cursor}
	a.whole = !changes.Complete || row.SuspectReason != nil || row.SweptWholeAt == nil || !dates.Of(*row.SweptWholeAt).Equal(dates.Of(now))
	for day := followed.First; !day.After(followed.Last); day = day.AddDate(0, 0, 1) {
		is := func(other time.Time) bool { return other.Equal(day) }
		if a.whole || slices.ContainsFunc(changes.Days, is) || slices.ContainsFunc(row.SweepAgain, is) {
			a.days = append(a.days, day)
		}
	}
	if a.again, err = db.ClaimedDays(ctx, a.days); err != nil {
		return agenda{}, fmt.Errorf("list the days that are being loaded: %w", err)
	}
	return a, nil
}

// today asks for the running day, if the source has samples of it: also if none has come
// since, as more are expected by now. It returns errNotDue before it is time again, and
// while what has come late of yesterday is to be loaded; one process at a time does it.
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
