package target

import (
	"context"
	"fmt"
	"net/http"
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

// GetProfile implements targetserver.StrictServerInterface.
func (s *Server) GetProfile(ctx context.Context, request targetserver.GetProfileRequestObject) (targetserver.GetProfileResponseObject, error) {
	p := request.Params
	span, err := param.FleetSpanOf(p.Start, p.End, p.Before, p.Turbines)
	if err != nil {
		return nil, err
	}
	of, name := param.Or(p.Variable, variable.Names[variable.WindSpeed]), param.Or(p.Tz, "UTC")
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("load the zone that was checked: %w", err)
	}
	answer, err := s.statistics(ctx, "profile", span, p.Format, p.IfNoneMatch, of, name)
	answer.read = func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error) {
		if err := db.SetTimeZone(ctx, name); hasState(err, pgerrcode.InvalidParameterValue) {
			return table{}, problem.Parameters(problem.Invalid("tz", name, "is not the name of a time zone that the database knows"))
		} else if err != nil {
			return table{}, err
		}
		rows, err := db.ReadProfile(ctx, targetdb.ReadProfileParams{
			TurbineIds: turbines.ids(), Start: span.Start, Stop: stop(span), Variable: of,
		})
		return profileOf(rows, turbines, targetapi.Profile{Variable: of, Tz: name}, monthsOf(span, zone)), err
	}
	return answer, err
}

// VisitGetProfileResponse implements targetserver.GetProfileResponseObject.
func (a statistics) VisitGetProfileResponse(w http.ResponseWriter) error {
	return a.write(w)
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
