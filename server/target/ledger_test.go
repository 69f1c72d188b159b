package target_test

import (
	"context"
	_ "embed"
)

//go:embed testdata/ledger.sql
var ledgerSQL string

// ledger fills the database with a day of each state, as testdata/ledger.sql
// says. The session that claims the running one lives as long as the test.
func (b *bundle) ledger() {
	b.TB.Helper()
	conn, err := b.db.Acquire(context.Background())
	if err != nil {
		b.TB.Fatal(err)
	}
	b.TB.Cleanup(conn.Release)
	if _, err := conn.Exec(context.Background(), ledgerSQL); err != nil {
		b.TB.Fatal(err)
	}
}

// values fills data with three windows of two turbines: the first one whole, the
// second one with a single reading, the third one without power.
func (b *bundle) values() {
	b.TB.Helper()
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s.id, '2025-01-01 00:00Z'::timestamptz + w * interval '10 min',
			CASE
				WHEN s.name LIKE '%_count' THEN CASE w WHEN 0 THEN 10 WHEN 1 THEN 1 ELSE 5 END
				ELSE t * 100 + s.id + w / 4.0
			END
		FROM generate_series(1, 2) AS t, generate_series(0, 2) AS w, signal AS s
		WHERE NOT (w = 1 AND s.name LIKE '%_std') AND NOT (w = 2 AND s.name LIKE 'power_%')`)
}
