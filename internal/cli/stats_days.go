package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"

	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
)

// first and last are the days of statistics by period.
func (a *asked) first() openapi_types.Date { return openapi_types.Date{Time: *a.from} }
func (a *asked) last() openapi_types.Date  { return openapi_types.Date{Time: *a.to} }

func newStatsCoverage(r *runner) *cobra.Command {
	by := string(targetapi.CoverageByDay)
	cmd := &cobra.Command{
		Use:   "coverage",
		Short: "Show how complete the data are",
		Long: `Coverage prints for each turbine and day or month how many samples it can have by its
sampling interval, and how many there are: with a wind speed, with a power, with both.
The coverage is those with both by those expected.`,
		Example: `  delfos stats coverage --from 2025-01-01 --to 2025-01-10
  delfos stats coverage --from 2025-01-01 --to 2025-12-31 --by month --output csv`,
	}
	choiceFlag(cmd, &by, "by", "how long a period is", by, string(targetapi.CoverageByMonth))
	return statistic(r, cmd, func(ctx context.Context, api *targetclient.Client, a *asked) (*http.Response, error) {
		return api.GetCoverage(ctx, &targetapi.GetCoverageParams{
			From: a.first(), To: a.last(), Turbines: a.selection(), By: new(targetapi.CoverageBy(by)), Format: &a.format,
		})
	}, printCoverage)
}

func printCoverage(w io.Writer, list targetapi.CoverageList) {
	if len(list.Rows) == 0 {
		fmt.Fprintln(w, "no turbines")
		return
	}
	fmt.Fprintln(w, "TURBINE\tPERIOD\tEXPECTED\tWIND SPEED\tPOWER\tBOTH\tCOVERAGE\t")
	for _, c := range list.Rows {
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", c.TurbineId, c.Period, c.Expected, c.Read["wind_speed"], c.Read["power"], c.Both,
			number(c.Coverage, 3), remark(c))
	}
}

// remark is how many days of a period were pruned, or else the bar of its coverage.
func remark(c targetapi.Coverage) string {
	switch c.PrunedDays {
	case 0:
		return share(c.Coverage)
	case 1:
		return "1 day pruned"
	}
	return fmt.Sprintf("%d days pruned", c.PrunedDays)
}

// share is the bar of a part of 1, as wide as that of 1 at most.
func share(part *float64) string {
	if part == nil {
		return ""
	}
	return bar(min(*part, 1), 1, false)
}

func newStatsEnergy(r *runner) *cobra.Command {
	by := string(targetapi.EnergyByDay)
	cmd := &cobra.Command{
		Use:   "energy",
		Short: "Show the energy",
		Long: `Energy prints for each turbine and day, month or year the energy by the mean power of
windows and the time that readings cover; the same with the gaps inside windows filled;
and what the turbine consumed. The capacity factor is of the hours covered and takes the
rated power, which 'delfos turbine set' tells. "-" stands where nothing was read.`,
		Example: `  delfos stats energy --from 2025-01-01 --to 2025-01-10
  delfos stats energy --from 2025-01-01 --to 2025-12-31 --by month --turbines 1 --output json`,
	}
	choiceFlag(cmd, &by, "by", "how long a period is", by, string(targetapi.EnergyByMonth), string(targetapi.EnergyByYear))
	return statistic(r, cmd, func(ctx context.Context, api *targetclient.Client, a *asked) (*http.Response, error) {
		return api.GetEnergy(ctx, &targetapi.GetEnergyParams{
			From: a.first(), To: a.last(), Turbines: a.selection(), By: new(targetapi.EnergyBy(by)), Format: &a.format,
		})
	}, printEnergy)
}

func printEnergy(w io.Writer, list targetapi.EnergyList) {
	if len(list.Rows) == 0 {
		fmt.Fprintln(w, "no turbines")
		return
	}
	var largest float64
	for _, e := range list.Rows {
		if e.EnergyKwh != nil {
			largest = max(largest, *e.EnergyKwh)
		}
	}
	fmt.Fprintln(w, "TURBINE\tPERIOD\tENERGY (kWh)\tFILLED (kWh)\tCONSUMED (kWh)\tCOVERED (h)\tCOVERAGE\tCAPACITY FACTOR\t")
	for _, e := range list.Rows {
		var energy float64
		if e.EnergyKwh != nil {
			energy = *e.EnergyKwh
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.TurbineId, e.Period, number(e.EnergyKwh, 1), number(e.EnergyFilledKwh, 1), number(e.ConsumedKwh, 1),
			number(&e.CoveredHours, 1), number(e.Coverage, 3), number(e.CapacityFactor, 3), bar(energy, largest, false))
	}
}
