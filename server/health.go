package server

import (
	"context"
	"fmt"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/internal/problem"
)

// GetHealth implements sourceapi.StrictServerInterface: the process is up.
func (s *Server) GetHealth(context.Context, sourceapi.GetHealthRequestObject) (sourceapi.GetHealthResponseObject, error) {
	return sourceapi.GetHealth200JSONResponse{Status: sourceapi.Ok}, nil
}

// GetReady implements sourceapi.StrictServerInterface: the database answers,
// and the server is not about to stop.
func (s *Server) GetReady(ctx context.Context, _ sourceapi.GetReadyRequestObject) (sourceapi.GetReadyResponseObject, error) {
	if httpserve.Leaving(ctx) {
		return nil, problem.Leaving()
	}
	conn, err := s.sessions.AcquireSpare(ctx)
	if err != nil {
		return nil, problem.NotReady(dberror.Source, err)
	}
	defer conn.Release()
	if err := conn.Ping(ctx); err != nil {
		return nil, problem.NotReady(dberror.Source, fmt.Errorf("ping the source database: %w", err))
	}
	return sourceapi.GetReady200JSONResponse{Status: sourceapi.Ok}, nil
}
