package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/dates"
)

// maxParallel bounds the days in work at once: each takes a session of the target.
const maxParallel = 64

func newETL(r *runner) *cobra.Command {
	var from, to *time.Time
	var stale bool
	var request etl.Request
	cmd := &cobra.Command{
		Use:   "etl [DATE]",
		Short: "Turn days of samples into ten-minute statistics",
		Long: `Etl reads the samples of DATE, or of every day from DATE to --to, through the source
API, computes the statistics of each ten-minute window and brings the target to
exactly these: a day that has not changed writes nothing, and a day that fails stays
as it was. Days are UTC.

With --stale it is only those of the days that are loaded and have changed in the
source since: a reading changed, came late or is gone. Without DATE it looks from the
first day that is loaded on, and without --to too up to the last one; never further
back than SOURCE_RETENTION_DAYS. Days that were never loaded, or failed, are left alone;
they are for a run without --stale.

A day before 1980-01-01 or after tomorrow (UTC) is more often mistyped than meant: it
is refused without --allow-dates, and --stale passes over those that are loaded.

A day without samples is a failure unless --allow-empty is given. So is a day that
would lose all its values, or more than half, and it keeps them; a turbine of which
the same is true keeps its own, and the day's others are loaded. With --allow-empty
whatever the source no longer has is removed; --dry-run says how much that is. The
summary goes to standard output; with --output json it is one JSON object and nothing else.`,
		Example: `  delfos etl 2025-01-02
  delfos etl 2025-01-01 --to 2025-12-31 --turbines 1-50,80
  delfos etl 2025-01-02 --dry-run --output json
  delfos etl --stale`,
		Args: func(cmd *cobra.Command, args []string) error {
			if stale && len(args) == 0 {
				return nil
			}
			return parsed("DATE", &from, parseDay)(cmd, args)
		},
	}
	dayFlag(cmd, &to, "to", "last day, inclusive; DATE alone without it")
	turbinesFlag(cmd, &request.Turbines)
	cmd.Flags().BoolVar(&stale, "stale", false, "only loaded days that have changed in the source since")
	cmd.Flags().BoolVar(&request.AllowEmpty, "allow-empty", false, "take a day without samples for a success, and remove whatever the source no longer has")
	cmd.Flags().BoolVar(&request.DryRun, "dry-run", false, "say what would change and write nothing")
	cmd.Flags().IntVar(&request.Parallel, "parallel", 0, "how many days to work on at once; 0 is one a processor")
	output := outputFlag(cmd, "format of the summary")
	allowed := allowDates(cmd)
	return configure(r, cmd, func(ctx context.Context, c config.ETL, _ []string) error {
		if f := cmd.Flags().Lookup("turbines"); stale && f.Changed {
			return usagef(cmd, "--turbines is %q: want none with --stale, which looks at whole days", f.Value)
		}
		if err := cmp.Or(checkDays(cmd, "DATE", from, to, *allowed), checkCount(cmd, "parallel", request.Parallel, 0, maxParallel)); err != nil {
			return err
		}
		request.Parallel = cmp.Or(request.Parallel, runtime.NumCPU())
		summary, err := r.etl(ctx, c, request, from, to, stale)
		if summary.From == "" {
			return err // there was no run
		}
		if *output == asJSON {
			return errors.Join(err, r.printJSON(struct {
				etl.Summary

				Error string `json:"error,omitempty"`
			}{summary, sentence(err)}))
		}
		return errors.Join(err, r.printSummary(summary, err))
	})
}

func (r *runner) etl(ctx context.Context, c config.ETL, request etl.Request, from, to *time.Time, stale bool) (etl.Summary, error) {
	// A day's garbage is little: collecting it twice as often costs nothing and keeps the peak low.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	target, err := r.target(ctx, c.TargetDBURL)
	if err != nil {
		return etl.Summary{}, err
	}
	defer target.Close()
	job, err := etl.New(ctx, etl.Config{Target: target, SourceURL: c.SourceAPIURL, SourceToken: c.SourceToken(), Log: r.log})
	if err != nil {
		return etl.Summary{}, err
	}
	defer job.Close()
	if stale {
		err = narrow(ctx, job, &request, from, to, etl.Retention(c.SourceRetentionDays))
	} else {
		request.From, request.To = *from, *from
		if to != nil {
			request.To = *to
		}
	}
	if err != nil {
		return etl.Summary{}, err
	}
	total := int64(dates.Count(request.From, request.To))
	if stale {
		total = int64(len(request.Days))
	}
	if total > 1 {
		progress, end := r.screen.progress("etl", "days")
		defer end()
		done := int64(0)
		request.Progress = func(etl.Partition) {
			done++
			progress(done, total)
		}
	}
	return job.Run(actor.With(ctx, actor.CommandLine()), request)
}

// target opens the target, and waits for one that restarts or has no session left.
func (r *runner) target(ctx context.Context, url string) (*pgxpool.Pool, error) {
	target, err := etl.OpenTarget(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := etl.AwaitTarget(ctx, target, 30*time.Second, r.log); err != nil {
		target.Close()
		return nil, err
	}
	return target, nil
}

// narrow leaves a request the days that have changed in the source, as far back as that is believed.
// Without from it looks at the last maxDays of the days that are loaded; a last day bounds them.
func narrow(ctx context.Context, job *etl.Job, request *etl.Request, from, to *time.Time, source etl.Retention) (err error) {
	if from == nil {
		first, last := dates.Earliest(), dates.Latest(time.Now())
		if to != nil {
			if last = *to; last.Before(first) {
				first = dates.First()
			}
		}
		loaded, ok, err := job.Loaded(ctx, first, last)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("no day up to %s is loaded: load some by `delfos etl DATE`, or give another --to", last.Format(time.DateOnly))
		}
		from, to = new(dates.Later(loaded.First, dates.Add(loaded.Last, 1-maxDays))), &loaded.Last
	}
	if to == nil {
		to = from
	}
	request.From, request.To = *from, *to
	believed := *request
	if believed.From = source.Clip(request.From, time.Now()); believed.From.After(request.To) {
		request.Days = []time.Time{}
		return nil
	}
	request.Days, err = job.Stale(ctx, believed)
	return err
}

func (r *runner) printSummary(s etl.Summary, failed error) error {
	verb := "written"
	if s.DryRun {
		verb = "to write"
	}
	if len(s.Partitions) == 0 && failed == nil {
		return r.print("%s to %s: no day that is loaded has changed in the source", s.From, s.To)
	}
	for _, p := range s.Partitions {
		if err := r.print("%s  %-9s  %d samples, %d windows, %d values in the day: %d %s (%d new, %d changed, %d removed)",
			p.Day, p.Outcome, p.Samples, p.Windows, p.Rows, p.Written, verb, p.Inserted, p.Updated, p.Deleted); err != nil {
			return err
		}
		if p.Refused == 0 {
			continue
		}
		if err := r.print("%s  refused to remove: %d (--allow-empty allows it)", p.Day, p.Refused); err != nil {
			return err
		}
	}
	if len(s.Partitions) < 2 {
		return nil
	}
	return r.print("%d days: %d done, %d empty, %d failed, %d cancelled; %d values %s in %.1f s",
		len(s.Partitions), s.Done, s.Empty, s.Failed, s.Cancelled, s.Written, verb, s.Seconds)
}
