package orchestrator

import (
	"context"
	"time"

	"github.com/delfos/delfos/etl"
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
	switch {
	case from != nil && to != nil:
		within = etl.Span{First: *from, Last: *to}
		page.Days = &within
	case to != nil:
		within.Last = *to
		if to.Before(within.First) {
			within.First = dates.First()
		}
		page.Days, err = c.upTo(ctx, within)
	case from != nil:
		within.First = *from
		if from.After(within.Last) {
			within.Last = dates.Last()
		}
		page.Days, err = c.since(ctx, now, within)
	default:
		page.Days, err = c.newest(ctx, now, within)
	}
	if err != nil {
		return Page{}, err
	}
	if page.Days != nil {
		within = *page.Days
	}
	if page.Earlier, err = c.earlier(ctx, within.First); err != nil {
		return Page{}, err
	}
	page.Later, err = c.later(ctx, within.Last)
	return page, err
}

// newest is the days up to the newest known one, and those since that are over.
func (c *Control) newest(ctx context.Context, now time.Time, within etl.Span) (*etl.Span, error) {
	known, err := c.known(ctx, within, c.origin.sampled(ctx, now), false)
	if err != nil {
		return nil, err
	}
	yesterday := dates.Of(now).AddDate(0, 0, -1)
	if known == nil {
		// All that is known is that the schedule has begun.
		begun := c.config.Schedule.PartitionStart
		if begun == nil || begun.After(yesterday) {
			return nil, nil //nolint:nilnil // There are no days.
		}
		known = &etl.Span{First: dates.Later(*begun, within.First), Last: yesterday}
	}
	days := lastPage(*known)
	if dates.Count(known.Last, yesterday) <= PageDays+1 {
		days.Last = dates.Later(known.Last, yesterday)
	}
	return days, nil
}

// upTo is the days up to the end of within.
func (c *Control) upTo(ctx context.Context, within etl.Span) (*etl.Span, error) {
	known, err := c.known(ctx, within, c.origin.remembered(), false)
	if err != nil || known == nil {
		return nil, err
	}
	return lastPage(etl.Span{First: known.First, Last: within.Last}), nil
}

// since is the days from the start of within on, to the newest known one or to
// yesterday.
func (c *Control) since(ctx context.Context, now time.Time, within etl.Span) (*etl.Span, error) {
	known, err := c.known(ctx, within, c.origin.sampled(ctx, now), false)
	if err != nil {
		return nil, err
	}
	last := dates.Of(now).AddDate(0, 0, -1)
	if known != nil {
		last = dates.Later(last, known.Last)
	}
	if last.Before(within.First) {
		return nil, nil //nolint:nilnil // There are no days.
	}
	return &etl.Span{First: within.First, Last: dates.Earlier(last, dates.Add(within.First, MaxDays-1))}, nil
}

// earlier is a page of known days before one.
func (c *Control) earlier(ctx context.Context, first time.Time) (*etl.Span, error) {
	if !first.After(dates.First()) {
		return nil, nil //nolint:nilnil // Nothing can be before it.
	}
	samples := c.origin.remembered()
	before, err := c.known(ctx, etl.Span{First: dates.First(), Last: first.AddDate(0, 0, -1)}, samples, true)
	if err != nil || before == nil {
		return nil, err
	}
	return c.known(ctx, *lastPage(*before), samples, true)
}

// later is a page of known days after one.
func (c *Control) later(ctx context.Context, last time.Time) (*etl.Span, error) {
	if !last.Before(dates.Last()) {
		return nil, nil //nolint:nilnil // Nothing can be after it.
	}
	samples := c.origin.remembered()
	after, err := c.known(ctx, etl.Span{First: last.AddDate(0, 0, 1), Last: dates.Last()}, samples, true)
	if err != nil || after == nil {
		return nil, err
	}
	return c.known(ctx, etl.Span{First: after.First, Last: dates.Add(after.First, PageDays-1)}, samples, true)
}

// lastPage is the last PageDays days.
func lastPage(days etl.Span) *etl.Span {
	return &etl.Span{First: dates.Later(days.First, dates.Add(days.Last, 1-PageDays)), Last: days.Last}
}

// known is the first and the last day of a range that the ledger has something to
// say of, or that have samples; nil if there is none. With calledOff days count
// too that were called off before they were loaded.
func (c *Control) known(ctx context.Context, within etl.Span, samples *etl.Span, calledOff bool) (*etl.Span, error) {
	known, err := ledgerRange(ctx, c.config.Target, within, calledOff)
	if err != nil {
		return nil, err
	}
	if samples == nil || samples.Last.Before(within.First) || samples.First.After(within.Last) {
		return known, nil
	}
	sampled := etl.Span{First: dates.Later(samples.First, within.First), Last: dates.Earlier(samples.Last, within.Last)}
	if known == nil {
		return &sampled, nil
	}
	return &etl.Span{First: dates.Earlier(known.First, sampled.First), Last: dates.Later(known.Last, sampled.Last)}, nil
}
