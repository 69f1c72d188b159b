package target

import (
	"context"
	"fmt"
	"time"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/param"
)

// ListTurbines implements targetserver.StrictServerInterface.
func (s *Server) ListTurbines(ctx context.Context, r targetserver.ListTurbinesRequestObject) (targetserver.ListTurbinesResponseObject, error) {
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
		return listSpans(ctx, session, targetdb.ListTurbineSpansParams{Start: within.Start, Stop: within.End})
	}
	turbines, err := targetdb.New(session).ListTurbines(ctx)
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	response := make(targetserver.ListTurbines200JSONResponse, len(turbines))
	for i, t := range turbines {
		response[i] = turbineOf(t)
	}
	return response, nil
}

// listSpans answers with the turbines and the ends of their windows.
func listSpans(ctx context.Context, db targetdb.DBTX, within targetdb.ListTurbineSpansParams) (targetserver.ListTurbines200JSONResponse, error) {
	turbines, err := targetdb.New(db).ListTurbineSpans(ctx, within)
	if err != nil {
		return nil, fmt.Errorf("list turbines with their spans: %w", err)
	}
	response := make(targetserver.ListTurbines200JSONResponse, len(turbines))
	for i, t := range turbines {
		response[i] = turbineOf(t.Turbine)
		if t.Loaded {
			response[i].First, response[i].Last = &t.First, &t.Last
		}
	}
	return response, nil
}

func turbineOf(t targetdb.Turbine) targetapi.Turbine {
	return targetapi.Turbine{
		Id: t.ID, Name: t.Name, SampleInterval: int32(t.SampleInterval / time.Second),
		RatedPower: t.RatedPower, CutIn: t.CutIn, CutOut: t.CutOut, RotorDiameter: t.RotorDiameter, HubHeight: t.HubHeight,
		Altitude: t.Altitude, Latitude: t.Latitude, Longitude: t.Longitude,
		Commissioned: param.Date(t.Commissioned), Decommissioned: param.Date(t.Decommissioned),
	}
}
