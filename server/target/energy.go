package target

import (
	"context"
	"fmt"
	"net/http"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/param"
)

// GetEnergy implements targetserver.StrictServerInterface.
func (s *Server) GetEnergy(ctx context.Context, request targetserver.GetEnergyRequestObject) (targetserver.GetEnergyResponseObject, error) {
	p := request.Params
	answer, err := s.byDays(ctx, "energy", p.From, p.To, p.Turbines, param.Or(p.By, targetapi.EnergyByDay), p.Format, p.IfNoneMatch, readEnergy)
	return answer, err
}

// VisitGetEnergyResponse implements targetserver.GetEnergyResponseObject.
func (a statistics) VisitGetEnergyResponse(w http.ResponseWriter) error {
	return a.write(w)
}

func readEnergy(ctx context.Context, db *targetdb.Queries, c calendar) (table, error) {
	intervals := make([]float64, len(c.turbines))
	for i, t := range c.turbines {
		intervals[i] = t.SampleInterval.Seconds()
	}
	starts, stops := c.bounds()
	held, err := db.ReadEnergy(ctx, targetdb.ReadEnergyParams{
		TurbineIds: c.turbines.ids(), IntervalSeconds: intervals, Starts: starts, Stops: stops, WindowSeconds: window.Width.Seconds(),
	})
	if err != nil {
		return table{}, fmt.Errorf("read windows of power: %w", err)
	}
	rows := make([]targetapi.Energy, len(held))
	for _, r := range held {
		at := c.row(r.TurbineID, r.Start)
		rows[at] = energyOf(r, c.turbines[at/len(c.periods)], c.periods[at%len(c.periods)], c)
	}
	type row = targetapi.Energy
	return tableOf(targetapi.EnergyList{Rows: rows}, rows,
		idColumn("turbine_id", func(r *row) int32 { return r.TurbineId }),
		periodColumn(c, func(r *row) string { return r.Period }),
		numberColumn("energy_kwh", "kWh", func(r *row) *float64 { return r.EnergyKwh }),
		numberColumn("energy_filled_kwh", "kWh", func(r *row) *float64 { return r.EnergyFilledKwh }),
		numberColumn("consumed_kwh", "kWh", func(r *row) *float64 { return r.ConsumedKwh }),
		numberColumn("covered_hours", "h", func(r *row) *float64 { return &r.CoveredHours }),
		numberColumn("coverage", "1", func(r *row) *float64 { return r.Coverage }),
		numberColumn("capacity_factor", "1", func(r *row) *float64 { return r.CapacityFactor }),
	), nil
}

// energyOf is the energy of a turbine and a period. Its coverage is of the time of the
// samples expected.
func energyOf(r targetdb.ReadEnergyRow, t member, p days, c calendar) targetapi.Energy {
	const kWh = 3600 // in kW s
	expected := float64(c.expected(t, p)) * t.SampleInterval.Seconds()
	e := targetapi.Energy{TurbineId: t.ID, Period: p.name, CoveredHours: r.CoveredSeconds / kWh, Coverage: ratio(r.CoveredSeconds, expected)}
	if r.Windows == 0 {
		return e
	}
	e.EnergyKwh, e.ConsumedKwh = new(r.Given/kWh), new(r.Taken/kWh)
	e.EnergyFilledKwh = new(r.Positive * window.Width.Seconds() / kWh)
	if t.RatedPower != nil {
		e.CapacityFactor = ratio(r.Given, *t.RatedPower*r.CoveredSeconds)
	}
	return e
}
