package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/config"
)

type stateMark struct {
	state  enum.PartitionState
	letter string
	colour string // an SGR parameter
}

// stateMarks are those of all states, in the order of the legend.
func stateMarks() [9]stateMark {
	return [...]stateMark{
		{enum.PartitionStateDone, "d", "32"},
		{enum.PartitionStateEmpty, "e", "36"},
		{enum.PartitionStateStale, "s", "33"},
		{enum.PartitionStateFailed, "F", "1;31"},
		{enum.PartitionStateRunning, "r", "1;34"},
		{enum.PartitionStateQueued, "q", "34"},
		{enum.PartitionStateCancelled, "c", "35"},
		{enum.PartitionStatePruned, "p", "90"},
		{enum.PartitionStateMissing, ".", "2"},
	}
}

const failuresShown = 10

func newPartitions(r *runner) *cobra.Command {
	var from, to *time.Time
	cmd := &cobra.Command{
		Use:   "partitions",
		Short: "Show the state of each day as a calendar",
		Long: `Partitions asks the target API of 'delfos orchestrate' for the state of each day and
prints a row a month, a letter a day: d done, e empty (no samples), s stale (the source
has changed since), F failed, r running, q queued, c cancelled, p pruned, . missing. Under it
stand how many there are of each, why days failed, and what keeps days from being
loaded, such as a schedule that does not reach back far enough. On a terminal the
letters have colours, unless NO_COLOR is set.

Without --from and --to it is the 400 days up to the newest that is loaded, asked for
or has samples, and those after it up to yesterday, unless they are more than 400;
days before the first that is known are left out. Days before 1980-01-01 or after
tomorrow (UTC) are shown to who asks for them. Where there are days before or after
that are known, the last lines say how to see them.`,
		Example: `  delfos partitions
  delfos partitions --from 2025-01-01 --to 2025-12-31 --output json
  delfos partitions forget 0225-01-01`,
	}
	cmd.AddCommand(newPartitionsForget(r))
	dayFlag(cmd, &from, "from", "first day")
	dayFlag(cmd, &to, "to", "last day, inclusive")
	return asking(r, cmd, func(ctx context.Context, api *targetclient.Client, output string) error {
		if err := checkRange(cmd, "--from", from, to); err != nil {
			return err
		}
		params := &targetapi.ListPartitionsParams{}
		if from != nil {
			params.From = &targetapi.From{Time: *from}
		}
		if to != nil {
			params.To = &targetapi.To{Time: *to}
		}
		a, err := apiclient.Ask[targetapi.PartitionList](api.ListPartitions(ctx, params))
		if err != nil {
			return err
		}
		if output == asJSON {
			return r.printJSON(a.Text)
		}
		text := "no days: nothing was loaded or asked for yet"
		if len(a.Value.Partitions) > 0 {
			text = calendar(a.Value.Partitions, r.colours())
		}
		if err := r.print("%s%s", text, others(a.Header)); err != nil {
			return err
		}
		return r.printHindrances(hindrances(ctx, api, true))
	})
}

func newPartitionsForget(r *runner) *cobra.Command {
	var day *time.Time
	var force bool
	cmd := &cobra.Command{
		Use:   "forget DAY",
		Short: "Forget a day: its values, and what the ledger has of it",
		Long: `Forget asks the target API of 'delfos orchestrate' to remove the values of DAY, and what
the ledger has of it: its state, its attempts, the results of its checks, and the
requests for it, so that runs count it no longer. Nothing loads it again by itself.

A day of which the source has samples is refused without --force, as a run would load it
again; with --force the source is not asked. A day that is being loaded is refused.`,
		Example: `  delfos partitions forget 0225-01-01
  delfos partitions forget 2025-01-02 --force`,
		Args: parsed("DAY", &day, parseDay),
	}
	cmd.Flags().BoolVar(&force, "force", false, "whatever the source has of the day, and without asking it")
	return configure(r, cmd, func(ctx context.Context, c config.Client, _ []string) error {
		api, err := apiclient.NewTarget(c.TargetAPIURL, c.TargetToken())
		if err != nil {
			return err
		}
		forgotten := targetapi.Day{Time: *day}
		err = apiclient.Done(api.ForgetPartition(ctx, forgotten, &targetapi.ForgetPartitionParams{Force: given(force)}))
		if refusal, ok := errors.AsType[*apiclient.RefusalError](err); ok && refusal.Problem && refusal.Status == http.StatusNotFound {
			return fmt.Errorf("neither the ledger nor the target has anything of %s", forgotten)
		}
		if err != nil {
			return err
		}
		return r.print("%s is forgotten", forgotten)
	})
}

// others says how to see the days before and after that the answer links to.
func others(header http.Header) string {
	var b strings.Builder
	for _, other := range []struct{ rel, what string }{{"prev", "earlier"}, {"next", "later"}} {
		for link := range strings.SplitSeq(header.Get("Link"), ", ") {
			address, rel, _ := strings.Cut(link, "; ")
			u, err := url.Parse(strings.Trim(address, "<>"))
			if err != nil || rel != `rel="`+other.rel+`"` {
				continue
			}
			fmt.Fprintf(&b, "\n%s days: delfos partitions --from %s --to %s", other.what, u.Query().Get("from"), u.Query().Get("to"))
		}
	}
	return b.String()
}

// colours reports whether standard output is a terminal without NO_COLOR (no-color.org).
func (r *runner) colours() bool {
	for _, entry := range r.Environ {
		if value, ok := strings.CutPrefix(entry, "NO_COLOR="); ok && value != "" {
			return false
		}
		if entry == "TERM=dumb" {
			return false
		}
	}
	f, ok := r.Stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// calendar draws days, which are in order, without a newline at the end.
func calendar(days []targetapi.Partition, colours bool) string {
	cells := map[enum.PartitionState]string{}
	for _, m := range stateMarks() {
		cells[m.state] = m.letter
		if colours {
			cells[m.state] = "\x1b[" + m.colour + "m" + m.letter + "\x1b[0m"
		}
	}
	var b strings.Builder
	b.WriteString("       ")
	for day := 1; day <= 30; day++ {
		if day == 1 || day%5 == 0 {
			fmt.Fprintf(&b, "%2d", day)
		} else {
			b.WriteString("  ")
		}
	}
	var row strings.Builder
	var month time.Time
	column := 0
	flush := func() {
		b.WriteString(strings.TrimRight(row.String(), " "))
		row.Reset()
	}
	counts := map[enum.PartitionState]int{}
	for _, p := range days {
		if first := p.Day.AddDate(0, 0, 1-p.Day.Day()); !first.Equal(month) {
			flush()
			month, column = first, 1
			b.WriteString("\n" + month.Format("2006-01"))
		}
		for ; column < p.Day.Day(); column++ {
			row.WriteString("  ")
		}
		row.WriteString(" " + cells[p.State])
		column++
		counts[p.State]++
	}
	flush()
	b.WriteString("\n\n")
	separator := ""
	for _, m := range stateMarks() {
		if n := counts[m.state]; n > 0 {
			fmt.Fprintf(&b, "%s%s %s %d", separator, cells[m.state], m.state, n)
			separator = "   "
		}
	}
	for _, p := range days {
		if !p.Over && p.LoadedAt != nil {
			fmt.Fprintf(&b, "\n%s was not over when it was loaded, at %s", p.Day, p.LoadedAt.UTC().Format(time.RFC3339))
		}
	}
	failures(&b, days, counts[enum.PartitionStateFailed])
	return b.String()
}

// failures says why days failed, the latest first.
func failures(b *strings.Builder, days []targetapi.Partition, count int) {
	shown := 0
	for i := len(days) - 1; i >= 0 && shown < failuresShown; i-- {
		p := days[i]
		if p.State != enum.PartitionStateFailed {
			continue
		}
		shown++
		reason := "no reason was given"
		if p.Error != nil {
			reason = quoted(*p.Error, false)
		}
		fmt.Fprintf(b, "\n%s failed: %s", p.Day, reason)
		if p.NextAttemptAt != nil {
			fmt.Fprintf(b, " (attempt %d; the next is at %s)", p.Attempt, p.NextAttemptAt.UTC().Format(time.RFC3339))
		}
	}
	if count > shown {
		fmt.Fprintf(b, "\nand %d more failed", count-shown)
	}
}

func newSchedule(r *runner) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Show, pause and resume what is loaded by itself",
		Long: `Schedule asks the target API of 'delfos orchestrate' when the next days are loaded, and
what keeps days from being loaded, if anything does. While the schedule is paused,
neither days that become due nor late data are loaded; the pause outlives restarts.`,
		Example: `  delfos schedule
  delfos schedule pause
  delfos schedule resume`,
	}
	cmd.AddCommand(newSchedulePause(r, true), newSchedulePause(r, false))
	return aboutSchedule(r, cmd, func(ctx context.Context, api *targetclient.Client) (*http.Response, error) {
		return api.GetSchedule(ctx)
	})
}

func newSchedulePause(r *runner, paused bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Resume the schedule",
		Long: `Resume goes on with the schedule, and catches up with what became due in the meantime.
A schedule that is not paused is left as it is.`,
		Example: `  delfos schedule resume`,
	}
	if paused {
		cmd = &cobra.Command{
			Use:   "pause",
			Short: "Pause the schedule",
			Long: `Pause stops the schedule until somebody resumes it: neither days that become due nor late
data are loaded. What is queued already, and what somebody asks for, is loaded.`,
			Example: `  delfos schedule pause`,
		}
	}
	return aboutSchedule(r, cmd, func(ctx context.Context, api *targetclient.Client) (*http.Response, error) {
		return api.UpdateSchedule(ctx, targetapi.ScheduleUpdate{Paused: paused})
	})
}

// aboutSchedule makes cmd print the schedule that act answers with.
func aboutSchedule(r *runner, cmd *cobra.Command, act func(context.Context, *targetclient.Client) (*http.Response, error)) *cobra.Command {
	return asking(r, cmd, func(ctx context.Context, api *targetclient.Client, output string) error {
		a, err := apiclient.Ask[targetapi.Schedule](act(ctx, api))
		if err != nil {
			return err
		}
		if output == asJSON {
			return r.printJSON(a.Text)
		}
		s := a.Value
		err = r.printTable(func(w io.Writer) {
			fmt.Fprintf(w, "times\t%s\npaused\t%t\n", s.Cron, s.Paused)
			if s.ChangedAt != nil {
				fmt.Fprintf(w, "changed\t%s%s\n", s.ChangedAt.UTC().Format(time.RFC3339), by(s.ChangedBy))
			}
			for _, next := range s.Next {
				fmt.Fprintf(w, "next\t%s loads %s\n", next.At.UTC().Format(time.RFC3339), next.Day)
			}
		})
		if err != nil {
			return err
		}
		var details []string
		for _, h := range s.Hindrances {
			details = append(details, h.Detail)
		}
		return r.printHindrances(details)
	})
}
