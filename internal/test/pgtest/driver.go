package pgtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/stdlib"
)

// driverName is the driver that pgtestdb connects by: pgx's own, but that a database and
// its end cost less than half. A run makes some 2,000 of them.
const driverName = "pgtest"

// register makes the driver known under its name.
//
//nolint:gochecknoglobals // database/sql has drivers by name too.
var register = sync.OnceFunc(func() {
	sql.Register(driverName, &quick{Driver: stdlib.GetDefaultDriver(), idle: make(map[string][]*session)})
})

// quick keeps the sessions of superusers for the next database.
type quick struct {
	driver.Driver

	mutex sync.Mutex
	idle  map[string][]*session
}

type session struct {
	*stdlib.Conn

	of  *quick
	url string
}

// Open implements driver.Driver.
func (q *quick) Open(url string) (driver.Conn, error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if idle := q.idle[url]; len(idle) > 0 {
		last := len(idle) - 1
		q.idle[url] = idle[:last]
		return idle[last], nil
	}
	conn, err := q.Driver.Open(url)
	if err != nil {
		return nil, err
	}
	return &session{conn.(*stdlib.Conn), q, url}, nil //nolint:forcetypeassert,errcheck // pgx's driver makes no others.
}

// Close implements driver.Conn.
func (s *session) Close() error {
	if s.Conn.Conn().PgConn().ParameterStatus("is_superuser") != "on" || s.Conn.Conn().IsClosed() {
		return s.Conn.Close()
	}
	s.of.mutex.Lock()
	defer s.of.mutex.Unlock()
	s.of.idle[s.url] = append(s.of.idle[s.url], s)
	return nil
}

// ExecContext implements driver.ExecerContext. A template's files are copied, as every
// server before version 15 does: they are few, and writing them to the WAL costs more.
func (s *session) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if strings.HasPrefix(query, "CREATE DATABASE") && strings.Contains(query, " WITH TEMPLATE ") && s.Conn.Conn().PgConn().ParameterStatus("server_version") >= "15" {
		query += " STRATEGY file_copy"
	}
	return s.Conn.ExecContext(ctx, query, args)
}
