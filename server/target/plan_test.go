package target_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/target"
)

// The queries of /windows walk the key, whether PostgreSQL plans for the values
// at hand or for any, and with statistics or without.
func TestPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("ALTER TABLE data SET (autovacuum_enabled = off)") // which may analyze it at any time
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s, at, 1
		FROM generate_series('2025-01-01Z'::timestamptz, '2025-01-10 23:50Z', '10 min') AS at,
			generate_series(1, 3) AS t, generate_series(1, 15) AS s`)
	pool, err := target.OpenPool(t.Context(), b.database) // its settings decide
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var plans strings.Builder
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			b.exec("ANALYZE data")
			plans.Reset() // the golden file has the plans by statistics
		}
		for _, query := range []struct{ name, sql, args string }{
			{"NextWindowTurbine", targetdb.NextWindowTurbine, "(1)"},
			{"FirstWindow", targetdb.FirstWindow, "('{1,2,3}', 1, '2025-01-02Z', '2025-01-03Z')"},
			{"ReadWindows", targetdb.ReadWindows, "('{1,2}', '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}', '2025-01-02Z', '2025-01-03Z')"},
		} {
			plan := pgtest.Plan(t, pool, query.sql, query.args)
			if strings.Contains(plan, "Seq Scan on data") || strings.Contains(plan, "data_timestamp_idx") || !strings.Contains(plan, "index data_pkey by (turbine_id") {
				t.Errorf("the plan of %s does not walk the key:\n%s", query.name, plan)
			}
			fmt.Fprintf(&plans, "%s\n%s\n", query.name, plan)
		}
	}
	plan := pgtest.Plan(t, pool, targetdb.ReadLoaded, "('2025-01-01', '2025-01-31')")
	if !strings.Contains(plan, "index partition_pkey by (day)") {
		t.Errorf("the plan of ReadLoaded does not walk the key:\n%s", plan)
	}
	fmt.Fprintf(&plans, "ReadLoaded\n%s\n", plan)
	golden.Equal(t, "plans.txt", plans.String())
}

// The queries of /stats read each turbine's range of a signal by the key, once, and join
// what they have read by time: not by a search for each window.
func TestPlansOfStatistics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("ALTER TABLE data SET (autovacuum_enabled = off)") // which may analyze it at any time
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s, at, 1
		FROM generate_series('2025-01-01Z'::timestamptz, '2025-01-30 23:50Z', '10 min') AS at,
			generate_series(1, 3) AS t, generate_series(1, 15) AS s`)
	pool, err := target.OpenPool(t.Context(), b.database+"&enable_nestloop=off") // as SetNestedLoops has it
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var plans strings.Builder
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			b.exec("ANALYZE")
		}
		for _, query := range []struct{ name, sql, args string }{
			{"ReadPowerCurve", targetdb.ReadPowerCurve, "(false, '{1,2,3}', 50, '2025-01-01Z', '2025-01-31Z', true)"},
			{"ReadPowerDensity", targetdb.ReadPowerDensity, "('{1,2,3}', '2025-01-01Z', '2025-01-31Z', true)"},
			{"ReadDistribution", targetdb.ReadDistribution, "('{1,2,3}', '2025-01-01Z', '2025-01-31Z', 50)"},
			{"ReadProfile", targetdb.ReadProfile, "('{1,2,3}', 'power', '2025-01-01Z', '2025-01-31Z')"},
			{"ReadCounts", targetdb.ReadCounts, "('{1,2}', '{5,10,15}', '{2025-01-01Z}', '{2025-01-31Z}')"},
			{"ReadCountsOfBoth", targetdb.ReadCountsOfBoth, "('{1,2}', '{2025-01-01Z}', '{2025-01-31Z}')"},
			{"ReadEnergy", targetdb.ReadEnergy, "('{1,2}', '{60,60}', '{2025-01-01Z}', '{2025-01-31Z}', 600)"},
		} {
			fmt.Fprintf(&plans, "%s, analyzed %t\n%s\n", query.name, analyzed, pgtest.Plan(t, pool, query.sql, query.args))
		}
	}
	golden.Equal(t, "plans_stats.txt", plans.String())
}
