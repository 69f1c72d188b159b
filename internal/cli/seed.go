package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/seed"
)

// firstSeedDay is where seeded samples begin unless told otherwise.
func firstSeedDay() time.Time { return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC) }

func newSeed(r *runner) *cobra.Command {
	start := dayFlag{new(firstSeedDay())}
	days := countFlag{n: 10, most: seed.MaxDays}
	turbines := countFlag{n: 1, most: seed.MaxTurbines}
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Fill the source with samples that look like wind",
		Long: `Seed writes a sample a minute and turbine into the source database, as a wind farm
would log them, without gaps. The same arguments always give the same samples;
samples that are there already stay as they are.`,
		Example: `  delfos seed
  delfos seed --start-date 2025-01-01 --days 365 --turbines 3`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().Var(&start, "start-date", "first day")
	cmd.Flags().Var(&days, "days", "number of days")
	cmd.Flags().Var(&turbines, "turbines", "number of turbines; their ids are 1 to N")
	return configure(r, cmd, func(ctx context.Context, c config.Source, _ []string) error {
		opts := seed.Options{Start: *start.day, Days: days.n, Turbines: turbines.n}
		if err := opts.Validate(); err != nil {
			return usagef(cmd, "%w", err)
		}
		pool, err := pgpool.Open(ctx, c.SourceDBURL, pgpool.Options{})
		if err != nil {
			return err
		}
		defer pool.Close()
		progress, end := r.screen.progress("seeding", "samples")
		opts.Progress = progress
		result, err := seed.Run(ctx, pool, opts)
		end()
		if err != nil {
			return dberror.Source.Explain(err)
		}
		return r.print("%d samples written, %d were there already", result.Inserted, result.Existing)
	})
}
