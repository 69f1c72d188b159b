package etl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// replaced is the query of the system that Delfos replaces.
const replaced = `SELECT d.timestamp, s.name, d.value FROM data d JOIN signal s ON d.signal_id = s.id
WHERE d.timestamp >= '2025-01-01' AND d.timestamp < '2025-01-02' ORDER BY d.timestamp, s.name LIMIT 20`

// TestPlans shows that the hot queries use the index that their comments name,
// on a year of one turbine.
func TestPlans(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Target(t))
	pgtest.Exec(t, pool, `INSERT INTO data SELECT 1, s, t, 0
		FROM generate_series('2025-01-01'::timestamptz, '2025-12-31', '1 day') AS d, generate_series(1, 15) AS s,
			generate_series(d, d + '23:50', '30 min') AS t ORDER BY d, s, t`)
	pgtest.Exec(t, pool, "VACUUM ANALYZE data")
	const day, signals = "'2025-01-02Z', '2025-01-03Z'", "'{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}'"
	var plans strings.Builder
	for _, query := range []struct{ name, sql, args, index string }{
		{"replaced", replaced, "", "data_timestamp_idx by (timestamp)"},
		{"ReadValues", targetdb.ReadValues, "('{1}', " + signals + ", " + day + ")", "data_pkey by (turbine_id, signal_id, timestamp)"},
		{"DigestValues", targetdb.DigestValues, "(" + day + ")", "data_timestamp_idx by (timestamp)"},
		{"OpenLoad", targetdb.OpenLoad, "(" + day + ", true)", "data_timestamp_idx by (timestamp)"},
		{"DeleteValuesOfOthers", targetdb.DeleteValuesOfOthers, "(" + day + ", '{1}')", "data_timestamp_idx by (timestamp)"},
		{"RenewLease", targetdb.RenewLease, "('1 minute', '2025-01-02', 1)", "partition_pkey by (day)"},
		{"ReadClaim", targetdb.ReadClaim, "('2025-01-02')", "partition_pkey by (day)"},
	} {
		plan := pgtest.Plan(t, pool, query.sql, query.args)
		if strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "index "+query.index) {
			t.Errorf("the plan of %s does not use %s:\n%s", query.name, query.index, plan)
		}
		fmt.Fprintf(&plans, "%s\n%s\n", query.name, plan)
	}
	golden.Equal(t, "plans.txt", plans.String())
}
