package cli

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/seed"
)

// firstSeedDay is where seeded samples begin unless told otherwise.
func firstSeedDay() time.Time { return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC) }

func newSeed(r *runner) *cobra.Command {
	start := new(firstSeedDay())
	opts := seed.Options{Days: 10, Turbines: 1}
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Fill the source with samples that look like wind",
		Long: `Seed writes a sample a minute and turbine into the source database, as a wind farm
would log them, without gaps. The same arguments always give the same samples;
samples that are there already stay as they are.`,
		Example: `  delfos seed
  delfos seed --start-date 2025-01-01 --days 365 --turbines 3`,
	}
	dayFlag(cmd, &start, "start-date", "first day")
	countFlag(cmd, &opts.Days, seed.MaxDays, "days", "number of days")
	countFlag(cmd, &opts.Turbines, seed.MaxTurbines, "turbines", "number of turbines; their ids are 1 to N")
	return configure(r, cmd, func(ctx context.Context, c config.Source, _ []string) error {
		opts.Start = *start
		if err := opts.Validate(); err != nil {
			return usagef(cmd, "%w", err)
		}
		progress, end := r.screen.progress("seeding", "samples")
		opts.Progress = progress
		var result seed.Result
		err := onSource(ctx, c, func(pool *pgxpool.Pool) (err error) {
			result, err = seed.Run(ctx, pool, opts)
			return err
		})
		end()
		if err != nil {
			return err
		}
		return r.print("%d samples written, %d were there already", result.Inserted, result.Existing)
	})
}
