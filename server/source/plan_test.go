package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/internal/test/pgtest"
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
	pool, err := source.OpenPool(t.Context(), b.database) // its settings decide
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var plans strings.Builder
	for _, query := range []struct{ name, sql, args string }{
		{"ReadSamples", sourcedb.ReadSamples, "('{1,2,5}', '2025-01-02Z', '2025-01-03Z')"},
		{"ReadSamplePage", sourcedb.ReadSamplePage, "('{1,2,5}', '2025-01-02Z', '2025-01-03Z', 1000)"},
		{"HasFractions", sourcedb.HasFractions, "('{1,2,5}', '2025-01-02Z', '2025-01-03Z')"},
		{"FirstTurbine", sourcedb.FirstTurbine, "('2025-01-02Z', '2025-01-03Z', NULL)"},
		{"TagSamples", sourcedb.TagSamples, "('{1,2,5}', '2025-01-02Z', '2025-01-03Z')"},
		{"TagSamplePage", sourcedb.TagSamplePage, "(1000, '2025-01-02Z', '{1,2,5}', '2025-01-03Z')"},
		{"DigestSamples", sourcedb.DigestSamples, "('{1,2,5}', '2025-01-02Z', '2025-01-03Z')"},
		// Each end costs a look at the index, however many samples there are.
		{"ListTurbineSpans", sourcedb.ListTurbineSpans, "('1980-01-01Z', '2025-01-10Z')"},
	} {
		plan := pgtest.Plan(t, pool, query.sql, query.args)
		if one := pgtest.Plan(t, pool, query.sql, strings.ReplaceAll(query.args, "{1,2,5}", "{1}")); one != plan {
			t.Errorf("the plan of %s for one turbine is another:\n%s", query.name, one)
		}
		index := "data_pkey"
		if query.name == "HasFractions" || query.name == "FirstTurbine" {
			index = "data_fraction_idx"
		}
		if strings.Contains(plan, "Seq Scan on data") || !strings.Contains(plan, "index "+index+" by (turbine_id, timestamp)") {
			t.Errorf("the plan of %s does not walk the key:\n%s", query.name, plan)
		}
		fmt.Fprintf(&plans, "%s\n%s\n", query.name, plan)
	}
	golden.Equal(t, "plans.txt", plans.String())
}
