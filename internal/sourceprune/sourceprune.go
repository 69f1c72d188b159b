// Package sourceprune removes samples from the source's database, day by day, for
// `delfos prune source`. Which days may go is decided by package etl.
package sourceprune

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/importdb"
)

// Samples are those of a source. It implements etl.Samples.
type Samples struct{ Source *pgxpool.Pool }

// Days implements etl.Samples.
func (s Samples) Days(ctx context.Context, before time.Time) ([]time.Time, error) {
	days, err := importdb.New(s.Source).SampledDays(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("list the days that have samples: %w", err)
	}
	return days, nil
}

// Digest implements etl.Samples.
func (s Samples) Digest(ctx context.Context, day time.Time) (samples, hash int64, err error) {
	q := importdb.New(s.Source)
	ids, err := q.TurbineIDs(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("list turbines: %w", err)
	}
	d, err := q.DigestDay(ctx, importdb.DigestDayParams{TurbineIds: ids, Start: day, Stop: day.AddDate(0, 0, 1)})
	if err != nil {
		return 0, 0, fmt.Errorf("digest samples: %w", err)
	}
	return d.Samples, d.Digest, nil
}

// Remove implements etl.Samples.
func (s Samples) Remove(ctx context.Context, day time.Time, allow func(samples, hash int64) error) error {
	return pgx.BeginFunc(ctx, s.Source, func(tx pgx.Tx) error {
		q := importdb.New(tx)
		ids, err := q.TurbineIDs(ctx)
		if err != nil {
			return fmt.Errorf("list turbines: %w", err)
		}
		d, err := q.RemoveDay(ctx, importdb.RemoveDayParams{TurbineIds: ids, Start: day, Stop: day.AddDate(0, 0, 1)})
		if err != nil {
			return fmt.Errorf("remove samples: %w", err)
		}
		if err := allow(d.Samples, d.Digest); err != nil {
			return err
		}
		if err := q.NoteChanges(ctx, importdb.NoteChangesParams{Days: []time.Time{day}, Counts: []int64{d.Samples}}); err != nil {
			return fmt.Errorf("note the day: %w", err)
		}
		return nil
	})
}
