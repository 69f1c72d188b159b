package source_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// awayURL is of a database where nothing listens: TCP port 1 needs privileges.
const awayURL = "postgres://delfos:delfos@127.0.0.1:1/delfos?sslmode=disable"

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	if a := b.Get("/health"); a.Status != http.StatusOK || a.Body != "{\"status\":\"ok\"}\n" {
		t.Errorf("/health: %d %s", a.Status, a.Body)
	}
	for _, path := range []string{"/ready", "/turbines", "/data?" + day, "/data?" + day + "&turbines=all"} {
		apitest.WantAway(t, b.Get(path))
	}
	for _, line := range b.log.Requests() {
		if line["status"] == 503.0 && !strings.Contains(line.Text("error"), "refused") {
			t.Errorf("the log has no cause: %v", line)
		}
	}
}

// The server listens before its database does, and finds it when it comes.
func TestDatabaseComesLater(t *testing.T) {
	t.Parallel()
	direct, err := url.Parse(pgtest.Source(t))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	later := *direct
	later.Host = ln.Addr().String()
	gate := newGate(t, direct.Host, ln)
	b := start(t, later.String())

	apitest.WantAway(t, b.Get("/ready"))
	gate.set(true)
	b.OK("/ready")
	gate.set(false)
	apitest.WantAway(t, b.Get("/ready"))
	gate.set(true)
	b.OK("/data?" + day)
}

// gate forwards connections while it is open; shut, it cuts them and those to
// come.
type gate struct {
	to    string
	mu    sync.Mutex
	open  bool
	conns []net.Conn
	work  sync.WaitGroup
}

func newGate(t *testing.T, to string, ln net.Listener) *gate {
	t.Helper()
	g := &gate{to: to}
	g.work.Go(func() { g.serve(ln) })
	t.Cleanup(func() {
		_ = ln.Close()
		g.set(false)
		g.work.Wait()
	})
	return g
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
	if !open {
		for _, c := range g.conns {
			_ = c.Close()
		}
		g.conns = nil
	}
}

func (g *gate) serve(ln net.Listener) {
	for {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		if g.open {
			if out, err := net.Dial("tcp", g.to); err == nil {
				g.conns = append(g.conns, in, out)
				g.work.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
				g.work.Go(func() { _, _ = io.Copy(in, out); _ = in.Close() })
				g.mu.Unlock()
				continue
			}
		}
		g.mu.Unlock()
		_ = in.Close()
	}
}

func TestLockedTable(t *testing.T) {
	t.Parallel()
	b := start(t, withParam(t, pgtest.Source(t), "lock_timeout=50ms"))
	b.db = pgtest.Pool(t, b.database)
	defer b.lock()()
	apitest.WantAway(t, b.Get("/data?"+day))
}

// lock takes the table of samples for itself until what it returns is called.
func (b *bundle) lock() func() {
	b.TB.Helper()
	ctx := context.Background()
	tx, err := b.db.Begin(ctx)
	if err != nil {
		b.TB.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "LOCK TABLE data IN ACCESS EXCLUSIVE MODE"); err != nil {
		b.TB.Fatal(err)
	}
	return func() { _ = tx.Rollback(ctx) }
}

// withParam adds a parameter to a URL.
func withParam(tb testing.TB, raw, param string) string {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	name, value, _ := strings.Cut(param, "=")
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// An error that nobody foresaw says nothing of itself but its request's id.
func TestUnknownErrorIsBland(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("ALTER TABLE data RENAME TO old")
	b.exec("CREATE VIEW data AS SELECT turbine_id, timestamp, wind_speed / 0 AS wind_speed, power, ambient_temperature FROM old")
	b.exec("GRANT SELECT ON data TO delfos_api")
	b.exec("INSERT INTO old SELECT 1, '2025-01-01Z', 1, 1, 1")
	p := apitest.WantProblem(t, b.Get("/data?"+day), http.StatusInternalServerError)
	if strings.Contains(p.Detail, "zero") || strings.Contains(p.Detail, "database") {
		t.Errorf("detail %q tells of the database", p.Detail)
	}
	line := b.log.Requests()[0]
	if !strings.Contains(line.Text("error"), "22012") || line["request_id"] != p.RequestID || line["level"] != "ERROR" {
		t.Errorf("the log says %v", line)
	}
}

// What somebody has to mend is said at once, with the way to do so, and told
// once at level ERROR however many ask.
func TestFaultsThatStay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil  func(t *testing.T) (url string)
		detail string
		cause  string
		status int
	}{
		"a missing table": {func(t *testing.T) string {
			t.Helper()
			url := pgtest.Source(t)
			execute(t, url, "DROP TABLE data CASCADE", "DROP TABLE turbine CASCADE")
			return url
		}, "`delfos schema apply source`", "42P01", http.StatusServiceUnavailable},
		"a missing column": {func(t *testing.T) string {
			t.Helper()
			url := pgtest.Source(t)
			execute(t, url, "ALTER TABLE data DROP COLUMN power", "ALTER TABLE turbine DROP COLUMN name CASCADE")
			return url
		}, "`delfos schema apply source`", "42703", http.StatusServiceUnavailable},
		"a missing privilege": {func(t *testing.T) string {
			t.Helper()
			url := pgtest.Source(t)
			execute(t, url, "REVOKE ALL ON data, turbine FROM delfos_owner")
			return url
		}, "grant the role what it lacks", "42501", http.StatusInternalServerError},
		"a wrong password": {func(t *testing.T) string {
			t.Helper()
			u, err := url.Parse(pgtest.Source(t))
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(u.User.Username(), "wrong")
			return u.String()
		}, "correct the user and the password in SOURCE_DB_URL", "28P01", http.StatusInternalServerError},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, tt.spoil(t))
			for _, path := range []string{"/data?" + day, "/turbines", "/data/digest?" + day} {
				a := b.Get(path)
				p := apitest.WantProblem(t, a, tt.status, "database", tt.detail)
				if strings.Contains(p.Detail, "try again") || (a.Header.Get("Retry-After") != "") != (tt.status == http.StatusServiceUnavailable) {
					t.Errorf("%s: %q, Retry-After %q: only a 503 shall be asked for again", path, p.Detail, a.Header.Get("Retry-After"))
				}
				if strings.Contains(p.Detail, "relation") || strings.Contains(p.Detail, tt.cause) || strings.Contains(p.Detail, "wrong") {
					t.Errorf("%s: %q tells of the database", path, p.Detail)
				}
			}
			errors := 0
			for _, line := range b.log.Requests() {
				if !strings.Contains(line.Text("error"), tt.cause) || !strings.Contains(line.Text("error"), tt.detail) {
					t.Errorf("the log lacks the cause or the remedy: %v", line)
				}
				if line["level"] == "ERROR" {
					errors++
				}
			}
			if errors != 1 {
				t.Errorf("%d lines at level ERROR, want one", errors)
			}
		})
	}
}

// A database that is not there may be restored at any moment.
func TestMissingDatabase(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(pgtest.Source(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/nowhere"
	b := start(t, u.String())
	for _, path := range []string{"/ready", "/turbines"} {
		a := b.Get(path)
		apitest.WantUnavailable(t, a, "the database does not exist")
	}
}

// execute runs SQL in a database.
func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	pool := pgtest.Pool(t, url)
	for _, sql := range statements {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}
