//go:build citus

package endtoend_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// alone are the queries that Citus does not run, which docs/citus.md tells.
func alone() []string {
	return []string{
		"importdb.SampledDays", "targetdb.ListTurbineSpans", "targetdb.ReadCounts", "targetdb.ReadCountsOfBoth", "targetdb.ReadDistribution",
		"targetdb.ReadEnergy", "targetdb.ReadPowerCurve", "targetdb.ReadPowerDensity", "targetdb.ReadProfile",
	}
}

// Every query that runs on one server runs on a cluster, but for those alone: it is executed
// on both with the same arguments, and undone.
func TestCitusQueries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		schema   schema.Schema
		packages []string
		single   func(testing.TB) string
	}{
		{schema.Target, []string{"targetdb"}, pgtest.Target},
		{schema.Source, []string{"sourcedb", "importdb"}, pgtest.Source},
	} {
		t.Run(tt.schema.Name, func(t *testing.T) {
			t.Parallel()
			coordinator := pgtest.Citus(t)
			if _, err := schema.Apply(t.Context(), coordinator, tt.schema, schema.Options{}); err != nil {
				t.Fatal(err)
			}
			if tt.schema.Name == schema.Target.Name {
				if _, err := schema.ApplyRiver(t.Context(), coordinator, schema.Options{}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := schema.Distribute(t.Context(), coordinator, tt.schema, 4, false); err != nil {
				t.Fatal(err)
			}
			single, cluster := pgtest.Pool(t, tt.single(t)), pgtest.Pool(t, coordinator)
			for _, name := range tt.packages {
				for query, sql := range queries(t, name) {
					if err := execute(t, single, sql); err != nil {
						t.Logf("%s.%s is left out: %v", name, query, err) // not by these arguments
						continue
					}
					err := execute(t, cluster, sql)
					if expected := slices.Contains(alone(), name+"."+query); (err != nil) != expected {
						t.Errorf("%s.%s: got error %v, want that it fails: %t", name, query, err, expected)
					}
				}
			}
		})
	}
}

// queries are those of a generated package, by name.
func queries(t *testing.T, name string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "gen", name, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if sql, err := strconv.Unquote(literal.Value); err == nil && strings.HasPrefix(sql, "-- name: ") {
					found[strings.Fields(sql)[2]] = sql
				}
			}
			return true
		})
	}
	if len(found) == 0 {
		t.Fatalf("%s has no queries", name)
	}
	return found
}

// execute runs a query with a value of each parameter's type, and undoes it.
func execute(t *testing.T, db *pgxpool.Pool, sql string) error {
	t.Helper()
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	statement, err := tx.Conn().Prepare(t.Context(), "", sql)
	if err != nil {
		return err
	}
	var arguments [][]byte
	for _, oid := range statement.ParamOIDs {
		arguments = append(arguments, argument(t, db, oid))
	}
	_, err = tx.Conn().PgConn().ExecPrepared(t.Context(), "", arguments, nil, nil).Close()
	return err
}

// argument is a value of a type, as text.
func argument(t *testing.T, db *pgxpool.Pool, oid uint32) []byte {
	t.Helper()
	const sql = `SELECT CASE
			WHEN t.typcategory = 'A' THEN '{}'
			WHEN t.typcategory = 'E' THEN (SELECT e.enumlabel FROM pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder LIMIT 1)
			WHEN t.typcategory = 'D' THEN '2025-01-02'
			WHEN t.typcategory = 'T' THEN '1 minute'
			WHEN t.typcategory = 'B' THEN 'true'
			WHEN t.typname IN ('json', 'jsonb') THEN '[]'
			ELSE '1'
		END FROM pg_type AS t WHERE t.oid = $1`
	return []byte(pgtest.Query[string](t, db, sql, oid))
}
