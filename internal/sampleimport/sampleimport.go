// Package sampleimport loads a person's own samples from files into the source, as
// the files are: CSV in many dialects, Parquet and Arrow, packed by gzip or zip. A
// Format says what can't be told from a file: which column holds which variable, the
// time zone, what stands for a missing reading.
//
// All files are one transaction. Any fault imports nothing, and its error is one line
// with the file, the line and the column. Importing again updates the rows that
// differ; a variable that the files lack keeps its value. Memory does not grow with the
// files.
//
//	sampleimport.go  the transaction, and the faults
//	format.go        what a person says of the files, and the numbers
//	clock.go         the times
//	input.go         what a file is, by its first bytes
//	csv.go           a CSV file's dialect, by its first lines, and its records
//	columns.go       the records of Arrow and Parquet
//	reader.go        the rows: which column is what, and turbines by name
//	observations.go  what the rows have shown
package sampleimport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/schema"
)

// A File is one file: its name in errors, and how to open it, once the one before has been read.
type File struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Options are what a caller may leave out.
type Options struct {
	Format Format
	// Turbine is the id or the name of the turbine of files that name none, else 1.
	Turbine string
	// Interval is the sample_interval of the turbines in the files, whole seconds up to
	// a day; 0 leaves it as it is.
	Interval time.Duration
	// AllowDates takes samples before 1980 and more than a day ahead of now too.
	AllowDates bool
	DryRun     bool
	// Progress, if any, is called from another goroutine with how many bytes have been read.
	Progress func(readBytes int64)
	// Say, if any, is called with each line that a person should see, likewise.
	Say func(line string)
}

// Check returns an error that names each fault of the options.
func (o *Options) Check() error {
	_, err := o.rules()
	return err
}

func (o *Options) rules() (rules, error) {
	r, err := o.Format.rules()
	if o.Interval < 0 || o.Interval > 24*time.Hour || o.Interval%time.Second != 0 {
		err = errors.Join(err, fmt.Errorf("interval is %s: want whole seconds up to 24h, such as 10m", o.Interval))
	}
	return r, err
}

// Counts are the rows by what was done with them. A row that stands twice counts as unchanged.
type Counts struct {
	Inserted  int64 `json:"inserted"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
}

// Run imports the files in one transaction. A fault in a file is an *Error.
func Run(ctx context.Context, pool *pgxpool.Pool, files []File, opts Options) (result Result, err error) {
	rules, err := opts.rules()
	if len(files) == 0 {
		err = errors.New("no file is given")
	}
	var tx pgx.Tx
	if err == nil {
		tx, err = pool.Begin(ctx)
	}
	if err == nil {
		defer tx.Rollback(context.WithoutCancel(ctx))
		result, err = load(ctx, tx, files, opts, rules)
	}
	if err == nil && !opts.DryRun {
		err = tx.Commit(ctx)
	}
	if err == nil {
		return result, nil
	}
	if fault, ok := errors.AsType[*Error](err); ok {
		return Result{}, fault
	}
	return Result{}, fmt.Errorf("import: %w", err)
}

func load(ctx context.Context, tx pgx.Tx, files []File, opts Options, rules rules) (Result, error) {
	if _, err := tx.Exec(ctx, schema.SourceStage); err != nil {
		return Result{}, fmt.Errorf("create the staging table: %w", err)
	}
	queries := importdb.New(tx)
	known, err := queries.ListTurbines(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("list turbines: %w", err)
	}
	farm, err := newFarm(known, opts.Turbine)
	if err != nil {
		return Result{}, err
	}
	seen := newObservations(opts)
	var read int64
	count := func(n int) {
		read += int64(n)
		if opts.Progress != nil {
			opts.Progress(read)
		}
	}
	staged, err := importdb.StageLines(ctx, tx.Conn(), func(w *pgrow.Copier[row]) error {
		for i, f := range files {
			o := &opener{ctx: ctx, rules: rules, count: count}
			err := stage(w, o, int32(i), f, farm, seen)
			o.close()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	for _, line := range seen.sentinels() {
		seen.say(line)
	}
	return merge(ctx, queries, files, opts, farm, seen, staged)
}

func merge(ctx context.Context, queries *importdb.Queries, files []File, opts Options, farm *farm, seen *observations, staged int64) (Result, error) {
	if err := makeTurbines(ctx, queries, farm); err != nil {
		return Result{}, err
	}
	// A turbine may have been named in one file and numbered in another.
	if seen.unordered || len(farm.added) > 0 && len(seen.tracks) > len(farm.added) {
		switch twice, err := queries.FindStagedConflict(ctx); {
		case err == nil:
			return Result{}, conflict(twice, files, seen)
		case !errors.Is(err, pgx.ErrNoRows):
			return Result{}, fmt.Errorf("look for rows that disagree: %w", err)
		}
	}
	days, err := queries.UpsertStaged(ctx, seen.partial())
	if err != nil {
		return Result{}, fmt.Errorf("write staged rows: %w", err)
	}
	counts := Counts{Unchanged: staged}
	var changes importdb.NoteChangesParams
	for _, d := range days {
		counts.Inserted += d.Inserted
		counts.Updated += d.Updated
		changes.Days, changes.Counts = append(changes.Days, d.Day), append(changes.Counts, d.Inserted+d.Updated)
	}
	counts.Unchanged -= counts.Inserted + counts.Updated
	if opts.Interval > 0 {
		if err := queries.SetIntervalOfStaged(ctx, opts.Interval); err != nil {
			return Result{}, fmt.Errorf("set the interval of the turbines: %w", err)
		}
	}
	known, err := queries.ListTurbines(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("list turbines: %w", err)
	}
	if err := queries.NoteChanges(ctx, changes); err != nil {
		return Result{}, fmt.Errorf("note the days: %w", err)
	}
	return seen.result(farm, known, counts), nil
}

func stage(w *pgrow.Copier[row], o *opener, number int32, f File, farm *farm, seen *observations) error {
	r, err := newReader(o, number, f, farm, seen)
	if err != nil {
		return err
	}
	for {
		row, err := r.next()
		if isEnd(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.Put(row); err != nil {
			return err
		}
	}
}

// makeTurbines makes the turbines that the files name and nobody has, and numbers the
// staged rows of those that were told by name. Imports do so one after the other.
func makeTurbines(ctx context.Context, queries *importdb.Queries, farm *farm) error {
	if err := queries.LockTurbines(ctx); err != nil {
		return fmt.Errorf("lock the turbines: %w", err)
	}
	if _, err := queries.EnsureStagedTurbines(ctx); err != nil {
		return fmt.Errorf("create turbines: %w", err)
	}
	if farm.added == nil {
		return nil
	}
	if err := queries.AddNamedTurbines(ctx, farm.added); err != nil {
		return fmt.Errorf("create turbines: %w", err)
	}
	if err := queries.NumberStaged(ctx, farm.added); err != nil {
		return fmt.Errorf("number the turbines: %w", err)
	}
	return nil
}

func conflict(d importdb.FindStagedConflictRow, files []File, seen *observations) *Error {
	e := &Error{
		File: files[d.File].Name, unit: seen.units[d.File], Line: int(d.Line), Column: columnTimestamp,
		Reason: fmt.Sprintf("%s of turbine %d disagrees with %s: %s %d",
			timestamp.New(d.Timestamp), d.TurbineID, files[d.FirstFile].Name, seen.units[d.FirstFile], d.FirstLine),
	}
	if slices.ContainsFunc(slices.Collect(maps.Values(seen.tracks)), func(t *track) bool { return t.zoneless }) {
		e.Reason += "; the files have no offsets, and --time-zone tells apart the hour that comes twice when clocks go back"
	}
	return e
}

// An Error is a fault in a file: where it is and what would be right. Line counts from 1, 0 when the
// file could not be read. Column is empty where no one column is at fault.
type Error struct {
	File   string
	Line   int
	unit   string // what Line counts, if not lines
	Column string
	Reason string
	// Cause is what reading the file failed with, else nil.
	Cause error
}

// Error returns the fault in one line.
func (e *Error) Error() string {
	s := e.File + ": "
	if e.Line > 0 {
		s += fmt.Sprintf("%s %d: ", cmp.Or(e.unit, unitLine), e.Line)
	}
	if e.Column != "" {
		s += e.Column + ": "
	}
	return s + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func fileFault(name string, err error) *Error {
	reason := err.Error()
	// A PathError would repeat the name.
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		reason = pathErr.Op + ": " + pathErr.Err.Error()
	}
	return &Error{File: name, Reason: reason, Cause: err}
}

const maxShown = 60

func quote(value string) string {
	if len(value) > maxShown {
		return strconv.Quote(value[:maxShown]) + "…"
	}
	return strconv.Quote(value)
}
