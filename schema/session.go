package schema

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/delfos/delfos/internal/pgpool"
)

type connConfig = pgx.ConnConfig

// querier is what the generated queries run on.
type querier interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
	Query(context.Context, string, ...any) (pgx.Rows, error)
	QueryRow(context.Context, string, ...any) pgx.Row
}

// parseURL also takes what only pools know, such as pool_max_conns.
func parseURL(url string) (*connConfig, error) {
	return pgpool.Single(url, pgpool.Options{Name: "delfos schema"})
}

// label names a database in errors: host:port/name.
func label(config *connConfig) string {
	return net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + "/" + config.Database
}

// session is one transaction on one connection, open to Atlas (database/sql) and to pgx.
type session struct {
	db     *sql.DB
	conn   *sql.Conn
	tx     *sql.Tx
	driver migrate.Driver
}

// begin opens a transaction in which public is the only schema on the search path. Unless it is
// read-only, it holds the lock that all calls of Apply on this database share.
func begin(ctx context.Context, config *connConfig, readOnly bool) (_ *session, err error) {
	s := &session{db: stdlib.OpenDB(*config)}
	defer func() {
		if err != nil {
			s.rollback()
		}
	}()
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if s.tx, err = s.conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: readOnly}); err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	if _, err = s.tx.ExecContext(ctx, "SET LOCAL search_path TO public"); err != nil {
		return nil, fmt.Errorf("set search path: %w", err)
	}
	if !readOnly {
		if _, err = s.tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('delfos schema apply', 0))"); err != nil {
			return nil, fmt.Errorf("wait for the lock on the schema: %w", err)
		}
		if _, err = s.tx.ExecContext(ctx, "SET LOCAL lock_timeout = '"+lockWait+"'"); err != nil {
			return nil, fmt.Errorf("set lock timeout: %w", err)
		}
	}
	if s.driver, err = postgres.Open(s.tx); err != nil {
		return nil, fmt.Errorf("open Atlas driver: %w", err)
	}
	return s, nil
}

const (
	// lockWait is how long a change waits for a table in use, with everybody behind it who wants it:
	// less than the 5 s of the APIs' sessions, and than deadlock_timeout (1 s), so that it gives way.
	lockWait = "500ms"
	// lockGlance is how long it waits otherwise. Under load, who waits while it holds tables meets
	// readers that hold others: most changes are made at a glance, when nobody reads.
	lockGlance = "1ms"
	// glances come before each wait, pauses between all.
	glances   = 20
	lockPause = 20 * time.Millisecond
)

// whenFree runs changes, which call lock before they alter tables, until nothing that they lock is in
// use. Between two tries nothing is locked.
func (s *session) whenFree(ctx context.Context, tables []string, waiting func(error), run func(lock func() error) error) error {
	return untilFree(ctx, waiting, func(wait string) error {
		return s.unlessLocked(ctx, func() error { return run(func() error { return s.lock(ctx, tables, wait) }) })
	})
}

// untilFree tries a change, which waits no longer than it is told for what it locks, until
// that is not in use, for as long as ctx allows; waiting, unless it is nil, is told each time
// that a longer wait was in vain.
func untilFree(ctx context.Context, waiting func(error), try func(wait string) error) error {
	tries := 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		tries++
		wait := lockGlance
		if tries%glances == 0 {
			wait = lockWait
		}
		err := try(wait)
		pg, ok := errors.AsType[*pgconn.PgError](err)
		switch {
		case err == nil:
		case !ok || !inUse(pg):
			err = backoff.Permanent(err)
		case waiting != nil && wait == lockWait:
			waiting(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(lockPause)), backoff.WithMaxElapsedTime(0))
	return err
}

func inUse(err *pgconn.PgError) bool {
	return err.Code == pgerrcode.LockNotAvailable || err.Code == pgerrcode.DeadlockDetected
}

func (s *session) lock(ctx context.Context, tables []string, wait string) error {
	if len(tables) == 0 {
		return nil
	}
	return s.exec(ctx, "SET LOCAL lock_timeout = '"+wait+"'", "LOCK TABLE "+strings.Join(tables, ", "), "SET LOCAL lock_timeout = '"+lockWait+"'")
}

// unlessLocked takes back what run did, with its locks, if that had to give way.
func (s *session) unlessLocked(ctx context.Context, run func() error) error {
	if err := s.exec(ctx, "SAVEPOINT unlocked"); err != nil {
		return err
	}
	err := run()
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || !inUse(pg) {
		return err
	}
	if end := s.exec(ctx, "ROLLBACK TO SAVEPOINT unlocked", "RELEASE SAVEPOINT unlocked"); end != nil {
		return fmt.Errorf("take back what had to give way: %w", end)
	}
	return err
}

func (s *session) exec(ctx context.Context, statements ...string) error {
	return s.raw(func(conn querier) error {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
		}
		return nil
	})
}

// inspect reads the named tables of public, or all of them, and the enumerations.
func (s *session) inspect(ctx context.Context, tables ...string) (*schema.Schema, error) {
	public, err := s.driver.InspectSchema(ctx, "public", &schema.InspectOptions{Mode: schema.InspectTables | schema.InspectTypes, Tables: tables})
	if err != nil {
		return nil, fmt.Errorf("inspect schema public: %w", err)
	}
	return public, nil
}

// raw lends the connection to f in pgx's terms, inside the transaction.
func (s *session) raw(f func(querier) error) error {
	return s.conn.Raw(func(driverConn any) error {
		conn, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("connection is a %T, not pgx's", driverConn)
		}
		return f(conn.Conn())
	})
}

func collect[T any](ctx context.Context, s *session, to pgx.RowToFunc[T], sql string, args ...any) (found []T, err error) {
	err = s.raw(func(conn querier) error {
		rows, _ := conn.Query(ctx, sql, args...) // CollectRows returns its error
		found, err = pgx.CollectRows(rows, to)
		return err
	})
	return found, err
}

// rollback ends the session, and its transaction unless that was committed.
func (s *session) rollback() {
	if s.tx != nil {
		_ = s.tx.Rollback()
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
	_ = s.db.Close()
}

// scratchTimeout bounds what goes on after the caller has given up.
const scratchTimeout = 30 * time.Second

// load reads the SQL of s as Atlas sees it, by running it at devURL or in a scratch database.
func load(ctx context.Context, target *connConfig, s Schema, devURL string) (*schema.Schema, error) {
	if devURL == "" {
		return loadInScratch(ctx, target, s)
	}
	config, err := parseURL(devURL)
	if err != nil {
		return nil, fmt.Errorf("ATLAS_DEV_URL: %w", err)
	}
	desired, err := loadIn(ctx, config, s)
	if err != nil {
		return nil, fmt.Errorf("load SQL in %s (ATLAS_DEV_URL): %w", label(config), err)
	}
	return desired, nil
}

// loadIn leaves nothing behind: it rolls its transaction back.
func loadIn(ctx context.Context, config *connConfig, s Schema) (*schema.Schema, error) {
	db, err := begin(ctx, config, false)
	if err != nil {
		return nil, err
	}
	defer db.rollback()
	before, err := db.inspect(ctx)
	if err != nil {
		return nil, err
	}
	if len(before.Tables) > 0 {
		return nil, fmt.Errorf("it must be empty, but its schema public holds table %q", before.Tables[0].Name)
	}
	if err := db.exec(ctx, s.SQL); err != nil {
		return nil, fmt.Errorf("run %s.sql: %w", s.Name, err)
	}
	return db.inspect(ctx)
}

func loadInScratch(ctx context.Context, target *connConfig, s Schema) (desired *schema.Schema, err error) {
	conn, err := pgx.ConnectConfig(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// A CREATE DATABASE that is cancelled may still succeed, and nobody would drop the database.
	steady, cancel := context.WithTimeout(context.WithoutCancel(ctx), scratchTimeout)
	defer cancel()
	defer func() { _ = conn.Close(steady) }()

	name := "delfos_scratch_" + strings.ToLower(rand.Text())
	identifier := pgx.Identifier{name}.Sanitize()
	// A database can't be copied while somebody is connected; nobody can be to template0.
	if _, err := conn.Exec(steady, "CREATE DATABASE "+identifier+" TEMPLATE template0"); err != nil {
		wayOut := ""
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == pgerrcode.InsufficientPrivilege {
			wayOut = fmt.Sprintf(" (give role %q the right CREATEDB, or name an empty database in ATLAS_DEV_URL)", target.User)
		}
		return nil, fmt.Errorf("create scratch database%s: %w", wayOut, err)
	}
	defer func() {
		steady, cancel := context.WithTimeout(context.WithoutCancel(ctx), scratchTimeout)
		defer cancel()
		if _, dropErr := conn.Exec(steady, "DROP DATABASE "+identifier+" WITH (FORCE)"); dropErr != nil {
			err = errors.Join(err, fmt.Errorf("drop scratch database %s: %w", name, dropErr))
		}
	}()
	config := target.Copy()
	config.Database = name
	desired, err = loadIn(ctx, config, s)
	if err != nil {
		return nil, fmt.Errorf("load SQL in scratch database: %w", err)
	}
	return desired, nil
}
