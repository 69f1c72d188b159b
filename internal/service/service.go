// Package service is an orchestrator as a process runs it: River's migrations,
// the pools on the target, the job that loads days, the workers and, unless it is
// a bare worker, the target API with its pages. It is wiring alone.
//
//	Open ──> Run: workers and API ──ctx ends──> API drains ──> loads end or stop ──> closed
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/schema"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/metrics"
	"github.com/delfos/delfos/server/target"
)

// MaxWorkers bounds the days in work at once: each takes a session of the target.
const MaxWorkers = 64

const (
	// spareSessions of the job's pool are for the running day, and two that no load holds for long.
	spareSessions = 3
	// patience is how long Open waits for a target that gives no session.
	patience = time.Minute
)

// Config is what a Service needs.
type Config struct {
	orchestrator.Config // Open sets Target, Job and RunLog

	TargetURL string // the database
	SourceURL string // the source API
	// SourceToken is what the source API is asked with.
	SourceToken apiclient.Token
	// Listener is where the API answers; a bare worker has none. Run closes it.
	Listener net.Listener
	Access   httpserve.Access // to the API
	Gate     *auth.Gate       // who may do what there; nil: everybody everything
	Limit    auth.Limit       // of each client
	// Certificate is what the API shows who it is by; nil: there is no TLS.
	Certificate *httpserve.Certificate
	OpenAPI     []byte
	// Metrics takes the metrics of the pools, the API and the orchestrator; nil: there are none.
	Metrics prometheus.Registerer
	// Drain bounds how long answers may go on after the end, 3 s if it is 0; then loads have SoftStop.
	Drain time.Duration
	// Leaving is closed when the process has been told to stop, some time before Run's ctx ends.
	Leaving <-chan struct{}
}

// Service is an orchestrator that is ready to run, or runs.
type Service struct {
	config       Config
	reads        *pgxpool.Pool // the API's; nil in a bare worker
	requests     *httpserve.Metrics
	orchestrator *orchestrator.Orchestrator
	closers      []func()
}

// Open waits for the target if it is away, migrates River's tables and makes ready what Run needs.
// Close the Service in the end, also after Run.
func Open(ctx context.Context, c Config) (_ *Service, err error) {
	c.RunLog = orchestrator.NewRunLog()
	c.Log = slog.New(c.RunLog.Handler(c.Log.Handler()))
	s := &Service{config: c}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if c.Target, err = orchestrator.OpenControl(ctx, c.TargetURL); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, c.Target.Close)
	if err := etl.AwaitTarget(ctx, c.Target, patience, c.Log); err != nil {
		return nil, err
	}
	inUse := sync.OnceFunc(func() {
		c.Log.WarnContext(ctx, "a table of the queue is in use; its migrations are tried again until it is free", "schema", schema.RiverName)
	})
	plan, err := schema.ApplyRiver(ctx, c.TargetURL, schema.Options{Waiting: func(error) { inUse() }})
	if err != nil {
		return nil, dberror.Target.Explain(err)
	}
	if len(plan.Statements) > 0 {
		c.Log.InfoContext(ctx, "applied the queue's migrations", "schema", schema.RiverName)
	}
	owns, err := targetdb.New(c.Target).OwnsQueue(ctx)
	if err != nil {
		return nil, dberror.Target.Explain(err)
	}
	c.LeaveIndexes = !owns
	loads, err := etl.OpenTargetFor(ctx, c.TargetURL, c.Workers+spareSessions)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, loads.Close)
	if c.Listener != nil {
		if s.reads, err = target.OpenPool(ctx, c.TargetURL); err != nil {
			return nil, err
		}
		s.closers = append(s.closers, s.reads.Close)
	}
	job, err := etl.New(ctx, etl.Config{Target: loads, SourceURL: c.SourceURL, SourceToken: c.SourceToken, Log: c.Log})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, job.Close)
	c.Job = job
	s.config.Target = c.Target
	if s.orchestrator, err = orchestrator.New(c.Config); err != nil {
		return nil, err
	}
	return s, s.register(loads, job)
}

func (s *Service) register(loads *pgxpool.Pool, job *etl.Job) error {
	if s.config.Metrics == nil {
		return nil
	}
	all := []prometheus.Collector{
		s.orchestrator.Metrics(), job.Metrics(), metrics.Pool("orchestrator", s.config.Target), metrics.Pool("etl", loads),
	}
	if s.reads != nil {
		s.requests = httpserve.NewMetrics("target")
		all = append(all, s.requests, metrics.Pool("target_api", s.reads))
	}
	for _, c := range all {
		if err := s.config.Metrics.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// Control shows and steers the queue; it works before Run and beside it.
func (s *Service) Control() *orchestrator.Control { return s.orchestrator.Control() }

// Run works and answers until ctx ends, which is no error. Then the API drains, and loads may end for
// a while; what has not ended leaves its day as it was, and goes back to the queue.
func (s *Service) Run(ctx context.Context) error {
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	worked := make(chan error, 1)
	go func() {
		worked <- dberror.Target.Explain(s.orchestrator.Run(working))
		stopServing() // an API alone would take what nobody does
	}()
	err := s.serve(serving, working)
	stopWorking()
	return errors.Join(err, <-worked)
}

// serve answers until ctx ends and requests have drained; a bare worker waits.
func (s *Service) serve(ctx, background context.Context) error {
	c := s.config
	if c.Listener == nil {
		c.Log.InfoContext(ctx, "working", "workers", c.Workers)
		<-ctx.Done()
		return nil
	}
	// Closed already when it came to serving, which does no harm.
	defer func() { _ = c.Listener.Close() }()
	pages, err := target.RiverUI(background, s.orchestrator.River(), c.Log)
	if err != nil {
		return err
	}
	c.Log.InfoContext(ctx, "working, and serving the target API", "workers", c.Workers, "addr", c.Listener.Addr().String(), "tls", c.Certificate != nil)
	handler := target.New(target.Config{
		Control: s.Control(), Pool: s.reads, River: pages, Access: c.Access, Gate: c.Gate, Limit: c.Limit, Log: c.Log, OpenAPI: c.OpenAPI, Metrics: s.requests, Stop: ctx.Done(),
	})
	err = httpserve.Serve(ctx, c.Listener, handler, httpserve.Options{
		Log: c.Log, DrainTimeout: cmp.Or(c.Drain, 3*time.Second), Leaving: c.Leaving, Certificate: c.Certificate,
	})
	if err != nil {
		return fmt.Errorf("target API: %w", err)
	}
	return nil
}

// Close gives back what Open took.
func (s *Service) Close() {
	for _, closer := range slices.Backward(s.closers) {
		closer()
	}
}

// CheckWorker returns an error unless a process of this machine works on the queue.
func CheckWorker(ctx context.Context, targetURL string) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find this machine's name: %w", err)
	}
	pool, err := pgpool.Open(ctx, targetURL, pgpool.Options{Name: "delfos healthcheck", MaxConns: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	alive, err := targetdb.New(pool).AliveWorkers(ctx, host)
	if err != nil {
		return fmt.Errorf("ask the target for signs of life of %s: %w", host, err)
	}
	if alive == 0 {
		return fmt.Errorf("no worker of %s has given a sign of life within its lease", host)
	}
	return nil
}
