package etl

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/pgtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// replaced is the query of the system that Delfos replaces.
const replaced = `SELECT d.timestamp, s.name, d.value FROM data d JOIN signal s ON d.signal_id = s.id
WHERE d.timestamp >= '2025-01-01' AND d.timestamp < '2025-01-02' ORDER BY d.timestamp, s.name LIMIT 20`

// TestPlans shows that the hot queries use the index that their comments name,
// on a year of one turbine.
func TestPlans(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t, pgtest.Target(t))
	for _, sql := range []string{
		`INSERT INTO data SELECT 1, s, t, 0
		 FROM generate_series('2025-01-01'::timestamptz, '2025-12-31', '1 day') AS d, generate_series(1, 15) AS s,
		      generate_series(d, d + '23:50', '10 min') AS t ORDER BY d, s, t`,
		"VACUUM ANALYZE data",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	day := testDay()
	start, stop := day, day.AddDate(0, 0, 1)
	signals := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	tests := map[string]struct {
		sql  string
		args []any
	}{
		"replaced":      {replaced, nil},
		"read_values":   {targetdb.ReadValues, []any{[]int32{1}, signals, start, stop}},
		"digest_values": {targetdb.DigestValues, []any{start, stop}},
		"open_load":     {targetdb.OpenLoad, []any{start, stop}},
		"sweep":         {targetdb.DeleteValuesOfOthers, []any{start, stop, []int32{1}}},
		"renew_lease":   {targetdb.RenewLease, []any{DefaultLease, day, int64(1)}},
		"read_claim":    {targetdb.ReadClaim, []any{day}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, err := pool.Query(t.Context(), "EXPLAIN (COSTS OFF) "+tt.sql, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			got := generalize(strings.Join(lines, "\n") + "\n")
			golden := filepath.Join("testdata", "plan", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// generalize takes out of a plan what PostgreSQL's versions write differently.
func generalize(plan string) string {
	return regexp.MustCompile(`(InitPlan|SubPlan) \d+( \(returns [^)]*\))?`).ReplaceAllString(plan, "$1")
}
