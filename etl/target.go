package etl

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/pgpool"
)

// OpenTarget returns a pool of sessions for the target database. Sessions are
// opened when they are needed; the error is of the URL alone.
func OpenTarget(ctx context.Context, url string) (*pgxpool.Pool, error) {
	return OpenTargetFor(ctx, url, 0)
}

// OpenTargetFor is OpenTarget with room for so many sessions, unless the URL has
// a bound of its own.
//
// They read by index: a planner that has no statistics yet, as in a first
// backfill, would look through all of data for each day.
func OpenTargetFor(ctx context.Context, url string, sessions int) (*pgxpool.Pool, error) {
	pool, err := pgpool.Open(ctx, url, pgpool.Options{
		Name:     "delfos etl",
		MaxConns: int32(sessions),
		Settings: map[string]string{"enable_seqscan": "off"},
	})
	if err != nil {
		return nil, fmt.Errorf("target database: %w", err)
	}
	return pool, nil
}

// sparing asks a session: a statement is prepared when the session comes to it
// again. What it asks once, as a run of one day does, takes one round trip
// instead of two.
type sparing struct{ *pgxpool.Conn }

// Exec implements targetdb.DBTX.
func (s sparing) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return s.Conn.Exec(ctx, sql, s.mode(sql, args)...) //nolint:wrapcheck // as the session itself
}

// Query implements targetdb.DBTX.
func (s sparing) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return s.Conn.Query(ctx, sql, s.mode(sql, args)...) //nolint:wrapcheck // as the session itself
}

// QueryRow implements targetdb.DBTX.
func (s sparing) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return s.Conn.QueryRow(ctx, sql, s.mode(sql, args)...)
}

func (s sparing) mode(sql string, args []any) []any {
	asked := s.Conn.Conn().PgConn().CustomData()
	if asked[sql] != nil {
		return args
	}
	asked[sql] = true
	return append([]any{pgx.QueryExecModeExec}, args...)
}

// upkeepConns is how many sessions serve the upkeep of all of a job's claims;
// each of its statements is over in a moment.
const upkeepConns = 2

// openUpkeep returns a small pool beside target's, for what must not wait until
// one of target's sessions is free.
func openUpkeep(ctx context.Context, target *pgxpool.Pool) (*pgxpool.Pool, error) {
	config := target.Config()
	config.MaxConns, config.MinConns, config.MinIdleConns = upkeepConns, 0, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("target database: %w", err)
	}
	return pool, nil
}
