package etl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/dberror"
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

// AwaitTarget returns when the target gives a session, which stays in the pool.
// It waits no longer than patience for one that restarts, or has no session
// left; what stays until somebody mends it, such as a wrong password or a
// database that is not there, is an error at once.
func AwaitTarget(ctx context.Context, target *pgxpool.Pool, patience time.Duration, log *slog.Logger) error {
	begun, warned := time.Now(), false
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 2*time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		conn, err := target.Acquire(ctx)
		if err == nil {
			conn.Release()
			return struct{}{}, nil
		}
		if !passes(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(patience), backoff.WithNotify(func(err error, _ time.Duration) {
		if !warned {
			warned = true
			log.WarnContext(ctx, "the target database opens no session; waiting for it", "error", err, "patience", patience.String())
		}
	}))
	switch {
	case err != nil && passes(err) && ctx.Err() == nil:
		return fmt.Errorf("target database, after %s: %w", time.Since(begun).Round(time.Second), dberror.Target.Explain(err))
	case err != nil:
		return fmt.Errorf("target database: %w", dberror.Target.Explain(err))
	case warned:
		log.InfoContext(ctx, "the target database is there", "waited", time.Since(begun).Round(time.Millisecond).String())
	}
	return nil
}

// passes reports whether a session may be had later by waiting alone.
func passes(err error) bool {
	const noDatabase = "3D000"
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == noDatabase {
		return false
	}
	class := dberror.Target.Of(err).Class
	return class == dberror.Away || class == dberror.Again
}
