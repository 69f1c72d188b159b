package source_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/server/source"
)

// The queries walk the key, whether PostgreSQL plans for the values at hand or
// for any, and those that give rows sort nothing.
func TestPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO turbine SELECT i, 'Turbine ' || i FROM generate_series(2, 5) AS i")
	// In the order of time, as turbines log: the key's order is not the table's.
	b.exec(`INSERT INTO data SELECT turbine, '2025-01-01Z'::timestamptz + i * interval '1 min', 1, 2, 3
		FROM generate_series(0, 19999) AS i, generate_series(1, 5) AS turbine`)
	b.exec("ANALYZE data")
	ctx := t.Context()
	pool, err := source.OpenPool(ctx, b.database) // its settings decide
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	const ranged = "integer[], timestamptz, timestamptz"
	rows := regexp.MustCompile(`Sort|Seq Scan`)
	for _, query := range []struct {
		name, sql, types, args string
		never                  *regexp.Regexp
	}{
		{"read_samples", sourcedb.ReadSamples, ranged, "%s, '2025-01-02Z', '2025-01-03Z'", rows},
		{"read_sample_page", sourcedb.ReadSamplePage, ranged + ", integer", "%s, '2025-01-02Z', '2025-01-03Z', 1000", rows},
		{"tag_samples", sourcedb.TagSamples, ranged, "%s, '2025-01-02Z', '2025-01-03Z'", rows},
		{"tag_sample_page", sourcedb.TagSamplePage, "integer, timestamptz, integer[], timestamptz", "1000, '2025-01-02Z', %s, '2025-01-03Z'", rows},
		{"digest_samples", sourcedb.DigestSamples, ranged, "%s, '2025-01-02Z', '2025-01-03Z'", regexp.MustCompile(`Seq Scan`)},
	} {
		var plans strings.Builder
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			for _, ids := range []string{"'{1}'", "'{1,2,5}'"} {
				for _, sql := range []string{
					"SET plan_cache_mode = " + mode,
					"SET jit = off",
					"DEALLOCATE ALL",
					"PREPARE read (" + query.types + ") AS " + query.sql,
				} {
					if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
						t.Fatal(err)
					}
				}
				rows, err := conn.Query(ctx, "EXPLAIN (COSTS OFF) EXECUTE read ("+fmt.Sprintf(query.args, ids)+")",
					pgx.QueryExecModeSimpleProtocol)
				if err != nil {
					t.Fatal(err)
				}
				lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&plans, "%s %s\n%s\n\n", mode, ids, strings.Join(lines, "\n"))
			}
		}
		golden(t, query.name+".plan", plans.String())
		if query.never.MatchString(plans.String()) || !strings.Contains(plans.String(), "data_pkey") {
			t.Errorf("the plan of %s reads or sorts more than is asked for:\n%s", query.name, plans.String())
		}
	}
}
