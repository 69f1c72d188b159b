package target

import (
	"context"
	"math"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/param"
)

// defaultBin is the width of a bin of wind speed, in m/s, as in IEC 61400-12-1.
const defaultBin = 0.5

func (s *server) GetPowerCurve(ctx context.Context, request targetserver.GetPowerCurveRequestObject) (targetserver.GetPowerCurveResponseObject, error) {
	p := request.Params
	bin, by, flagged := param.Or(p.Bin, defaultBin), param.Or(p.By, targetapi.CurveByTurbine), p.LeaveOut != nil
	answer, err := s.ofSpan(ctx, "power-curve", p.Start, p.End, p.Before, p.Turbines, p.Format, p.IfNoneMatch, bin, by, flagged)
	answer.flags = true
	answer.read = func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error) {
		width := hundredths(bin)
		rows, err := db.ReadPowerCurve(ctx, targetdb.ReadPowerCurveParams{
			TurbineIds: turbines.ids(), Start: answer.span.Start, Stop: stop(answer.span),
			Width: width, Fleet: by == targetapi.CurveByFleet, LeaveOutFlagged: flagged,
		})
		return powerCurves(rows, turbines, bin, by), err
	}
	return targetserver.GetPowerCurve200Response(answer.write), err
}

// hundredths is a bin's width in whole hundredths of m/s, as the contract allows it.
func hundredths(bin float64) int32 { return int32(math.Round(bin * 100)) }

// edges are the bounds of a bin: the doubles next to them, as the queries have it.
func edges(bin float64, width int32) (lower, upper float64) {
	return (2*bin - 1) * float64(width) / 200, (2*bin + 1) * float64(width) / 200
}

// minWindows is how many windows a bin has to have: 30 minutes, by IEC 61400-12-1.
const minWindows = 3

type curveRow struct {
	targetapi.PowerCurveBin

	turbine int32
	flagged int64
}

func curveRowOf(r targetdb.ReadPowerCurveRow, width int32) curveRow {
	b := targetapi.PowerCurveBin{
		Count: r.Count, WindSpeed: r.WindSpeed, Power: r.Power,
		PowerStd:           ofSome(r.Count, 2, r.PowerStd),
		PowerStandardError: ofSome(r.Count, 2, r.PowerStd/math.Sqrt(float64(r.Count))),
		Complete:           r.Count >= minWindows,
	}
	b.Lower, b.Upper = edges(r.Bin, width)
	return curveRow{b, r.TurbineID, r.Flagged}
}

// powerCurves are the curves of bins, which are sorted by turbine.
func powerCurves(bins []targetdb.ReadPowerCurveRow, turbines fleet, bin float64, by targetapi.CurveBy) table {
	rows := make([]curveRow, len(bins))
	for i, b := range bins {
		rows[i] = curveRowOf(b, hundredths(bin))
	}
	list := targetapi.PowerCurveList{Bin: bin, By: by, Curves: []targetapi.PowerCurve{}}
	columns := []column[curveRow]{idColumn("turbine_id", func(r *curveRow) int32 { return r.turbine })}
	if by == targetapi.CurveByFleet {
		turbines, columns = fleet{turbines.whole()}, nil
	}
	left := rows
	for _, t := range turbines {
		curve := targetapi.PowerCurve{Expected: t.Expected, Bins: []targetapi.PowerCurveBin{}}
		if by == targetapi.CurveByTurbine {
			curve.TurbineId = &t.ID
		}
		var flagged int64
		for ; len(left) > 0 && left[0].turbine == t.ID; left = left[1:] {
			flagged += left[0].flagged
			if left[0].Count > 0 {
				curve.Windows += left[0].Count
				curve.Bins = append(curve.Bins, left[0].PowerCurveBin)
			}
		}
		curve.LeftOut = leftOut(flagged)
		list.Curves = append(list.Curves, curve)
	}
	return tableOf(list, rows, append(columns,
		numberColumn("lower", "m/s", func(r *curveRow) *float64 { return &r.Lower }),
		numberColumn("upper", "m/s", func(r *curveRow) *float64 { return &r.Upper }),
		countColumn("count", func(r *curveRow) int64 { return r.Count }),
		countColumn("left_out", func(r *curveRow) int64 { return r.flagged }),
		numberColumn("wind_speed", "m/s", func(r *curveRow) *float64 { return ofSome(r.Count, 1, r.WindSpeed) }),
		numberColumn("power", "kW", func(r *curveRow) *float64 { return ofSome(r.Count, 1, r.Power) }),
		numberColumn("power_std", "kW", func(r *curveRow) *float64 { return r.PowerStd }),
		numberColumn("power_standard_error", "kW", func(r *curveRow) *float64 { return r.PowerStandardError }),
	)...)
}

// ofSome is a number that takes so many windows, nil if there are fewer.
func ofSome(count, least int64, number float64) *float64 {
	if count < least {
		return nil
	}
	return &number
}

// leftOut counts windows by reason; a reason of none is absent.
func leftOut(flagged int64) (l targetapi.LeftOutWindows) {
	if flagged > 0 {
		l.Flagged = &flagged
	}
	return l
}

func (s *server) GetPowerDensity(ctx context.Context, request targetserver.GetPowerDensityRequestObject) (targetserver.GetPowerDensityResponseObject, error) {
	p := request.Params
	flagged := p.LeaveOut != nil
	answer, err := s.ofSpan(ctx, "power-density", p.Start, p.End, p.Before, p.Turbines, p.Format, p.IfNoneMatch, flagged)
	answer.flags = true
	answer.read = func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error) {
		rows, err := db.ReadPowerDensity(ctx, targetdb.ReadPowerDensityParams{
			TurbineIds: turbines.ids(), Start: answer.span.Start, Stop: stop(answer.span), LeaveOutFlagged: flagged,
		})
		return densityOf(rows, turbines.whole().Expected), err
	}
	return targetserver.GetPowerDensity200Response(answer.write), err
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
