// Package target is the target API: it shows and steers the partitions, and serves
// the 10-minute values, as openapi.yaml declares it under the tag target.
// Handlers are short: what steers runs is orchestrator.Control's, and what they
// share with the source API stands in server/ (httpserve, problem, param,
// stream, apidocs).
//
// A request's way: httpserve's middleware, the generated router, param's check of
// path, query and body, the generated binding, the handler. Every error on that
// way is answered by server/problem. River UI, under /river/, is another's
// program and takes the middlewares of httpserve alone.
package target

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/tracing"
	"github.com/delfos/delfos/server/apidocs"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/console"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// Partitions shows days and forgets them.
type Partitions interface {
	Grid(ctx context.Context, from, to time.Time) ([]targetdb.ReadGridRow, error)
	Page(ctx context.Context, from, to *time.Time) (orchestrator.Page, error)
	Forget(ctx context.Context, day time.Time, force bool) error
}

// Schedule shows how it stands with everything, and pauses what is loaded by itself.
type Schedule interface {
	Status(ctx context.Context) (orchestrator.Status, error)
	Schedule(ctx context.Context) (orchestrator.ScheduleState, error)
	Pause(ctx context.Context, paused bool) error
}

// Control shows and steers days and runs; *orchestrator.Control does.
type Control interface {
	Partitions
	Schedule
	Runs(ctx context.Context, limit int32, before int64) ([]targetdb.ReadRunsRow, error)
	Run(ctx context.Context, id int64) (targetdb.ReadRunsRow, error)
	Waiting(ctx context.Context, id int64) (orchestrator.Waiting, error)
	Start(ctx context.Context, r orchestrator.StartRequest) (orchestrator.Plan, error)
	Cancel(ctx context.Context, id int64) error
	Retry(ctx context.Context, id int64) error
	Events(ctx context.Context, after int64, each func(orchestrator.Event) error) error
}

var _ Control = (*orchestrator.Control)(nil)

// Config is what the API needs. Zero values take the defaults named.
type Config struct {
	Control Control
	Pool    *pgxpool.Pool // of the target database; OpenPool makes a fit one
	River   http.Handler  // served under /river/, as RiverUI makes it; nil: nothing is there
	Access  httpserve.Access
	Gate    *auth.Gate         // who may do what; nil: everybody everything
	Limit   auth.Limit         // of each client
	Log     *slog.Logger       // slog.Default()
	OpenAPI []byte             // openapi.yaml, served as it is and shown by the docs
	Metrics *httpserve.Metrics // nil: requests are not counted
	Now     func() time.Time
	// Stop is closed when the server begins to drain: streams of events, which
	// would not end by themselves, end then. nil: they end with their clients.
	Stop <-chan struct{}

	WriteTimeout   time.Duration   // httpserve.WriteTimeout: for a client to take a chunk
	Floor          httpserve.Floor // of what a client has to take
	ReadyFor       time.Duration   // 10 s for /ready to look for all that the queries name
	AcquireTimeout time.Duration   // 5 s for a session, or a place among those who wait for their clients, to be free
	Heartbeat      time.Duration   // 15 s between two signs of life of a stream of events
	Followers      int             // 1000 streams of events at once
}

// Server answers the operations of the target API.
type Server struct {
	Config
	sessions  *sessions.Sessions
	followers chan struct{} // a token each
}

var _ targetserver.StrictServerInterface = (*Server)(nil)

// New returns the handler of the whole API. It asks nothing of the database
// before the first request that does.
func New(config Config) http.Handler {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Heartbeat == 0 {
		config.Heartbeat = 15 * time.Second
	}
	if config.Followers == 0 {
		config.Followers = 1000
	}
	s := &Server{
		Config:    config,
		sessions:  sessions.New(config.Pool, sessions.NewCheck(dberror.Target, targetdb.New, config.ReadyFor), config.AcquireTimeout),
		followers: make(chan struct{}, config.Followers),
	}
	chain := httpserve.Chain{Log: config.Log, WriteTimeout: config.WriteTimeout, Floor: config.Floor, Metrics: config.Metrics, Fail: problem.Write}

	r := chi.NewRouter()
	r.Use(chain.Middleware, config.Access.Middleware(problem.Write), httpserve.HeadAsGet, stream.JoinIfNoneMatch)
	problem.Routes(r)
	console.Mount(r)
	apidocs.Mount(r, "Delfos target API", "target", config.OpenAPI)
	if config.River != nil {
		r.Mount(riverPrefix, config.Gate.Require(targetapi.Admin, signInFirst, config.River))
	}

	targetserver.Route(r, s, fail, param.Noted, config.Gate.Hook(fail), config.Limit.Hook(fail), param.Hook(fail), stream.Acceptable(fail), momentary, stream.Packed)
	return tracing.Handler("target api", r)
}

// signInFirst leads a browser that is not signed in to the console, which asks for a token.
func signInFirst(w http.ResponseWriter, r *http.Request, err error) {
	if problem.IsUnauthorized(err) && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, httpserve.PathOf(r, "/"), http.StatusSeeOther)
		return
	}
	fail(w, r, err)
}

// fail answers with an error of an operation. Some answers take the source API,
// which may be away as the database may.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, extract.ErrAway) {
		err = problem.SourceUnavailable(err)
	}
	problem.Of(dberror.Target)(w, r, err)
}

// momentary says that what is answered holds for the moment.
func momentary(_ param.Operation, next http.Handler) http.Handler {
	return httpserve.WithRequest(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	}))
}

// OpenPool returns a pool for the API on the target database, beside that of
// the orchestrator, whose sessions are short: a long answer is read as fast as
// its client takes it. See sessions.OpenPool.
//
// Its sessions read by key: a planner without statistics, as after a first
// backfill, would look through all of data for one day, or through a day of all
// turbines for a few of them.
func OpenPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	return sessions.OpenPool(ctx, dberror.Target, url, pgpool.Options{
		Name:     "delfos target api",
		Settings: map[string]string{"enable_bitmapscan": "off", "enable_seqscan": "off"},
	})
}

// GetHealth implements targetserver.StrictServerInterface: the process is up.
func (s *Server) GetHealth(context.Context, targetserver.GetHealthRequestObject) (targetserver.GetHealthResponseObject, error) {
	return targetserver.GetHealth200JSONResponse{Status: targetapi.Ok}, nil
}

// GetReady implements targetserver.StrictServerInterface.
func (s *Server) GetReady(ctx context.Context, _ targetserver.GetReadyRequestObject) (targetserver.GetReadyResponseObject, error) {
	return targetserver.GetReady200JSONResponse{Status: targetapi.Ok}, s.sessions.Ready(ctx)
}
