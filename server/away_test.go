package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/delfos/delfos/internal/pgtest"
)

// awayURL is of a database where nothing listens: TCP port 1 needs privileges.
const awayURL = "postgres://delfos:delfos@127.0.0.1:1/delfos?sslmode=disable"

func wantAway(tb testing.TB, a answer) {
	tb.Helper()
	wantProblem(tb, a, http.StatusServiceUnavailable, "database")
	if a.header.Get("Retry-After") == "" {
		tb.Error("there is no Retry-After")
	}
	for _, secret := range []string{"127.0.0.1", "refused", "delfos:"} {
		if strings.Contains(a.body, secret) {
			tb.Errorf("%s tells of %s", a.body, secret)
		}
	}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	if a := b.get("/health"); a.status != http.StatusOK || a.body != "{\"status\":\"ok\"}\n" {
		t.Errorf("/health: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/ready", "/turbines", "/data?" + day, "/data?" + day + "&turbines=all"} {
		wantAway(t, b.get(path))
	}
	for _, line := range b.log.requests() {
		if line["status"] == 503.0 && !strings.Contains(text(line["error"]), "refused") {
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

	wantAway(t, b.get("/ready"))
	gate.set(true)
	if a := b.get("/ready"); a.status != http.StatusOK {
		t.Errorf("/ready: %d %s", a.status, a.body)
	}
	gate.set(false)
	wantAway(t, b.get("/ready"))
	gate.set(true)
	if a := b.get("/data?" + day); a.status != http.StatusOK {
		t.Errorf("/data: %d %s", a.status, a.body)
	}
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
	wantAway(t, b.get("/data?"+day))
}

// lock takes the table of samples for itself until what it returns is called.
func (b *bundle) lock() func() {
	b.t.Helper()
	ctx := context.Background()
	tx, err := b.db.Begin(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "LOCK TABLE data IN ACCESS EXCLUSIVE MODE"); err != nil {
		b.t.Fatal(err)
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
	b.exec("DROP TABLE data")
	p := wantProblem(t, b.get("/data?"+day), http.StatusInternalServerError)
	if strings.Contains(p.Detail, "data\"") || strings.Contains(p.Detail, "relation") {
		t.Errorf("detail %q tells of the database", p.Detail)
	}
	line := b.log.requests()[0]
	if !strings.Contains(text(line["error"]), "42P01") || line["request_id"] != p.RequestID || line["level"] != "ERROR" {
		t.Errorf("the log says %v", line)
	}
}
