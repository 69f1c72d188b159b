package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/config"
)

func newPartitionsForget(r *runner) *cobra.Command {
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
		Args: func(cmd *cobra.Command, args []string) error {
			if err := exactly("DAY")(cmd, args); err != nil {
				return err
			}
			if _, err := parseDay(args[0]); err != nil {
				return fmt.Errorf("DAY is %q: %w", args[0], err)
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&force, "force", false, "whatever the source has of the day, and without asking it")
	return configure(r, cmd, func(ctx context.Context, c config.Client, args []string) error {
		t, err := newTarget(c.TargetAPI)
		if err != nil {
			return err
		}
		day, err := parseDay(args[0])
		if err != nil {
			return err
		}
		params := &targetapi.ForgetPartitionParams{}
		if force {
			params.Force = &force
		}
		if err := t.forget(ctx, targetapi.Day{Time: day}, params); err != nil {
			return err
		}
		return r.print("%s is forgotten", args[0])
	})
}

// forget asks for a day to be forgotten; 204 alone says that it is.
func (t *target) forget(ctx context.Context, day targetapi.Day, params *targetapi.ForgetPartitionParams) error {
	response, err := t.client.ForgetPartition(ctx, day, params)
	if err != nil {
		return t.unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return t.unreachable(err)
	case response.StatusCode == http.StatusNotFound && response.Header.Get("Content-Type") == problemType:
		return fmt.Errorf("neither the ledger nor the target has anything of %s", day)
	case response.StatusCode == http.StatusNoContent:
		return nil
	case response.StatusCode/100 == 2:
		return errors.New(response.Request.URL.String() + " answered " + response.Status + ", which does not say that the day is forgotten")
	}
	return refusal(response, body)
}

// problemType is the media type of the API's own errors.
const problemType = "application/problem+json"
