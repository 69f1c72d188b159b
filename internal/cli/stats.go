package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"
	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/timestamp"
)

func newStats(r *runner) *cobra.Command {
	return group(&cobra.Command{
		Use:   "stats",
		Short: "Show the statistics of turbines",
		Long: `Stats asks the target API of 'delfos orchestrate' for statistics of the windows of some
days, and prints them as tables with bars, as JSON or as CSV. Without --from and --to it
is those that 'delfos partitions' shows.`,
		Example: `  delfos stats power-curve --from 2025-01-01 --to 2025-12-31
  delfos stats distribution --from 2025-01-01 --to 2025-01-10 --turbines 1 --output csv
  delfos stats energy --from 2025-01-01 --to 2025-12-31 --by month`,
	}, newStatsPowerCurve(r), newStatsDistribution(r), newStatsCoverage(r), newStatsEnergy(r))
}

type asked struct {
	from, to *time.Time
	turbines selector.Set
	format   targetapi.Format
}

func (a *asked) start() targetapi.Start { return timestamp.New(*a.from) }

func (a *asked) before() *targetapi.Before { return new(timestamp.New(a.to.AddDate(0, 0, 1))) }

func (a *asked) selection() *targetapi.Turbines {
	if a.turbines.All() {
		return nil
	}
	return new(strings.Split(a.turbines.String(), ","))
}

// known takes the days that `delfos partitions` shows for those that are not given.
func (a *asked) known(ctx context.Context, cmd *cobra.Command, api *targetclient.Client) error {
	if a.from != nil && a.to != nil {
		return nil
	}
	answer, err := apiclient.Ask[targetapi.PartitionList](api.ListPartitions(ctx, &targetapi.ListPartitionsParams{}))
	if err != nil {
		return err
	}
	days := answer.Value.Partitions
	if len(days) == 0 {
		return errors.New("nothing was loaded or asked for yet: there are no statistics")
	}
	if a.from == nil {
		a.from = &days[0].Day.Time
	}
	if a.to == nil {
		a.to = &days[len(days)-1].Day.Time
	}
	return checkRange(cmd, "--from", a.from, a.to)
}

// statistic makes cmd ask for a statistic, and print it with show unless JSON or CSV is wanted.
func statistic[T any](r *runner, cmd *cobra.Command, send func(ctx context.Context, api *targetclient.Client, a *asked) (*http.Response, error), show func(w io.Writer, statistic T)) *cobra.Command {
	var a asked
	dayFlag(cmd, &a.from, "from", "first day")
	dayFlag(cmd, &a.to, "to", "last day, inclusive")
	turbinesFlag(cmd, &a.turbines)
	output := "text"
	choiceFlag(cmd, &output, "output", "format of the result", output, asJSON, "csv")
	return configure(r, cmd, func(ctx context.Context, c config.Client, _ []string) error {
		if err := checkRange(cmd, "--from", a.from, a.to); err != nil {
			return err
		}
		api, err := apiclient.NewTarget(c.TargetAPIURL, c.TargetToken())
		if err == nil {
			err = a.known(ctx, cmd, api)
		}
		if err != nil {
			return err
		}
		if output == "csv" {
			a.format = output
			response, err := send(ctx, api, &a)
			text, err := apiclient.Text("text/csv", response, err)
			if err != nil {
				return err
			}
			return r.print("%s", strings.TrimSuffix(string(text), "\n"))
		}
		a.format = asJSON
		answer, err := apiclient.Ask[T](send(ctx, api, &a))
		switch {
		case err != nil:
			return err
		case output == asJSON:
			return r.printJSON(answer.Text)
		default:
			return r.printTable(func(w io.Writer) { show(w, answer.Value) })
		}
	})
}

const barWidth = 40

// bar is that of a value by the largest one, in whole blocks; that of a doubtful value is light.
func bar(value, largest float64, doubtful bool) string {
	if !(value > 0) || !(largest > 0) {
		return ""
	}
	block := "█"
	if doubtful {
		block = "░"
	}
	return strings.Repeat(block, int(value/largest*barWidth+0.5))
}

// number prints a number with some decimals, "-" for none.
func number(value *float64, decimals int) string {
	if value == nil {
		return "-"
	}
	return strconv.FormatFloat(*value, 'f', decimals, 64)
}

func newStatsPowerCurve(r *runner) *cobra.Command {
	by := string(targetapi.CurveByTurbine)
	cmd := &cobra.Command{
		Use:   "power-curve",
		Short: "Show the operational power curve",
		Long: `Power-curve prints the operational power curve of each turbine, or of all of them
together, in bins of 0.5 m/s as in IEC 61400-12-1: a bin's mean wind speed, mean power,
sample deviation and standard uncertainty. A bin of fewer than three windows has a light
bar. Windows that are left out are counted, by reason.`,
		Example: `  delfos stats power-curve --from 2025-01-01 --to 2025-12-31 --turbines 1
  delfos stats power-curve --from 2025-01-01 --to 2025-12-31 --by fleet --output json`,
	}
	choiceFlag(cmd, &by, "by", "a curve of what", by, string(targetapi.CurveByFleet))
	return statistic(r, cmd, func(ctx context.Context, api *targetclient.Client, a *asked) (*http.Response, error) {
		return api.GetPowerCurve(ctx, &targetapi.GetPowerCurveParams{
			Start: a.start(), Before: a.before(), Turbines: a.selection(), By: new(targetapi.CurveBy(by)), Format: &a.format,
		})
	}, printPowerCurves)
}

func printPowerCurves(w io.Writer, list targetapi.PowerCurveList) {
	if len(list.Curves) == 0 {
		fmt.Fprintln(w, "no turbines")
	}
	for _, c := range list.Curves {
		of := "all turbines"
		if c.TurbineId != nil {
			of = fmt.Sprintf("turbine %d", *c.TurbineId)
		}
		fmt.Fprintf(w, "%s: %d of %d windows", of, c.Windows, c.Expected)
		if flagged := c.LeftOut.Flagged; flagged != nil {
			fmt.Fprintf(w, ", and %d that are left out as flagged", *flagged)
		}
		fmt.Fprintln(w)
		var largest float64
		for _, b := range c.Bins {
			largest = max(largest, b.Power)
		}
		if len(c.Bins) > 0 {
			fmt.Fprintln(w, "WIND SPEED (m/s)\tWINDOWS\tPOWER (kW)\tDEVIATION\tUNCERTAINTY\t")
		}
		for _, b := range c.Bins {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", number(&b.WindSpeed, 2), b.Count, number(&b.Power, 1),
				number(b.PowerStd, 1), number(b.PowerStandardError, 1), bar(b.Power, largest, !b.Complete))
		}
	}
}

func newStatsDistribution(r *runner) *cobra.Command {
	return statistic(r, &cobra.Command{
		Use:   "distribution",
		Short: "Show the distribution of wind speeds",
		Long: `Distribution prints how many windows each bin of wind speed has, 0.5 m/s wide, and their
turbulence: the deviation of one-minute values by their mean, in windows from 3 m/s on.
Above the table stand the mean, the Weibull distribution as WAsP fits it, and the power
density at 1.225 kg/m³.`,
		Example: `  delfos stats distribution --from 2025-01-01 --to 2025-12-31 --turbines 1`,
	}, func(ctx context.Context, api *targetclient.Client, a *asked) (*http.Response, error) {
		return api.GetDistribution(ctx, &targetapi.GetDistributionParams{
			Start: a.start(), Before: a.before(), Turbines: a.selection(), Format: &a.format,
		})
	}, printDistributions)
}

func printDistributions(w io.Writer, list targetapi.DistributionList) {
	if len(list.Turbines) == 0 {
		fmt.Fprintln(w, "no turbines")
	}
	for _, d := range list.Turbines {
		fmt.Fprintf(w, "turbine %d: %d of %d windows", d.TurbineId, d.Windows, d.Expected)
		if d.Mean != nil {
			fmt.Fprintf(w, ", mean %s m/s, power density %s W/m²", number(d.Mean, 2), number(d.PowerDensity, 0))
		}
		if d.Weibull != nil {
			fmt.Fprintf(w, ", Weibull A %.2f m/s and k %.2f", d.Weibull.A, d.Weibull.K)
		}
		fmt.Fprintln(w)
		var largest float64
		for _, b := range d.Bins {
			largest = max(largest, float64(b.Count))
		}
		if len(d.Bins) > 0 {
			fmt.Fprintln(w, "FROM (m/s)\tTO (m/s)\tWINDOWS\tTURBULENCE\t")
		}
		for _, b := range d.Bins {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", number(&b.Lower, 2), number(&b.Upper, 2), b.Count, number(b.Turbulence, 3), bar(float64(b.Count), largest, false))
		}
	}
}

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
