package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/selector"
)

func newVerify(r *runner) *cobra.Command {
	var (
		from, to dayFlag
		turbines = turbinesFlag{selector.All()}
		output   = choiceFlag{value: "text", allowed: []string{"text", "json"}}
		request  verify.Request
	)
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the target with what it should hold, value by value",
		Long: `Verify reads the samples through the source API once more, computes every
window in exact arithmetic, apart from the ETL's code, and compares the result with
the target: values that are missing, that should not be there, that differ (by more
than 1e-12 of their size for mean and std, at all for min, max and count), and
turbines that the source does not have. Nothing is written.

Without --from and --to, or with one of them, it is the days on that side that the
ledger has as loaded; with both it is every day between them. Days before 1980-01-01
or after tomorrow (UTC) are compared when --from or --to lies among them.

A day that differs is "different" when it should be as the source is, "stale" when its
source has changed since it was loaded or it is being loaded at this moment, and
"unloaded" when the ledger does not say that it is loaded. Each of the three is a
difference and makes the exit code 1, for the target is not what the source holds; the
values of stale and unloaded days are counted but not listed.

Exit codes: 0 no difference, 1 any difference, or it could not be found out, 2 used
wrongly.`,
		Example: `  delfos verify
  delfos verify --from 2025-01-01 --to 2025-12-31 --turbines 1-50,80
  delfos verify --output json`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().Var(&from, "from", "first day")
	cmd.Flags().Var(&to, "to", "last day, inclusive")
	cmd.Flags().Var(&turbines, "turbines", "ids and ranges of ids, or all")
	cmd.Flags().IntVar(&request.Parallel, "parallel", 0, "how many days to compare at once; 0 is one a processor")
	cmd.Flags().IntVar(&request.Limit, "limit", verify.DefaultLimit, "how many differences to list")
	cmd.Flags().Var(&output, "output", "format of the report")
	complete(cmd, "output", output.allowed)
	return configure(r, cmd, func(ctx context.Context, c config.Verify, _ []string) error {
		if err := rangeOf(cmd, from, to); err != nil {
			return err
		}
		if request.Parallel < 0 || request.Parallel > maxParallel {
			return usagef(cmd, "--parallel is %d: want 0 to %d", request.Parallel, maxParallel)
		}
		if most := 1_000_000; request.Limit < 1 || request.Limit > most {
			return usagef(cmd, "--limit is %d: want 1 to %d", request.Limit, most)
		}
		if request.Parallel == 0 {
			request.Parallel = runtime.NumCPU()
		}
		request.From, request.To, request.Turbines = from.day, to.day, turbines.set
		report, err := r.verify(ctx, c, request)
		if err == nil && !report.OK() {
			err = fmt.Errorf("the target is not what the source makes on %d of %d days", report.Days-report.Clean, report.Days)
		}
		if output.value == "json" {
			return errors.Join(err, r.verifiedJSON(report, err))
		}
		if report.Days == 0 {
			return err
		}
		return errors.Join(err, r.verified(report))
	})
}

// rangeOf checks a pair of --from and --to, either of which may be missing.
func rangeOf(cmd *cobra.Command, from, to dayFlag) error {
	if from.day == nil || to.day == nil {
		return nil
	}
	if to.day.Before(*from.day) {
		return usagef(cmd, "--to is %q: want a day not before --from, %s", to.String(), from.String())
	}
	if most := lastDay(*from.day); to.day.After(most) {
		return usagef(cmd, "--to is %q: want at most %d days, here up to %s", to.String(), maxDays, most.Format(dateLayout))
	}
	return nil
}

// verify compares with a bar for the days.
func (r *runner) verify(ctx context.Context, c config.Verify, request verify.Request) (verify.Report, error) {
	target, err := etl.OpenTarget(ctx, c.TargetDBURL)
	if err != nil {
		return verify.Report{}, err
	}
	defer target.Close()
	progress, end := r.screen.progress("verify", "days")
	defer end()
	request.Progress = progress
	report, err := verify.Run(ctx, verify.Config{Target: target, SourceURL: c.SourceAPIURL, Log: r.log}, request)
	if errors.Is(err, verify.ErrNothingLoaded) {
		err = fmt.Errorf("%w in this range: nothing to compare; with --from and --to it is every day between them", err)
	}
	return report, err
}

// verifiedJSON prints a report as one object.
func (r *runner) verifiedJSON(report verify.Report, failed error) error {
	object := struct {
		verify.Report

		OK    bool   `json:"ok"`
		Error string `json:"error,omitempty"`
	}{Report: report, OK: failed == nil}
	if failed != nil {
		object.Error = strings.Join(lines(failed), "; ")
	}
	if err := json.NewEncoder(r.Stdout).Encode(object); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

// verified prints a report for people to read.
func (r *runner) verified(report verify.Report) error {
	var b strings.Builder
	for _, d := range report.NotClean {
		fmt.Fprintln(&b, d)
	}
	for _, f := range report.Findings {
		fmt.Fprintln(&b, f)
	}
	if report.Omitted > 0 {
		fmt.Fprintf(&b, "and %d more differences\n", report.Omitted)
	}
	fmt.Fprintf(&b, "%d days from %s to %s: %d clean, %d different, %d stale, %d unloaded; %d values compared in %.1f s\n",
		report.Days, report.From, report.To, report.Clean, report.Different, report.Stale, report.Unloaded, report.Values, report.Seconds)
	switch w := report.Worst; {
	case w != nil:
		fmt.Fprintf(&b, "worst relative difference %.3g: %s  got %s, want %s", float64(w.Relative), w.Place, w.Got, w.Want)
	case report.Values > 0:
		fmt.Fprint(&b, "every value is the exact one, rounded")
	default:
		fmt.Fprint(&b, "no value stood against another")
	}
	return r.print("%s", b.String())
}
