package target

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/server/sessions"
)

// maxConns is how many sessions the API may have, unless the URL says otherwise
// by pool_max_conns; package sessions divides them.
const maxConns = 16

// OpenPool returns a pool for the API on the target database, beside that of
// the orchestrator, whose sessions are short: a long answer is read as fast as
// its client takes it. It connects when first asked to. Its sessions can't
// write, and read by key: a planner without statistics, as after a first backfill,
// would look through all of data for one day, or through a day of all turbines
// for a few of them.
func OpenPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	pool, err := pgpool.Open(ctx, url, pgpool.Options{
		Name:     "delfos target api",
		MaxConns: maxConns,
		AtLeast:  sessions.Least,
		Settings: map[string]string{
			"default_transaction_read_only": "on",
			"enable_bitmapscan":             "off",
			"enable_seqscan":                "off",
			"lock_timeout":                  "5s",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("target database: %w", err)
	}
	return pool, nil
}
