// Package seed fills the source with samples that look like a wind farm's: a
// row a turbine and minute, without gaps or missing readings. Wind speeds are
// autocorrelated and follow a Weibull distribution, power follows the wind by
// a turbine's power curve, temperature has a day and a year.
//
// A sample depends on its turbine and its minute alone: the same arguments
// give the same rows, and so does a longer range where it overlaps a shorter.
// Rows that exist stay as they are. Turbines that are new have the rated power and the
// wind speeds of that curve.
package seed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/schema"
)

// What Options may ask for.
const (
	MaxDays     = 36_600
	MaxTurbines = 100_000
)

// lastDay returns the last day that can be seeded; firstMinute's is the first.
func lastDay() time.Time { return time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC) }

// Options say what to seed: Days whole days from Start, midnight UTC, of the
// turbines 1 to Turbines.
type Options struct {
	Start    time.Time
	Days     int
	Turbines int
	// Progress, if any, is called by another goroutine with how many rows have been sent, a day of a
	// turbine at a time. It starts again when another seed was faster.
	Progress func(done, total int64)
}

// Result counts the rows that were added and those that were there.
type Result struct{ Inserted, Existing int64 }

// Validate reports every fault in one line, with the option's name on the command line.
func (o Options) Validate() error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }

	startOK := false
	switch {
	case !o.Start.Equal(o.Start.UTC().Truncate(24 * time.Hour)):
		fault("start-date: %s is not the start of a day in UTC", o.Start.Format(time.RFC3339))
	case o.Start.Before(firstMinute()) || o.Start.After(lastDay()):
		fault("start-date: %s is not from %s to %s", day(o.Start), day(firstMinute()), day(lastDay()))
	default:
		startOK = true
	}
	switch {
	case o.Days < 1 || o.Days > MaxDays:
		fault("days: %d is not from 1 to %d", o.Days, MaxDays)
	case startOK && o.Start.UTC().AddDate(0, 0, o.Days-1).After(lastDay()):
		fault("days: %d from %s end after %s, the last day allowed", o.Days, day(o.Start), day(lastDay()))
	}
	if o.Turbines < 1 || o.Turbines > MaxTurbines {
		fault("turbines: %d is not from 1 to %d", o.Turbines, MaxTurbines)
	}
	if faults == nil {
		return nil
	}
	return errors.New(strings.Join(faults, "; "))
}

func (o Options) total() int64 { return int64(o.Turbines) * int64(o.Days) * minutesPerDay }

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Run seeds the source in one transaction: all rows or none. Seeds may run at
// once; a row is then added by one of them and existing to the others.
func Run(ctx context.Context, pool *pgxpool.Pool, opts Options) (Result, error) {
	if err := opts.Validate(); err != nil {
		return Result{}, fmt.Errorf("seed: %w", err)
	}
	opts.Start = opts.Start.UTC() // where all days have 24 hours
	ids := make([]int32, opts.Turbines)
	for i := range ids {
		ids[i] = int32(i + 1)
	}
	inserted, err := load(ctx, pool, opts, ids, false)
	// Another seed or import was faster with one of the rows. Staged rows give way to existing ones.
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == pgerrcode.UniqueViolation {
		inserted, err = load(ctx, pool, opts, ids, true)
	}
	if err != nil {
		return Result{}, fmt.Errorf("seed from %s (days: %d, turbines: %d): %w",
			day(opts.Start), opts.Days, opts.Turbines, err)
	}
	return Result{Inserted: inserted, Existing: opts.total() - inserted}, nil
}

// load runs the transaction and returns how many rows it added. An empty range is copied straight into
// data. Otherwise, or if staged is true, the rows go through data_stage.
func load(ctx context.Context, pool *pgxpool.Pool, opts Options, ids []int32, staged bool) (inserted int64, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
		queries := importdb.New(pool).WithTx(tx)
		if err = queries.SeedTurbines(ctx, importdb.SeedTurbinesParams{Ids: ids, RatedPower: ratedPower, CutIn: cutIn, CutOut: cutOut}); err != nil {
			return fmt.Errorf("create turbines: %w", err)
		}
		if !staged {
			staged, err = queries.HasSamples(ctx, importdb.HasSamplesParams{
				TurbineIds: ids, Start: opts.Start, Stop: opts.Start.AddDate(0, 0, opts.Days),
			})
			if err != nil {
				return fmt.Errorf("look for samples: %w", err)
			}
		}
		var changes importdb.NoteChangesParams
		if staged {
			changes, err = insertStaged(ctx, tx, opts, ids)
		} else {
			changes = opts.changes()
			_, err = importdb.CopySamples(ctx, tx.Conn(), opts.rows(ids))
		}
		if err != nil {
			return err
		}
		inserted = 0
		for _, n := range changes.Counts {
			inserted += n
		}
		// Who looks for late data reads these days alone.
		if err := queries.NoteChanges(ctx, changes); err != nil {
			return fmt.Errorf("note the days: %w", err)
		}
		return nil
	})
	return inserted, err
}

// changes are those of a range that had no samples.
func (o Options) changes() (c importdb.NoteChangesParams) {
	for d := range o.Days {
		c.Days, c.Counts = append(c.Days, o.Start.AddDate(0, 0, d)), append(c.Counts, int64(o.Turbines)*minutesPerDay)
	}
	return c
}

func insertStaged(ctx context.Context, tx pgx.Tx, opts Options, ids []int32) (c importdb.NoteChangesParams, err error) {
	if _, err := tx.Exec(ctx, schema.SourceStage); err != nil {
		return c, fmt.Errorf("create the staging table: %w", err)
	}
	if _, err := importdb.StageSamples(ctx, tx.Conn(), opts.rows(ids)); err != nil {
		return c, err
	}
	days, err := importdb.New(tx).InsertStaged(ctx)
	if err != nil {
		return c, fmt.Errorf("insert staged rows: %w", err)
	}
	for _, d := range days {
		c.Days, c.Counts = append(c.Days, d.Day), append(c.Counts, d.Inserted)
	}
	return c, nil
}

// rows writes all samples in the key's order: an index grows fastest, seeds can't deadlock.
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

// writeDay writes a day of a turbine; variables without a weather model are NULL.
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
