package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

// agenda is what one sweep looks at.
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
	since := ""
	if row.SweepCursor != nil {
		since = *row.SweepCursor
	}
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
