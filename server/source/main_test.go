package source_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/sourceclient"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/source"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { pgtest.Main(m) }

// bundle is a source API on a real port, over a database of its own.
type bundle struct {
	t    testing.TB
	db   *pgxpool.Pool // the test's own way to the database
	addr string
	url  string

	database string // its URL
	app      string // the API's name among the database's sessions
	log      *logBuffer
	stop     func() error // drains the server and returns what Serve did
}

// setup starts the API on a fresh database; configure may change how.
func setup(tb testing.TB, configure ...func(*source.Config, *source.Options)) *bundle {
	tb.Helper()
	url := pgtest.Source(tb)
	b := start(tb, url, configure...)
	b.db = pgtest.Pool(tb, url)
	return b
}

// start starts the API on the database at url.
func start(tb testing.TB, url string, configure ...func(*source.Config, *source.Options)) *bundle {
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
	out := &logBuffer{}
	log := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	spec, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	config, options := source.Config{Pool: pool, Log: log, OpenAPI: spec}, source.Options{Log: log}
	for _, c := range configure {
		c(&config, &options)
	}
	served := make(chan error, 1)
	go func() { served <- source.Serve(ctx, ln, source.New(config), options) }()
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
	return &bundle{t: tb, addr: addr, url: "http://" + addr, database: url, app: app, log: out, stop: stop}
}

// exec runs SQL in the test's database.
func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.db.Exec(context.Background(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// fill gives turbine 1 a sample a minute from 2025-01-01 on, as many as said:
// some 100 bytes each as JSON.
func (b *bundle) fill(minutes int) {
	b.t.Helper()
	b.exec(`INSERT INTO data SELECT 1, '2025-01-01Z'::timestamptz + i * interval '1 min',
		i % 25, i % 2000 / 10.0, i % 40 / 3.0 FROM generate_series(0, $1 - 1) AS i`, minutes)
	b.exec("ANALYZE data")
}

// year is a query for all that fill can give.
const year = "/data?start=2025-01-01&end=2026-01-01"

// answer is a response, read whole.
type answer struct {
	status  int
	header  http.Header
	trailer http.Header
	body    string
}

// get requests a path with optional headers ("Name: value").
func (b *bundle) get(path string, headers ...string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, headers...)
}

func (b *bundle) do(method, path string, headers ...string) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := client(b.t).Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("%s %s: read the body: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, resp.Trailer, string(body)}
}

// client has connections of its own, closed when the test ends.
func client(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{DisableCompression: true}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// api is the generated client.
func (b *bundle) api() *sourceclient.Client {
	b.t.Helper()
	c, err := sourceclient.NewClient(b.url, sourceclient.WithHTTPClient(client(b.t)))
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// A reply is what the generated client was answered with.
type reply[T any] struct {
	*http.Response

	body  []byte
	value T // of a 200
}

func typed[T any](tb testing.TB) func(*http.Response, error) reply[T] {
	tb.Helper()
	return func(response *http.Response, err error) (r reply[T]) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		defer response.Body.Close()
		r.Response = response
		if r.body, err = io.ReadAll(response.Body); err != nil {
			tb.Fatal(err)
		}
		if response.StatusCode == http.StatusOK {
			if err := json.Unmarshal(r.body, &r.value); err != nil {
				tb.Fatalf("%s: %v", r.body, err)
			}
		}
		return r
	}
}

// wantProblem checks that the answer is a problem of the status, with the words
// in its detail.
func wantProblem(tb testing.TB, a answer, status int, words ...string) problem.Problem {
	tb.Helper()
	var p problem.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.header.Get("Content-Type") != problem.ContentType {
		tb.Fatalf("got %d %s %q, want a problem (%v)", a.status, a.header.Get("Content-Type"), a.body, err)
	}
	if a.status != status || p.Status != status || p.Title == "" || p.Type != "about:blank" {
		tb.Errorf("got status %d and %+v, want %d", a.status, p, status)
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-ID") {
		tb.Errorf("request_id is %q, X-Request-Id %q", p.RequestID, a.header.Get("X-Request-ID"))
	}
	for _, word := range words {
		if !strings.Contains(p.Detail, word) {
			tb.Errorf("detail %q lacks %q", p.Detail, word)
		}
	}
	return p
}

// golden compares got with a file of testdata.
func golden(tb testing.TB, name, got string) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// eventually waits until the condition holds; the bound only ends a test that
// has failed.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			tb.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// logBuffer collects a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// requests returns the request lines so far.
func (l *logBuffer) requests() []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == "request" {
			lines = append(lines, m)
		}
	}
	return lines
}

// text is a value of a log line that is text.
func text(v any) string {
	s, _ := v.(string)
	return s
}
