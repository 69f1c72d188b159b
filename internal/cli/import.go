package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/sampleimport"
)

func newImport(r *runner) *cobra.Command {
	var opts sampleimport.Options
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Load your own samples into the source",
		Long: `Import loads CSV, Parquet and Arrow files, also packed by gzip or zip, into the source
database; - is standard input. A file has a column timestamp, one or more of the
variables ` + strings.Join(variable.Names[:], ", ") + `, and, if there are several turbines,
turbine_id or turbine, which is a name. --map says which column is which; the columns
that it does not name are then left out. An empty reading is a missing one, a
timestamp without an offset is UTC, and new turbines are created.

A mapping file holds these options, by their names, to be kept beside a farm's data:

  map: {"Date/Time": timestamp, "#3": wind_speed, "LV ActivePower (kW)": power}
  date-format: "%d %m %Y %H:%M"
  time-zone: Europe/Istanbul

All files are one transaction: the first fault is named with its file, line and
column, and nothing is imported. Importing again updates what differs; a variable that
the files lack keeps its values.`,
		Example: `  delfos import january.csv february.csv
  delfos import 2018.csv --mapping farm.yaml --dry-run
  delfos import scada.csv --map Time=timestamp --map "P [kW]=power" --time-zone Europe/Berlin --null -999`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("argument FILE is missing")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return []cobra.Completion{"csv", "txt", "tsv", "gz", "zip", "parquet", "arrow", "feather"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	options := importOptions(&opts)
	cmd.Flags().AddFlagSet(options)
	mapping := cmd.Flags().String("mapping", "", "`FILE` in YAML that holds options; a flag wins over it")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "import nothing; show the first samples, the span and what is missing")
	output := outputFlag(cmd, "format of the summary")
	return configure(r, cmd, func(ctx context.Context, c config.Source, args []string) error {
		if *mapping != "" {
			if err := readMapping(*mapping, options); err != nil {
				return usagef(cmd, "%w", err)
			}
		}
		if err := opts.Check(); err != nil {
			return usagef(cmd, "%w", err)
		}
		files, size, err := r.inputs(ctx, args)
		if err != nil {
			return err
		}
		progress, end := r.screen.progress("importing", "bytes")
		opts.Progress = func(read int64) { progress(read, size) }
		opts.Say = func(line string) { fmt.Fprintln(r.screen, "delfos:", line) }
		var result sampleimport.Result
		err = onSource(ctx, c, func(pool *pgxpool.Pool) (err error) {
			result, err = sampleimport.Run(ctx, pool, files, opts)
			return err
		})
		end()
		if err != nil {
			return err
		}
		if *output == asJSON {
			return r.printJSON(struct {
				sampleimport.Result
				DryRun bool   `json:"dry_run"`
				Next   string `json:"next"`
			}{result, opts.DryRun, next(result)})
		}
		return r.printImport(result, opts.DryRun)
	})
}

func onSource(ctx context.Context, c config.Source, do func(pool *pgxpool.Pool) error) error {
	pool, err := pgpool.Open(ctx, c.SourceDBURL, pgpool.Options{})
	if err != nil {
		return err
	}
	defer pool.Close()
	return dberror.Source.Explain(do(pool))
}

// importOptions are the flags that a mapping file may hold too.
func importOptions(opts *sampleimport.Options) *pflag.FlagSet {
	f, o := pflag.NewFlagSet("", pflag.ContinueOnError), &opts.Format
	f.StringArrayVar(&o.Map, "map", nil, "`COLUMN=NAME`: a header's column, or #3, is timestamp, turbine, turbine_id or a variable (repeatable)")
	f.StringVar(&opts.Turbine, "turbine", "", "`ID|NAME` of the turbine of files without one")
	f.DurationVar(&opts.Interval, "interval", 0, "`DURATION` from one sample of a turbine to the next, such as 10m; stored with the turbines")
	f.StringVar(&o.TimeZone, "time-zone", "", "`ZONE` of timestamps without an offset, such as Europe/Berlin or +03:00")
	f.StringVar(&o.DateFormat, "date-format", "", "`FORMAT` of timestamps: as of strptime, a Go layout, unix, unix_ms or excel")
	f.StringVar(&o.Delimiter, "delimiter", "", "`CHARACTER` between columns, or comma, semicolon, tab, space or pipe")
	f.StringVar(&o.Decimal, "decimal", "", "decimal `SIGN`: point or comma")
	f.IntVar(&o.HeaderLine, "header-line", 0, "the header is line `N` of the file")
	f.IntVar(&o.SkipLines, "skip-lines", 0, "leave `N` lines behind the header out")
	f.StringVar(&o.Comment, "comment", "", "leave lines out that begin with `TEXT`")
	f.StringArrayVar(&o.Null, "null", nil, "`VALUE` that is a missing reading, such as NaN or -999 (repeatable)")
	f.StringVar(&o.Encoding, "encoding", "", "`NAME` of the encoding, such as windows-1252 or utf-16le")
	f.StringArrayVar(&o.Scale, "scale", nil, "`VARIABLE=FACTOR` that readings are multiplied by, such as power=0.001 (repeatable)")
	f.BoolVar(&opts.AllowDates, "allow-dates", false, "take samples before 1980-01-01 or more than a day ahead too")
	return f
}

// readMapping sets the options that a file holds and the command line does not.
func readMapping(path string, options *pflag.FlagSet) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(file.Content) == 0 {
		return nil
	}
	if file.Content[0].Kind != yaml.MappingNode {
		return fmt.Errorf("%s: want options, such as time-zone: Europe/Berlin", path)
	}
	var faults []error
	for pair := range slices.Chunk(file.Content[0].Content, 2) {
		name := pair[0].Value
		option := options.Lookup(name)
		if option == nil {
			var known []string
			options.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
			faults = append(faults, fmt.Errorf("%s: line %d: %q is not an option of a mapping: these are %s", path, pair[0].Line, name, strings.Join(known, ", ")))
			continue
		}
		if option.Changed {
			continue
		}
		for _, value := range mappingValues(pair[1]) {
			// Not by options.Set: a flag that was given counts as changed.
			if err := option.Value.Set(value); err != nil {
				faults = append(faults, fmt.Errorf("%s: line %d: %s is %q: %w", path, pair[0].Line, name, value, err))
			}
		}
	}
	return errors.Join(faults...)
}

func mappingValues(n *yaml.Node) (values []string) {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, item := range n.Content {
			values = append(values, item.Value)
		}
	case yaml.MappingNode:
		for pair := range slices.Chunk(n.Content, 2) {
			values = append(values, pair[0].Value+"="+pair[1].Value)
		}
	default:
		values = []string{n.Value}
	}
	return values
}

func (r *runner) printImport(result sampleimport.Result, dryRun bool) error {
	const shownTurbines = 20
	var b strings.Builder
	fmt.Fprintf(&b, "%d samples new, %d changed, %d unchanged\n", result.Inserted, result.Updated, result.Unchanged)
	for _, t := range result.Turbines[:min(len(result.Turbines), shownTurbines)] {
		made := ""
		if t.New {
			made = ", new"
		}
		fmt.Fprintf(&b, "turbine %d (%s%s): %d samples, one every %s\n", t.ID, t.Name, made, t.Samples, time.Duration(t.Interval*float64(time.Second)))
	}
	if more := len(result.Turbines) - shownTurbines; more > 0 {
		fmt.Fprintf(&b, "and %d more turbines\n", more)
	}
	if result.From != nil {
		fmt.Fprintf(&b, "from %s to %s\n", result.From, result.To)
	}
	switch {
	case dryRun:
		b.WriteString("nothing was imported (--dry-run)\n")
		if err := r.printFirst(result); err != nil {
			return err
		}
	case result.From != nil:
		fmt.Fprintf(&b, "next: %s\n", next(result))
	}
	return r.print("%s", strings.TrimSuffix(b.String(), "\n"))
}

// printFirst prints the first samples as they would be stored, and what is missing.
func (r *runner) printFirst(result sampleimport.Result) error {
	err := r.printTable(func(w io.Writer) {
		fmt.Fprintf(w, "turbine\ttimestamp\t%s\n", strings.Join(variable.Names[:], "\t"))
		for _, s := range result.First {
			fmt.Fprintf(w, "%d\t%s", s.TurbineID, s.Timestamp)
			for _, v := range s.Readings {
				text := "-"
				if v != nil {
					text = strconv.FormatFloat(*v, 'g', -1, 64)
				}
				fmt.Fprint(w, "\t", text)
			}
			fmt.Fprintln(w)
		}
	})
	for _, v := range result.Variables {
		what := fmt.Sprintf("readings missing: %d", v.Missing)
		if !v.InFiles {
			what = "is not in the files"
		}
		if err == nil {
			err = r.print("%s: %s", v.Name, what)
		}
	}
	return err
}

// next is the command that loads what was imported into the target.
func next(result sampleimport.Result) string {
	if result.From == nil {
		return ""
	}
	from, to := result.From.Time().Format(time.DateOnly), result.To.Time().Format(time.DateOnly)
	if from == to {
		return "delfos etl " + from
	}
	return "delfos etl " + from + " --to " + to
}

// inputs are the files that args name and their size in bytes, 0 when one of them can't be known. A
// file that is not there is an error before the database is asked for anything.
func (r *runner) inputs(ctx context.Context, args []string) (files []sampleimport.File, size int64, err error) {
	known := true
	for _, arg := range args {
		if arg == "-" {
			known = false
			files = append(files, sampleimport.File{
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
		files = append(files, sampleimport.File{
			Name: arg,
			Open: func() (io.ReadCloser, error) { return os.Open(arg) },
		})
	}
	if !known {
		size = 0
	}
	return files, size, nil
}

// interruptible reads r until ctx ends, even while a read of r blocks: somebody may have forgotten to
// pipe anything in. That read stays behind, as the process is about to end.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	in, out := io.Pipe()
	context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(out, r)
		_ = out.CloseWithError(err) // nil is the end of the file
	}()
	return in
}
