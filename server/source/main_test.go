package source_test

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/sourceclient"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// bundle is a source API on a real port, over a database of its own.
type bundle struct {
	apitest.Client

	db       *pgxpool.Pool // the test's own way to the database
	database string        // its URL
	addr     string        // of the API
	app      string        // the API's name among the database's sessions
	log      *apitest.Log
	stop     func() error // drains the server and returns what Serve did
}

// setup starts the API on a fresh database; configure may change how.
func setup(tb testing.TB, configure ...func(*source.Config, *httpserve.Options)) *bundle {
	tb.Helper()
	url := pgtest.Source(tb)
	b := start(tb, pgtest.As(tb, pgtest.API, url), configure...)
	b.db, b.database = pgtest.Pool(tb, url), url
	return b
}

// start starts the API on the database at url.
func start(tb testing.TB, url string, configure ...func(*source.Config, *httpserve.Options)) *bundle {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	app := tb.Name()[:min(63, len(tb.Name()))]
	pool, err := source.OpenPool(ctx, withParam(tb, url, "application_name="+app))
	if err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	out := &apitest.Log{}
	log := out.Logger()
	spec, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	config, options := source.Config{Pool: pool, Log: log, OpenAPI: spec}, httpserve.Options{Log: log}
	for _, c := range configure {
		c(&config, &options)
	}
	served := make(chan error, 1)
	go func() { served <- httpserve.Serve(ctx, ln, source.New(config), options) }()
	stop := sync.OnceValue(func() error {
		cancel()
		err := <-served
		pool.Close()
		return err
	})
	tb.Cleanup(func() {
		if err := stop(); err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	addr := ln.Addr().String()
	return &bundle{apitest.Client{TB: tb, URL: "http://" + addr}, nil, url, addr, app, out, stop}
}

// exec runs SQL in the test's database.
func (b *bundle) exec(sql string, args ...any) {
	b.TB.Helper()
	pgtest.Exec(b.TB, b.db, sql, args...)
}

// fill gives turbine 1 a sample a minute from 2025-01-01 on, as many as said:
// some 100 bytes each as JSON.
func (b *bundle) fill(minutes int) {
	b.TB.Helper()
	pgtest.Fill(b.TB, b.db, `INSERT INTO data SELECT 1, '2025-01-01Z'::timestamptz + i * interval '1 min',
		i % 25, i % 2000 / 10.0, i % 40 / 3.0 FROM generate_series(0, $1 - 1) AS i`, minutes)
	b.exec("ANALYZE data")
}

// year is a query for all that fill can give.
const year = "/data?start=2025-01-01&end=2026-01-01"

// api is the generated client.
func (b *bundle) api() *sourceclient.Client {
	b.TB.Helper()
	c, err := sourceclient.NewClient(b.URL, sourceclient.WithHTTPClient(apitest.HTTPClient(b.TB)))
	if err != nil {
		b.TB.Fatal(err)
	}
	return c
}
