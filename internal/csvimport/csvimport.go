// Package csvimport loads a person's own samples from CSV files into the
// source. A header names the columns timestamp, those of variable.Names and
// optionally turbine_id (1 without it), in any order.
// An empty reading is missing, a timestamp without an offset is UTC, blanks
// are not trimmed, and turbines that are not there yet are created.
//
// All files are one transaction. Any fault imports nothing, and its error is one
// line with the file, the line and the column. Importing again updates the
// rows that differ. Memory does not grow with the files.
//
//	csvimport.go  the transaction, and the faults
//	parser.go     the rows of a file
package csvimport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/schema"
)

// A File is one CSV file: its name in errors, and how to open it. It is opened
// after the file before it has been read, and closed when it has been read.
type File struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Options are what a caller may leave out.
type Options struct {
	// Progress, if any, is called with how many bytes of all files have been read,
	// from another goroutine than Run's caller.
	Progress func(readBytes int64)
}

// Result counts the rows of the files by what was done with them.
type Result struct{ Inserted, Updated, Unchanged int64 }

// Run imports the files in one transaction. A fault in a file is an *Error.
func Run(ctx context.Context, pool *pgxpool.Pool, files []File, opts Options) (Result, error) {
	if len(files) == 0 {
		return Result{}, errors.New("import: no file is given")
	}
	var result Result
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var err error
		result, err = load(ctx, tx, files, opts)
		return err
	})
	if err == nil {
		return result, nil
	}
	if fault, ok := errors.AsType[*Error](err); ok {
		return Result{}, fault
	}
	return Result{}, fmt.Errorf("import: %w", err)
}

func load(ctx context.Context, tx pgx.Tx, files []File, opts Options) (Result, error) {
	if _, err := tx.Exec(ctx, schema.SourceStage); err != nil {
		return Result{}, fmt.Errorf("create the staging table: %w", err)
	}
	var read int64
	count := func(n int) {
		read += int64(n)
		if opts.Progress != nil {
			opts.Progress(read)
		}
	}
	staged, err := importdb.StageLines(ctx, tx.Conn(), func(w *pgrow.Copier[row]) error {
		for i, f := range files {
			if err := stage(ctx, w, int32(i), f, count); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	queries := importdb.New(tx)
	switch twice, err := queries.FindStagedDuplicate(ctx); {
	case err == nil:
		return Result{}, duplicate(twice, files)
	case !errors.Is(err, pgx.ErrNoRows):
		return Result{}, fmt.Errorf("look for duplicates: %w", err)
	}
	if _, err := queries.EnsureStagedTurbines(ctx); err != nil {
		return Result{}, fmt.Errorf("create turbines: %w", err)
	}
	written, err := queries.UpsertStaged(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("write staged rows: %w", err)
	}
	return Result{
		Inserted:  written.Inserted,
		Updated:   written.Updated,
		Unchanged: staged - written.Inserted - written.Updated,
	}, nil
}

// stage appends the rows of one file.
func stage(ctx context.Context, w *pgrow.Copier[row], number int32, f File, count func(int)) error {
	in, err := f.Open()
	if err != nil {
		return fileFault(f.Name, err)
	}
	defer in.Close()
	p, err := newParser(f.Name, &input{ctx: ctx, r: in, count: count})
	if err != nil {
		return err
	}
	for {
		r, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.File = number
		if err := w.Put(r); err != nil {
			return err
		}
	}
}

func duplicate(d importdb.FindStagedDuplicateRow, files []File) *Error {
	return &Error{
		File: files[d.File].Name, Line: int(d.Line), Column: columnTimestamp,
		Reason: fmt.Sprintf("%s of turbine %d is already in %s: line %d",
			timestamp.New(d.Timestamp), d.TurbineID, files[d.FirstFile].Name, d.FirstLine),
	}
}

// An Error is a fault in a file: where it is and what would be right. Line
// counts from 1, the header; it is 0 when the file could not be read. Column
// is empty where no one column is at fault.
type Error struct {
	File   string
	Line   int
	Column string
	Reason string
	// Cause is what reading the file failed with, else nil.
	Cause error
}

// Error returns the fault in one line.
func (e *Error) Error() string {
	s := e.File + ": "
	if e.Line > 0 {
		s += fmt.Sprintf("line %d: ", e.Line)
	}
	if e.Column != "" {
		s += e.Column + ": "
	}
	return s + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// fileFault is the error of a file that could not be opened or read.
func fileFault(name string, err error) *Error {
	reason := err.Error()
	// A PathError would repeat the name.
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		reason = pathErr.Op + ": " + pathErr.Err.Error()
	}
	return &Error{File: name, Reason: reason, Cause: err}
}

// maxShown is how many bytes of a bad value an error repeats.
const maxShown = 60

// quote returns a bad value as one readable line.
func quote(value string) string {
	if len(value) > maxShown {
		return strconv.Quote(value[:maxShown]) + "…"
	}
	return strconv.Quote(value)
}
