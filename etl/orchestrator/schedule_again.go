package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

// againAfter is how long after its last failure a day is asked for again that the
// schedule has asked for again so many times since somebody else did; false when
// it is left to a person.
func againAfter(times int) (time.Duration, bool) {
	waits := []time.Duration{10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 24 * time.Hour}
	if times < len(waits) {
		return waits[times], true
	}
	return 0, false
}

// asked is what askAgain has asked for.
type asked struct {
	runID int64
	days  []time.Time
}

// askAgain asks for days that have failed, and that nobody asks for any more, once
// more: what made them fail may have been mended. Those whose time has not come
// get it noted, as the next attempt that the ledger shows. They are days of the
// range that the schedule follows, and that the source is believed of; older ones
// are left to whoever loaded them.
func (s *Scheduler) askAgain(ctx context.Context, tx pgx.Tx, now time.Time) (asked, error) {
	last := dates.Of(now).AddDate(0, 0, -1)
	first := dates.Later(last.AddDate(0, 0, 1-max(s.config.CatchUpDays, s.config.StaleDays, 1)), dates.Earliest())
	first = s.config.SourceRetention.Clip(first, now)
	if start := s.config.PartitionStart; start != nil {
		first = dates.Later(first, *start)
	}
	db := targetdb.New(tx)
	failed, err := db.FailedDays(ctx, targetdb.FailedDaysParams{FirstDay: first, LastDay: last})
	switch {
	case err != nil:
		return asked{}, fmt.Errorf("read failed days: %w", err)
	case len(failed) == 0:
		return asked{}, nil
	}
	calledOff, err := db.CalledOffDays(ctx, targetdb.CalledOffDaysParams{FirstDay: first, LastDay: last})
	if err != nil {
		return asked{}, fmt.Errorf("read called off days: %w", err)
	}
	declined := make(map[int64]bool, len(calledOff))
	for _, day := range calledOff {
		declined[day.Unix()] = true
	}
	var a asked
	for _, f := range failed {
		after, ok := againAfter(int(f.Asked))
		at := f.FailedAt.Add(after)
		switch {
		case !ok, declined[f.Day.Unix()]:
		case !now.Before(at):
			a.days = append(a.days, f.Day)
		case f.NextAttemptAt == nil || !f.NextAttemptAt.Equal(at):
			if _, err := db.PlanNextAttempt(ctx, targetdb.PlanNextAttemptParams{Day: f.Day, At: at}); err != nil {
				return asked{}, fmt.Errorf("note the next attempt at %s: %w", f.Day.Format(time.DateOnly), err)
			}
		}
	}
	if len(a.days) == 0 {
		return a, nil
	}
	a.runID, err = s.queue.open(ctx, tx, request{
		Trigger: enum.RunTriggerSchedule, From: a.days[0], To: a.days[len(a.days)-1], Scope: enum.RunScopeFailed,
	}, a.days)
	return a, err
}

func (a asked) log(ctx context.Context, log *slog.Logger) {
	if a.runID != 0 {
		log.InfoContext(ctx, "failed days are asked for again", "run", a.runID, "days", len(a.days),
			"from", a.days[0].Format(time.DateOnly), "to", a.days[len(a.days)-1].Format(time.DateOnly))
	}
}
