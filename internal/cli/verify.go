package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/config"
)

func newVerify(r *runner) *cobra.Command {
	var request verify.Request
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
"unloaded" when the ledger does not say that it is loaded. A day that was pruned is not
compared. Each of the three is a difference and makes the exit code 1, because the target is not what the source holds; the
values of stale and unloaded days are counted but not listed.

Exit codes: 0 no difference, 1 any difference, or it could not be found out, 2 used
wrongly.`,
		Example: `  delfos verify
  delfos verify --from 2025-01-01 --to 2025-12-31 --turbines 1-50,80
  delfos verify --output json`,
	}
	dayFlag(cmd, &request.From, "from", "first day")
	dayFlag(cmd, &request.To, "to", "last day, inclusive")
	turbinesFlag(cmd, &request.Turbines)
	cmd.Flags().IntVar(&request.Parallel, "parallel", 0, "how many parts of days, of 100 turbines each, to compare at once; 0 is one a processor")
	cmd.Flags().IntVar(&request.Limit, "limit", verify.DefaultLimit, "how many differences to list")
	output := outputFlag(cmd, "format of the report")
	return configure(r, cmd, func(ctx context.Context, c config.Verify, _ []string) error {
		if err := cmp.Or(checkRange(cmd, "--from", request.From, request.To), checkCount(cmd, "parallel", request.Parallel, 0, maxParallel),
			checkCount(cmd, "limit", request.Limit, 1, 1_000_000)); err != nil {
			return err
		}
		request.Parallel = cmp.Or(request.Parallel, runtime.NumCPU())
		report, err := r.verify(ctx, c, request)
		if err == nil && !report.OK() {
			err = fmt.Errorf("the target is not what the source makes on %d of %d days", report.Days-report.Clean-report.Pruned, report.Days)
		}
		if *output == asJSON {
			return errors.Join(err, r.printJSON(struct {
				verify.Report

				OK    bool   `json:"ok"`
				Error string `json:"error,omitempty"`
			}{report, err == nil, sentence(err)}))
		}
		if report.Days == 0 {
			return err
		}
		return errors.Join(err, r.printReport(report))
	})
}

func (r *runner) verify(ctx context.Context, c config.Verify, request verify.Request) (verify.Report, error) {
	target, err := etl.OpenTarget(ctx, c.TargetDBURL)
	if err != nil {
		return verify.Report{}, err
	}
	defer target.Close()
	progress, end := r.screen.progress("verify", "days")
	defer end()
	request.Progress = progress
	report, err := verify.Run(ctx, verify.Config{Target: target, SourceURL: c.SourceAPIURL, SourceToken: c.SourceToken(), Log: r.log}, request)
	if errors.Is(err, verify.ErrNothingLoaded) {
		err = fmt.Errorf("%w in this range: nothing to compare; with --from and --to it is every day between them", err)
	}
	return report, err
}

func (r *runner) printReport(report verify.Report) error {
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
	fmt.Fprintf(&b, "%d days from %s to %s: %d clean, %d different, %d stale, %d unloaded", report.Days, report.From, report.To, report.Clean, report.Different, report.Stale, report.Unloaded)
	if report.Pruned > 0 {
		fmt.Fprintf(&b, ", %d pruned", report.Pruned)
	}
	fmt.Fprintf(&b, "; %d values compared in %.1f s\n", report.Values, report.Seconds)
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
