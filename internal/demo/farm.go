package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/schema"
)

// The demo's farm, of which the first turbine is as seed makes it.
const (
	turbines   = 4
	derated    = 2
	frozen     = 3
	incomplete = 4
	corrected  = 3

	deratedPower = 1200 // kW, 60 % of rated power
	// The days of what happens to a turbine, counted from the first.
	frozenDay, gapDay, longGapDay, lateDay = 3, 2, 7, 5
)

// day is a day of the demo, counted from the first.
func (s *system) day(n int) time.Time { return s.FirstDay.AddDate(0, 0, n) }

// seedFarm writes the samples of the farm, and returns how many were not there.
func (s *system) seedFarm(ctx context.Context, pool *pgxpool.Pool) (seed.Result, error) {
	seeded, err := seed.Run(ctx, pool, seed.Options{Start: s.FirstDay, Days: days, Turbines: turbines})
	if err != nil {
		return seed.Result{}, err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		db := importdb.New(tx)
		if err := db.DerateTurbine(ctx, importdb.DerateTurbineParams{TurbineID: derated, Start: s.day(0), Stop: s.day(days), Most: deratedPower}); err != nil {
			return err
		}
		morning := s.day(frozenDay).Add(6 * time.Hour)
		if err := db.FreezeWindSpeed(ctx, importdb.FreezeWindSpeedParams{TurbineID: frozen, Start: morning, Stop: morning.Add(12 * time.Hour)}); err != nil {
			return err
		}
		for _, gap := range []struct{ start, stop time.Time }{
			{s.day(gapDay).Add(2 * time.Hour), s.day(gapDay).Add(7 * time.Hour)},
			{s.day(longGapDay).Add(10 * time.Hour), s.day(longGapDay + 1)},
		} {
			removed, err := db.RemoveSamples(ctx, importdb.RemoveSamplesParams{TurbineID: incomplete, Start: gap.start, Stop: gap.stop})
			if err != nil {
				return err
			}
			seeded.Inserted -= removed
		}
		return nil
	})
	if err != nil {
		return seed.Result{}, fmt.Errorf("have the turbines differ: %w", err)
	}
	return seeded, nil
}

// late changes an hour of samples that are loaded, and has the orchestrator see it.
func (s *system) late(ctx context.Context, api *targetclient.Client) error {
	pool, err := pgpool.Open(ctx, s.source.as(schema.ImportRole), pgpool.Options{})
	if err != nil {
		return err
	}
	defer pool.Close()
	noon := s.day(lateDay).Add(12 * time.Hour)
	err = importdb.New(pool).CorrectPower(ctx, importdb.CorrectPowerParams{TurbineID: corrected, Start: noon, Stop: noon.Add(time.Hour), Kilowatts: 1})
	if err != nil {
		return fmt.Errorf("correct samples: %w", err)
	}
	day := targetapi.Day{Time: s.day(lateDay)}
	stale := targetapi.RunRequest{From: day, To: day, Only: new(enum.RunScopeStale), DryRun: new(true)}
	plan, err := apiclient.Ask[targetapi.RunPlan](api.CreateRun(ctx, &targetapi.CreateRunParams{}, stale))
	if err != nil {
		return fmt.Errorf("look for late data: %w", err)
	}
	return s.step("late data: an hour of %s was corrected in the source, %d day is stale", day, plan.Value.Partitions)
}
