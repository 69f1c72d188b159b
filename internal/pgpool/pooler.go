package pgpool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrShared says that a pooler keeps no session, and that this needs one that lasts.
var ErrShared = errors.New("the database is reached through a connection pooler in transaction mode, which keeps no session, and claims, LISTEN and settings need one: want the pooler in session mode (pool_mode = session), or the database's own port; only `delfos serve` works in transaction mode")

// pooled marks a connection that a pooler answers: true if it prepares nothing.
const pooled = "delfos: pooled"

const (
	// looks is how often two connections are compared. An idle pooler gives itself away at once.
	looks = 10
	// lookTimeout bounds the comparisons. A pooler that lets the second connection wait keeps
	// sessions.
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
