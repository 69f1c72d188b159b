package interop_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/source"
)

// TestMain runs the tests, or is a server for one of them to kill or to watch.
func TestMain(m *testing.M) {
	if args := os.Getenv(programArgs); args != "" {
		os.Exit(program(args))
	}
	if database := os.Getenv(serveDatabase); database != "" {
		if err := serve(database); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	pgtest.Main(m)
}

// all is a query for every sample that setup makes.
const all = "/data?start=2025-01-01&end=2026-01-01&turbines=all"

// bundle is a source API over a database of its own.
type bundle struct {
	t        *testing.T
	database string // its URL
	db       *pgxpool.Pool
	url      string
}

// setup starts the API over 25 days of two turbines. Readings have few
// decimals, many, and the largest and smallest that there are; some are NULL;
// every seventh sample is off the minute.
func setup(t *testing.T) *bundle {
	t.Helper()
	database := pgtest.Source(t)
	db := pgtest.Pool(t, database)
	pgtest.Exec(t, db, "INSERT INTO turbine (id, name) VALUES (80, 'Turbine 80')")
	pgtest.Fill(t, db, `INSERT INTO data
		SELECT id, '2025-01-01Z'::timestamptz + i * interval '1 min' + CASE WHEN i % 7 = 0 THEN interval '1 us' * (i % 1000) ELSE '0' END,
			CASE WHEN i % 11 > 0 THEN i % 25000 / 1000.0 END,
			CASE i % 13 WHEN 0 THEN NULL WHEN 1 THEN 1.7976931348623157e308 WHEN 2 THEN -5e-324 WHEN 3 THEN 1e21 WHEN 4 THEN 1e-7 ELSE i / 7.0 - 40 END,
			CASE WHEN i > 100 THEN 0.1 + 0.2 * i END
		FROM unnest('{1,80}'::integer[]) AS id, generate_series(0, 36000 - 1) AS i`)
	srv := httptest.NewServer(source.New(source.Config{Pool: db, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(srv.Close)
	return &bundle{t, database, db, srv.URL}
}

// get reads an answer whole.
func (b *bundle) get(path string) []byte {
	b.t.Helper()
	resp, err := http.Get(b.url + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.t.Fatalf("GET %s: %s %v %s", path, resp.Status, err, body[:min(len(body), 300)])
	}
	return body
}

// wantLines compares texts and shows the first line that differs.
func wantLines(t *testing.T, want, got []byte) {
	t.Helper()
	w, g := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range min(len(w), len(g)) {
		if !bytes.Equal(w[i], g[i]) {
			t.Fatalf("line %d is %s, want %s", i+1, g[i], w[i])
		}
	}
	if len(w) != len(g) {
		t.Fatalf("got %d lines, want %d", len(g), len(w))
	}
}
