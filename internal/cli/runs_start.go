package cli

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
)

const maxRunParallel = 1000

func newRunsStart(r *runner) *cobra.Command {
	var from, to *time.Time
	var dryRun, allowEmpty, stopOnFailure, wait bool
	var parallel int
	var key string
	only := string(enum.RunScopeAll)
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
	}
	dayFlag(cmd, &from, "from", "first day (required)")
	dayFlag(cmd, &to, "to", "last day, inclusive; --from alone without it")
	choiceFlag(cmd, &only, "only", "which days of the range", only, "missing", "failed", "stale")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be queued and queue nothing")
	cmd.Flags().BoolVar(&allowEmpty, "allow-empty", false, "remove whatever the source no longer has, however much")
	cmd.Flags().BoolVar(&stopOnFailure, "stop-on-failure", false, "cancel the days that wait once one has failed and is not tried again")
	cmd.Flags().IntVar(&parallel, "parallel", 0, "how many days to work on at once; 0 is as many as there are workers")
	waitFlag(cmd, &wait)
	cmd.Flags().StringVar(&key, "idempotency-key", "", "a name for this request: sent again, it finds the run that it made")
	allowed := allowDates(cmd)
	return asking(r, cmd, func(ctx context.Context, api *targetclient.Client, output string) error {
		if from == nil {
			return usagef(cmd, "--from is missing: want a day such as 2025-01-31")
		}
		to = cmp.Or(to, from)
		if wait && dryRun {
			return usagef(cmd, "--wait and --dry-run: a dry run makes no run to wait for")
		}
		if err := cmp.Or(checkCount(cmd, "parallel", parallel, 0, maxRunParallel), checkDays(cmd, "--from", from, to, *allowed)); err != nil {
			return err
		}
		body := targetapi.RunRequest{
			From: targetapi.Day{Time: *from}, To: targetapi.Day{Time: *to}, Only: new(enum.RunScope(only)),
			DryRun: &dryRun, AllowEmpty: &allowEmpty, AllowDates: given(*allowed), StopOnFailure: given(stopOnFailure), Parallel: given(int32(parallel)),
		}
		plan, err := apiclient.Ask[targetapi.RunPlan](api.CreateRun(ctx, &targetapi.CreateRunParams{IdempotencyKey: given(key)}, body))
		switch {
		case err != nil:
			return err
		case !dryRun && plan.Value.Id == nil:
			return errors.New("the target API queued nothing: its answer names no run; TARGET_API_URL has to be the address of the target API")
		case wait && plan.Value.Id != nil:
			return r.wait(ctx, api, *plan.Value.Id, output)
		case output == asJSON:
			return r.printJSON(plan.Text)
		}
		return r.printPlan(plan.Value)
	})
}

// given is a parameter that may be left out; the zero value is.
func given[T comparable](value T) *T {
	if value == *new(T) {
		return nil
	}
	return &value
}

func (r *runner) printPlan(p targetapi.RunPlan) error {
	if p.DryRun || p.Id == nil {
		if err := r.print("%d days of %s to %s would be queued, %d are up to date", p.Partitions, p.From, p.To, p.UpToDate); err != nil {
			return err
		}
		return r.printRemoval(p)
	}
	return r.print("run %d: %d days of %s to %s queued, %d were up to date; `delfos runs logs %d -f` follows it", *p.Id, p.Partitions, p.From, p.To, p.UpToDate, *p.Id)
}

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
