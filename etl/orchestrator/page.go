package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

// PageDays is how many days a list has that nobody bounded.
const PageDays = 400

// Page is the days that a list answers for: none if Days is nil. Earlier and
// Later are the nearest days before and after that there is anything to say of,
// nil if there are none.
type Page struct {
	Days           *etl.Span
	Earlier, Later *etl.Span
}

// Page is the days of a list that begins with from and ends with to, where they
// are given. It always is a range that can be answered, unless both are given:
// then it is theirs. Days that can't be believed (package dates) count for none
// of its ends, unless the end that is given lies among them.
func (c *Control) Page(ctx context.Context, from, to *time.Time) (page Page, err error) {
	now := c.config.Now()
	within := etl.Span{First: dates.Earliest(), Last: dates.Latest(now)}
	if to != nil {
		within.Last = *to
		if to.Before(within.First) {
			within.First = dates.First()
		}
	}
	if from != nil {
		within.First = *from
		if from.After(within.Last) {
			within.Last = dates.Last()
		}
	}
	samples := c.origin.sampled(ctx, now, to == nil)
	if from != nil && to != nil {
		page.Days = &etl.Span{First: *from, Last: *to}
	} else {
		known, err := c.known(ctx, within, samples, false)
		switch {
		case err != nil:
			return Page{}, err
		case from != nil:
			page.Days = since(*from, known, yesterday(now))
		case to == nil:
			page.Days = newest(known, c.config.Schedule.PartitionStart, yesterday(now))
		case known != nil:
			page.Days = lastPage(etl.Span{First: known.First, Last: *to})
		}
	}
	if page.Days != nil {
		within = *page.Days
	}
	if page.Earlier, err = c.nearest(ctx, etl.Span{First: dates.First(), Last: within.First.AddDate(0, 0, -1)}, samples, lastPage); err != nil {
		return Page{}, err
	}
	page.Later, err = c.nearest(ctx, etl.Span{First: within.Last.AddDate(0, 0, 1), Last: dates.Last()}, samples, firstPage)
	return page, err
}

// since is the days from one on, to the newest known one or to yesterday; nil if
// there are none.
func since(from time.Time, known *etl.Span, yesterday time.Time) *etl.Span {
	last := yesterday
	if known != nil {
		last = dates.Later(last, known.Last)
	}
	if last.Before(from) {
		return nil
	}
	return &etl.Span{First: from, Last: dates.Earlier(last, dates.Add(from, MaxDays-1))}
}

// newest is the days up to the newest known one, and those since that are over. If
// none is known, they are those since the schedule has begun; nil if it has not.
func newest(known *etl.Span, begun *time.Time, yesterday time.Time) *etl.Span {
	if known == nil {
		if begun == nil || begun.After(yesterday) {
			return nil
		}
		known = &etl.Span{First: dates.Later(*begun, dates.Earliest()), Last: yesterday}
	}
	days := lastPage(*known)
	if dates.Count(known.Last, yesterday) <= PageDays+1 {
		days.Last = dates.Later(known.Last, yesterday)
	}
	return days
}

func lastPage(days etl.Span) *etl.Span {
	return &etl.Span{First: dates.Later(days.First, dates.Add(days.Last, 1-PageDays)), Last: days.Last}
}

func firstPage(days etl.Span) *etl.Span {
	return &etl.Span{First: days.First, Last: dates.Add(days.First, PageDays-1)}
}

// nearest is the known days among those that page takes of the known days of a
// range; nil if there are none.
func (c *Control) nearest(ctx context.Context, within etl.Span, samples *etl.Span, page func(etl.Span) *etl.Span) (*etl.Span, error) {
	if within.First.After(within.Last) {
		return nil, nil //nolint:nilnil // Nothing is before the first day, or after the last.
	}
	known, err := c.known(ctx, within, samples, true)
	if err != nil || known == nil {
		return nil, err
	}
	return c.known(ctx, *page(*known), samples, true)
}

// known is the first and the last day of a range that the ledger has something to
// say of, or that have samples; nil if there is none. With calledOff days count
// too that were called off before they were loaded.
func (c *Control) known(ctx context.Context, within etl.Span, samples *etl.Span, calledOff bool) (*etl.Span, error) {
	known, err := ledgerRange(ctx, c.config.Target, within, calledOff)
	if err != nil || samples == nil || samples.Last.Before(within.First) || samples.First.After(within.Last) {
		return known, err
	}
	sampled := etl.Span{First: dates.Later(samples.First, within.First), Last: dates.Earlier(samples.Last, within.Last)}
	if known == nil {
		return &sampled, nil
	}
	return &etl.Span{First: dates.Earlier(known.First, sampled.First), Last: dates.Later(known.Last, sampled.Last)}, nil
}

// ledgerRange is the first and the last day of a range that the ledger has
// something to say of; nil if there is none.
func ledgerRange(ctx context.Context, db targetdb.DBTX, within etl.Span, calledOff bool) (*etl.Span, error) {
	row, err := targetdb.New(db).LedgerRange(ctx, targetdb.LedgerRangeParams{
		FirstDay: within.First, LastDay: within.Last, CalledOff: calledOff,
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // There is none.
	case err != nil:
		return nil, fmt.Errorf("read the range of the ledger: %w", err)
	}
	return &etl.Span{First: row.FirstDay, Last: row.LastDay}, nil
}
