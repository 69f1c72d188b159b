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
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/internal/pgcopy"
	"github.com/delfos/delfos/schema"
)

const (
	copyData = `COPY data (turbine_id, timestamp, wind_speed, power, ambient_temperature)
FROM STDIN (FORMAT binary)`
	copyStage = `COPY data_stage (turbine_id, timestamp, wind_speed, power, ambient_temperature, file, line)
FROM STDIN (FORMAT binary)`

	uniqueViolation = "23505"
)

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
		queries := importdb.New(tx)
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
			inserted, err = pgcopy.From(ctx, tx.Conn().PgConn(), copyData, opts.rows(ids, false))
			return err
		}
		if _, err = tx.Exec(ctx, schema.SourceStage); err != nil {
			return fmt.Errorf("create the staging table: %w", err)
		}
		if _, err = pgcopy.From(ctx, tx.Conn().PgConn(), copyStage, opts.rows(ids, true)); err != nil {
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
func (o Options) rows(ids []int32, staged bool) func(*pgcopy.Writer) error {
	return func(w *pgcopy.Writer) error {
		weather := newWeather()
		start := o.Start.Sub(firstMinute())
		for _, id := range ids {
			s := weather.series(id)
			for d := range o.Days {
				writeDay(w, id, s, int64(start/time.Minute)+int64(d)*minutesPerDay, staged)
				if w.Err() != nil {
					return w.Err()
				}
				if o.Progress != nil {
					o.Progress(w.Rows(), o.total())
				}
			}
		}
		return nil
	}
}

func writeDay(w *pgcopy.Writer, turbine int32, s *series, first int64, staged bool) {
	for minute := first; minute < first+minutesPerDay; minute++ {
		v := s.at(minute)
		fields := 5
		if staged {
			fields = 7
		}
		w.Row(fields)
		w.Int32(turbine)
		w.Timestamp(firstMicros + minute*time.Minute.Microseconds())
		w.Float64(v.windSpeed)
		w.Float64(v.power)
		w.Float64(v.ambientTemperature)
		if staged {
			w.Int32(0)
			w.Int64(0)
		}
	}
}
