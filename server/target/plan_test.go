package target_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/server/target"
)

// The queries of /windows walk the key, whether PostgreSQL plans for the values
// at hand or for any, and with statistics or without.
func TestPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s, at, 1
		FROM generate_series('2025-01-01Z'::timestamptz, '2025-01-30 23:50Z', '10 min') AS at,
			generate_series(1, 3) AS t, generate_series(1, 15) AS s`)
	ctx := t.Context()
	pool, err := target.OpenPool(ctx, b.database) // its settings decide
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	const ids, span = "integer[]", "'2025-01-02Z', '2025-01-03Z'"
	for _, query := range []struct{ name, sql, types, args string }{
		{"next_turbine", targetdb.NextWindowTurbine, "integer", "1"},
		{"first_window", targetdb.FirstWindow, ids + ", integer, timestamptz, timestamptz", "'{1,2,3}', 1, " + span},
		{"read_windows", targetdb.ReadWindows, ids + ", " + ids + ", timestamptz, timestamptz", "'{1,2}', '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}', " + span},
	} {
		var plans strings.Builder
		for _, analyzed := range []bool{false, true} {
			if analyzed {
				b.exec("ANALYZE data")
			}
			for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
				for _, sql := range []string{"SET plan_cache_mode = " + mode, "DEALLOCATE ALL", "PREPARE read (" + query.types + ") AS " + query.sql} {
					if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
						t.Fatal(err)
					}
				}
				rows, err := conn.Query(ctx, "EXPLAIN (COSTS OFF) EXECUTE read ("+query.args+")", pgx.QueryExecModeSimpleProtocol)
				if err != nil {
					t.Fatal(err)
				}
				lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&plans, "%s, analyzed %t\n%s\n\n", mode, analyzed, strings.Join(lines, "\n"))
			}
		}
		golden(t, query.name+".plan", plans.String())
		if regexp.MustCompile(`Seq Scan on data|data_timestamp_idx`).MatchString(plans.String()) || !strings.Contains(plans.String(), "data_pkey") {
			t.Errorf("the plan of %s does not walk the key:\n%s", query.name, plans.String())
		}
	}
}
