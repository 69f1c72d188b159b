package target

import (
	"context"
	"net/http"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/param"
)

// GetPowerDensity implements targetserver.StrictServerInterface.
func (s *Server) GetPowerDensity(ctx context.Context, request targetserver.GetPowerDensityRequestObject) (targetserver.GetPowerDensityResponseObject, error) {
	p := request.Params
	span, err := param.FleetSpanOf(p.Start, p.End, p.Before, p.Turbines)
	if err != nil {
		return nil, err
	}
	flagged := p.LeaveOut != nil
	answer, err := s.statistics(ctx, "power-density", span, p.Format, p.IfNoneMatch, flagged)
	answer.flags = true
	answer.read = func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error) {
		rows, err := db.ReadPowerDensity(ctx, targetdb.ReadPowerDensityParams{
			TurbineIds: turbines.ids(), Start: span.Start, Stop: stop(span), LeaveOutFlagged: flagged,
		})
		return densityOf(rows, turbines.whole().Expected), err
	}
	return answer, err
}

// VisitGetPowerDensityResponse implements targetserver.GetPowerDensityResponseObject.
func (a statistics) VisitGetPowerDensityResponse(w http.ResponseWriter) error {
	return a.write(w)
}

func densityOf(rows []targetdb.ReadPowerDensityRow, expected int64) table {
	d := targetapi.PowerDensity{Expected: expected, Cells: []targetapi.PowerDensityCell{}, LeftOutCells: []targetapi.PowerDensityCell{}}
	type row = targetdb.ReadPowerDensityRow
	var flagged int64
	for i := range rows {
		r := &rows[i]
		d.WindSpeedSize, d.PowerSize = &r.Wide, &r.High
		d.Windows += r.Count
		flagged += r.Flagged
		cell := targetapi.PowerDensityCell{WindSpeed: r.WindSpeed, Power: r.Power, Count: r.Count}
		if r.Count > 0 {
			d.Cells = append(d.Cells, cell)
		}
		if r.Flagged > 0 {
			cell.Count, cell.Reason = r.Flagged, new(string(targetapi.Flagged))
			d.LeftOutCells = append(d.LeftOutCells, cell)
		}
	}
	d.LeftOut = leftOut(flagged)
	return tableOf(
		d, rows,
		numberColumn("wind_speed", "m/s", func(r *row) *float64 { return &r.WindSpeed }),
		numberColumn("power", "kW", func(r *row) *float64 { return &r.Power }),
		numberColumn("wind_speed_size", "m/s", func(r *row) *float64 { return &r.Wide }),
		numberColumn("power_size", "kW", func(r *row) *float64 { return &r.High }),
		countColumn("count", func(r *row) int64 { return r.Count }),
		countColumn("left_out", func(r *row) int64 { return r.Flagged }),
	)
}
