package etl

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// OpenTarget returns a pool of sessions for the target database. Sessions are
// opened when they are needed; the error is of the URL alone.
func OpenTarget(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("target database: %w", err)
	}
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	parameters := config.ConnConfig.RuntimeParams
	parameters["application_name"] = "delfos etl"
	parameters["timezone"] = "UTC"
	// A killed client's session ends within this time even while it waits, and
	// frees the day that it had claimed.
	parameters["client_connection_check_interval"] = "500ms"
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("target database: %w", err)
	}
	return pool, nil
}
