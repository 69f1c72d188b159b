package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/schema"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/metrics"
	"github.com/delfos/delfos/server/source"
)

const (
	// drainLimit bounds the end of the APIs, and of loads; stopLimit that of the servers after them.
	drainLimit = time.Second
	stopLimit  = 3 * time.Second
)

type system struct {
	Config

	begun time.Time
	fail  context.CancelCauseFunc

	source, target *database
	services       sync.WaitGroup // the source API and the orchestrator
	watchers       sync.WaitGroup // of the databases

	printing sync.Mutex
}

// part runs a part of the system, whose end by itself ends the demo.
func (s *system) part(group *sync.WaitGroup, name string, run func() error) {
	group.Go(func() {
		if err := run(); err != nil {
			s.fail(&partError{name, err})
		}
	})
}

// A database is an embedded server that runs, and the URL of its tables' owner.
type database struct {
	*localpg.Server

	url string
}

// as is the URL for one of the roles of Delfos, which has the owner's password.
func (d *database) as(role string) string {
	u, err := url.Parse(d.url)
	if err != nil {
		return d.url // it was parsed before
	}
	password := localpg.DefaultUser
	if given, ok := u.User.Password(); ok {
		password = given
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}

// run brings everything up in order and stays until ctx ends.
func (s *system) run(ctx context.Context) error {
	if err := s.databases(ctx); err != nil {
		return err
	}
	// Until the system is up, requests of the demo's own, and warnings of turbines that are faulty on
	// purpose, must not bury the lines that it prints, unless debugging is asked for.
	level := s.Level.Level()
	if level > slog.LevelDebug {
		s.Level.Set(max(level, slog.LevelError))
	}
	api := apiURL(s.Listener.Addr())
	if err := s.serve(ctx, api); err != nil {
		return err
	}
	console := apiURL(s.Console.Addr())
	if err := s.orchestrate(ctx, api, console); err != nil {
		return err
	}
	client, err := apiclient.NewTarget(console, apiclient.Token{})
	if err != nil {
		return err
	}
	if err := s.backfill(ctx, client); err != nil {
		return err
	}
	if s.Once {
		return s.say("It works. Everything is being stopped; the data stays in %s/.", Dir)
	}
	if err := s.late(ctx, client); err != nil {
		return err
	}
	if err := s.say("%s", s.guide(api, console)); err != nil {
		return err
	}
	s.Level.Set(level)
	<-ctx.Done()
	return nil
}

// databases starts both servers, applies the schemas and seeds the source.
func (s *system) databases(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() (err error) {
		if s.source, err = s.start(ctx, schema.Source, s.Pair.Source); err != nil {
			return err
		}
		pool, err := pgpool.Open(ctx, s.source.as(schema.ImportRole), pgpool.Options{})
		if err != nil {
			return err
		}
		defer pool.Close()
		seeded, err := s.seedFarm(ctx, pool)
		if err != nil {
			return err
		}
		return s.step("source: %d days of samples of %d turbines, %d written, %d there already", days, turbines, seeded.Inserted, seeded.Existing)
	})
	work.Go(func() (err error) {
		s.target, err = s.start(ctx, schema.Target, s.Pair.Target)
		return err
	})
	return work.Wait()
}

// start starts a server and applies its schema. It is returned also with an error, to be stopped.
func (s *system) start(ctx context.Context, sc schema.Schema, c Cluster) (*database, error) {
	running, err := localpg.Start(ctx, c.Server)
	if err != nil {
		return nil, fmt.Errorf("%s database: %w", sc.Name, err)
	}
	db := &database{Server: running, url: c.URL(running.Port(), running.URL())}
	s.part(&s.watchers, sc.Name+" database", func() error {
		<-running.Done()
		return running.Err()
	})
	if err := s.step("%s: PostgreSQL on port %d", sc.Name, running.Port()); err != nil {
		return db, err
	}
	if _, err := schema.Apply(ctx, db.url, sc, schema.Options{}); err != nil {
		return db, err
	}
	if sc.Name == schema.Target.Name {
		if _, err := schema.ApplyRiver(ctx, db.url, schema.Options{}); err != nil {
			return db, err
		}
	}
	if _, err := schema.ApplyRoles(ctx, db.url, sc, schema.Options{}); err != nil {
		return db, err
	}
	return db, s.step("%s: schema applied", sc.Name)
}

func (s *system) serve(ctx context.Context, api string) error {
	pool, err := source.OpenPool(ctx, s.source.as(schema.APIRole))
	if err != nil {
		return err
	}
	requests := httpserve.NewMetrics("source")
	if s.Metrics != nil {
		s.Metrics.MustRegister(requests, metrics.Pool("source_api", pool))
	}
	handler := source.New(source.Config{Pool: pool, Log: s.Log, OpenAPI: s.OpenAPI, Access: s.Access, Metrics: requests})
	s.part(&s.services, "source API", func() error {
		defer pool.Close()
		return httpserve.Serve(ctx, s.Listener, handler, httpserve.Options{Log: s.Log, DrainTimeout: drainLimit})
	})
	return s.step("api: listening on %s", api)
}

func (s *system) orchestrate(ctx context.Context, api, console string) error {
	config := s.Orchestrator
	config.TargetURL, config.SourceURL = s.target.as(schema.ETLRole), api
	config.Listener, config.OpenAPI, config.Log = s.Console, s.OpenAPI, slog.New(patient{s.Log.Handler(), ctx})
	config.Drain, config.SoftStop, config.Metrics = drainLimit, drainLimit, s.Metrics
	if config.Schedule.PartitionStart == nil {
		// The days between the demo's and today have no samples.
		config.Schedule.PartitionStart = new(dates.Of(s.begun))
	}
	orchestrator, err := service.Open(ctx, config)
	if err != nil {
		return err
	}
	s.part(&s.services, "orchestrator", func() error {
		defer orchestrator.Close()
		err := orchestrator.Run(ctx)
		if err != nil && ctx.Err() != nil { // what ended the demo is its error then
			config.Log.WarnContext(ctx, "the orchestrator did not end in good order", "error", err)
		}
		return err
	})
	return s.step("orchestrator: %d workers, listening on %s", s.Orchestrator.Workers, console)
}

// backfill has every day loaded over the target API, and prints what that came to.
func (s *system) backfill(ctx context.Context, api *targetclient.Client) error {
	from, to := &targetapi.Day{Time: s.FirstDay}, &targetapi.Day{Time: s.FirstDay.AddDate(0, 0, days-1)}
	plan, err := apiclient.Ask[targetapi.RunPlan](api.CreateRun(ctx, &targetapi.CreateRunParams{}, targetapi.RunRequest{From: *from, To: *to}))
	switch {
	case err != nil:
		return fmt.Errorf("etl: start a backfill: %w", err)
	case plan.Value.Id == nil:
		return errors.New("etl: start a backfill: the answer has no run")
	}
	run, err := apiclient.Follow(ctx, slog.New(patient{s.Log.Handler(), ctx}), api, *plan.Value.Id, func(targetapi.Run) error { return nil })
	if err != nil {
		return fmt.Errorf("etl: follow the backfill: %w", err)
	}
	partitions, err := apiclient.Ask[targetapi.PartitionList](api.ListPartitions(ctx, &targetapi.ListPartitionsParams{From: from, To: to}))
	if err != nil {
		return fmt.Errorf("etl: list partitions: %w", err)
	}
	if run.Value.State != enum.RunStateDone {
		return fmt.Errorf("etl: %w", failures(partitions.Value.Partitions))
	}
	revisions, err := apiclient.Ask[targetapi.RevisionList](api.ListRevisions(ctx, &targetapi.ListRevisionsParams{From: from, To: to}))
	if err != nil {
		return fmt.Errorf("etl: list revisions: %w", err)
	}
	var samples, rows int64
	for _, p := range partitions.Value.Partitions {
		rows += p.Rows
		if p.Samples != nil {
			samples += *p.Samples
		}
	}
	return s.step("etl: %d days done, %d samples read, %d values in the target, %d of them written now",
		run.Value.Partitions.Done, samples, rows, written(revisions.Value.Revisions))
}

// written counts the values of each day's newest revision, which comes first.
func written(revisions []targetapi.Revision) (count int64) {
	seen := map[string]bool{}
	for _, r := range revisions {
		if day := r.Day.String(); !seen[day] {
			seen[day] = true
			for _, n := range []*int64{r.Inserted, r.Updated, r.Deleted} {
				if n != nil {
					count += *n
				}
			}
		}
	}
	return count
}

func failures(partitions []targetapi.Partition) error {
	var failed []error
	for _, p := range partitions {
		switch {
		case p.State == enum.PartitionStateDone:
		case p.Error != nil:
			failed = append(failed, fmt.Errorf("%s: %s", p.Day, *p.Error))
		default:
			failed = append(failed, fmt.Errorf("%s: it is %s", p.Day, p.State))
		}
	}
	if len(failed) == 0 {
		return errors.New("the backfill was cut short")
	}
	return errors.Join(failed...)
}

// stop ends what runs, the databases last, when run has returned and its context has ended.
func (s *system) stop(ctx context.Context) {
	s.services.Wait()
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	for _, db := range []*database{s.source, s.target} {
		if db == nil {
			continue
		}
		s.watchers.Go(func() {
			if err := db.Stop(ctx); err != nil {
				s.Log.ErrorContext(ctx, "stop PostgreSQL", "error", err)
			}
		})
	}
	s.watchers.Wait()
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

// Dir is the folder, below the working directory, that holds the embedded servers' data.
const Dir = ".delfos"

// A Pair is the configuration of the two embedded servers.
type Pair struct {
	Source, Target Cluster
}

// A Cluster is one embedded server and the URL that it is to answer at.
type Cluster struct {
	variable string
	url      *url.URL
	Server   localpg.Config
}

// NewPair takes ports, users, passwords and database names from URLs that point at this machine. Data
// goes to dir/source and dir/target. The error joins a *config.Error each fault.
func NewPair(sourceURL, targetURL, dir, binDir string, log *slog.Logger) (Pair, error) {
	source, err := newCluster("SOURCE_DB_URL", sourceURL, filepath.Join(dir, "source"), binDir, log)
	target, bad := newCluster("TARGET_DB_URL", targetURL, filepath.Join(dir, "target"), binDir, log)
	if err = errors.Join(err, bad); err == nil && source.Server.Port == target.Server.Port && source.Server.Port != 0 {
		err = &config.Error{Variable: "TARGET_DB_URL", Value: config.Redact(targetURL), Want: "another port than that of SOURCE_DB_URL"}
	}
	return Pair{Source: source, Target: target}, err
}

func newCluster(variable, value, dir, binDir string, log *slog.Logger) (Cluster, error) {
	fault := func(want string) (Cluster, error) {
		return Cluster{}, &config.Error{Variable: variable, Value: config.Redact(value), Want: want}
	}
	parsed, err := pgpool.Parse(value)
	if err != nil {
		return fault("a URL such as postgres://user:password@localhost:5433/database")
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || slices.ContainsFunc([]string{"host", "port", "user", "password", "dbname"}, u.Query().Has) {
		// Keywords, or pieces behind the question mark.
		c := parsed.ConnConfig
		u = &url.URL{
			Scheme: "postgres", User: url.UserPassword(c.User, c.Password), Path: "/" + c.Database, RawQuery: "sslmode=disable",
			Host: net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))),
		}
	}
	if host := u.Hostname(); host != "localhost" && host != "127.0.0.1" {
		return fault("the host localhost, since the embedded servers run on this machine")
	}
	port := uint64(5432) // PostgreSQL's own, as every client takes it
	if u.Port() != "" {
		if port, err = strconv.ParseUint(u.Port(), 10, 16); err != nil {
			return fault("a port from 0 to 65535")
		}
	}
	password, _ := u.User.Password()
	return Cluster{variable: variable, url: u, Server: localpg.Config{
		Dir: dir, Port: int(port), BinDir: binDir, Log: log,
		User: u.User.Username(), Password: password, Database: strings.TrimPrefix(u.Path, "/"),
		// With the password of the user, who may do all that they may.
		Roles: schema.RoleStatements(cmp.Or(u.User.Username(), localpg.DefaultUser), cmp.Or(password, localpg.DefaultUser)),
	}}, nil
}

// URL is the configured URL, with the port, user and password that the server really has.
func (c Cluster) URL(port int, serverURL string) string {
	u := *c.url
	u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
	if served, err := url.Parse(serverURL); err == nil && u.User == nil {
		u.User = served.User
	}
	return u.String()
}
