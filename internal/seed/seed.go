// Package seed fills the source with samples that look like a wind farm's: a
// row a turbine and minute, without gaps or missing readings. Wind speeds are
// autocorrelated and follow a Weibull distribution, power follows the wind by
// a turbine's power curve, temperature has a day and a year.
//
// A sample depends on its turbine and its minute alone: the same arguments
// give the same rows, and so does a longer range where it overlaps a shorter.
// Rows that exist stay as they are.
package seed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/schema"
)

const uniqueViolation = "23505"

// Result counts the rows that were added and the ones that were there.
type Result struct{ Inserted, Existing int64 }

// Run seeds the source in one transaction: all rows or none. Seeds may run at
// once; a row is then added by one of them and existing to the others.
func Run(ctx context.Context, pool *pgxpool.Pool, opts Options) (Result, error) {
	if err := opts.Validate(); err != nil {
		return Result{}, fmt.Errorf("seed: %w", err)
	}
	// In UTC, days have 24 hours: adding days must not meet a clock change.
	opts.Start = opts.Start.UTC()
	ids := make([]int32, opts.Turbines)
	for i := range ids {
		ids[i] = int32(i + 1)
	}
	inserted, err := load(ctx, pool, opts, ids, false)
	// Another seed or import committed one of the rows between our look and
	// our COPY. Staged rows give way to existing ones.
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == uniqueViolation {
		inserted, err = load(ctx, pool, opts, ids, true)
	}
	if err != nil {
		return Result{}, fmt.Errorf("seed from %s (days: %d, turbines: %d): %w",
			day(opts.Start), opts.Days, opts.Turbines, err)
	}
	return Result{Inserted: inserted, Existing: opts.total() - inserted}, nil
}

// load runs the transaction and returns how many rows it added. An empty range
// is copied straight into data; else, or when staged says so, the rows go
// through data_stage.
func load(ctx context.Context, pool *pgxpool.Pool, opts Options, ids []int32, staged bool) (int64, error) {
	var inserted int64
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		queries := importdb.New(pool).WithTx(tx)
		if _, err := queries.EnsureTurbines(ctx, ids); err != nil {
			return fmt.Errorf("create turbines: %w", err)
		}
		if !staged {
			var err error
			staged, err = queries.HasSamples(ctx, importdb.HasSamplesParams{
				TurbineIds: ids, Start: opts.Start, Stop: opts.stop(),
			})
			if err != nil {
				return fmt.Errorf("look for samples: %w", err)
			}
		}
		var err error
		if !staged {
			inserted, err = importdb.CopySamples(ctx, tx.Conn(), opts.rows(ids))
			return err
		}
		if _, err = tx.Exec(ctx, schema.SourceStage); err != nil {
			return fmt.Errorf("create the staging table: %w", err)
		}
		if _, err = importdb.StageSamples(ctx, tx.Conn(), opts.rows(ids)); err != nil {
			return err
		}
		if inserted, err = queries.InsertStaged(ctx); err != nil {
			return fmt.Errorf("insert staged rows: %w", err)
		}
		return nil
	})
	return inserted, err
}

// rows returns what writes all samples in the key's order, in which an index
// grows fastest and two seeds can't deadlock.
func (o Options) rows(ids []int32) func(*pgrow.Copier[importdb.CopySamplesRow]) error {
	return func(w *pgrow.Copier[importdb.CopySamplesRow]) error {
		weather := newWeather()
		start := o.Start.Sub(firstMinute())
		for _, id := range ids {
			s := weather.series(id)
			for d := range o.Days {
				if err := writeDay(w, id, s, int64(start/time.Minute)+int64(d)*minutesPerDay); err != nil {
					return err
				}
				if o.Progress != nil {
					o.Progress(w.Rows(), o.total())
				}
			}
		}
		return nil
	}
}

// writeDay leaves variables that the weather does not know NULL.
func writeDay(w *pgrow.Copier[importdb.CopySamplesRow], turbine int32, s *series, first int64) error {
	row := importdb.CopySamplesRow{TurbineID: turbine}
	for minute := first; minute < first+minutesPerDay; minute++ {
		v := s.at(minute)
		row.Timestamp = pgrow.Micros(firstMicros + minute*time.Minute.Microseconds())
		row.Readings[variable.WindSpeed] = sql.Null[float64]{V: v.windSpeed, Valid: true}
		row.Readings[variable.Power] = sql.Null[float64]{V: v.power, Valid: true}
		row.Readings[variable.AmbientTemperature] = sql.Null[float64]{V: v.ambientTemperature, Valid: true}
		if err := w.Put(&row); err != nil {
			return err
		}
	}
	return nil
}
