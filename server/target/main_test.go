package target_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/target"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// awayURL is of a server where nothing listens: TCP port 1 needs privileges.
const (
	awayURL    = "postgres://delfos:delfos@127.0.0.1:1/delfos?sslmode=disable"
	awaySource = "http://127.0.0.1:1"
)

// bundle is a target API on a real port, over a database of its own. Its
// orchestrator does not work on the queue: what the ledger says is the test's.
type bundle struct {
	apitest.Client

	db           *pgxpool.Pool // the test's own way to the database
	database     string        // its URL
	orchestrator *orchestrator.Orchestrator
	log          *apitest.Log
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
	b := start(tb, pgtest.As(tb, pgtest.ETL, url), configure...)
	b.db = pgtest.Pool(tb, url)
	return b
}

// start starts the API on the database at url.
func start(tb testing.TB, url string, configure ...func(*options)) *bundle {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	tb.Cleanup(cancel)
	out := &apitest.Log{}
	log := out.Logger()
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
	return &bundle{apitest.Client{TB: tb, URL: "http://" + ln.Addr().String()}, nil, url, o, out, stop}
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
	b.TB.Helper()
	pgtest.Exec(b.TB, b.db, sql, args...)
}
