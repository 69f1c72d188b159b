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
