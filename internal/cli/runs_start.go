package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
)

// maxRunParallel is how many days of one run may be in work at once.
const maxRunParallel = 1000

func newRunsStart(r *runner) *cobra.Command {
	var (
		from, to dayFlag
		only     = choiceFlag{value: "all", allowed: []string{"all", "missing", "failed", "stale"}}
		dryRun   bool
		erase    bool
		wait     bool
		parallel int32
		key      string
	)
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Queue days, as a backfill",
		Long: `Start queues the days from --from to --to for the workers, or those of them that
--only names: never loaded (missing), failed, or with a source that has changed since
they were loaded (stale). A day that is queued already runs once and counts in both
runs. A day before 1980-01-01 or after tomorrow (UTC) is more often mistyped than meant:
it is refused without --allow-dates.

A day that would lose all its values, or more than half, fails and keeps them, and a
turbine of which the same is true keeps its own. With --allow-empty the run removes
whatever the source no longer has.

With --wait it stays until the run has ended, and exits 1 unless it is done; ended
before that, as by Ctrl-C, it leaves the run to the workers.`,
		Example: `  delfos runs start --from 2025-01-01 --to 2025-12-31 --only missing
  delfos runs start --from 2025-01-02 --wait
  delfos runs start --from 2025-01-01 --to 2025-12-31 --only stale --dry-run --output json`,
		Args: exactly(),
	}
	cmd.Flags().Var(&from, "from", "first day (required)")
	cmd.Flags().Var(&to, "to", "last day, inclusive; --from alone without it")
	cmd.Flags().Var(&only, "only", "which days of the range")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be queued and queue nothing")
	cmd.Flags().BoolVar(&erase, "allow-empty", false, "remove whatever the source no longer has, however much")
	cmd.Flags().Int32Var(&parallel, "parallel", 0, "how many days to work on at once; 0 is as many as there are workers")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the run to end; exit 1 unless it is done")
	cmd.Flags().StringVar(&key, "idempotency-key", "", "a name for this request: sent again, it finds the run that it made")
	complete(cmd, "only", only.allowed)
	allowed := allowDates(cmd)
	return asking(r, cmd, func(ctx context.Context, t *target, _ []string, asJSON bool) error {
		switch {
		case from.day == nil:
			return usagef(cmd, "--from is missing: want a day such as 2025-01-31")
		case parallel < 0 || parallel > maxRunParallel:
			return usagef(cmd, "--parallel is %d: want 0 to %d", parallel, maxRunParallel)
		case wait && dryRun:
			return usagef(cmd, "--wait and --dry-run: a dry run makes no run to wait for")
		}
		if to.day == nil {
			to = from
		}
		if err := errors.Join(believable(cmd, "--from", from.day, *allowed), believable(cmd, "--to", to.day, *allowed)); err != nil {
			return err
		}
		if err := rangeOf(cmd, from, to); err != nil {
			return err
		}
		scope := targetapi.RunScope(only.value)
		body := targetapi.RunRequest{From: targetapi.Day{Time: *from.day}, To: targetapi.Day{Time: *to.day}, Only: &scope, DryRun: &dryRun, AllowEmpty: &erase}
		if *allowed {
			body.AllowDates = allowed
		}
		if parallel > 0 {
			body.Parallel = &parallel
		}
		params := &targetapi.CreateRunParams{}
		if key != "" {
			params.IdempotencyKey = &key
		}
		plan, err := ask[targetapi.RunPlan](t, func(c *targetclient.Client) (*http.Response, error) { return c.CreateRun(ctx, params, body) })
		switch {
		case err != nil:
			return err
		case !dryRun && plan.value.Id == nil:
			return fmt.Errorf("the target API at %s queued nothing: its answer names no run; TARGET_API_URL has to be the address of the target API", t.url)
		case wait && plan.value.Id != nil:
			return r.wait(ctx, t, *plan.value.Id, asJSON)
		case asJSON:
			return r.printJSON(plan.text)
		}
		return r.printPlan(plan.value)
	})
}

// printPlan says what a request for days amounts to.
func (r *runner) printPlan(p targetapi.RunPlan) error {
	if p.DryRun || p.Id == nil {
		if err := r.print("%d days of %s to %s would be queued, %d are up to date", p.Partitions, p.From, p.To, p.UpToDate); err != nil {
			return err
		}
		return r.printRemoval(p)
	}
	return r.print("run %d: %d days of %s to %s queued, %d were up to date; `delfos runs logs %d -f` follows it", *p.Id, p.Partitions, p.From, p.To, p.UpToDate, *p.Id)
}

// printRemoval says what a run would remove, or refuse to.
func (r *runner) printRemoval(p targetapi.RunPlan) error {
	switch {
	case p.RemovedValues == nil || p.RefusedDays == nil:
		return r.print("how many values that would remove can't be told, as the source does not say what it has")
	case *p.RefusedDays > 0:
		return r.print("%d of them would fail: the source has no samples of %d values that are loaded, and to remove them takes --allow-empty", *p.RefusedDays, *p.RemovedValues)
	case *p.RemovedValues > 0:
		return r.print("%d values that the source has no samples of would be removed", *p.RemovedValues)
	}
	return nil
}
