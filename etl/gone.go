package etl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/targetdb"
)

// Gone is what the target holds of days, and of turbines on a day, that the source
// has no samples of.
type Gone struct {
	Values int64
	Days   int64 // on which there are any
}

// pairsAtOnce bounds how many turbines' days one statement counts.
const pairsAtOnce = 2_000

// Gone counts what the target holds of the days, which ascend, and the source has
// no longer: values that an attempt removes only when it is allowed to. Only the
// digests are asked for, so it is not told what else an attempt would find.
func (j *Job) Gone(ctx context.Context, days []time.Time) (Gone, error) {
	loaded, err := j.holding(ctx, days)
	if err != nil || len(loaded) == 0 {
		return Gone{}, err
	}
	there := map[int64]map[int32]bool{} // turbines by day
	_, _, err = j.allDigests(ctx, loaded[0].Day, loaded[len(loaded)-1].Day, func(digests []extract.Digest) {
		for _, d := range digests {
			day := d.Day.Unix()
			if there[day] == nil {
				there[day] = map[int32]bool{}
			}
			there[day][d.Turbine] = true
		}
	})
	if err != nil {
		return Gone{}, fmt.Errorf("look for what is gone: %w", err)
	}
	turbines, err := j.loadedTurbines(ctx)
	if err != nil {
		return Gone{}, err
	}
	var sum Gone
	var pairs targetdb.CountValuesOfTurbinesParams
	for _, l := range loaded {
		if there[l.Day.Unix()] == nil { // nothing of the whole day
			sum.Values += l.Rows
			sum.Days++
			continue
		}
		for _, id := range turbines {
			if !there[l.Day.Unix()][id] {
				pairs.TurbineIds, pairs.Starts = append(pairs.TurbineIds, id), append(pairs.Starts, l.Day)
			}
		}
		if len(pairs.TurbineIds) >= pairsAtOnce {
			if err := j.countPairs(ctx, &pairs, &sum); err != nil {
				return Gone{}, err
			}
		}
	}
	return sum, j.countPairs(ctx, &pairs, &sum)
}

// holding are those of the days that the target holds values of.
func (j *Job) holding(ctx context.Context, days []time.Time) ([]targetdb.ListLoadedRow, error) {
	if len(days) == 0 {
		return nil, nil
	}
	rows, err := targetdb.New(j.target).ListLoaded(ctx, targetdb.ListLoadedParams{FirstDay: days[0], LastDay: days[len(days)-1]})
	if err != nil {
		return nil, fmt.Errorf("look for loaded days: %w", explain(err))
	}
	var loaded []targetdb.ListLoadedRow
	for _, row := range rows {
		for len(days) > 0 && days[0].Before(row.Day) {
			days = days[1:]
		}
		if len(days) > 0 && days[0].Equal(row.Day) {
			loaded = append(loaded, row)
		}
	}
	return loaded, nil
}

// loadedTurbines are those that the target has any values of, ascending.
func (j *Job) loadedTurbines(ctx context.Context) (ids []int32, err error) {
	q := targetdb.New(j.target)
	for last := int32(0); ; {
		next, err := q.NextWindowTurbine(ctx, last)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ids, nil
		case err != nil:
			return nil, fmt.Errorf("list the turbines that are loaded: %w", explain(err))
		}
		ids = append(ids, next)
		last = next
	}
}

// countPairs adds up what the target has of turbines' days, and empties them.
func (j *Job) countPairs(ctx context.Context, pairs *targetdb.CountValuesOfTurbinesParams, sum *Gone) error {
	if len(pairs.TurbineIds) == 0 {
		return nil
	}
	q := targetdb.New(j.target)
	signals, err := q.ListSignals(ctx)
	if err != nil {
		return fmt.Errorf("list signals: %w", err)
	}
	pairs.SignalIds = nil
	for _, s := range signals {
		pairs.SignalIds = append(pairs.SignalIds, s.ID)
	}
	counts, err := q.CountValuesOfTurbines(ctx, *pairs)
	if err != nil {
		return fmt.Errorf("count values of turbines that are gone: %w", err)
	}
	for _, c := range counts {
		sum.Values += c.Count
		sum.Days++
	}
	pairs.TurbineIds, pairs.Starts = pairs.TurbineIds[:0], pairs.Starts[:0]
	return nil
}
