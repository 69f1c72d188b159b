// Package metrics shows what a process does to Prometheus, on a listener of its own. What
// a part does is counted there: this package has what all processes share.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
)

// NewRegistry returns a registry with what every process tells of itself: the build,
// Go's runtime and the process.
func NewRegistry(version, commit string) *prometheus.Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "delfos_build_info", Help: "The build that runs; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit},
	})
	build.Set(1)
	r := prometheus.NewRegistry()
	r.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Config is what the listener for metrics needs.
type Config struct {
	Listener net.Listener
	Metrics  prometheus.Gatherer
	// Profiles serves /debug/pprof/ too. What it shows is not for others: it goes with a
	// listener on loopback alone.
	Profiles bool
	Log      *slog.Logger
}

// Serve answers at /metrics until ctx ends. A collector that fails leaves out its own
// metrics and no others.
func Serve(ctx context.Context, c Config) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError,
	}))
	if c.Profiles {
		profiles := http.NewServeMux()
		profiles.HandleFunc("GET /debug/pprof/", pprof.Index)
		profiles.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		profiles.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		profiles.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		// A page of another site must not reach them under a name of its own. Metrics may be
		// asked for under any, as whoever scrapes knows this machine.
		access := httpserve.Access{Addr: c.Listener.Addr().String()}
		mux.Handle("/debug/pprof/", access.Middleware(problem.Write)(profiles))
	}
	err := httpserve.Serve(ctx, c.Listener, mux, httpserve.Options{Log: c.Log, DrainTimeout: time.Second})
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Pool returns the metrics of a pool of sessions, as OpenTelemetry has them. What it
// calls db.client.connection.count is named after its unit here: for Prometheus, _count
// is the end of a histogram's name.
func Pool(name string, pool *pgxpool.Pool) prometheus.Collector {
	desc := func(metric, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("db_client_connection"+metric, help, labels, prometheus.Labels{"pool": name})
	}
	return &poolMetrics{
		pool:     pool,
		sessions: desc("s", "Sessions that are open, by state.", "state"),
		most:     desc("s_max", "Sessions that the pool may have."),
		acquired: desc("_acquires_total", "Sessions that were taken out of the pool."),
		waited:   desc("_wait_seconds_total", "Time for which somebody waited for a session."),
		gaveUp:   desc("_timeouts_total", "Waits for a session that were given up."),
	}
}

type poolMetrics struct {
	pool                                     *pgxpool.Pool
	sessions, most, acquired, waited, gaveUp *prometheus.Desc
}

func (m *poolMetrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

func (m *poolMetrics) Collect(to chan<- prometheus.Metric) {
	s := m.pool.Stat()
	gauge := func(desc *prometheus.Desc, value int32, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	counter := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value)
	}
	gauge(m.sessions, s.AcquiredConns(), "used")
	gauge(m.sessions, s.IdleConns(), "idle")
	gauge(m.most, s.MaxConns())
	counter(m.acquired, float64(s.AcquireCount()))
	counter(m.waited, s.EmptyAcquireWaitTime().Seconds())
	counter(m.gaveUp, float64(s.CanceledAcquireCount()))
}
