package target

import (
	"context"
	"net/http"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/param"
)

// GetDistribution implements targetserver.StrictServerInterface.
func (s *Server) GetDistribution(ctx context.Context, request targetserver.GetDistributionRequestObject) (targetserver.GetDistributionResponseObject, error) {
	p := request.Params
	span, err := param.FleetSpanOf(p.Start, p.End, p.Before, p.Turbines)
	if err != nil {
		return nil, err
	}
	bin := param.Or(p.Bin, defaultBin)
	answer, err := s.statistics(ctx, "distribution", span, p.Format, p.IfNoneMatch, bin)
	answer.read = func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error) {
		rows, err := db.ReadDistribution(ctx, targetdb.ReadDistributionParams{
			TurbineIds: turbines.ids(), Start: span.Start, Stop: stop(span), Width: hundredths(bin),
		})
		return distributionsOf(rows, turbines, bin), err
	}
	return answer, err
}

// VisitGetDistributionResponse implements targetserver.GetDistributionResponseObject.
func (a statistics) VisitGetDistributionResponse(w http.ResponseWriter) error {
	return a.write(w)
}

const (
	// airDensity is the density of air in kg/m³, that of the standard atmosphere at sea.
	airDensity = 1.225
	// representative is how many deviations above its mean nine of ten values of a
	// normal distribution stay below, as IEC 61400-1 has it.
	representative = 1.28
)

// A distributionRow is a bin of a turbine.
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
