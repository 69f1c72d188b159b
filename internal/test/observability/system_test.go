//go:build observability

package observability_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	client "github.com/prometheus/client_golang/prometheus"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/notify"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/metrics"
	"github.com/delfos/delfos/server/source"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// system is a whole Delfos, with what can break it.
type system struct {
	source, target *pgxpool.Pool // the test's own way to the databases
	console        string        // the target API
	control        *orchestrator.Control
	first, newest  time.Time         // the days that the schedule loads
	targets        map[string]string // the addresses of metrics, by job
	stopWorker     func()

	away atomic.Bool                   // the source API answers 503
	deaf atomic.Bool                   // the receiver of notices answers 503
	held atomic.Pointer[chan struct{}] // samples wait for it to be closed
	way  *way                          // to the target
}

func setup(t *testing.T) *system {
	t.Helper()
	now := time.Now().UTC()
	due := now.Add(-2 * time.Hour) // the schedule's time of the day
	newest := due.Truncate(24*time.Hour).AddDate(0, 0, -1)
	s := &system{first: newest.AddDate(0, 0, -2), newest: newest, targets: map[string]string{}}
	sourceURL, targetURL := pgtest.Source(t), pgtest.Target(t)
	s.source, s.target = pgtest.Pool(t, sourceURL), pgtest.Pool(t, targetURL)
	if _, err := seed.Run(t.Context(), s.source, seed.Options{Start: s.first, Days: 3, Turbines: 1}); err != nil {
		t.Fatal(err)
	}
	api := "http://" + s.serveSource(t, sourceURL)
	u, err := url.Parse(targetURL)
	if err != nil {
		t.Fatal(err)
	}
	s.way = newWay(t, u.Host)
	u.Host = s.way.addr
	config := service.Config{
		TargetURL: u.String(), SourceURL: api,
		Config: orchestrator.Config{Workers: 1, Schedule: orchestrator.ScheduleConfig{
			Cron: fmt.Sprintf("%d %d * * *", due.Minute(), due.Hour()), CatchUpDays: 3, StaleDays: 3, PartitionStart: &s.first, SweepEvery: 10 * time.Second,
		}},
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.deaf.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(receiver.Close)
	config.Notify = orchestrator.NotifyConfig{Receiver: notify.NewReceiver(receiver.URL, ""), Every: time.Second, Gather: time.Nanosecond}
	worker := config
	config.Listener = listen(t, "127.0.0.1:0")
	s.console = "http://" + config.Listener.Addr().String()
	main, _ := s.work(t, "orchestrator", config)
	s.control = main.Control()
	_, s.stopWorker = s.work(t, "worker", worker)
	return s
}

// work runs an orchestrator, and serves its metrics as those of a job.
func (s *system) work(t *testing.T, job string, config service.Config) (*service.Service, func()) {
	t.Helper()
	registry := metrics.NewRegistry("test", "test")
	config.Metrics, config.Log = registry, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	o, err := service.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	stopMetrics := s.serveMetrics(t, job, registry)
	stop := background(t, o.Run)
	end := sync.OnceFunc(func() {
		stop()
		stopMetrics()
		o.Close()
	})
	t.Cleanup(end)
	return o, end
}

// serveSource runs the source API behind what can hold it up.
func (s *system) serveSource(t *testing.T, sourceURL string) string {
	t.Helper()
	pool, err := source.OpenPool(t.Context(), sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	registry, requests := metrics.NewRegistry("test", "test"), httpserve.NewMetrics("source")
	registry.MustRegister(requests, metrics.Pool("source_api", pool))
	s.serveMetrics(t, "api", registry)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	handler := source.New(source.Config{Pool: pool, Log: log, Metrics: requests})
	ln := listen(t, "127.0.0.1:0")
	background(t, func(ctx context.Context) error {
		return httpserve.Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.away.Load() {
				http.Error(w, "away", http.StatusServiceUnavailable)
				return
			}
			if held := s.held.Load(); held != nil && r.URL.Path == "/data" {
				select {
				case <-*held:
				case <-r.Context().Done():
				}
			}
			handler.ServeHTTP(w, r)
		}), httpserve.Options{Log: log})
	})
	return ln.Addr().String()
}

func (s *system) serveMetrics(t *testing.T, job string, registry *client.Registry) (stop func()) {
	t.Helper()
	ln := listen(t, "127.0.0.1:0")
	s.targets[job] = ln.Addr().String()
	return background(t, func(ctx context.Context) error {
		return metrics.Serve(ctx, metrics.Config{Listener: ln, Metrics: registry, Log: slog.New(slog.DiscardHandler)})
	})
}

// exec runs SQL in the target.
func (s *system) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	pgtest.Exec(t, s.target, sql, args...)
}

// background runs until the test ends or stop is called.
func background(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended // what it says after it was broken on purpose is no matter
	})
	t.Cleanup(stop)
	return stop
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln := listen(t, "127.0.0.1:0")
	defer ln.Close()
	return ln.Addr().String()
}

// way is the way to a server, which can be cut.
type way struct {
	addr string
	mu   sync.Mutex
	cut  bool
	open []net.Conn
}

func newWay(t *testing.T, to string) *way {
	t.Helper()
	ln := listen(t, "127.0.0.1:0")
	w := &way{addr: ln.Addr().String()}
	t.Cleanup(func() {
		_ = ln.Close()
		w.Cut()
	})
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			w.mu.Lock()
			if w.cut || err != nil {
				w.mu.Unlock()
				_ = from.Close()
				continue
			}
			w.open = append(w.open, from, server)
			w.mu.Unlock()
			pass := func(a, b net.Conn) {
				_, _ = io.Copy(a, b)
				_ = a.Close()
			}
			go pass(from, server)
			go pass(server, from)
		}
	}()
	return w
}

// Cut ends the connections, and takes no more.
func (w *way) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, conn := range w.open {
		_ = conn.Close()
	}
}
