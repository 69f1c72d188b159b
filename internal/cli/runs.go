package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
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

// asking makes cmd ask the target API, and adds --output.
func asking(r *runner, cmd *cobra.Command, run func(ctx context.Context, api *targetclient.Client, output string) error) *cobra.Command {
	output := outputFlag(cmd, "format of the result")
	return configure(r, cmd, func(ctx context.Context, c config.Client, _ []string) error {
		api, err := apiclient.NewTarget(c.TargetAPIURL, c.TargetToken())
		if err != nil {
			return err
		}
		return run(ctx, api, *output)
	})
}

func newRunsList(r *runner) *cobra.Command {
	limit := 20
	var before int64
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runs, the newest first",
		Long: `List shows the newest runs and how far their days are, and what keeps days from being
loaded, if anything does.`,
		Example: `  delfos runs list
  delfos runs list --limit 100 --before 107 --output json`,
	}
	countFlag(cmd, &limit, 1000, "limit", "how many at most")
	cmd.Flags().Int64Var(&before, "before", 0, "only runs older than the one with this id")
	return asking(r, cmd, func(ctx context.Context, api *targetclient.Client, output string) error {
		params := &targetapi.ListRunsParams{Limit: new(int32(limit))}
		if cmd.Flags().Changed("before") {
			if before < 1 {
				return usagef(cmd, "--before is %d: want a run's id, 1 or more", before)
			}
			params.Before = &before
		}
		a, err := apiclient.Ask[targetapi.RunList](api.ListRuns(ctx, params))
		if err != nil {
			return err
		}
		if output == asJSON {
			return r.printJSON(a.Text)
		}
		if err := r.printRuns(a.Value.Runs); err != nil {
			return err
		}
		return r.printHindrances(hindrances(ctx, api, true))
	})
}

func (r *runner) printRuns(runs []targetapi.Run) error {
	if len(runs) == 0 {
		return r.print("no runs")
	}
	return r.printTable(func(w io.Writer) {
		fmt.Fprintln(w, "RUN\tSTATE\tTRIGGER\tBY\tFROM\tTO\tONLY\tDAYS\tCREATED")
		for _, run := range runs {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", run.Id, run.State, run.Trigger, cmp.Or(quoted(shown(run.Actor), false), "-"), run.From, run.To, run.Only,
				counted(run.Partitions), run.CreatedAt.UTC().Format(time.RFC3339))
		}
	})
}

func by(actor *targetapi.Actor) string {
	if name := shown(actor); name != "" {
		return " by " + quoted(name, false)
	}
	return ""
}

// counted says how many days a run has, and how many are in each state.
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

// hindrances says what keeps queued days from being loaded, and with scheduling also what keeps days
// from being queued. Nothing rests on it: an API that can't tell is one without hindrances.
func hindrances(ctx context.Context, api *targetclient.Client, scheduling bool) (details []string) {
	a, err := apiclient.Ask[targetapi.Schedule](api.GetSchedule(ctx))
	if err != nil {
		return nil
	}
	for _, h := range a.Value.Hindrances {
		if scheduling || h.Cause == targetapi.QueuePaused || h.Cause == targetapi.NoWorkers {
			details = append(details, h.Detail)
		}
	}
	return details
}

func (r *runner) printHindrances(details []string) error {
	for _, detail := range details {
		if err := r.print("hindered: %s", quoted(detail, false)); err != nil {
			return err
		}
	}
	return nil
}

func parseRunID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, errors.New("want a run's id, a whole number from 1 on")
	}
	return id, nil
}

// An act is an operation on one run that answers with the run.
type act func(api *targetclient.Client, ctx context.Context, id int64, edit ...targetclient.RequestEditorFn) (*http.Response, error)

// aboutRun makes cmd print the run that act answers with; with --wait, once it has ended.
func aboutRun(r *runner, cmd *cobra.Command, act act) *cobra.Command {
	var id int64
	var wait bool
	cmd.Args = parsed("ID", &id, parseRunID)
	if cmd.Name() != "cancel" {
		waitFlag(cmd, &wait)
	}
	return asking(r, cmd, func(ctx context.Context, api *targetclient.Client, output string) error {
		a, err := apiclient.Ask[targetapi.Run](act(api, ctx, id))
		if err != nil {
			return err
		}
		if wait {
			return r.wait(ctx, api, id, output)
		}
		if err := r.printRun(a, output); err != nil || output == asJSON || apiclient.Ended(a.Value) {
			return err
		}
		return r.printHindrances(hindrances(ctx, api, false))
	})
}

func waitFlag(cmd *cobra.Command, wait *bool) {
	cmd.Flags().BoolVar(wait, "wait", false, "wait for the run to end; exit 1 unless it is done")
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
	}, (*targetclient.Client).GetRun)
}

func newRunsCancel(r *runner) *cobra.Command {
	return aboutRun(r, &cobra.Command{
		Use:   "cancel ID",
		Short: "Cancel a run",
		Long: `Cancel takes the run's waiting days off the queue and stops those in work, unless
another run wants them. A stopped day is as it was before. Where nothing is left to
cancel, nothing happens.`,
		Example: `  delfos runs cancel 7`,
	}, (*targetclient.Client).CancelRun)
}

func newRunsRetry(r *runner) *cobra.Command {
	return aboutRun(r, &cobra.Command{
		Use:   "retry ID",
		Short: "Queue the failed and cancelled days of a run again",
		Long: `Retry queues the days of the run that failed or were cancelled once more, under the
same id. Where there is none, nothing happens.`,
		Example: `  delfos runs retry 7 --wait`,
	}, (*targetclient.Client).RetryRun)
}

// hindrancesEvery is how often a command that waits asks why nothing moves.
const hindrancesEvery = 10 * time.Second

// wait follows a run with a bar until it has ended, and prints it. One that is not done is an error.
func (r *runner) wait(ctx context.Context, api *targetclient.Client, id int64, output string) error {
	progress, end := r.screen.progress(fmt.Sprintf("run %d", id), "days")
	defer end()
	var asked time.Time // for hindrances
	var told string
	last, err := apiclient.Follow(ctx, r.log, api, id, func(run targetapi.Run) error {
		days := run.Partitions
		progress(days.Total-days.Queued-days.Running, days.Total)
		if !apiclient.Ended(run) && days.Running == 0 && time.Since(asked) > hindrancesEvery {
			asked = time.Now()
			reason := strings.Join(hindrances(ctx, api, false), " ")
			if reason != "" && reason != told {
				r.log.WarnContext(ctx, "the run does not move", "reason", reason)
			}
			told = reason
		}
		return nil
	})
	end()
	if err != nil {
		return fmt.Errorf("wait for run %d: %w", id, err)
	}
	if err := r.printRun(last, output); err != nil {
		return err
	}
	switch last.Value.State {
	case enum.RunStateFailed:
		return fmt.Errorf("run %d failed: %d of its days did; `delfos runs logs %d` says why, `delfos runs retry %d` tries again", id, last.Value.Partitions.Failed, id, id)
	case enum.RunStateCancelled:
		return fmt.Errorf("run %d was cancelled", id)
	default:
		return nil
	}
}

// shown is the text of what may be absent, "" then.
func shown[T any](value *T) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(*value)
}

func instant(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (r *runner) printRun(a apiclient.Answer[targetapi.Run], output string) error {
	if output == asJSON {
		return r.printJSON(a.Text)
	}
	run := a.Value
	return r.printTable(func(w io.Writer) {
		fmt.Fprintf(w, "run\t%d\nstate\t%s\ntrigger\t%s%s\nfrom\t%s\nto\t%s\nonly\t%s\n", run.Id, run.State, run.Trigger, by(run.Actor), run.From, run.To, run.Only)
		fact := func(name, text string) {
			if text != "" {
				fmt.Fprintf(w, "%s\t%s\n", name, text)
			}
		}
		fact("turbines", shown(run.Turbines))
		fact("parallel", shown(run.Parallel))
		fact("days", counted(run.Partitions))
		fact("created", instant(&run.CreatedAt))
		fact("request", shown(run.RequestId))
		fact("trace", shown(run.TraceId))
		fact("cancelled", instant(run.CancelledAt)+by(run.CancelledBy))
		fact("retried", instant(run.RetriedAt)+by(run.RetriedBy))
		if waiting := run.Waiting; waiting != nil && waiting.Position != nil {
			fact("waiting", fmt.Sprintf("%d days are ahead, %d workers are free", *waiting.Position-1, waiting.WorkersFree))
		}
		fact("eta", instant(run.Eta))
		fact("finished", instant(run.FinishedAt))
	})
}

const logPage = int32(1000)

func newRunsLogs(r *runner) *cobra.Command {
	var id int64
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "Print the log of a run",
		Long: `Logs prints what the workers had to say of a run, the oldest first. With --follow it
goes on until the run has ended. With --output json each entry is a JSON object on a
line of its own.`,
		Example: `  delfos runs logs 7
  delfos runs logs 7 -f --output json`,
		Args: parsed("ID", &id, parseRunID),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run has ended")
	return asking(r, cmd, func(ctx context.Context, api *targetclient.Client, output string) error {
		after := int64(0)
		if !follow {
			return r.printLog(ctx, api, id, &after, output)
		}
		// What is logged before the run's end is read after its state.
		_, err := apiclient.Follow(ctx, r.log, api, id, func(targetapi.Run) error { return r.printLog(ctx, api, id, &after, output) })
		if err != nil {
			return fmt.Errorf("follow run %d: %w", id, err)
		}
		return nil
	})
}

// printLog prints the entries after the one with the given id, which it moves on.
func (r *runner) printLog(ctx context.Context, api *targetclient.Client, id int64, after *int64, output string) error {
	limit := logPage
	for {
		a, err := apiclient.Ask[struct {
			Entries []json.RawMessage `json:"entries"`
		}](api.GetRunLog(ctx, id, &targetapi.GetRunLogParams{After: after, Limit: &limit}))
		if err != nil {
			return err
		}
		for _, text := range a.Value.Entries {
			var e targetapi.LogEntry
			if err := json.Unmarshal(text, &e); err != nil {
				return fmt.Errorf("read the log of run %d: %w", id, err)
			}
			if output == asJSON {
				err = r.printJSON(text)
			} else {
				err = r.print("%s", logLine(e))
			}
			if err != nil {
				return err
			}
			*after = e.Id
		}
		if len(a.Value.Entries) < int(limit) {
			return nil
		}
	}
}

func logLine(e targetapi.LogEntry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-5s", e.At.UTC().Format("2006-01-02T15:04:05.000Z"), strings.ToUpper(string(e.Level)))
	if e.Day != nil {
		b.WriteString("  " + e.Day.String())
	}
	b.WriteString("  " + quoted(e.Message, false))
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		if name == "day" && e.Day != nil {
			continue // it stands there already
		}
		if text, ok := e.Attributes[name].(string); ok {
			fmt.Fprintf(&b, " %s=%s", name, quoted(text, true))
			continue
		}
		text, err := json.Marshal(e.Attributes[name])
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&b, " %s=%s", name, text)
	}
	return b.String()
}

// quoted quotes text that would not stay in its line nor, as a value, in its place.
func quoted(text string, value bool) string {
	odd := strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) })
	if odd || value && (text == "" || strings.ContainsAny(text, ` "=`)) {
		return strconv.Quote(text)
	}
	return text
}
