package pgpool_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/test/pgtest"
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

// settings are what a session has.
func settings(t *testing.T, conn interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, names ...string,
) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, name := range names {
		var value string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got[name] = value
	}
	return got
}

// What statements rest on is fixed, whatever the database or the URL has; a
// limit or a planner's setting in the URL counts more than ours.
func TestSettings(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	admin := pgtest.Pool(t, url)
	for name, value := range map[string]string{
		"search_path": "elsewhere", "DateStyle": "'German'", "TimeZone": "'America/Sao_Paulo'", "client_encoding": "'LATIN1'",
		"default_transaction_isolation": "'serializable'", "statement_timeout": "'1min'", "lock_timeout": "'1min'",
		"idle_in_transaction_session_timeout": "'1min'", "idle_session_timeout": "'1min'", "default_transaction_read_only": "on", "jit": "on", "work_mem": "'5MB'",
	} {
		const alter = `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ' || current_setting('test.set'), current_database()); END $$`
		if _, err := admin.Exec(t.Context(), "SELECT set_config('test.set', $1, false)", name+" TO "+value); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Exec(t.Context(), alter); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	want := map[string]string{
		"search_path": "public", "DateStyle": "ISO, MDY", "TimeZone": "UTC", "client_encoding": "UTF8",
		"default_transaction_isolation": "read committed", "statement_timeout": "0", "lock_timeout": "0",
		"idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0", "jit": "off", "client_connection_check_interval": "500ms",
		"application_name": "delfos test",
		// An administrator's.
		"default_transaction_read_only": "on", "work_mem": "5MB",
	}
	tests := []struct {
		name, params string
		settings     map[string]string
		want         map[string]string
	}{
		{"as they are", "", nil, nil},
		{"of the pool", "", map[string]string{"lock_timeout": "7s", "default_transaction_read_only": "off"}, map[string]string{"lock_timeout": "7s", "default_transaction_read_only": "off"}},
		{
			"of the URL", "&lock_timeout=8s&jit=on&search_path=elsewhere&timezone=CET&work_mem=6MB&application_name=mine",
			map[string]string{"lock_timeout": "7s"},
			map[string]string{"lock_timeout": "8s", "jit": "on", "work_mem": "6MB", "application_name": "mine"},
		},
		{
			"of the URL's options", "&options=-c%20lock_timeout%3D8s%20--statement-timeout%3D9s%20-csearch_path%3Delsewhere",
			map[string]string{"lock_timeout": "7s"},
			map[string]string{"lock_timeout": "8s", "statement_timeout": "9s"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			options := pgpool.Options{Name: "delfos test", Settings: test.settings}
			pool, err := pgpool.Open(t.Context(), url+test.params, options)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			conn, err := pgpool.Connect(t.Context(), url+test.params, options)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			expected := maps.Clone(want)
			maps.Copy(expected, test.want)
			names := slices.Collect(maps.Keys(expected))
			if diff := cmp.Diff(expected, settings(t, pool, names...)); diff != "" {
				t.Errorf("a pool's (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(expected, settings(t, conn, names...)); diff != "" {
				t.Errorf("a session's (-want +got):\n%s", diff)
			}
		})
	}
}

// A database is found in every way in which pgx and psql name one.
func TestWaysToNameADatabase(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	c, err := pgpool.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	to := c.ConnConfig
	service := filepath.Join(t.TempDir(), "service")
	text := fmt.Sprintf("[wind]\nhost=%s\nport=%d\nuser=%s\npassword=%s\ndbname=%s\nsslmode=disable\n", to.Host, to.Port, to.User, to.Password, to.Database)
	if err := os.WriteFile(service, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, given := range map[string]string{
		"keywords":          fmt.Sprintf("host=%s port=%d user=%s password='%s' dbname=%s sslmode=disable", to.Host, to.Port, to.User, to.Password, to.Database),
		"several hosts":     fmt.Sprintf("postgres://%s:%s@[::1]:1,[::1]:2,%s:%d/%s?sslmode=disable", to.User, to.Password, to.Host, to.Port, to.Database),
		"behind a question": fmt.Sprintf("postgres:///%s?host=%s&port=%d&user=%s&password=%s&sslmode=disable", to.Database, to.Host, to.Port, to.User, to.Password),
		"service":           "postgres://?service=wind&servicefile=" + service,
		"bound of a pool":   url + "&pool_max_conns=1",
	} {
		conn, err := pgpool.Connect(t.Context(), given, pgpool.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var database string
		if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&database); err != nil || database != to.Database {
			t.Errorf("%s: got %s, %v, want %s", name, database, err, to.Database)
		}
		_ = conn.Close(t.Context())
	}
}

func TestBoundOfThePool(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]int32{
		"postgres://h/d": 3, "postgres://h/d?pool_max_conns=8": 8, "host=h dbname=d pool_max_conns=8": 8, "postgres://h/pool_max_conns": 3,
	} {
		config, err := pgpool.Config(url, pgpool.Options{MaxConns: 3})
		if err != nil || config.MaxConns != want {
			t.Errorf("%s: got %d, %v, want %d", url, config.MaxConns, err, want)
		}
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
