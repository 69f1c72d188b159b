package demo

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/schema"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/source"
)

const (
	// drainLimit bounds the end of the APIs, and of loads; stopLimit that of the
	// servers after them.
	drainLimit = time.Second
	stopLimit  = 3 * time.Second
)

// A system is what Run has started so far.
type system struct {
	Config

	begun time.Time
	fail  context.CancelCauseFunc
	talk  func() // from now on, log requests

	source, target *database
	pool           *pgxpool.Pool  // the source API's
	served         chan struct{}  // closed when the source API has ended; nil before it serves
	orchestrated   chan struct{}  // closed when the orchestrator has; nil before it runs
	parts          sync.WaitGroup // both, and who watches the servers

	printing sync.Mutex
}

// A database is an embedded server that runs, and the URL to use it by.
type database struct {
	*localpg.Server

	url string
}

// run brings everything up in order and stays until ctx ends.
func (s *system) run(ctx context.Context) error {
	if err := s.databases(ctx); err != nil {
		return err
	}
	api := apiURL(s.Listener.Addr())
	if err := s.serve(ctx); err != nil {
		return err
	}
	if err := s.step("api: listening on %s", api); err != nil {
		return err
	}
	console := apiURL(s.Console.Addr())
	if err := s.orchestrate(ctx, api); err != nil {
		return err
	}
	if err := s.step("orchestrator: %d workers, listening on %s", s.Orchestrator.Workers, console); err != nil {
		return err
	}
	if err := s.backfill(ctx, console); err != nil {
		return err
	}
	if s.Once {
		return s.say("It works. Everything is being stopped; the data stays in %s/.", Dir)
	}
	if err := s.say("%s", s.guide(api, console)); err != nil {
		return err
	}
	s.talk()
	<-ctx.Done()
	return nil
}

// databases starts both servers, applies the schemas and seeds the source, the
// source's steps beside the target's.
func (s *system) databases(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() (err error) {
		if s.source, err = s.start(ctx, schema.Source, s.Pair.Source); err != nil {
			return err
		}
		pool, err := pgpool.Open(ctx, s.source.url, pgpool.Options{})
		if err != nil {
			return err
		}
		defer pool.Close()
		seeded, err := seed.Run(ctx, pool, seed.Options{Start: s.FirstDay, Days: days, Turbines: 1})
		if err != nil {
			return err
		}
		return s.step("source: %d days of samples, %d written, %d there already", days, seeded.Inserted, seeded.Existing)
	})
	work.Go(func() (err error) {
		s.target, err = s.start(ctx, schema.Target, s.Pair.Target)
		return err
	})
	return work.Wait()
}

// start starts one server and applies its schema. The server is returned also
// with an error, to be stopped.
func (s *system) start(ctx context.Context, sc schema.Schema, c Cluster) (*database, error) {
	running, err := localpg.Start(ctx, c.Server)
	if err != nil {
		return nil, fmt.Errorf("%s database: %w", sc.Name, err)
	}
	db := &database{Server: running, url: c.URL(running.Port(), running.URL())}
	s.parts.Go(func() {
		<-running.Done()
		if err := running.Err(); err != nil {
			s.fail(&partError{sc.Name + " database", err})
		}
	})
	if err := s.step("%s: PostgreSQL on port %d", sc.Name, running.Port()); err != nil {
		return db, err
	}
	if _, err := schema.Apply(ctx, db.url, sc, schema.Options{}); err != nil {
		return db, err
	}
	return db, s.step("%s: schema applied", sc.Name)
}

// serve answers on the listener until ctx ends.
func (s *system) serve(ctx context.Context) (err error) {
	if s.pool, err = source.OpenPool(ctx, s.source.url); err != nil {
		return err
	}
	s.served = make(chan struct{})
	handler := source.New(source.Config{Pool: s.pool, Log: s.Log, OpenAPI: s.OpenAPI, Access: s.Access})
	s.parts.Go(func() {
		defer close(s.served)
		if err := source.Serve(ctx, s.Listener, handler, httpserve.Options{Log: s.Log, DrainTimeout: drainLimit}); err != nil {
			s.fail(&partError{"source API", err})
		}
	})
	return nil
}

// orchestrate works on the queue until ctx ends.
func (s *system) orchestrate(ctx context.Context, api string) error {
	config := s.Orchestrator
	config.TargetURL, config.SourceURL = s.target.url, api
	config.Listener, config.OpenAPI, config.Log = s.Console, s.OpenAPI, newPatient(ctx, s.Log)
	config.Drain, config.SoftStop = drainLimit, drainLimit
	if config.Schedule.PartitionStart == nil {
		// The days between the demo's and today have no samples, and needn't be
		// looked for.
		config.Schedule.PartitionStart = new(dates.Of(s.begun))
	}
	orchestrator, err := service.Open(ctx, config)
	if err != nil {
		return err
	}
	s.orchestrated = make(chan struct{})
	s.parts.Go(func() {
		defer close(s.orchestrated)
		defer orchestrator.Close()
		if err := orchestrator.Run(ctx); err != nil {
			if ctx.Err() != nil { // and who ended it is to be told of
				config.Log.WarnContext(ctx, "the orchestrator did not end in good order", "error", err)
			}
			s.fail(&partError{"orchestrator", err})
		}
	})
	return nil
}

// backfill has every day loaded, as anybody would over the target API.
func (s *system) backfill(ctx context.Context, console string) error {
	api, err := newClient(console)
	if err != nil {
		return err
	}
	from, to := s.FirstDay, s.FirstDay.AddDate(0, 0, days-1)
	run, err := api.backfill(ctx, from, to)
	if err != nil {
		return fmt.Errorf("etl: %w", err)
	}
	sum, err := api.totals(ctx, from, to)
	if err != nil {
		return fmt.Errorf("etl: %w", err)
	}
	return s.step("etl: %d days done, %d samples read, %d values in the target, %d of them written now",
		run.Partitions.Done, sum.samples, sum.rows, sum.written)
}

// stop ends what runs, the orchestrator and the API first. It is called when run
// has returned and its context has ended.
func (s *system) stop(ctx context.Context) {
	if s.orchestrated != nil {
		<-s.orchestrated
	}
	if s.served != nil {
		<-s.served
	}
	if s.pool != nil {
		s.pool.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	var stopping sync.WaitGroup
	for _, db := range []*database{s.source, s.target} {
		if db == nil {
			continue
		}
		stopping.Go(func() {
			if err := db.Stop(ctx); err != nil {
				s.Log.ErrorContext(ctx, "stop PostgreSQL", "error", err)
			}
		})
	}
	stopping.Wait()
	s.parts.Wait()
}

// apiURL is how this machine reaches the API; localhost for people to read.
func apiURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsUnspecified() || ip.Equal(net.IPv4(127, 0, 0, 1))) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
