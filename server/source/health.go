package source

import (
	"context"
	"errors"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/readiness"
)

// GetHealth implements sourceserver.StrictServerInterface: the process is up.
func (s *Server) GetHealth(context.Context, sourceserver.GetHealthRequestObject) (sourceserver.GetHealthResponseObject, error) {
	return sourceserver.GetHealth200JSONResponse{Status: sourceapi.Ok}, nil
}

// GetReady implements sourceserver.StrictServerInterface: the database answers and has
// what the queries of this version name, and the server is not about to stop.
func (s *Server) GetReady(ctx context.Context, _ sourceserver.GetReadyRequestObject) (sourceserver.GetReadyResponseObject, error) {
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
	return sourceserver.GetReady200JSONResponse{Status: sourceapi.Ok}, nil
}
