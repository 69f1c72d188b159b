// Package pgpool opens the databases: what all sessions of Delfos have in
// common is said here, once.
package pgpool

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectTimeout bounds one attempt, so that a database that does not answer is
// an error and not a wait without end.
const connectTimeout = 5 * time.Second

// Options are what the sessions of a pool have of their own.
type Options struct {
	// Name is how the sessions show up in pg_stat_activity; "delfos" if empty.
	Name string
	// Settings of the session, by name.
	Settings map[string]string
	// MaxConns bounds the sessions; pgx's default if 0.
	MaxConns int32
	// AtLeast is how many the pool may have even if the URL allows fewer, as it
	// could not work with fewer.
	AtLeast int32
}

// Open returns a pool of sessions for the database at url. Sessions are opened
// when they are first needed, so that a server can start before its database;
// the error is of the URL alone and leaves its password out. Instants are read
// as UTC. What the URL sets wins over what is set here.
func Open(ctx context.Context, url string, options Options) (*pgxpool.Pool, error) {
	config, err := Parse(url)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	if options.MaxConns > 0 && !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = options.MaxConns
	}
	config.MaxConns = max(config.MaxConns, options.AtLeast)
	if !strings.Contains(url, "connect_timeout") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	settings := map[string]string{
		"application_name": "delfos",
		"timezone":         "UTC",
		// A killed client's session ends within this time even while it waits:
		// what it was writing is rolled back, and the day it claimed is free.
		"client_connection_check_interval": "500ms",
		// Compiling takes a tenth of a second, and saves none in queries as
		// short as ours. A planner setting such as enable_sort = off makes
		// costs look so high that it would always be done.
		"jit": "off",
	}
	if options.Name != "" {
		settings["application_name"] = options.Name
	}
	maps.Copy(settings, options.Settings)
	maps.Copy(settings, config.ConnConfig.RuntimeParams)
	config.ConnConfig.RuntimeParams = settings
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		// Without this, pgx scans a timestamptz into the machine's time zone.
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return pool, nil
}
