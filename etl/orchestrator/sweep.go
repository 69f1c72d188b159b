package orchestrator

import (
	"context"
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

// Sweep asks the source which of the last StaleDays days have changed since they
// were loaded, and asks for exactly those as one run of trigger Sweep. It does
// nothing while the schedule is paused, or before it is time again; one process
// at a time does it. A source that is away is no error: it is logged, and asked
// the next time. A source that is suspect (see etl.Look) is followed in nothing,
// which the schedule says until it is believed again.
func (s *Scheduler) Sweep(ctx context.Context, now time.Time) error {
	if s.config.StaleDays == 0 {
		return nil
	}
	to := dates.Of(now).AddDate(0, 0, -1)
	from := dates.Later(to.AddDate(0, 0, 1-s.config.StaleDays), dates.Earliest())
	days := dayRange{from: s.config.SourceRetention.Clip(from, now), to: to}
	db := targetdb.New(s.pool)
	turn, err := db.ClaimSweep(ctx, targetdb.ClaimSweepParams{At: now, Every: s.config.SweepEvery, Share: sweepShare})
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if turn == 0 {
		return nil
	}
	if err := s.unsee(ctx, now); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if days.from.After(days.to) {
		return nil
	}
	before, err := s.seen(ctx, days)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	// No other begins before this one ends.
	bounded, cancel := context.WithTimeout(ctx, s.config.SweepEvery)
	defer cancel()
	begun := s.now()
	look, found := s.stale.Look(bounded, days.from, days.to)
	if ctx.Err() != nil {
		return fmt.Errorf("sweep: %w", context.Cause(ctx))
	}
	if err := db.NoteSweepTook(ctx, max(s.now().Sub(begun), 0)); err != nil {
		return fmt.Errorf("sweep: note how long it took: %w", err)
	}
	s.tell(ctx, found)
	if found != nil {
		return nil
	}
	suspect, err := s.judge(ctx, now, look)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if suspect {
		return nil
	}
	return s.sweepUp(ctx, days, before)
}

// unsee takes back what was seen of the source on days that it is not believed of,
// which would be stale for ever.
func (s *Scheduler) unsee(ctx context.Context, now time.Time) error {
	since, bounded := s.config.SourceRetention.Since(now)
	if !bounded {
		return nil
	}
	if _, err := targetdb.New(s.pool).UnseeDays(ctx, since); err != nil {
		return fmt.Errorf("take back what was seen before %s: %w", since.Format(time.DateOnly), err)
	}
	return nil
}

// judge tells whether the source is suspect, and records, notes and logs when that
// changes.
func (s *Scheduler) judge(ctx context.Context, now time.Time, look etl.Look) (suspect bool, err error) {
	reason := look.Suspect()
	var before *string
	err = s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		db := targetdb.New(tx)
		before = row.SuspectReason
		switch {
		case reason == "" && before == nil:
			return nil
		case reason == "":
			if _, err := db.BelieveSource(ctx); err != nil {
				return fmt.Errorf("record that the source is believed: %w", err)
			}
			return note(ctx, tx, enum.EventKindSchedule, 0, sourceBelieved)
		}
		if _, err := db.SuspectSource(ctx, targetdb.SuspectSourceParams{At: now, Reason: reason}); err != nil {
			return fmt.Errorf("record that the source is suspect: %w", err)
		}
		if before != nil {
			return nil
		}
		return note(ctx, tx, enum.EventKindSchedule, 0, sourceSuspect)
	})
	switch {
	case err != nil:
		return false, err
	case reason != "" && (before == nil || *before != reason):
		s.log.ErrorContext(ctx, "the source is suspect: what is loaded stays, and late data is not followed", "reason", reason)
	case reason == "" && before != nil:
		s.log.InfoContext(ctx, "the source is believed again: late data is followed")
	}
	return reason != "", nil
}

type dayRange struct{ from, to time.Time }

// sweepUp asks for the stale days. The ledger says which, as it was told just
// now; one that somebody called off is left until it changes again.
func (s *Scheduler) sweepUp(ctx context.Context, days dayRange, before map[int64]int64) error {
	after, err := s.seen(ctx, days)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var runID int64
	var wanted []time.Time
	err = s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if row.Paused {
			return nil
		}
		db := targetdb.New(tx)
		grid, err := db.ReadGrid(ctx, targetdb.ReadGridParams{FirstDay: days.from, LastDay: days.to})
		if err != nil {
			return fmt.Errorf("read the grid: %w", err)
		}
		calledOff, err := db.CalledOffDays(ctx, targetdb.CalledOffDaysParams{FirstDay: days.from, LastDay: days.to})
		if err != nil {
			return fmt.Errorf("read called off days: %w", err)
		}
		declined := make(map[int64]bool, len(calledOff))
		for _, day := range calledOff {
			at := day.Unix()
			declined[at] = before[at] == after[at]
		}
		for _, day := range grid {
			at := day.Day.Unix()
			// What failed may be well now that the source has another answer.
			mended := day.State == enum.PartitionStateFailed && before[at] != after[at]
			if (day.State == enum.PartitionStateStale || mended) && !declined[at] {
				wanted = append(wanted, day.Day)
			}
		}
		if len(wanted) == 0 {
			return nil
		}
		runID, err = s.queue.open(ctx, tx, request{
			Trigger: enum.RunTriggerSweep, From: wanted[0], To: wanted[len(wanted)-1], Scope: enum.RunScopeStale,
		}, wanted)
		return err
	})
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if runID != 0 {
		s.log.InfoContext(ctx, "days have changed at the source", "run", runID, "days", len(wanted),
			"from", wanted[0].Format(time.DateOnly), "to", wanted[len(wanted)-1].Format(time.DateOnly))
	}
	return nil
}

// seen reads the source's digests as last seen, by day.
func (s *Scheduler) seen(ctx context.Context, days dayRange) (map[int64]int64, error) {
	rows, err := targetdb.New(s.pool).SeenDigests(ctx, targetdb.SeenDigestsParams{FirstDay: days.from, LastDay: days.to})
	if err != nil {
		return nil, fmt.Errorf("read digests: %w", err)
	}
	seen := make(map[int64]int64, len(rows))
	for _, row := range rows {
		seen[row.Day.Unix()] = row.Digest
	}
	return seen, nil
}

// tell logs the first of failures in a row, and their end.
func (s *Scheduler) tell(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && !s.sweepFailing:
		s.log.WarnContext(ctx, "looking for late data failed; trying again", "error", err)
	case err == nil && s.sweepFailing:
		s.log.InfoContext(ctx, "looking for late data works again")
	}
	s.sweepFailing = err != nil
}
