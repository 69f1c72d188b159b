package pgpool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestSessionsUseUTC(t *testing.T) {
	t.Parallel()
	pool, err := pgpool.Open(t.Context(), pgtest.Empty(t), pgpool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var at time.Time
	var zone string
	const query = `SELECT '2025-01-01 00:00:00'::timestamptz, current_setting('timezone')`
	if err := pool.QueryRow(t.Context(), query).Scan(&at, &zone); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC); at != want || zone != "UTC" {
		t.Errorf("got %s in %s, want %s in UTC", at, zone, want)
	}
}

func TestOpenAsksNothingOfTheDatabase(t *testing.T) {
	t.Parallel()
	pool, err := pgpool.Open(t.Context(), "postgres://me:hunter2@127.0.0.1:1/nothing", pgpool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := pool.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("ping: got %v, want an error without the password", err)
	}
}

func TestBadURLHidesItsPassword(t *testing.T) {
	t.Parallel()
	_, err := pgpool.Open(t.Context(), "postgres://me:hunter2@localhost:port/nothing", pgpool.Options{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error without the password", err)
	}
}
