package target

import (
	"context"
	"errors"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/readiness"
)

// GetHealth implements targetserver.StrictServerInterface: the process is up.
func (s *Server) GetHealth(context.Context, targetserver.GetHealthRequestObject) (targetserver.GetHealthResponseObject, error) {
	return targetserver.GetHealth200JSONResponse{Status: targetapi.Ok}, nil
}

// GetReady implements targetserver.StrictServerInterface: the database answers and has
// what the queries of this version name, and the server is not about to stop.
func (s *Server) GetReady(ctx context.Context, _ targetserver.GetReadyRequestObject) (targetserver.GetReadyResponseObject, error) {
	if httpserve.Leaving(ctx) {
		return nil, problem.Leaving()
	}
	err := s.sessions.Spare(ctx, s.ready.Run)
	if missing, ok := errors.AsType[*readiness.MissingError](err); ok {
		return nil, problem.Incomplete(missing)
	}
	if err != nil {
		return nil, problem.NotReady(dberror.Target, err)
	}
	return targetserver.GetReady200JSONResponse{Status: targetapi.Ok}, nil
}
