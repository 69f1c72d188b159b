package server

import (
	"context"
	"fmt"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/internal/stream"
)

// ListTurbines implements sourceapi.StrictServerInterface.
func (s *Server) ListTurbines(ctx context.Context, r sourceapi.ListTurbinesRequestObject) (sourceapi.ListTurbinesResponseObject, error) {
	accept := httpserve.RequestOf(ctx).Header.Values("Accept")
	if _, err := stream.Negotiate(accept, "", stream.Formats()[:1]); err != nil {
		return nil, err
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	if r.Params.Span != nil && *r.Params.Span {
		return listSpans(ctx, session)
	}
	turbines, err := listTurbines(ctx, session)
	if err != nil {
		return nil, err
	}
	response := make(sourceapi.ListTurbines200JSONResponse, len(turbines))
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

// listSpans answers with the turbines and the ends of their samples.
func listSpans(ctx context.Context, db sourcedb.DBTX) (sourceapi.ListTurbines200JSONResponse, error) {
	turbines, err := sourcedb.New(db).ListTurbineSpans(ctx)
	if err != nil {
		return nil, fmt.Errorf("list turbines with their spans: %w", err)
	}
	response := make(sourceapi.ListTurbines200JSONResponse, len(turbines))
	for i, t := range turbines {
		response[i] = sourceapi.Turbine{Id: t.ID, Name: t.Name}
		if t.Sampled {
			response[i].First, response[i].Last = &t.First, &t.Last
		}
	}
	return response, nil
}
