package target

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgerrcode"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

func (s *server) GetDistribution(ctx context.Context, request targetserver.GetDistributionRequestObject) (targetserver.GetDistributionResponseObject, error) {
	p := request.Params
	bin := param.Or(p.Bin, defaultBin)
	answer, err := s.ofSpan(ctx, "distribution", p.Start, p.End, p.Before, p.Turbines, p.Format, p.IfNoneMatch, bin)
	answer.read = func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error) {
		rows, err := db.ReadDistribution(ctx, targetdb.ReadDistributionParams{
			TurbineIds: turbines.ids(), Start: answer.span.Start, Stop: stop(answer.span), Width: hundredths(bin),
		})
		return distributionsOf(rows, turbines, bin), err
	}
	return targetserver.GetDistribution200Response(answer.write), err
}

const (
	// airDensity is the density of air in kg/m³, that of the standard atmosphere at sea.
	airDensity = 1.225
	// representative is how many deviations above its mean nine of ten values of a
	// normal distribution stay below, as IEC 61400-1 has it.
	representative = 1.28
)

type distributionRow struct {
	targetapi.DistributionBin

	of *targetapi.Distribution
}

// distributionsOf are the distributions of bins, which are sorted by turbine.
func distributionsOf(bins []targetdb.ReadDistributionRow, turbines fleet, bin float64) table {
	list := targetapi.DistributionList{Bin: bin, Turbines: make([]targetapi.Distribution, len(turbines))}
	rows := make([]distributionRow, 0, len(bins))
	for i, t := range turbines {
		d := &list.Turbines[i]
		*d = targetapi.Distribution{TurbineId: t.ID, Expected: t.Expected, Bins: []targetapi.DistributionBin{}}
		var above int64
		var cube float64
		for ; len(bins) > 0 && bins[0].TurbineID == t.ID; bins = bins[1:] {
			r := bins[0]
			b := targetapi.DistributionBin{
				Count: r.Count, TurbulenceCount: r.Turbulent,
				Turbulence:               ofSome(r.Turbulent, 1, r.Turbulence),
				TurbulenceRepresentative: ofSome(r.Turbulent, 2, r.Turbulence+representative*r.TurbulenceStd),
			}
			b.Lower, b.Upper = edges(r.Bin, hundredths(bin))
			above += r.Above
			d.Bins, rows = append(d.Bins, b), append(rows, distributionRow{b, d})
			d.Windows, d.Mean, d.PowerDensity = r.Windows, &r.Mean, new(airDensity/2*r.Cube)
			cube = r.Cube
		}
		if d.Windows > 0 {
			d.Weibull = fitWeibull(*d.Mean, cube, float64(above)/float64(d.Windows))
		}
	}
	type row = distributionRow
	weibull := func(of func(*targetapi.Weibull) *float64) func(*row) *float64 {
		return func(r *row) *float64 {
			if r.of.Weibull == nil {
				return nil
			}
			return of(r.of.Weibull)
		}
	}
	return tableOf(
		list, rows,
		idColumn("turbine_id", func(r *row) int32 { return r.of.TurbineId }),
		numberColumn("lower", "m/s", func(r *row) *float64 { return &r.Lower }),
		numberColumn("upper", "m/s", func(r *row) *float64 { return &r.Upper }),
		countColumn("count", func(r *row) int64 { return r.Count }),
		numberColumn("turbulence", "1", func(r *row) *float64 { return r.Turbulence }),
		numberColumn("turbulence_representative", "1", func(r *row) *float64 { return r.TurbulenceRepresentative }),
		countColumn("turbulence_count", func(r *row) int64 { return r.TurbulenceCount }),
		countColumn("windows", func(r *row) int64 { return r.of.Windows }),
		numberColumn("mean", "m/s", func(r *row) *float64 { return r.of.Mean }),
		numberColumn("weibull_a", "m/s", weibull(func(w *targetapi.Weibull) *float64 { return &w.A })),
		numberColumn("weibull_k", "1", weibull(func(w *targetapi.Weibull) *float64 { return &w.K })),
		numberColumn("power_density", "W/m²", func(r *row) *float64 { return r.of.PowerDensity }),
	)
}

// fitWeibull is the Weibull distribution that WAsP fits to wind speeds u: it has their
// mean cube, ⟨u³⟩ = a³Γ(1+3/k), and the share of them that is above their mean,
// exp(−(mean/a)^k). Where all are equal, or the mean is not positive, there is none.
func fitWeibull(mean, cube, above float64) *targetapi.Weibull {
	if !(mean > 0 && cube > 0 && above > 0 && above < 1) {
		return nil
	}
	logGamma := func(k float64) float64 {
		g, _ := math.Lgamma(1 + 3/k)
		return g
	}
	// With a from the first equation, the second one's logarithm falls with k: from
	// infinity to minus infinity, as the mean cube is larger than the cube of the mean.
	ratio := 3*math.Log(mean) - math.Log(cube)
	want := math.Log(-math.Log(above))
	beyond := func(k float64) bool { return k/3*(ratio+logGamma(k)) < want }
	low, high := 1.0/64, 1.0/32
	for !beyond(high) {
		if low, high = high, 2*high; high > 1<<20 {
			return nil
		}
	}
	for {
		k := (low + high) / 2
		if k == low || k == high {
			break
		}
		if beyond(k) {
			high = k
		} else {
			low = k
		}
	}
	return &targetapi.Weibull{A: math.Exp((math.Log(cube) - logGamma(low)) / 3), K: low}
}

func (s *server) GetProfile(ctx context.Context, request targetserver.GetProfileRequestObject) (targetserver.GetProfileResponseObject, error) {
	p := request.Params
	of, name := param.Or(p.Variable, variable.Names[variable.WindSpeed]), param.Or(p.Tz, "UTC")
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("load the zone that was checked: %w", err)
	}
	answer, err := s.ofSpan(ctx, "profile", p.Start, p.End, p.Before, p.Turbines, p.Format, p.IfNoneMatch, of, name)
	answer.read = func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error) {
		if err := db.SetTimeZone(ctx, name); hasState(err, pgerrcode.InvalidParameterValue) {
			return table{}, problem.Parameters(problem.Invalid("tz", name, "is not the name of a time zone that the database knows"))
		} else if err != nil {
			return table{}, err
		}
		rows, err := db.ReadProfile(ctx, targetdb.ReadProfileParams{
			TurbineIds: turbines.ids(), Start: answer.span.Start, Stop: stop(answer.span), Variable: of,
		})
		return profileOf(rows, turbines, targetapi.Profile{Variable: of, Tz: name}, monthsOf(answer.span, zone)), err
	}
	return targetserver.GetProfile200Response(answer.write), err
}

// monthsOf are the calendar months that a span touches in a zone, sorted.
func monthsOf(span param.Span, zone *time.Location) []int32 {
	first, last := span.Start.In(zone), span.End.In(zone)
	count := (last.Year()-first.Year())*12 + int(last.Month()-first.Month()) + 1
	var months []int32
	for i := range min(count, 12) {
		months = append(months, int32(first.Month()-1+time.Month(i))%12+1)
	}
	slices.Sort(months)
	return months
}

// profileOf fills p with what was read, and with hours of which nothing was.
func profileOf(read []targetdb.ReadProfileRow, turbines fleet, p targetapi.Profile, months []int32) table {
	type cell struct{ turbine, month, hour int32 }
	known := make(map[cell]targetdb.ReadProfileRow, len(read))
	for _, r := range read {
		known[cell{r.TurbineID, r.Month, r.Hour}] = r
	}
	p.Rows = []targetapi.ProfileRow{}
	for _, t := range turbines {
		for _, month := range months {
			for hour := range int32(24) {
				r := known[cell{t.ID, month, hour}]
				p.Rows = append(p.Rows, targetapi.ProfileRow{
					TurbineId: t.ID, Month: month, Hour: hour, Count: r.Count, Mean: ofSome(r.Count, 1, r.Mean),
				})
			}
		}
	}
	type row = targetapi.ProfileRow
	return tableOf(
		p, p.Rows,
		idColumn("turbine_id", func(r *row) int32 { return r.TurbineId }),
		idColumn("month", func(r *row) int32 { return r.Month }),
		idColumn("hour", func(r *row) int32 { return r.Hour }),
		numberColumn("mean", variable.Units[slices.Index(variable.Names[:], p.Variable)], func(r *row) *float64 { return r.Mean }),
		countColumn("count", func(r *row) int64 { return r.Count }),
	)
}
