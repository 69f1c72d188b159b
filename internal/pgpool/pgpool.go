// Package pgpool opens the databases. Every session of Delfos, of a pool or
// alone, is opened here, and has the settings that statements rest on, whatever
// role, database, server or environment say (session.go). A pooler in between is
// found out and lived with, or refused (pooler.go).
package pgpool

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectTimeout bounds one attempt, so that a database that does not answer is
// an error and not a wait without end.
const connectTimeout = 5 * time.Second

// idleTime is how long a pool keeps a session that nobody uses: a server that has
// few gives it to somebody else then, and a new one takes a few milliseconds.
const idleTime = 10 * time.Second

// Options are what the sessions of a pool have of their own.
type Options struct {
	// Name is how the sessions show up in pg_stat_activity; "delfos" if empty.
	Name string
	// Settings of the session, by name. What the URL sets counts more.
	Settings map[string]string
	// MaxConns bounds the sessions; pgx's default if 0. pool_max_conns in the URL
	// counts more.
	MaxConns int32
	// AtLeast is how many the pool may have even if the URL allows fewer, as it
	// could not work with fewer.
	AtLeast int32
	// Shared says that nothing has to last in a session from one acquisition of
	// the pool to the next, and that all is reading. Then a pooler may give each
	// transaction another session.
	Shared bool
}

// Open returns a pool of sessions for the database at url. Sessions are opened
// when they are first needed, so that a server can start before its database;
// the error is of the URL alone and leaves its password out. Instants are read
// as UTC.
func Open(ctx context.Context, url string, options Options) (*pgxpool.Pool, error) {
	config, err := Config(url, options)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return pool, nil
}

// Config is what such a pool is opened by.
func Config(url string, options Options) (*pgxpool.Config, error) {
	config, err := Parse(url)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	if options.MaxConns > 0 && !says(url, "pool_max_conns") {
		config.MaxConns = options.MaxConns
	}
	config.MaxConns = max(config.MaxConns, options.AtLeast)
	if !says(url, "pool_max_conn_idle_time") {
		config.MaxConnIdleTime = idleTime
	}
	if !says(url, "pool_health_check_period") {
		config.HealthCheckPeriod = idleTime / 2
	}
	s := newSession(config.ConnConfig, options)
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if s.pooled.Load() && c.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
			c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // what is prepared does not last
		}
		c.AfterConnect = s.begin(c)
		return nil
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		readUTC(conn)
		return nil
	}
	if options.Shared {
		config.PrepareConn = s.acquired
		config.ConnConfig.Tracer = released{}
	}
	return config, nil
}

// Single is what a session is opened by that belongs to no pool. The error is
// of the URL alone.
func Single(url string, options Options) (*pgx.ConnConfig, error) {
	config, err := Parse(url)
	if err != nil {
		return nil, err
	}
	c := config.ConnConfig
	c.AfterConnect = newSession(c, options).begin(c)
	return c, nil
}

// Connect opens a session that belongs to no pool.
func Connect(ctx context.Context, url string, options Options) (*pgx.Conn, error) {
	config, err := Single(url, options)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	readUTC(conn)
	return conn, nil
}

// says reports whether a URL has a parameter of the pool's.
func says(url, parameter string) bool {
	config, err := pgx.ParseConfig(url)
	return err == nil && config.RuntimeParams[parameter] != ""
}

// readUTC has instants read as UTC; pgx scans a timestamptz into the machine's
// time zone.
func readUTC(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}
