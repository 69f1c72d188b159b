package cli

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/config"
)

func newRuns(r *runner) *cobra.Command {
	return group(&cobra.Command{
		Use:   "runs",
		Short: "Start, follow, cancel and retry runs of many days",
		Long: `Runs talks to the target API of 'delfos orchestrate'. A run is a request for days:
a backfill that somebody started, what the schedule or the search for late data
queued, or a 'delfos etl'.`,
		Example: `  delfos runs start --from 2025-01-01 --to 2025-12-31 --only missing --wait
  delfos runs logs 7 -f`,
	}, newRunsList(r), newRunsShow(r), newRunsStart(r), newRunsCancel(r), newRunsRetry(r), newRunsLogs(r))
}

// asking makes cmd ask the target API. Output is text or json.
func asking(r *runner, cmd *cobra.Command, run func(ctx context.Context, t *target, args []string, asJSON bool) error) *cobra.Command {
	output := choiceFlag{value: "text", allowed: []string{"text", "json"}}
	cmd.Flags().Var(&output, "output", "format of the result")
	complete(cmd, "output", output.allowed)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return configure(r, cmd, func(ctx context.Context, c config.Client, args []string) error {
		t, err := newTarget(c.TargetAPI)
		if err != nil {
			return err
		}
		return run(ctx, t, args, output.value == "json")
	})
}

func newRunsList(r *runner) *cobra.Command {
	limit := countFlag{n: 20, most: 1000}
	var before int64
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runs, the newest first",
		Long: `List shows the newest runs and how far their days are, and what keeps days from being
loaded, if anything does.`,
		Example: `  delfos runs list
  delfos runs list --limit 100 --before 107 --output json`,
		Args: exactly(),
	}
	cmd.Flags().Var(&limit, "limit", "how many at most")
	cmd.Flags().Int64Var(&before, "before", 0, "only runs older than the one with this id")
	return asking(r, cmd, func(ctx context.Context, t *target, _ []string, asJSON bool) error {
		count := int32(limit.n)
		params := &targetapi.ListRunsParams{Limit: &count}
		if cmd.Flags().Changed("before") {
			if before < 1 {
				return usagef(cmd, "--before is %d: want a run's id, 1 or more", before)
			}
			params.Before = &before
		}
		a, err := ask[targetapi.RunList](t, func(c *targetclient.Client) (*http.Response, error) { return c.ListRuns(ctx, params) })
		if err != nil {
			return err
		}
		if asJSON {
			return r.printJSON(a.text)
		}
		if err := r.listRuns(a.value.Runs); err != nil {
			return err
		}
		return r.printHindrances(t.hindrances(ctx))
	})
}

// listRuns prints a table, a row a run.
func (r *runner) listRuns(runs []targetapi.Run) error {
	if len(runs) == 0 {
		return r.print("no runs")
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTATE\tTRIGGER\tFROM\tTO\tONLY\tDAYS\tCREATED")
	for _, run := range runs {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", run.Id, run.State, run.Trigger, run.From, run.To, run.Only,
			counted(run.Partitions), run.CreatedAt.UTC().Format(time.RFC3339))
	}
	_ = w.Flush() // to memory
	return r.print("%s", strings.TrimSuffix(b.String(), "\n"))
}

// counted says how far a run's days are, naming what there is.
func counted(c targetapi.RunCounts) string {
	parts := []string{strconv.FormatInt(c.Total, 10)}
	for _, part := range []struct {
		n    int64
		what string
	}{
		{c.Queued, "queued"},
		{c.Running, "running"},
		{c.Done, "done"},
		{c.Empty, "empty"},
		{c.Failed, "failed"},
		{c.Cancelled, "cancelled"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// ended tells whether nothing more will happen in a run by itself.
func ended(run targetapi.Run) bool {
	return run.State != targetapi.RunStateQueued && run.State != targetapi.RunStateRunning
}

// runID takes the argument of a command that is about one run.
func runID(cmd *cobra.Command, args []string) error {
	if err := exactly("ID")(cmd, args); err != nil {
		return err
	}
	_, err := parseRunID(args[0])
	return err
}

func parseRunID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("ID is %q: want a run's id, a whole number from 1 on", s)
	}
	return id, nil
}

// aboutRun makes cmd print the run that act answers with; with --wait, the run
// as it is once it has ended.
func aboutRun(r *runner, cmd *cobra.Command, act func(ctx context.Context, c *targetclient.Client, id int64) (*http.Response, error)) *cobra.Command {
	cmd.Args = runID
	var wait bool
	if cmd.Name() != "cancel" {
		cmd.Flags().BoolVar(&wait, "wait", false, "wait for the run to end; exit 1 unless it is done")
	}
	return asking(r, cmd, func(ctx context.Context, t *target, args []string, asJSON bool) error {
		id, err := parseRunID(args[0])
		if err != nil {
			return err
		}
		a, err := ask[targetapi.Run](t, func(c *targetclient.Client) (*http.Response, error) { return act(ctx, c, id) })
		if err != nil {
			return err
		}
		if wait {
			return r.wait(ctx, t, id, asJSON)
		}
		if err := r.printRun(a, asJSON); err != nil || asJSON || ended(a.value) {
			return err
		}
		return r.printHindrances(ofRuns(t.hindrances(ctx)))
	})
}

func newRunsShow(r *runner) *cobra.Command {
	return aboutRun(r, &cobra.Command{
		Use:   "show ID",
		Short: "Show a run",
		Long: `Show prints what became of a run's days so far, and of a run that has not ended what
keeps its days from being loaded, if anything does. With --wait it waits until the run
has ended, and exits 1 unless it is done.`,
		Example: `  delfos runs show 7
  delfos runs show 7 --wait --output json`,
	}, func(ctx context.Context, c *targetclient.Client, id int64) (*http.Response, error) {
		return c.GetRun(ctx, id)
	})
}

func newRunsCancel(r *runner) *cobra.Command {
	return aboutRun(r, &cobra.Command{
		Use:   "cancel ID",
		Short: "Cancel a run",
		Long: `Cancel takes the run's waiting days off the queue and stops those in work, unless
another run wants them. A stopped day is as it was before. Where nothing is left to
cancel, nothing happens.`,
		Example: `  delfos runs cancel 7`,
	}, func(ctx context.Context, c *targetclient.Client, id int64) (*http.Response, error) {
		return c.CancelRun(ctx, id)
	})
}

func newRunsRetry(r *runner) *cobra.Command {
	return aboutRun(r, &cobra.Command{
		Use:   "retry ID",
		Short: "Queue the failed and cancelled days of a run again",
		Long: `Retry queues the days of the run that failed or were cancelled once more, under the
same id. Where there is none, nothing happens.`,
		Example: `  delfos runs retry 7 --wait`,
	}, func(ctx context.Context, c *targetclient.Client, id int64) (*http.Response, error) {
		return c.RetryRun(ctx, id)
	})
}

// wait follows a run with a bar until it has ended, and prints it. A run that is
// not done is an error.
func (r *runner) wait(ctx context.Context, t *target, id int64, asJSON bool) error {
	progress, end := r.screen.progress(fmt.Sprintf("run %d", id), "days")
	defer end()
	var last answer[targetapi.Run]
	hindered := watch{target: t}
	err := r.poll(ctx, func() (bool, error) {
		a, err := ask[targetapi.Run](t, func(c *targetclient.Client) (*http.Response, error) { return c.GetRun(ctx, id) })
		if err != nil {
			return false, err
		}
		last = a
		days := a.value.Partitions
		progress(days.Total-days.Queued-days.Running, days.Total)
		if !ended(a.value) && days.Running == 0 {
			hindered.look(ctx, r)
		}
		return ended(a.value), nil
	})
	end()
	if err != nil {
		return fmt.Errorf("wait for run %d: %w", id, err)
	}
	if err := r.printRun(last, asJSON); err != nil {
		return err
	}
	switch last.value.State {
	case targetapi.RunStateFailed:
		return fmt.Errorf("run %d failed: %d of its days did; `delfos runs logs %d` says why, `delfos runs retry %d` tries again", id, last.value.Partitions.Failed, id, id)
	case targetapi.RunStateCancelled:
		return fmt.Errorf("run %d was cancelled", id)
	default:
		return nil
	}
}

// printRun prints a run, a line a fact.
func (r *runner) printRun(a answer[targetapi.Run], asJSON bool) error {
	if asJSON {
		return r.printJSON(a.text)
	}
	run := a.value
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "run\t%d\nstate\t%s\ntrigger\t%s\nfrom\t%s\nto\t%s\nonly\t%s\n", run.Id, run.State, run.Trigger, run.From, run.To, run.Only)
	if run.Turbines != nil {
		fmt.Fprintf(w, "turbines\t%s\n", *run.Turbines)
	}
	if run.Parallel != nil {
		fmt.Fprintf(w, "parallel\t%d\n", *run.Parallel)
	}
	fmt.Fprintf(w, "days\t%s\ncreated\t%s\n", counted(run.Partitions), run.CreatedAt.UTC().Format(time.RFC3339))
	if run.FinishedAt != nil {
		fmt.Fprintf(w, "finished\t%s\n", run.FinishedAt.UTC().Format(time.RFC3339))
	}
	_ = w.Flush() // to memory
	return r.print("%s", strings.TrimSuffix(b.String(), "\n"))
}
