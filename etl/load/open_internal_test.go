package load

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A day that the ledger has for loaded is looked at by its digest alone, and one whose rows
// somebody has removed is found empty by that.
func TestOpenLooksOnce(t *testing.T) {
	t.Parallel()
	day := time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		options Options
		rows    int
		opened  bool // holds, before the digest is asked
		looked  bool // data was read for it
		holds   bool
	}{
		"never loaded":                 {looked: true},
		"never loaded, and holds rows": {rows: 3, opened: true, looked: true, holds: true},
		"loaded":                       {options: Options{Loaded: true}, rows: 3, opened: true, holds: true},
		"loaded, and emptied since":    {options: Options{Loaded: true}, opened: true},
		"dry run":                      {options: Options{DryRun: true}, opened: true, holds: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t, pgtest.Target(t))
			pgtest.Exec(t, pool, "INSERT INTO data SELECT n, 1, $1, 0 FROM generate_series(1, $2) AS n", day, tt.rows)
			tx, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(t.Context()) }()
			l, err := Open(t.Context(), tx, targetdb.New(tx), day, tt.options)
			if err != nil {
				t.Fatal(err)
			}
			if l.holds != tt.opened {
				t.Errorf("holds when opened: got %t, want %t", l.holds, tt.opened)
			}
			if looked := scans(t, tx) > 0; looked != tt.looked {
				t.Errorf("data was read to open it: got %t, want %t", looked, tt.looked)
			}
			if d, err := l.Digest(t.Context()); err != nil || d.Rows != int64(tt.rows) || l.holds != tt.holds {
				t.Errorf("digest: got %d rows, holds %t and error %v, want %d and %t", d.Rows, l.holds, err, tt.rows, tt.holds)
			}
		})
	}
}

// scans counts how often the transaction has read data or one of its indexes.
func scans(t *testing.T, tx pgx.Tx) (n int64) {
	t.Helper()
	const sql = `SELECT sum(pg_stat_get_xact_numscans(oid))::bigint FROM (
		SELECT 'data'::regclass UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = 'data'::regclass) AS r (oid)`
	if err := tx.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
