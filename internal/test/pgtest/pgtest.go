// Package pgtest gives each test a PostgreSQL database of its own.
//
// One server runs for all tests of a package, from the first that asks for a
// database to the end of Main. DELFOS_TEST_PG_URL names one to use instead, by
// the URL of a superuser; several packages share it safely, as those of `make test`
// do (see withpostgres). A database is a
// copy of a template that is made once a server and schema, and is dropped
// when its test succeeds; after a failed test it stays, with its URL in the
// test's log, as long as the server does.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestLoad(t *testing.T) {
//		pool := pgtest.Pool(t, pgtest.Target(t))
//		…
//	}
package pgtest

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/peterldowns/pgtestdb"

	"github.com/delfos/delfos/schema"
)

// role is who the tests connect as: a member of the owner of the tables. It is no
// superuser, so that the tests show that Delfos needs none; it may create databases and
// roles, as schema.Apply and schema.ApplyRoles do. What is tested connects as one of
// Delfos's own roles (see As).
func role() *pgtestdb.Role {
	return &pgtestdb.Role{
		Username:     "delfos_test",
		Password:     "delfos_test",
		Capabilities: "NOSUPERUSER CREATEDB CREATEROLE",
	}
}

// Source returns the URL of a fresh source database: its tables and turbine 1, which a test
// would otherwise have to make before its samples.
func Source(tb testing.TB) string {
	tb.Helper()
	return database(tb, migrator{schema.Source})
}

// Target returns the URL of a fresh target database: its tables and signals, and
// River's tables in schema river.
func Target(tb testing.TB) string {
	tb.Helper()
	return database(tb, migrator{schema.Target})
}

// The roles that programs of Delfos connect as.
const (
	API    = schema.APIRole
	Import = schema.ImportRole
	ETL    = schema.ETLRole
)

// As returns the URL of a database of Source or Target for one of the roles of Delfos,
// which may do there what it may do anywhere.
func As(tb testing.TB, role, database string) string {
	tb.Helper()
	u, err := url.Parse(database)
	if err != nil {
		tb.Fatalf("test database: %v", err)
	}
	u.User = url.UserPassword(role, passwordOf(role))
	return u.String()
}

// Empty returns the URL of a fresh database without tables.
func Empty(tb testing.TB) string {
	tb.Helper()
	return database(tb, pgtestdb.NoopMigrator{})
}

func database(tb testing.TB, m pgtestdb.Migrator) string {
	tb.Helper()
	admin, err := adminURL()
	if err != nil {
		tb.Fatalf("test database: %v", err)
	}
	config, err := configOf(admin)
	if err != nil {
		tb.Fatalf("test database: %v", err)
	}
	return pgtestdb.Custom(tb, config, m).URL()
}

// Pool connects to url. It closes when the test ends.
func Pool(tb testing.TB, url string) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		tb.Fatalf("test database %s: %v", url, err)
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		// Without this, pgx scans a timestamptz into the machine's time zone.
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name:  "timestamptz",
			OID:   pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	if err != nil {
		tb.Fatalf("test database %s: %v", url, err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// Exec runs SQL.
func Exec(tb testing.TB, db *pgxpool.Pool, sql string, args ...any) {
	tb.Helper()
	if _, err := db.Exec(context.WithoutCancel(tb.Context()), sql, args...); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// Query returns the one value that SQL gives.
func Query[T any](tb testing.TB, db *pgxpool.Pool, sql string, args ...any) T {
	tb.Helper()
	var v T
	if err := db.QueryRow(context.WithoutCancel(tb.Context()), sql, args...).Scan(&v); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return v
}
