package orchestrator_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/source"
)

// system is two databases and the API between them, for orchestrators to work
// with.
type system struct {
	source, target *pgxpool.Pool
	targetURL      string // as delfos_etl
	apiURL         string
	away           atomic.Bool            // the API answers 503
	slow           atomic.Int64           // nanoseconds before each answer with samples
	refused        atomic.Pointer[string] // the day whose samples the API refuses with 422
	now            func() time.Time       // of the jobs
	mu             sync.Mutex
	read           []string // the turbines whose samples were asked for, by request
	digested       []string // the first and the last day of each range whose digests were
}

func setup(t *testing.T) *system {
	t.Helper()
	sourceURL, targetURL := pgtest.Source(t), pgtest.Target(t)
	s := &system{source: pgtest.Pool(t, sourceURL), target: pgtest.Pool(t, targetURL), targetURL: pgtest.As(t, pgtest.ETL, targetURL)}
	pool, err := source.OpenPool(t.Context(), pgtest.As(t, pgtest.API, sourceURL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	api := source.New(source.Config{Pool: pool, Log: log})
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/data/digest" {
			s.mu.Lock()
			s.digested = append(s.digested, r.URL.Query().Get("start")[:10]+".."+r.URL.Query().Get("end")[:10])
			s.mu.Unlock()
		}
		if r.URL.Path == "/data" {
			s.mu.Lock()
			s.read = append(s.read, strings.Join(r.URL.Query()["turbines"], ","))
			s.mu.Unlock()
			if day := s.refused.Load(); day != nil && strings.HasPrefix(r.URL.Query().Get("start"), *day) {
				http.Error(w, "no", http.StatusUnprocessableEntity)
				return
			}
			select {
			case <-time.After(time.Duration(s.slow.Load())):
			case <-r.Context().Done():
			}
		}
		api.ServeHTTP(w, r)
	}))
	front.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	front.Start()
	t.Cleanup(front.Close)
	s.apiURL = front.URL
	return s
}

// worker is an orchestrator that runs.
type worker struct {
	*orchestrator.Orchestrator

	stop func()
}

// start runs an orchestrator until the test ends or stop is called.
func (s *system) start(t *testing.T, workers int, configure ...func(*orchestrator.Config)) *worker {
	t.Helper()
	o := s.orchestrator(t, workers, configure...)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := o.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err) // await sees it
		}
	}()
	stop := func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return &worker{o, stop}
}

// orchestrator makes one that does not run yet.
func (s *system) orchestrator(t *testing.T, workers int, configure ...func(*orchestrator.Config)) *orchestrator.Orchestrator {
	t.Helper()
	runLog := orchestrator.NewRunLog()
	log := slog.New(runLog.Handler(slog.NewTextHandler(t.Output(), nil)))
	control, err := orchestrator.OpenControl(t.Context(), s.targetURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Close)
	config := orchestrator.Config{
		Target: control, Job: s.job(t, log), Workers: workers, RunLog: runLog, Log: log, SoftStop: 100 * time.Millisecond, ForgetWait: 200 * time.Millisecond,
		// Long before any seeded day: the schedule stays out of the way.
		Now:      func() time.Time { return date("2024-01-01") },
		Schedule: orchestrator.ScheduleConfig{Cron: "0 1 * * *", CatchUpDays: 1, StaleDays: 1},
	}
	for _, c := range configure {
		c(&config)
	}
	o, err := orchestrator.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// job has sessions of its own, as one of another process has.
func (s *system) job(t *testing.T, log *slog.Logger) *etl.Job {
	t.Helper()
	loads, err := etl.OpenTarget(t.Context(), s.targetURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loads.Close)
	job, err := etl.New(t.Context(), etl.Config{
		Target: loads, SourceURL: s.apiURL, Log: log, Now: s.now,
		Retry: extract.Retry{Attempts: 2, First: time.Millisecond, Longest: 5 * time.Millisecond, Obey: 5 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(job.Close)
	return job
}

func (s *system) seed(t *testing.T, days int) {
	t.Helper()
	s.seedFarm(t, days, 1)
}

// Of each day and turbine the source has a sample a minute of three hours: the first, the one
// at noon and the last. A whole day would show the same and cost eight times as much.
const (
	daySamples = 3 * 60
	dayValues  = 3 * 6 * 15
)

func (s *system) seedFarm(t *testing.T, days, turbines int) {
	t.Helper()
	pgtest.Exec(t, s.source, "INSERT INTO turbine (id, name) SELECT n, 'Turbine ' || n FROM generate_series(2, $1::integer) AS n", turbines)
	pgtest.Exec(t, s.source, `INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature)
		SELECT turbine, '2025-01-01Z'::timestamptz + make_interval(days => day, mins => minute), 5 + sin(minute), 500 + 10 * sin(minute) + turbine, 10 + cos(minute)
		FROM generate_series(1, $2::integer) AS turbine, generate_series(0, $1::integer - 1) AS day, generate_series(0, 1439) AS minute
		WHERE minute / 60 IN (0, 12, 23)`, days, turbines)
}

func date(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return d
}

// days asks for the first days of 2025.
func days(n int, only enum.RunScope) orchestrator.StartRequest {
	return orchestrator.StartRequest{From: date("2025-01-01"), To: date("2025-01-01").AddDate(0, 0, n-1), Only: only}
}

func startRun(t *testing.T, c *orchestrator.Control, r orchestrator.StartRequest) orchestrator.Plan {
	t.Helper()
	plan, err := c.Start(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// awaitRun waits until a run is as cond wants it.
func awaitRun(t *testing.T, c *orchestrator.Control, id int64, what string, cond func(targetdb.ReadRunsRow) bool) targetdb.ReadRunsRow {
	t.Helper()
	return await.Value(t, what, func() (targetdb.ReadRunsRow, bool) {
		run, err := c.Run(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return run, cond(run)
	})
}

func ended(r targetdb.ReadRunsRow) bool {
	return r.State == "done" || r.State == "failed" || r.State == "cancelled"
}

// states are those of the first days of 2025, a letter each.
func states(t *testing.T, c *orchestrator.Control, n int) string {
	t.Helper()
	r := days(n, "")
	grid, err := c.Grid(t.Context(), r.From, r.To)
	if err != nil {
		t.Fatal(err)
	}
	letters := map[enum.PartitionState]byte{
		"missing": '.', "queued": 'q', "running": 'r', "done": 'd', "stale": 's', "empty": 'e', "failed": 'f', "cancelled": 'c', "pruned": 'p',
	}
	var b []byte
	for _, g := range grid {
		b = append(b, letters[g.State])
	}
	return string(b)
}

// checkWhole fails the test unless the target holds all of the done days' values
// and nothing of the others.
func (s *system) checkWhole(t *testing.T) {
	t.Helper()
	const wrong = `
		SELECT coalesce(string_agg(format('%s: %s rows, outcome %s', coalesce(p.day, d.day), coalesce(d.rows, 0), p.outcome), '; '), '')
		FROM partition AS p
		FULL JOIN (SELECT (timestamp AT TIME ZONE 'UTC')::date AS day, count(*) AS rows FROM data GROUP BY 1) AS d ON d.day = p.day
		WHERE coalesce(d.rows, 0) <> CASE WHEN p.outcome = 'done' THEN $1 ELSE 0 END`
	if faults := pgtest.Query[string](t, s.target, wrong, dayValues); faults != "" {
		t.Errorf("not whole: %s", faults)
	}
}
