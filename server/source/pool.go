package source

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

// OpenPool returns a pool for the API on the source database. It connects when
// first asked to, so that the server can listen before the database is there.
// Its sessions can't write, and use UTC. A session setting in the URL wins over
// the one made here. A pooler that keeps no sessions gives each request its own
// transaction instead.
//
// They read by index: without statistics, as after a first seed, a planner would
// look through all of data for one day. And they don't sort while an index gives
// the order: a planner that counts the cost
// of the whole answer prefers to collect and sort a fleet's day, and the client
// would wait for its first byte until the last row is read.
//
// There is no statement_timeout: it would count the time that a client takes to
// read a long answer. A query is bounded otherwise: it ends when its client
// leaves or reads too slowly (httpserve.Floor), within half a
// second of a death of this process, and it waits no more than 5 s for a lock.
func OpenPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	pool, err := pgpool.Open(ctx, url, pgpool.Options{
		Name:     "delfos api",
		MaxConns: maxConns,
		AtLeast:  sessions.Least,
		Shared:   true,
		Settings: map[string]string{
			"default_transaction_read_only": "on",
			"enable_seqscan":                "off",
			"enable_sort":                   "off",
			"lock_timeout":                  "5s",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("source database: %w", err)
	}
	return pool, nil
}
