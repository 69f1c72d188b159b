package server

import (
	"context"
	"fmt"

	"github.com/delfos/delfos/gen/sourceapi"
)

// GetHealth implements sourceapi.StrictServerInterface: the process is up.
func (s *Server) GetHealth(context.Context, sourceapi.GetHealthRequestObject) (sourceapi.GetHealthResponseObject, error) {
	return sourceapi.GetHealth200JSONResponse{Status: sourceapi.Ok}, nil
}

// GetReady implements sourceapi.StrictServerInterface: the database answers.
func (s *Server) GetReady(ctx context.Context, _ sourceapi.GetReadyRequestObject) (sourceapi.GetReadyResponseObject, error) {
	conn, err := s.sessions.AcquireSpare(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	if err := conn.Ping(ctx); err != nil {
		return nil, fmt.Errorf("ping the source database: %w", err)
	}
	return sourceapi.GetReady200JSONResponse{Status: sourceapi.Ok}, nil
}
