package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Fill runs SQL that inserts many samples into a source, without a look for the turbine of
// each, which costs most of it.
func Fill(tb testing.TB, db *pgxpool.Pool, sql string, args ...any) {
	tb.Helper()
	foreign := Query[string](tb, db, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'data_turbine_id_fkey'")
	Exec(tb, db, "ALTER TABLE data DROP CONSTRAINT data_turbine_id_fkey")
	Exec(tb, db, sql, args...)
	Exec(tb, db, "ALTER TABLE data ADD CONSTRAINT data_turbine_id_fkey "+foreign)
}
