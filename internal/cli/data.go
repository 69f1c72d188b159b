package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/csvimport"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/seed"
)

// firstSeedDay is where seeded samples begin unless told otherwise.
func firstSeedDay() time.Time { return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC) }

func newSeed(r *runner) *cobra.Command {
	start := new(firstSeedDay())
	opts := seed.Options{Days: 10, Turbines: 1}
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Fill the source with samples that look like wind",
		Long: `Seed writes a sample a minute and turbine into the source database, as a wind farm
would log them, without gaps. The same arguments always give the same samples;
samples that are there already stay as they are.`,
		Example: `  delfos seed
  delfos seed --start-date 2025-01-01 --days 365 --turbines 3`,
	}
	dayFlag(cmd, &start, "start-date", "first day")
	countFlag(cmd, &opts.Days, seed.MaxDays, "days", "number of days")
	countFlag(cmd, &opts.Turbines, seed.MaxTurbines, "turbines", "number of turbines; their ids are 1 to N")
	return configure(r, cmd, func(ctx context.Context, c config.Source, _ []string) error {
		opts.Start = *start
		if err := opts.Validate(); err != nil {
			return usagef(cmd, "%w", err)
		}
		pool, err := pgpool.Open(ctx, c.SourceDBURL, pgpool.Options{})
		if err != nil {
			return err
		}
		defer pool.Close()
		progress, end := r.screen.progress("seeding", "samples")
		opts.Progress = progress
		result, err := seed.Run(ctx, pool, opts)
		end()
		if err != nil {
			return dberror.Source.Explain(err)
		}
		return r.print("%d samples written, %d were there already", result.Inserted, result.Existing)
	})
}

func newImport(r *runner) *cobra.Command {
	return configure(r, &cobra.Command{
		Use:   "import FILE.csv...",
		Short: "Load your own samples into the source",
		Long: `Import loads CSV files into the source database; - is standard input. The header
names, in any order, the column timestamp, one for each variable
(` + strings.Join(variable.Names[:], ", ") + `)
and, if there are several turbines, turbine_id. An empty reading is a missing one;
a timestamp without an offset is UTC; turbines that are new are created.

All files are one transaction: the first fault is named with its file, line and
column, and nothing is imported. Importing again updates what differs.`,
		Example: `  delfos import january.csv february.csv
  zcat samples.csv.gz | delfos import -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("argument FILE.csv is missing")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return []cobra.Completion{"csv"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}, func(ctx context.Context, c config.Source, args []string) error {
		files, size, err := r.inputs(ctx, args)
		if err != nil {
			return err
		}
		pool, err := pgpool.Open(ctx, c.SourceDBURL, pgpool.Options{})
		if err != nil {
			return err
		}
		defer pool.Close()
		progress, end := r.screen.progress("importing", "bytes")
		result, err := csvimport.Run(ctx, pool, files, csvimport.Options{
			Progress: func(read int64) { progress(read, size) },
		})
		end()
		if err != nil {
			return dberror.Source.Explain(err)
		}
		return r.print("%d samples new, %d changed, %d unchanged", result.Inserted, result.Updated, result.Unchanged)
	})
}

// inputs are the files that args name and their size in bytes, 0 when one of
// them has a size that can't be known. A file that is not there is an error
// before the database is asked for anything.
func (r *runner) inputs(ctx context.Context, args []string) (files []csvimport.File, size int64, err error) {
	known := true
	for _, arg := range args {
		if arg == "-" {
			known = false
			files = append(files, csvimport.File{
				Name: "standard input",
				Open: func() (io.ReadCloser, error) { return interruptible(ctx, r.Stdin), nil },
			})
			continue
		}
		info, err := os.Stat(arg)
		if err != nil {
			return nil, 0, fmt.Errorf("import: %w", err)
		}
		size += info.Size()
		known = known && info.Mode().IsRegular()
		files = append(files, csvimport.File{
			Name: arg,
			Open: func() (io.ReadCloser, error) { return os.Open(arg) },
		})
	}
	if !known {
		size = 0
	}
	return files, size, nil
}

// interruptible reads r until ctx ends, even while a read of r blocks: somebody
// may have forgotten to pipe anything in. That read then stays behind, as the
// process is about to end.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	in, out := io.Pipe()
	context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(out, r)
		_ = out.CloseWithError(err) // nil is the end of the file
	}()
	return in
}
