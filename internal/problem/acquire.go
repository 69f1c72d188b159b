package problem

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Acquire takes a connection of the pool, of the database named as in "source";
// the caller releases it. When none is free within the time given, the answer is
// a 503, not a queue without end.
func Acquire(ctx context.Context, pool *pgxpool.Pool, within time.Duration, database string) (*pgxpool.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := pool.Acquire(bounded)
	if err == nil {
		return conn, nil
	}
	err = fmt.Errorf("get a connection to the %s database: %w", database, err)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, Unavailable(fmt.Errorf("%w (%d of %d connections are in use)",
			err, pool.Stat().AcquiredConns(), pool.Config().MaxConns))
	}
	return nil, err
}
