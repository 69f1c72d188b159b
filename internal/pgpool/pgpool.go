// Package pgpool opens the databases. Every session of Delfos, of a pool or
// alone, is opened here, and has the settings that statements depend on, whatever
// role, database, server or environment say (session.go). A connection pooler on
// the way is recognized, and accepted or refused.
package pgpool

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/tracing"
)

const (
	connectTimeout = 5 * time.Second
	// idleTime is how long a pool keeps a session that nobody uses: a server may have few.
	idleTime = 10 * time.Second
)

// Options are what the sessions of a pool have of their own.
type Options struct {
	Name string
	// Settings of the session, by name. Those of the URL have precedence.
	Settings map[string]string
	// MaxConns bounds the sessions; 0: as pgx does. pool_max_conns in the URL has precedence.
	MaxConns int32
	// AtLeast is how many sessions the pool needs, even if the URL allows fewer.
	AtLeast int32
	// Shared says that nothing is written, and nothing has to last from one acquisition of the pool to
	// the next. Then a pooler may give each transaction another session.
	Shared bool
}

// Open returns a pool of sessions for the database at url, opened when they are first needed, so that
// a server can start before its database; the error is of the URL alone. Instants are read as UTC.
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

// Config is the configuration of such a pool.
func Config(url string, options Options) (*pgxpool.Config, error) {
	config, err := Parse(url)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	given, err := pgx.ParseConfig(url) // which keeps the pool's parameters
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	if options.MaxConns > 0 && given.RuntimeParams["pool_max_conns"] == "" {
		config.MaxConns = options.MaxConns
	}
	config.MaxConns = max(config.MaxConns, options.AtLeast)
	if given.RuntimeParams["pool_max_conn_idle_time"] == "" {
		config.MaxConnIdleTime = idleTime
	}
	if given.RuntimeParams["pool_health_check_period"] == "" {
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
	config.ConnConfig.Tracer = tracing.Queries(config.ConnConfig.Tracer)
	return config, nil
}

// Single is the configuration of a session that belongs to no pool; the error is of the URL alone.
func Single(url string, options Options) (*pgx.ConnConfig, error) {
	config, err := Parse(url)
	if err != nil {
		return nil, err
	}
	c := config.ConnConfig
	c.Tracer = tracing.Queries(nil)
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

// readUTC has instants read as UTC; pgx scans a timestamptz into the machine's time zone.
func readUTC(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

// Parse reads a database's URL, or keywords, as pgx and psql do. The error is the reason alone; it
// quotes nothing that may be a piece of a password.
func Parse(url string) (*pgxpool.Config, error) {
	const encoded = "; in a user's name and a password, such as / ? # % are %-encoded"
	if url == "" { // which pgx would fill from PGHOST and the like alone
		return nil, errors.New("it is empty")
	}
	if foreignScheme(url) {
		return nil, errors.New("its scheme is not postgres")
	}
	config, err := pgxpool.ParseConfig(url)
	if err == nil && !cutByPath(url) {
		return config, nil
	}
	if err == nil {
		return nil, errors.New("an @ stands behind its first /" + encoded)
	}
	if !strings.Contains(url, "=") && !strings.Contains(url, "://") {
		return nil, errors.New("it is neither a URL nor keywords such as host=localhost dbname=delfos")
	}
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); !ok {
		return nil, errors.New("it can't be read")
	}
	// pgx quotes the URL, and gives the reason after it.
	said := err.Error()
	said = said[strings.LastIndex(said, "`: ")+len("`: "):]
	switch {
	case strings.HasPrefix(said, "failed to parse as URL"):
		said = "it can't be read as a URL" + encoded
	case strings.HasPrefix(said, "failed to parse as keyword/value"):
		said = "it can't be read as keywords; a value with blanks stands in single quotes"
	case strings.HasPrefix(said, "invalid port"):
		said = "what stands in the place of its port is not one" + encoded
	}
	return nil, errors.New(said)
}

// foreignScheme reports whether a URL has a scheme that pgx would take for keywords.
func foreignScheme(url string) bool {
	scheme, _, ok := strings.Cut(url, "://")
	return ok && !strings.ContainsAny(scheme, "= ") && scheme != "postgres" && scheme != "postgresql"
}

// cutByPath reports whether url begins like postgres://user:12/34@host: pgx takes
// 12 for the port and the rest of the password for the database's name.
func cutByPath(url string) bool {
	_, rest, isURL := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "?")
	i := strings.IndexAny(rest, "@/")
	return isURL && !foreignScheme(url) && strings.HasPrefix(url, "postgres") && i >= 0 && rest[i] == '/' && strings.Contains(rest, "@")
}

var passwordKeyword = regexp.MustCompile(`(?i)(password\s*=\s*)(?:'(?:\\.|[^'\\])*'|(?:\\.|[^\s\\])*)`)

// Mask is url with xxxxx for its password; false if it can't be read, and nobody knows where that is.
func Mask(url string) (string, bool) {
	if _, err := Parse(url); err != nil {
		return "", false
	}
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return passwordKeyword.ReplaceAllString(url, "${1}xxxxx"), true
	}
	// pgx masks a URL where it quotes one, and exactly where it can read it.
	quoted := pgconn.NewParseConfigError(url, "", nil).Error()
	return strings.TrimSuffix(strings.TrimPrefix(quoted, "cannot parse `"), "`: "), true
}
