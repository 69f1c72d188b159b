package api

import (
	"context"
	"fmt"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/internal/problem"
)

// GetHealth implements targetapi.StrictServerInterface: the process is up.
func (s *Server) GetHealth(context.Context, targetapi.GetHealthRequestObject) (targetapi.GetHealthResponseObject, error) {
	return targetapi.GetHealth200JSONResponse{Status: targetapi.Ok}, nil
}

// GetReady implements targetapi.StrictServerInterface: the database answers,
// and the server is not about to stop.
func (s *Server) GetReady(ctx context.Context, _ targetapi.GetReadyRequestObject) (targetapi.GetReadyResponseObject, error) {
	if httpserve.Leaving(ctx) {
		return nil, problem.Leaving()
	}
	conn, err := s.sessions.AcquireSpare(ctx)
	if err != nil {
		return nil, problem.NotReady(dberror.Target, err)
	}
	defer conn.Release()
	if err := conn.Ping(ctx); err != nil {
		return nil, problem.NotReady(dberror.Target, fmt.Errorf("ping the target database: %w", err))
	}
	return targetapi.GetReady200JSONResponse{Status: targetapi.Ok}, nil
}
