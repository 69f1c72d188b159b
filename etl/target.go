package etl

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/pgpool"
)

// OpenTarget returns a pool of sessions for the target database. Sessions are
// opened when they are needed; the error is of the URL alone.
func OpenTarget(ctx context.Context, url string) (*pgxpool.Pool, error) {
	pool, err := pgpool.Open(ctx, url, pgpool.Options{Name: "delfos etl"})
	if err != nil {
		return nil, fmt.Errorf("target database: %w", err)
	}
	return pool, nil
}
