package pgpool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrShared says that a pooler gives each transaction any of its sessions, and that
// this needs a session that lasts.
var ErrShared = errors.New("the database is reached through a connection pooler in transaction mode, which keeps no session, and claims, LISTEN and settings need one: want the pooler in session mode (pool_mode = session), or the database's own port; only `delfos serve` works in transaction mode")

// pooled marks a connection that a pooler answers: true if it prepares nothing.
const pooled = "delfos: pooled"

const (
	// looks is how often two connections are compared. An idle pooler gives itself away at once.
	looks = 10
	// lookTimeout bounds the comparisons. A pooler that lets the second connection
	// wait while the first one is idle keeps sessions.
	lookTimeout = 2 * time.Second
)

// refuseSharing returns ErrShared if conn and another connection are given the same session, or one of
// them two. A pooler that keeps sessions does neither while both are open.
func (s *session) refuseSharing(ctx context.Context, conn *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	config := s.config.Config.Copy()
	config.AfterConnect = nil
	other, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil // without a second session nothing is shared
	}
	defer func() { _ = other.Close(ctx) }()
	owner := map[string]*pgconn.PgConn{}
	seen := map[*pgconn.PgConn]string{}
	for range looks {
		for _, c := range []*pgconn.PgConn{conn, other} {
			pid, err := backend(ctx, c)
			if errors.Is(err, context.DeadlineExceeded) && c == other {
				return nil
			}
			if err != nil {
				return err
			}
			last, known := seen[c]
			first, owned := owner[pid]
			if known && last != pid || owned && first != c {
				return ErrShared
			}
			owner[pid], seen[c] = c, pid
		}
	}
	return nil
}

func backend(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	results, err := conn.Exec(ctx, "SELECT pg_catalog.pg_backend_pid()").ReadAll()
	if err != nil {
		return "", fmt.Errorf("look for a pooler: %w", err)
	}
	return string(results[0].Rows[0][0]), nil
}

// acquired begins a transaction when a connection to a pooler is taken out of the pool, because
// settings last no longer than that there.
func (s *session) acquired(ctx context.Context, conn *pgx.Conn) (bool, error) {
	c := conn.PgConn()
	fit, isPooled := c.CustomData()[pooled].(bool)
	if !isPooled {
		return true, nil
	}
	if !fit { // the first one, in the place of which the pool opens another
		return false, nil
	}
	args, err := s.arguments(c, true, true)
	if err != nil {
		return false, err
	}
	batch := &pgconn.Batch{}
	batch.ExecParams("BEGIN READ ONLY, ISOLATION LEVEL REPEATABLE READ", nil, nil, nil, nil)
	batch.ExecParams(begin, args, nil, nil, nil)
	if err := c.ExecBatch(ctx, batch).Close(); err != nil {
		return false, fmt.Errorf("set up the session: %w", err)
	}
	return true, nil
}

// released ends that transaction when the connection is given back. pgx calls it, as
// a tracer, before it decides whether the connection may stay in the pool.
type released struct{}

var _ pgxpool.ReleaseTracer = released{}

// TraceRelease implements pgxpool.ReleaseTracer.
func (released) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	c := data.Conn.PgConn()
	if c.CustomData()[pooled] == nil || c.IsClosed() || c.IsBusy() || c.TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	_, _ = c.Exec(ctx, "ROLLBACK").ReadAll() // if it fails, pgx closes the connection
}

// TraceQueryStart implements pgx.QueryTracer, which a tracer is.
func (released) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (released) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
