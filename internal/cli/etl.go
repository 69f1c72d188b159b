package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/selector"
)

// maxDays is how many days one run may have, as over HTTP.
const maxDays = 20_000

// maxParallel bounds the days in work at once: each takes a session of the
// target, which has about a hundred.
const maxParallel = 64

func newETL(r *runner) *cobra.Command {
	var (
		to       dayFlag
		turbines = turbinesFlag{selector.All()}
		output   = choiceFlag{value: "text", allowed: []string{"text", "json"}}
		request  etl.Request
	)
	cmd := &cobra.Command{
		Use:   "etl DATE",
		Short: "Turn days of samples into ten-minute statistics",
		Long: `Etl reads the samples of DATE, or of every day from DATE to --to, through the source
API, computes the statistics of each ten-minute window and brings the target to
exactly these: a day that has not changed writes nothing, and a day that fails stays
as it was. Days are UTC.

A day without samples is a failure unless --allow-empty is given. The summary goes to
standard output; with --output json it is one JSON object and nothing else.`,
		Example: `  delfos etl 2025-01-02
  delfos etl 2025-01-01 --to 2025-12-31 --turbines 1-50,80
  delfos etl 2025-01-02 --dry-run --output json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := exactly("DATE")(cmd, args); err != nil {
				return err
			}
			if _, err := parseDay(args[0]); err != nil {
				return fmt.Errorf("DATE is %q: %w", args[0], err)
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().Var(&to, "to", "last day, inclusive; DATE alone without it")
	cmd.Flags().Var(&turbines, "turbines", "ids and ranges of ids, or all")
	cmd.Flags().BoolVar(&request.AllowEmpty, "allow-empty", false, "take a day without samples for a success")
	cmd.Flags().BoolVar(&request.DryRun, "dry-run", false, "say what would change and write nothing")
	cmd.Flags().IntVar(&request.Parallel, "parallel", 0, "how many days to work on at once; 0 is one a processor")
	cmd.Flags().Var(&output, "output", "format of the summary")
	complete(cmd, "output", output.allowed)
	return configure(r, cmd, func(ctx context.Context, c config.ETL, args []string) error {
		var err error
		if request.From, err = parseDay(args[0]); err != nil {
			return err
		}
		if request.To = to.Time; to.IsZero() {
			request.To = request.From
		}
		if request.To.Before(request.From) {
			return usagef(cmd, "--to is %q: want a day not before DATE, %s", to.String(), args[0])
		}
		if most := request.From.AddDate(0, 0, maxDays-1); request.To.After(most) {
			return usagef(cmd, "--to is %q: want at most %d days, here up to %s", to.String(), maxDays, most.Format(dateLayout))
		}
		if request.Parallel < 0 || request.Parallel > maxParallel {
			return usagef(cmd, "--parallel is %d: want 0 to %d", request.Parallel, maxParallel)
		}
		if request.Parallel == 0 {
			request.Parallel = runtime.NumCPU()
		}
		request.Turbines = turbines.set
		summary, err := r.etl(ctx, c, request)
		if summary.From == "" {
			return err // there was no run
		}
		if output.value == "json" {
			return errors.Join(err, r.reportJSON(summary, err))
		}
		return errors.Join(err, r.report(summary))
	})
}

// etl runs the job with a bar for its days.
func (r *runner) etl(ctx context.Context, c config.ETL, request etl.Request) (etl.Summary, error) {
	target, err := etl.OpenTarget(ctx, c.TargetDBURL)
	if err != nil {
		return etl.Summary{}, err
	}
	defer target.Close()
	job, err := etl.New(ctx, etl.Config{Target: target, SourceURL: c.SourceAPIURL, Log: r.log})
	if err != nil {
		return etl.Summary{}, err
	}
	defer job.Close()
	if total := int64(request.To.Sub(request.From)/(24*time.Hour)) + 1; total > 1 {
		progress, end := r.screen.progress("etl", "days")
		defer end()
		done := int64(0)
		request.Progress = func(etl.Partition) {
			done++
			progress(done, total)
		}
	}
	return job.Run(ctx, request)
}

// reportJSON prints what became of a run as one object.
func (r *runner) reportJSON(s etl.Summary, failed error) error {
	report := struct {
		etl.Summary

		Error string `json:"error,omitempty"`
	}{Summary: s}
	if failed != nil {
		report.Error = strings.Join(lines(failed), "; ")
	}
	if err := json.NewEncoder(r.Stdout).Encode(report); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	return nil
}

// report prints what became of a run for people to read.
func (r *runner) report(s etl.Summary) error {
	verb := "written"
	if s.DryRun {
		verb = "to write"
	}
	for _, p := range s.Partitions {
		if err := r.print("%s  %-9s  %d samples, %d windows, %d values in the day: %d %s (%d new, %d changed, %d removed)",
			p.Day, p.Outcome, p.Samples, p.Windows, p.Rows, p.Written, verb, p.Inserted, p.Updated, p.Deleted); err != nil {
			return err
		}
	}
	if len(s.Partitions) < 2 {
		return nil
	}
	return r.print("%d days: %d done, %d empty, %d failed, %d cancelled; %d values %s in %.1f s",
		len(s.Partitions), s.Done, s.Empty, s.Failed, s.Cancelled, s.Written, verb, s.Seconds)
}

// A turbinesFlag selects turbines.
type turbinesFlag struct{ set selector.Set }

// String implements pflag.Value.
func (f *turbinesFlag) String() string { return f.set.String() }

// Set implements pflag.Value.
func (f *turbinesFlag) Set(s string) (err error) {
	f.set, err = selector.Parse(s)
	return err
}

// Type implements pflag.Value.
func (f *turbinesFlag) Type() string { return "LIST" }
