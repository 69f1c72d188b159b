package source

import (
	"context"
	"fmt"
	"time"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
)

// ListTurbines implements sourceserver.StrictServerInterface.
func (s *Server) ListTurbines(ctx context.Context, r sourceserver.ListTurbinesRequestObject) (sourceserver.ListTurbinesResponseObject, error) {
	spans := param.Or(r.Params.Span, false)
	within, err := spanOf(spans, r.Params.Start, r.Params.End)
	if err != nil {
		return nil, err
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	if spans {
		return listSpans(ctx, session, within)
	}
	turbines, err := listTurbines(ctx, session)
	if err != nil {
		return nil, err
	}
	response := make(sourceserver.ListTurbines200JSONResponse, len(turbines))
	for i, t := range turbines {
		response[i] = sourceapi.Turbine{Id: t.ID, Name: t.Name}
	}
	return response, nil
}

func listTurbines(ctx context.Context, db sourcedb.DBTX) ([]sourcedb.Turbine, error) {
	turbines, err := sourcedb.New(db).ListTurbines(ctx)
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	return turbines, nil
}

// spanOf is which samples count for the ends of turbines: all that can be written
// (package timestamp), or those from start to end.
func spanOf(spans bool, start, end *timestamp.Time) (sourcedb.ListTurbineSpansParams, error) {
	within := sourcedb.ListTurbineSpansParams{Start: dates.First(), Stop: dates.Last().AddDate(0, 0, 1).Add(-time.Microsecond)}
	for _, bound := range []struct {
		name string
		at   *timestamp.Time
		sets *time.Time
	}{{"start", start, &within.Start}, {"end", end, &within.Stop}} {
		if bound.at == nil {
			continue
		}
		if !spans {
			return within, problem.Parameters(problem.Invalid(bound.name, bound.at.String(), "goes with span=true alone"))
		}
		*bound.sets = bound.at.Time()
	}
	if !within.Start.Before(within.Stop) {
		return within, problem.BadRequest("start must be earlier than end")
	}
	return within, nil
}

// listSpans answers with the turbines and the ends of their samples.
func listSpans(ctx context.Context, db sourcedb.DBTX, within sourcedb.ListTurbineSpansParams) (sourceserver.ListTurbines200JSONResponse, error) {
	turbines, err := sourcedb.New(db).ListTurbineSpans(ctx, within)
	if err != nil {
		return nil, fmt.Errorf("list turbines with their spans: %w", err)
	}
	response := make(sourceserver.ListTurbines200JSONResponse, len(turbines))
	for i, t := range turbines {
		response[i] = sourceapi.Turbine{Id: t.ID, Name: t.Name}
		if t.Sampled {
			response[i].First, response[i].Last = &t.First, &t.Last
		}
	}
	return response, nil
}
