package target_test

import (
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

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/target"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { pgtest.Main(m) }

// awayURL is of a server where nothing listens: TCP port 1 needs privileges.
const (
	awayURL    = "postgres://delfos:delfos@127.0.0.1:1/delfos?sslmode=disable"
	awaySource = "http://127.0.0.1:1"
)

// bundle is a target API on a real port, over a database of its own. Its
// orchestrator does not work on the queue: what the ledger says is the test's.
type bundle struct {
	t            testing.TB
	db           *pgxpool.Pool // the test's own way to the database
	url          string
	database     string // its URL
	orchestrator *orchestrator.Orchestrator
	log          *logBuffer
	stop         func() // drains the server
}

type options struct {
	api    target.Config
	serve  httpserve.Options
	source string     // the source API's URL
	start  *time.Time // the first day of the schedule
	river  bool
}

// setup starts the API on a fresh database; configure may change how.
func setup(tb testing.TB, configure ...func(*options)) *bundle {
	tb.Helper()
	url := pgtest.Target(tb)
	b := start(tb, url, configure...)
	b.db = pgtest.Pool(tb, url)
	return b
}

// start starts the API on the database at url.
func start(tb testing.TB, url string, configure ...func(*options)) *bundle {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	tb.Cleanup(cancel)
	out := &logBuffer{}
	log := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	spec, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	pool, err := target.OpenPool(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	opts := options{
		api: target.Config{Pool: pool, Log: log, OpenAPI: spec, Now: now, Stop: ctx.Done()}, serve: httpserve.Options{Log: log},
		source: awaySource, start: new(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	for _, c := range configure {
		c(&opts)
	}
	o, closeAll := newOrchestrator(tb, url, opts, log)
	opts.api.Control = o.Control()
	if opts.river {
		if opts.api.River, err = target.RiverUI(ctx, o.River(), log); err != nil {
			tb.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- httpserve.Serve(ctx, ln, target.New(opts.api), opts.serve) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			tb.Errorf("Serve: %v", err)
		}
		opts.api.Pool.Close()
		closeAll()
	})
	tb.Cleanup(stop)
	return &bundle{t: tb, url: "http://" + ln.Addr().String(), database: url, orchestrator: o, log: out, stop: stop}
}

// now is the day after those that the tests know of.
func now() time.Time { return time.Date(2025, 1, 10, 12, 0, 0, 0, time.UTC) }

func newOrchestrator(tb testing.TB, url string, opts options, log *slog.Logger) (*orchestrator.Orchestrator, func()) {
	tb.Helper()
	control, err := orchestrator.OpenControl(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	loads, err := etl.OpenTarget(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	job, err := etl.New(tb.Context(), etl.Config{
		Target: loads, SourceURL: opts.source, Log: log,
		Retry: extract.Retry{Attempts: 1, First: time.Millisecond, Longest: time.Millisecond, Obey: time.Millisecond},
	})
	if err != nil {
		tb.Fatal(err)
	}
	o, err := orchestrator.New(orchestrator.Config{
		Target: control, Job: job, Log: log, Now: now, ForgetWait: 100 * time.Millisecond,
		Schedule: orchestrator.ScheduleConfig{
			Cron: "0 1 * * *", CatchUpDays: 7, StaleDays: 30,
			PartitionStart: opts.start,
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return o, func() {
		job.Close()
		loads.Close()
		control.Close()
	}
}

// exec runs SQL in the test's database.
func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.db.Exec(context.Background(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

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
	return b.do(http.MethodGet, path, "", headers...)
}

// post sends JSON.
func (b *bundle) post(path, body string, headers ...string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, path, body, append([]string{"Content-Type: application/json"}, headers...)...)
}

func (b *bundle) do(method, path, body string, headers ...string) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+strings.TrimPrefix(path, b.url), strings.NewReader(body))
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
	whole, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("%s %s: read the body: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, resp.Trailer, string(whole)}
}

// client has connections of its own, closed when the test ends.
func client(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{DisableCompression: true}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// as decodes an answer of the status.
func as[T any](tb testing.TB, a answer, status int) (value T) {
	tb.Helper()
	if a.status != status {
		tb.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	if err := json.Unmarshal([]byte(a.body), &value); err != nil {
		tb.Fatalf("%s: %v", a.body, err)
	}
	return value
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
