package schema

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strconv"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
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

// parseURL reads what a pool would be opened by, so that a bound for pools does
// no harm here.
func parseURL(url string) (*connConfig, error) {
	return pgpool.Single(url, pgpool.Options{Name: "delfos schema"})
}

// label names a database in errors: host:port/name.
func label(config *connConfig) string {
	return net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + "/" + config.Database
}

// session is one transaction on one connection, open to Atlas, which wants
// database/sql, and to the generated queries, which want pgx.
type session struct {
	db     *sql.DB
	conn   *sql.Conn
	tx     *sql.Tx
	driver migrate.Driver
}

// begin connects and opens a transaction in which public is the only schema on
// the search path. Unless it is to be read-only, it first waits for the lock
// that all calls of Apply on this database share; it goes with the transaction.
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
	}
	if s.driver, err = postgres.Open(s.tx); err != nil {
		return nil, fmt.Errorf("open Atlas driver: %w", err)
	}
	return s, nil
}

// inspect reads the tables of public that are named, or all of them, and the
// enumerations.
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

func (s *session) commit() error {
	if err := s.tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// rollback ends the session, and its transaction unless that was committed.
// What it could fail at, the server does by itself once the connection is gone.
func (s *session) rollback() {
	if s.tx != nil {
		_ = s.tx.Rollback()
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
	_ = s.db.Close()
}
