package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"riverqueue.com/riverui"
)

// riverPrefix is where River UI is mounted.
const riverPrefix = "/river"

// RiverUI returns the pages of River, which show its jobs as it knows them, for
// Config.River. What they keep up to date in the background ends with ctx, which
// has to outlive the server.
func RiverUI(ctx context.Context, client *river.Client[pgx.Tx], log *slog.Logger) (http.Handler, error) {
	handler, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(client, nil),
		Logger:    log,
		Prefix:    riverPrefix,
	})
	if err != nil {
		return nil, fmt.Errorf("make River UI: %w", err)
	}
	if err := handler.Start(ctx); err != nil {
		return nil, fmt.Errorf("start River UI: %w", err)
	}
	return handler, nil
}
