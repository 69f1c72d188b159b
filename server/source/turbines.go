package source

import (
	"context"
	"fmt"
	"time"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/server/param"
)

// ListTurbines implements sourceserver.StrictServerInterface.
func (s *Server) ListTurbines(ctx context.Context, r sourceserver.ListTurbinesRequestObject) (sourceserver.ListTurbinesResponseObject, error) {
	spans := param.Or(r.Params.Span, false)
	within, err := param.TurbineSpanOf(spans, r.Params.Start, r.Params.End)
	if err != nil {
		return nil, err
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	if spans {
		return listSpans(ctx, session, sourcedb.ListTurbineSpansParams{Start: within.Start, Stop: within.End})
	}
	turbines, err := sourcedb.New(session).ListTurbines(ctx)
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	response := make(sourceserver.ListTurbines200JSONResponse, len(turbines))
	for i, t := range turbines {
		response[i] = turbineOf(t)
	}
	return response, nil
}

// listSpans answers with the turbines and the ends of their samples.
func listSpans(ctx context.Context, db sourcedb.DBTX, within sourcedb.ListTurbineSpansParams) (sourceserver.ListTurbines200JSONResponse, error) {
	turbines, err := sourcedb.New(db).ListTurbineSpans(ctx, within)
	if err != nil {
		return nil, fmt.Errorf("list turbines with their spans: %w", err)
	}
	response := make(sourceserver.ListTurbines200JSONResponse, len(turbines))
	for i, t := range turbines {
		response[i] = turbineOf(t.Turbine)
		if t.Sampled {
			response[i].First, response[i].Last = &t.First, &t.Last
		}
	}
	return response, nil
}

func turbineOf(t sourcedb.Turbine) sourceapi.Turbine {
	return sourceapi.Turbine{
		Id: t.ID, Name: t.Name, SampleInterval: int32(t.SampleInterval / time.Second),
		RatedPower: t.RatedPower, CutIn: t.CutIn, CutOut: t.CutOut, RotorDiameter: t.RotorDiameter, HubHeight: t.HubHeight,
		Altitude: t.Altitude, Latitude: t.Latitude, Longitude: t.Longitude,
		Commissioned: param.Date(t.Commissioned), Decommissioned: param.Date(t.Decommissioned),
	}
}
