package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

const (
	statusDays = 100
	recentDays = 30
)

// Status is how it stands with everything at one moment of the ledger. The source is not
// asked for it.
type Status struct {
	targetdb.ReadTotalsRow

	Now      time.Time
	Days     *etl.Span // nil while nothing is known
	Counts   map[enum.PartitionState]int64
	Failed   []targetdb.ReadGridRow // the newest
	Stale    []targetdb.ReadGridRow // likewise
	Workers  []targetdb.ListWorkersRow
	Source   *Contact // nil before the first
	Schedule ScheduleState

	MedianSeconds float64 // how long a day takes to load
}

// Status reads how it stands.
func (c *Control) Status(ctx context.Context) (Status, error) {
	now := c.config.Now()
	s := Status{Now: now, Source: c.origin.contact.Load(), Counts: map[enum.PartitionState]int64{}}
	err := pgx.BeginTxFunc(ctx, c.config.Target, snapshot(), func(tx pgx.Tx) (err error) {
		db := targetdb.New(tx)
		known, err := ledgerRange(ctx, tx, etl.Span{First: dates.Earliest(), Last: dates.Latest(now)}, false)
		if err != nil {
			return err
		}
		start := c.begun(known)
		if s.Schedule, err = c.readSchedule(ctx, tx, now, start); err != nil {
			return err
		}
		if s.Days = followed(known, start, yesterday(now)); s.Days != nil {
			grid, err := db.ReadGrid(ctx, targetdb.ReadGridParams{FirstDay: s.Days.First, LastDay: s.Days.Last})
			if err != nil {
				return fmt.Errorf("read the grid: %w", err)
			}
			s.count(grid)
		}
		last := yesterday(now)
		if s.Days != nil {
			last = dates.Earlier(last, s.Days.Last)
		}
		if s.ReadTotalsRow, err = db.ReadTotals(ctx, targetdb.ReadTotalsParams{FirstDay: last.AddDate(0, 0, 1-recentDays), LastDay: last}); err != nil {
			return err
		}
		if s.MedianSeconds, err = db.MedianSeconds(ctx); err != nil {
			return err
		}
		s.Workers, err = db.ListWorkers(ctx)
		return err
	})
	if err != nil {
		return Status{}, fmt.Errorf("read the status: %w", err)
	}
	return s, nil
}

// begun is the first day that the schedule loads, as far as it can be told unasked; nil if
// it can't.
func (c *Control) begun(known *etl.Span) *time.Time {
	if start := c.config.Schedule.PartitionStart; start != nil {
		return start
	}
	if samples := c.origin.last.Load(); samples != nil {
		return &samples.First
	}
	if known != nil {
		return &known.First
	}
	return nil
}

func (s *Status) count(grid []targetdb.ReadGridRow) {
	for _, row := range slices.Backward(grid) {
		s.Counts[row.State]++
		switch {
		case s.Counts[row.State] > statusDays:
		case row.State == enum.PartitionStateFailed:
			s.Failed = append(s.Failed, row)
		case row.State == enum.PartitionStateStale:
			s.Stale = append(s.Stale, row)
		}
	}
	slices.Reverse(s.Failed)
	slices.Reverse(s.Stale)
}

// followed is the known days, and those since that are over as newest has them; without
// any bound to a page.
func followed(known *etl.Span, begun *time.Time, yesterday time.Time) *etl.Span {
	days := newest(known, begun, yesterday)
	if days != nil && known != nil {
		days.First = known.First
	}
	return days
}
