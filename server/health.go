package server

import (
	"context"
	"errors"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/internal/problem"
	"github.com/delfos/delfos/internal/readiness"
)

// GetHealth implements sourceapi.StrictServerInterface: the process is up.
func (s *Server) GetHealth(context.Context, sourceapi.GetHealthRequestObject) (sourceapi.GetHealthResponseObject, error) {
	return sourceapi.GetHealth200JSONResponse{Status: sourceapi.Ok}, nil
}

// GetReady implements sourceapi.StrictServerInterface: the database answers and has
// what the queries of this version name, and the server is not about to stop.
func (s *Server) GetReady(ctx context.Context, _ sourceapi.GetReadyRequestObject) (sourceapi.GetReadyResponseObject, error) {
	if httpserve.Leaving(ctx) {
		return nil, problem.Leaving()
	}
	err := s.sessions.Spare(ctx, s.ready.Run)
	if missing, ok := errors.AsType[*readiness.MissingError](err); ok {
		return nil, problem.Incomplete(missing)
	}
	if err != nil {
		return nil, problem.NotReady(dberror.Source, err)
	}
	return sourceapi.GetReady200JSONResponse{Status: sourceapi.Ok}, nil
}
