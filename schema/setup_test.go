package schema_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// database is an empty one, a connection to look into it, and the URL of another in which
// apply tries the SQL out: to have one made each time costs more.
type database struct {
	url  string
	conn *pgx.Conn
	dev  func() string
}

func setup(t *testing.T) database {
	t.Helper()
	url := pgtest.Empty(t)
	return database{url: url, conn: connect(t, url), dev: sync.OnceValue(func() string { return pgtest.Empty(t) })}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func (d database) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := d.conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// lines runs a query of one text column.
func (d database) lines(t *testing.T, sql string) []string {
	t.Helper()
	rows, err := d.conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return lines
}

// relations lists what a namespace holds: name, identity and state on disk, so that
// a table that was made anew or rewritten differs.
func (d database) relations(t *testing.T, namespace string) []string {
	t.Helper()
	return d.lines(t, `SELECT concat_ws(' ', relname, oid, relfilenode) FROM pg_class
		WHERE relnamespace = '`+namespace+`'::regnamespace ORDER BY relname`)
}

func (d database) apply(t *testing.T, s schema.Schema, opts schema.Options) schema.Plan {
	t.Helper()
	if opts.DevURL == "" && d.dev != nil {
		opts.DevURL = d.dev()
	}
	plan, err := schema.Apply(t.Context(), d.url, s, opts)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return plan
}

func (d database) wantNothingToDo(t *testing.T, s schema.Schema) {
	t.Helper()
	if plan := d.apply(t, s, schema.Options{DryRun: true}); plan.Statements != nil || plan.SQL() != "" {
		t.Errorf("plan of a database that has its schema: got %q, want none", plan.SQL())
	}
}
