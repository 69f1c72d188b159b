// Package verify compares what the target holds with what it should hold, value
// by value. It shares the client of the source API with the ETL, and computes by
// code of its own.
//
//	source API ── a turbine's day of samples ──▶ windows in exact arithmetic ─┐
//	                                                                          ├▶ findings
//	target ────── values in the key's order ──────────────────────────────────┘
//
// Mean and deviation are computed in whole numbers of any length and rounded once,
// so that the worst relative difference says how far the target is from the truth.
// Minimum, maximum and count have to be equal, mean and deviation equal to 1e-12.
//
// A day that differs is not always wrong: its source may have changed since it
// was loaded, which makes it stale, or it was never loaded. The ledger and the
// source's digest say which it is.
//
// A day is compared by parts of its turbines, each in a snapshot of its own. In memory are
// a few turbines' days for each part in work, and the findings up to a bound.
package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/selector"
)

// DefaultLimit is how many findings a report spells out.
const DefaultLimit = 20

// ErrNothingLoaded is wrapped when the ledger has no loaded day in the range.
var ErrNothingLoaded = errors.New("the ledger has no loaded day")

// Config is what Run works on.
type Config struct {
	// Target is a pool of etl.OpenTarget, whose sessions read by index. Each part in
	// work takes one session.
	Target *pgxpool.Pool
	// SourceURL is where the source API answers, and SourceToken what it takes there.
	SourceURL   string
	SourceToken apiclient.Token
	Log         *slog.Logger
}

// Request says what to compare.
type Request struct {
	// From and To are days at UTC midnight, both inclusive, or nil. With both, every day
	// between them is compared; else the days that the ledger has as loaded, without
	// those that can't be believed (package dates), unless one of the ends lies among
	// them.
	From, To *time.Time
	// Turbines selects whose values are compared.
	Turbines selector.Set
	// Parallel is how many parts of days, a hundred turbines each, are in work at once,
	// one if it is zero.
	Parallel int
	// Limit bounds the findings that are spelled out, DefaultLimit if it is zero.
	Limit int
	// Progress, if any, is called with how many days are done and of how many, one
	// call at a time.
	Progress func(done, total int64)
}

// Run compares the target with what the source makes of each day. After an error
// the report is of the days before it.
func Run(ctx context.Context, c Config, r Request) (Report, error) {
	begun := time.Now()
	r.Parallel = max(r.Parallel, 1)
	if r.Limit == 0 {
		r.Limit = DefaultLimit
	}
	report := Report{Findings: []Finding{}, NotClean: []Day{}}
	client, err := extract.New(c.SourceURL, c.SourceToken, extract.Retry{}, c.Log)
	if err != nil {
		return report, err
	}
	defer client.Close()
	days, err := days(ctx, c, r)
	if err != nil {
		return report, explain(err)
	}
	v := &verifier{target: c.Target, source: client, selected: r.Turbines, limit: r.Limit, slots: make(chan struct{}, r.Parallel)}
	if err := v.prepare(ctx); err != nil {
		return report, explain(err)
	}
	err = v.days(ctx, days, r, &report)
	report.Seconds = time.Since(begun).Seconds()
	return report, explain(err)
}

// days lists the days to compare.
func days(ctx context.Context, c Config, r Request) ([]time.Time, error) {
	if r.From != nil && r.To != nil {
		if r.To.Before(*r.From) {
			return nil, fmt.Errorf("the last day is %s: want one not before the first, %s", format(*r.To), format(*r.From))
		}
		var days []time.Time
		for day := *r.From; !day.After(*r.To); day = day.AddDate(0, 0, 1) {
			days = append(days, day)
		}
		return days, nil
	}
	params := targetdb.ListLoadedDaysParams{FirstDay: dates.Earliest(), LastDay: dates.Latest(time.Now())}
	switch {
	case r.From != nil:
		params.FirstDay = *r.From
		if r.From.After(params.LastDay) {
			params.LastDay = dates.Last()
		}
	case r.To != nil:
		params.LastDay = *r.To
		if r.To.Before(params.FirstDay) {
			params.FirstDay = dates.First()
		}
	}
	days, err := targetdb.New(c.Target).ListLoadedDays(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("list the loaded days: %w", err)
	}
	if len(days) == 0 {
		return nil, ErrNothingLoaded
	}
	return days, nil
}

type verifier struct {
	target    *pgxpool.Pool
	source    *extract.Client
	selected  selector.Set
	limit     int
	slots     chan struct{} // one is taken by each part in work
	turbines  []int32       // of the source, ascending
	wanted    []int32       // those of them that are selected
	catalogue *catalogue
}

func (v *verifier) prepare(ctx context.Context) error {
	signals, err := targetdb.New(v.target).ListSignals(ctx)
	if err != nil {
		return fmt.Errorf("list signals: %w", err)
	}
	if v.catalogue, err = newCatalogue(signals); err != nil {
		return err
	}
	ids, err := v.source.TurbineIDs(ctx)
	if err != nil {
		return err
	}
	v.turbines = append([]int32{}, ids...) // never nil: a NULL would hide every stray value
	v.wanted = slices.DeleteFunc(slices.Clone(v.turbines), func(id int32) bool { return !v.selected.Contains(id) })
	if len(v.wanted) == 0 && !v.selected.All() {
		return fmt.Errorf("turbines %s: the source has none of them", v.selected)
	}
	return nil
}

// days compares days, some at the same time, and adds them to the report in order.
func (v *verifier) days(ctx context.Context, days []time.Time, r Request, report *Report) error {
	compared := make([]*comparison, len(days))
	var mu sync.Mutex // guards done, and Progress
	done := int64(0)
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(r.Parallel)
	for i, day := range days {
		if working.Err() != nil {
			break
		}
		work.Go(func() error {
			d, err := v.day(working, day)
			if err != nil {
				return fmt.Errorf("%s: %w", format(day), err)
			}
			mu.Lock()
			defer mu.Unlock()
			compared[i] = d
			done++
			if r.Progress != nil {
				r.Progress(done, int64(len(days)))
			}
			return nil
		})
	}
	err := work.Wait()
	for _, d := range compared {
		if d == nil {
			break
		}
		d.enter(report)
	}
	return err
}

// explain adds to an error of the target what to do about it, if that is known.
func explain(err error) error {
	if errors.Is(err, extract.ErrAway) || errors.Is(err, extract.ErrBroken) {
		return err
	}
	return dberror.Target.Explain(err)
}

func format(day time.Time) string { return day.Format(time.DateOnly) }
