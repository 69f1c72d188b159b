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

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/internal/apiclient"
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

// Temporary tells whether a failed day may succeed when nothing but time has
// passed: a server is away or gave up, the worker was too slow. What the source
// refuses, a row that breaks the contract, and what somebody has to mend first
// stay as they are.
func Temporary(err error) bool {
	if extract.Retriable(err) || errors.Is(err, ledger.ErrClaimLost) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	class := meaning(err).Class
	return class == dberror.Again || class == dberror.Away
}

// meaning is what an error says of the target; nothing if it is the source API's.
func meaning(err error) dberror.Meaning {
	if errors.Is(err, extract.ErrAway) || errors.Is(err, extract.ErrBroken) {
		_, connecting := errors.AsType[*pgconn.ConnectError](err)
		if _, answered := errors.AsType[*pgconn.PgError](err); !connecting && !answered {
			return dberror.Meaning{}
		}
	}
	return dberror.Target.Of(err)
}

// explain adds the way out to errors of the target that have a known one.
func explain(err error) error {
	if meaning(err).Remedy == "" {
		return err
	}
	return dberror.Target.Explain(err)
}

// explainOnce is explain for errors of which several may have the same way out.
func explainOnce(errs []error) {
	explained := map[string]bool{}
	for i, err := range errs {
		if remedy := meaning(err).Remedy; remedy != "" && !explained[remedy] {
			explained[remedy] = true
			errs[i] = explain(err)
		}
	}
}

// concernsAll tells whether err is of the source API or the target as a whole, so
// that no other day would fare better now.
func concernsAll(err error) bool {
	_, foreign := errors.AsType[*apiclient.Error](err)
	class := meaning(err).Class
	return foreign || errors.Is(err, extract.ErrAway) || targetAway(err) || class == dberror.Never || class == dberror.Outdated
}

// targetAway tells whether err is of the way to the target rather than of what
// was asked of it, or of the source.
func targetAway(err error) bool {
	if errors.Is(err, ledger.ErrClaimLost) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || errors.Is(err, ledger.ErrNotRecorded) {
		return true
	}
	return meaning(err).Class == dberror.Away
}
