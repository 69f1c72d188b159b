package pgtest_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func query[T any](t *testing.T, url, sql string) []T {
	t.Helper()
	rows, err := pgtest.Pool(t, url).Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return values
}

func TestDatabasesHoldReferenceRows(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]int32{1}, query[int32](t, pgtest.Source(t), "SELECT id FROM turbine")); diff != "" {
		t.Errorf("turbines of a source (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(signal.Names(), query[string](t, pgtest.Target(t), "SELECT name FROM signal ORDER BY id")); diff != "" {
		t.Errorf("signals of a target (-want +got):\n%s", diff)
	}
	if got := query[int64](t, pgtest.Target(t), "SELECT count(*) FROM river.river_job")[0]; got != 0 {
		t.Errorf("jobs in a target: got %d, want 0", got)
	}
	const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
	if got := query[int64](t, pgtest.Empty(t), tables)[0]; got != 0 {
		t.Errorf("relations of an empty database: got %d, want 0", got)
	}
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	first, second := pgtest.Source(t), pgtest.Source(t)
	if _, err := pgtest.Pool(t, first).Exec(t.Context(), "DELETE FROM turbine"); err != nil {
		t.Fatal(err)
	}
	if got := query[int64](t, second, "SELECT count(*) FROM turbine")[0]; got != 1 {
		t.Errorf("turbines in the second database after a DELETE in the first: got %d, want 1", got)
	}
}

func TestPoolScansUTC(t *testing.T) {
	t.Parallel()
	got := query[time.Time](t, pgtest.Empty(t), "SELECT '2025-01-01 12:00+02'::timestamptz")[0]
	if got.Location() != time.UTC || got.Hour() != 10 {
		t.Errorf("2025-01-01 12:00+02: got %s, want 10:00 in UTC", got)
	}
}

// Tests of claims look at and cut the sessions of their own role.
func TestOtherSessionsOfTheRole(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	other := pgtest.Pool(t, url)
	var pid int32
	if err := other.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	pool := pgtest.Pool(t, url)
	var cut bool
	err := pool.QueryRow(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start IS NOT NULL", pid).Scan(&cut)
	if err != nil || !cut {
		t.Errorf("cut session %d: got %t, %v, want true", pid, cut, err)
	}
}

// A server that is given may have any name and password.
func TestGivenURL(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"postgres://su%20per:p%40%3A%2Fx@host:5433/a%20b?sslmode=disable": "postgres://su%20per:p%40%3A%2Fx@host:5433/a%20b?sslmode=disable",
		"postgres://me:secret@[::1]/postgres":                             "postgres://me:secret@[::1]:5432/postgres?",
		"postgres://me:secret@host":                                       "postgres://me:secret@host:5432/?",
	} {
		config, err := pgtest.ConfigOf(given)
		if err != nil || config.URL() != want {
			t.Errorf("%s: got %s, %v, want %s", given, config.URL(), err, want)
		}
	}
	for _, given := range []string{"", "127.0.0.1:5433", "host=127.0.0.1 user=me", "postgres://host/postgres", "postgres:///postgres"} {
		if config, err := pgtest.ConfigOf(given); err == nil {
			t.Errorf("%q: got %s, want an error", given, config.URL())
		}
	}
}

// The folder of a killed test binary goes, that of a live one stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	long := time.Now().Add(-time.Hour)
	folder := func(name string, changed time.Time) {
		dir := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	folder("delfos-test-abandoned", long)
	folder("delfos-test-young", time.Now())
	folder("another", long)
	folder("delfos-test-live", long)
	lock, err := os.Create(filepath.Join(base, "delfos-test-live", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	folder("delfos-test-live", long)

	if err := pgtest.Sweep(base); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff([]string{"another", "delfos-test-live", "delfos-test-young"}, left); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
}
