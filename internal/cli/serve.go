package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/metrics"
	"github.com/delfos/delfos/server/source"
)

func newServe(r *runner) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the source API",
		Long: `Serve answers for the source database over HTTP until it is stopped: /data,
/turbines, /docs and the rest of openapi.yaml. It starts without the database,
which /ready asks for, and lets the requests that it has taken finish when it is
told to stop. With SHUTDOWN_DELAY it first goes on for that long, while /ready
answers 503; a second signal ends the delay.`,
		Example: `  delfos serve
  API_ADDR=0.0.0.0:8000 AUTH_TOKENS_FILE=/etc/delfos/tokens delfos serve`,
	}
	insecure := insecureFlag(cmd)
	return configure(r, cmd, func(ctx context.Context, c config.Serve, _ []string) error {
		door, err := r.open(ctx, cmd, "API_ADDR", c.APIAddr, c.Auth, c.TLS, *insecure)
		if err != nil {
			return err
		}
		defer door.close()
		pool, err := source.OpenPool(ctx, c.SourceDBURL)
		if err != nil {
			return err
		}
		defer pool.Close()
		registry, err := r.metrics(ctx, c.Metrics)
		if err != nil {
			return err
		}
		defer registry.stop()
		requests := httpserve.NewMetrics("source")
		registry.MustRegister(requests, metrics.Pool("source_api", pool))
		r.log.InfoContext(ctx, "serving the source API", "addr", door.Addr().String(), "tls", door.certificate != nil, "database", config.Redact(c.SourceDBURL))
		handler := source.New(source.Config{Pool: pool, Log: r.log, OpenAPI: r.OpenAPI, Access: c.At(c.APIAddr), Gate: door.gate, Limit: c.Limit(), Metrics: requests})
		serving, stop := r.linger(ctx, c.ShutdownDelay)
		defer stop()
		if err := httpserve.Serve(serving, door, handler, httpserve.Options{Log: r.log, Leaving: ctx.Done(), Certificate: door.certificate}); err != nil {
			return err
		}
		r.log.InfoContext(ctx, "stopped")
		return nil
	})
}

func newOrchestrate(r *runner) *cobra.Command {
	var (
		workers int
		withAPI bool
	)
	cmd := &cobra.Command{
		Use:   "orchestrate",
		Short: "Work on what is queued and due, and serve the target API",
		Long: `Orchestrate loads the days that are asked for over the target API, those that are due
by the schedule, and those that changed at the source since. It serves the target
API, its pages and the queue's (/docs, /river/) on CONSOLE_ADDR, and applies the
queue's own migrations to the target by itself.

Any number of processes may work on one target: one with the API, more as bare
workers by --api=false. When it is told to stop, loads under way get a few seconds
to end; what has not ended goes back to the queue, and its day stays as it was.

With NOTIFY_URL it tells a webhook when a day failed for good or is late, when the
source is suspect, and when that ends; NOTIFY_TOKEN is sent as a bearer token, and each
may be in a file (NOTIFY_URL_FILE, NOTIFY_TOKEN_FILE).

With SHUTDOWN_DELAY an orchestrator with the API first goes on for that long, while /ready
answers 503; a second signal ends the delay.`,
		Example: `  delfos orchestrate
  delfos orchestrate --workers 4 --api=false
  SCHEDULE="CRON_TZ=Europe/Lisbon 0 1 * * *" delfos orchestrate`,
	}
	cmd.Flags().IntVar(&workers, "workers", 0, "how many days to work on at once; 0 is one a processor")
	cmd.Flags().BoolVar(&withAPI, "api", true, "serve the target API; false makes a bare worker")
	insecure := insecureFlag(cmd)
	return configure(r, cmd, func(ctx context.Context, c config.Orchestrate, _ []string) error {
		if err := checkCount(cmd, "workers", workers, 0, service.MaxWorkers); err != nil {
			return err
		}
		schedule, err := scheduleOf(c.Schedule, c.SourceRetention)
		if err != nil {
			return usagef(cmd, "%w", err)
		}
		var door door
		var delay time.Duration // a bare worker has no clients
		if withAPI {
			delay = c.ShutdownDelay
			if door, err = r.open(ctx, cmd, "CONSOLE_ADDR", c.ConsoleAddr, c.Auth, c.TLS, *insecure); err != nil {
				return err
			}
			defer door.close()
		}
		registry, err := r.metrics(ctx, c.Metrics)
		if err != nil {
			return err
		}
		defer registry.stop()
		s, err := service.Open(ctx, service.Config{
			Config: orchestrator.Config{
				Workers: cmp.Or(workers, defaultWorkers()), Schedule: schedule,
				RunRetention: c.RunRetention, JobRetention: c.JobRetention, Log: r.log,
				Notify: orchestrator.NotifyConfig{Receiver: c.Receiver()},
			},
			TargetURL: c.TargetDBURL, SourceURL: c.SourceAPIURL, SourceToken: c.SourceToken(), Listener: door.Listener, Access: c.At(c.ConsoleAddr), Gate: door.gate, Limit: c.Limit(), OpenAPI: r.OpenAPI,
			Metrics: registry, Leaving: ctx.Done(), Certificate: door.certificate,
		})
		if err != nil {
			return err
		}
		defer s.Close()
		working, stop := r.linger(ctx, delay)
		defer stop()
		if err := s.Run(working); err != nil {
			return err
		}
		r.log.InfoContext(ctx, "stopped")
		return nil
	})
}

func defaultWorkers() int { return min(runtime.NumCPU(), service.MaxWorkers) }

// scheduleOf is the schedule that is asked for; the error is of SCHEDULE alone.
func scheduleOf(c config.Schedule, source config.SourceRetention) (orchestrator.ScheduleConfig, error) {
	if _, err := orchestrator.ParseCron(c.Cron); err != nil {
		return orchestrator.ScheduleConfig{}, err
	}
	return orchestrator.ScheduleConfig{
		Cron: c.Cron, CatchUpDays: c.CatchUpDays, StaleDays: c.StaleDays, PartitionStart: c.PartitionStart,
		TodayEvery:      c.TodayEvery,
		SourceRetention: etl.Retention(source.SourceRetentionDays),
		TargetRetention: c.TargetRetentionDays,
	}, nil
}

// insecureFlag adds the flag that lets a server ask nobody who they are.
func insecureFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("insecure", false, "listen where other machines can reach it, and let everybody do everything")
}

// door is where a server listens, who asks clients who they are there, and its certificate, if any.
type door struct {
	net.Listener

	gate        *auth.Gate
	certificate *httpserve.Certificate
}

func (r *runner) open(ctx context.Context, cmd *cobra.Command, variable, addr string, who config.Auth, by config.TLS, insecure bool) (d door, err error) {
	if d.gate, err = who.Gate(); err == nil {
		err = d.gate.Check(variable, addr, insecure)
	}
	if err == nil {
		d.certificate, err = by.Certificate(r.log)
	}
	if err != nil {
		return door{}, usagef(cmd, "%w", err)
	}
	d.Listener, err = listen(ctx, variable, addr)
	return d, err
}

// close closes the listener, which serving has done already, and which does no harm.
func (d door) close() { _ = d.Close() }

func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is taken: stop what listens there, or set %s to a free one, such as 127.0.0.1:8080", addr, variable)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", variable, err)
	}
	return ln, nil
}

// linger returns a context that ends delay after ctx, or at the next signal, for clients to see
// /ready.
func (r *runner) linger(ctx context.Context, delay time.Duration) (context.Context, context.CancelFunc) {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		defer stop()
		if delay == 0 {
			return
		}
		again := make(chan os.Signal, 1)
		signal.Notify(again, endings()...)
		defer signal.Stop(again)
		r.log.InfoContext(ctx, "told to stop: not ready any more, answering for a while yet", "delay", delay)
		select {
		case <-time.After(delay):
		case <-again:
		case <-serving.Done():
		}
	})
	return serving, func() {
		unhook()
		stop()
	}
}

// processMetrics are those of this process, and the listener that shows them.
type processMetrics struct {
	*prometheus.Registry

	stop func() // ends the listener
}

// metrics begins to serve this process's metrics, unless the configuration names no address.
func (r *runner) metrics(ctx context.Context, c config.Metrics) (*processMetrics, error) {
	m := &processMetrics{metrics.NewRegistry(r.Version.Number, r.Version.Commit), func() {}}
	if c.MetricsAddr == "" {
		return m, nil
	}
	if c.Pprof == config.On && !isLoopback(c.MetricsAddr) {
		return nil, &config.Error{
			Variable: "PPROF", Value: c.Pprof, Why: "METRICS_ADDR is " + c.MetricsAddr, Want: "off, or a METRICS_ADDR on loopback such as 127.0.0.1:9464: profiles are not for others",
		}
	}
	ln, err := listen(ctx, "METRICS_ADDR", c.MetricsAddr)
	if err != nil {
		return nil, err
	}
	// It goes on while requests and loads end, which are worth seeing.
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var served sync.WaitGroup
	served.Go(func() {
		err := metrics.Serve(serving, metrics.Config{
			Listener: ln, Metrics: m.Registry, Profiles: c.Pprof == config.On, Log: r.log,
		})
		if err != nil {
			r.log.ErrorContext(ctx, "metrics are not served any more", "error", err)
		}
	})
	m.stop = func() {
		cancel()
		served.Wait()
	}
	r.log.InfoContext(ctx, "serving metrics", "addr", ln.Addr().String())
	return m, nil
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
