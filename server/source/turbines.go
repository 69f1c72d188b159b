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
	for _, bound := range []struct {
		name string
		at   *timestamp.Time
	}{{"start", start}, {"end", end}} {
		if bound.at != nil && !spans {
			return sourcedb.ListTurbineSpansParams{}, problem.Parameters(problem.Invalid(bound.name, bound.at.String(), "goes with span=true alone"))
		}
	}
	last := dates.Last().AddDate(0, 0, 1).Add(-time.Microsecond)
	span, err := param.SpanOf(param.Or(start, timestamp.New(dates.First())), new(param.Or(end, timestamp.New(last))), nil, nil)
	return sourcedb.ListTurbineSpansParams{Start: span.Start, Stop: span.End}, err
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
