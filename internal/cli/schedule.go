package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
)

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
		a, err := apiclient.Ask[targetapi.Schedule](func() (*http.Response, error) { return act(ctx, api) })
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
