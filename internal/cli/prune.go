package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/sourceprune"
)

func newPrune(r *runner) *cobra.Command {
	return group(&cobra.Command{
		Use:   "prune",
		Short: "Remove old days on purpose",
		Long: `Prune removes all days before one, for good: from the target the statistics, from the
source the samples, which the target does not need once it has their statistics. Each
leaves the other alone.`,
		Example: `  delfos prune target --before 2025-01-01 --dry-run
  delfos prune source --before 2025-01-01`,
	}, newPruneSource(r), newPruneTarget(r))
}

func newPruneTarget(r *runner) *cobra.Command {
	return pruning(r, &cobra.Command{
		Use:   "target",
		Short: "Remove the statistics of old days from the target",
		Long: `Target removes the values, flags and results of checks of each day before --before, a
transaction a day, as a load writes them: a load that is under way is waited for. The
ledger keeps the day and calls it pruned. Neither the schedule, nor the search for late
data, nor a run of missing, failed or stale days loads it again; 'delfos etl DAY', or a
run of all days, does, and makes it done. TARGET_RETENTION_DAYS has the schedule prune
such a day anew.

A day that was never loaded is left alone. What is interrupted is gone on with by the
same command.`,
		Example: `  delfos prune target --before 2025-01-01 --dry-run
  delfos prune target --before 2025-01-01`,
	}, "values", func(ctx context.Context, c config.PruneTarget, request etl.PruneRequest) (etl.Pruning, error) {
		return r.pruner(ctx, c.TargetDBURL, func(p *etl.Pruner) (etl.Pruning, error) { return p.Target(ctx, request) })
	})
}

func newPruneSource(r *runner) *cobra.Command {
	return pruning(r, &cobra.Command{
		Use:   "source",
		Short: "Remove the samples of old days from the source",
		Long: `Source removes the samples of each day before --before, a transaction a day, once the
target has what they make. First it holds all of these days against the ledger: if any
of them is not done, empty or pruned there, or its samples are not those that were loaded,
the command names it and removes nothing.

The ledger keeps a mark, so that the absence of the samples is no loss: the day stays done,
the source does not become suspect, and no load removes the values, not even with
--allow-empty, as long as the source has no samples of the day. Samples that somebody
imports again are followed as before. SOURCE_RETENTION_DAYS is for a source that others
purge; it removes nothing.

What is interrupted is gone on with by the same command.`,
		Example: `  delfos prune source --before 2025-01-01 --dry-run
  delfos prune source --before 2025-01-01`,
	}, "samples", func(ctx context.Context, c config.Databases, request etl.PruneRequest) (etl.Pruning, error) {
		source, err := pgpool.Open(ctx, c.SourceDBURL, pgpool.Options{})
		if err != nil {
			return etl.Pruning{}, err
		}
		defer source.Close()
		return r.pruner(ctx, c.TargetDBURL, func(p *etl.Pruner) (etl.Pruning, error) {
			return p.Source(ctx, request, sourceprune.Samples{Source: source})
		})
	})
}

func (r *runner) pruner(ctx context.Context, url string, f func(*etl.Pruner) (etl.Pruning, error)) (etl.Pruning, error) {
	target, err := r.target(ctx, url)
	if err != nil {
		return etl.Pruning{}, err
	}
	defer target.Close()
	p, err := etl.NewPruner(ctx, target, r.log)
	if err != nil {
		return etl.Pruning{}, err
	}
	defer p.Close()
	return f(p)
}

// pruning makes cmd prune the days before --before; what says what is removed.
func pruning[T configuration](r *runner, cmd *cobra.Command, what string, prune func(context.Context, T, etl.PruneRequest) (etl.Pruning, error)) *cobra.Command {
	var before *time.Time
	var request etl.PruneRequest
	dayFlag(cmd, &before, "before", "first day that stays")
	cmd.Flags().BoolVar(&request.DryRun, "dry-run", false, "say what would be removed and remove nothing")
	output := outputFlag(cmd, "format of the summary")
	return configure(r, cmd, func(ctx context.Context, c T, _ []string) error {
		switch today := dates.Of(time.Now()); {
		case before == nil:
			return usagef(cmd, "--before is missing: want the first day that stays")
		case before.After(today):
			return usagef(cmd, "--before is %s: want a day not after today, %s", before.Format(time.DateOnly), today.Format(time.DateOnly))
		}
		request.Before = *before
		progress, end := r.screen.progress("prune", "days")
		request.Progress = progress
		p, err := prune(actor.With(ctx, actor.CommandLine()), c, request)
		end()
		if p.Before == "" || err != nil && len(p.Days) == 0 {
			return err
		}
		if *output == asJSON {
			return errors.Join(err, r.printJSON(struct {
				etl.Pruning

				Error string `json:"error,omitempty"`
			}{p, sentence(err)}))
		}
		return errors.Join(err, r.printPruning(p, what))
	})
}

func (r *runner) printPruning(p etl.Pruning, what string) error {
	verb := "removed"
	if p.DryRun {
		verb = "to remove"
	}
	for _, d := range p.Days {
		if err := r.print("%s  %d %s %s", d.Date, d.Values, what, verb); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%d days before %s: %d %s %s", len(p.Days), p.Before, p.Values, what, verb)
	if !p.DryRun {
		text += fmt.Sprintf(" in %.1f s", p.Seconds)
	}
	return r.print("%s", text)
}
