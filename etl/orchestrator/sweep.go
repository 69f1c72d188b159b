package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
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

// sweep asks the source which of the last StaleDays days have changed since they
// were loaded (it looks at those of its agenda), and asks for exactly those as one run of
// trigger Sweep. It returns errNotDue while the schedule is paused, or before it is time
// again; one process at a time does it. What a suspect source says (see etl.Look) is not
// followed, which the schedule says until the source is believed again.
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
	before := ""
	err := s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if row.SuspectReason != nil {
			before = *row.SuspectReason
		}
		if reason == before {
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

// seenDigests reads the source's digests as last seen, by day.
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
