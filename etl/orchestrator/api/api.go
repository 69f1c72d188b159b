// Package api is the target API: it shows and steers the partitions, and serves
// the 10-minute values, as openapi.yaml declares it under the tag target.
// Handlers are short: what steers runs is orchestrator.Control's, and what they
// share with the source API lives in internal/ (httpserve, problem, param,
// stream, apidocs).
//
// A request's way: httpserve's middleware, param's check of path and query,
// checkBodies, the generated router and binding, the handler. Every error on that
// way is answered by internal/problem. River UI, under /river/, is another's
// program and takes the middlewares of httpserve alone.
package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/etl/source"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/apidocs"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/internal/param"
	"github.com/delfos/delfos/internal/problem"
	"github.com/delfos/delfos/internal/readiness"
	"github.com/delfos/delfos/internal/sessions"
	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/internal/stream"
)

// Partitions shows days and forgets them.
type Partitions interface {
	Grid(ctx context.Context, from, to time.Time) ([]targetdb.ReadGridRow, error)
	Page(ctx context.Context, from, to *time.Time) (orchestrator.Page, error)
	Forget(ctx context.Context, day time.Time, force bool) error
}

// Control shows and steers days and runs; *orchestrator.Control does.
type Control interface {
	Partitions
	Runs(ctx context.Context, limit int32, before int64) ([]targetdb.ReadRunsRow, error)
	Run(ctx context.Context, id int64) (targetdb.ReadRunsRow, error)
	Start(ctx context.Context, r orchestrator.StartRequest) (orchestrator.Plan, error)
	Cancel(ctx context.Context, id int64) error
	Retry(ctx context.Context, id int64) error
	Pause(ctx context.Context, paused bool) error
	Schedule(ctx context.Context) (orchestrator.ScheduleState, error)
	Events(ctx context.Context, after int64, each func(orchestrator.Event) error) error
}

var _ Control = (*orchestrator.Control)(nil)

// Config is what the API needs. Zero values take the defaults named.
type Config struct {
	Control Control
	Pool    *pgxpool.Pool // of the target database; OpenPool makes a fit one
	River   http.Handler  // served under /river/, as RiverUI makes it; nil: nothing is there
	Access  httpserve.Access
	Log     *slog.Logger // slog.Default()
	OpenAPI []byte       // openapi.yaml, served as it is and shown by the docs
	Now     func() time.Time
	// Stop is closed when the server begins to drain: streams of events, which
	// would not end by themselves, end then. nil: they end with their clients.
	Stop <-chan struct{}

	WriteTimeout   time.Duration   // httpserve.WriteTimeout: for a client to take a chunk
	Floor          httpserve.Floor // of what a client has to take
	ReadyFor       time.Duration   // readiness.Lifetime: for /ready to look for all that the queries name
	AcquireTimeout time.Duration   // 5 s for a session, or a place among those who wait for their clients, to be free
	Heartbeat      time.Duration   // 15 s between two signs of life of a stream of events
	Followers      int             // 1000 streams of events at once
}

// Server answers the operations of the target API.
type Server struct {
	Config
	sessions  *sessions.Sessions
	ready     *readiness.Check
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
	if config.AcquireTimeout == 0 {
		config.AcquireTimeout = 5 * time.Second
	}
	if config.Heartbeat == 0 {
		config.Heartbeat = 15 * time.Second
	}
	if config.Followers == 0 {
		config.Followers = 1000
	}
	s := &Server{
		Config:    config,
		sessions:  sessions.New(config.Pool, "target", config.AcquireTimeout),
		ready:     readiness.Of(dberror.Target, targetdb.New, config.ReadyFor),
		followers: make(chan struct{}, config.Followers),
	}
	chain := httpserve.Chain{Log: config.Log, WriteTimeout: config.WriteTimeout, Floor: config.Floor, Fail: problem.Write}

	r := chi.NewRouter()
	r.Use(chain.Middleware, config.Access.Middleware(problem.Write), httpserve.HeadAsGet, operations().Middleware(problem.Write), checkBodies)
	problem.Routes(r)
	apidocs.Mount(r, "Delfos target API", config.OpenAPI)
	if config.River != nil {
		r.Mount(riverPrefix, config.River)
	}

	strict := targetserver.NewStrictHandlerWithOptions(s, []targetserver.StrictMiddlewareFunc{acceptable}, targetserver.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  problem.Write,
		ResponseErrorHandlerFunc: fail,
	})
	return targetserver.HandlerWithOptions(strict, targetserver.ChiServerOptions{
		BaseRouter:       r,
		Middlewares:      []targetserver.MiddlewareFunc{momentary, httpserve.WithRequest},
		ErrorHandlerFunc: refuse,
	})
}

// operations are the parameters of openapi.yaml; a test holds them against it.
func operations() param.Operations {
	var formats []string
	for _, f := range stream.Formats() {
		formats = append(formats, f.Name)
	}
	var (
		from     = param.Param{Name: "from", Check: param.Day}
		to       = param.Param{Name: "to", Check: param.Day}
		start    = param.Param{Name: "start", Required: true, Check: param.Timestamp}
		end      = param.Param{Name: "end", Required: true, Check: param.Timestamp}
		turbines = param.Param{Name: "turbines", List: true, Check: param.Turbines}
		id       = param.Param{Name: "id", Path: true, Check: param.Whole(1, math.MaxInt64)}
		limit    = func(most int) param.Param { return param.Param{Name: "limit", Check: param.Whole(1, most)} }
	)
	return param.Operations{
		"/partitions": {from, to},
		"DELETE /partitions/{day}": {
			{Name: "day", Path: true, Check: param.Day},
			{Name: "force", Check: param.OneOf("false", "true")},
		},
		"/runs":                  {limit(maxRuns), {Name: "before", Check: param.Whole(1, math.MaxInt64)}},
		"POST /runs":             nil,
		"/runs/{id}":             {id},
		"/runs/{id}/log":         {id, {Name: "after", Check: param.Whole(0, math.MaxInt64)}, limit(maxEntries)},
		"POST /runs/{id}/cancel": {id},
		"POST /runs/{id}/retry":  {id},
		"/schedule":              nil,
		"PATCH /schedule":        nil,
		"/checks":                {from, to, {Name: "status", Check: param.OneOf("pass", "warn", "block")}},
		"/flags":                 {start, end, turbines},
		"/signals":               nil,
		"/revisions":             {from, to, limit(maxRevisions)},
		"/windows": {
			start, end,
			{Name: "signals", List: true, Check: param.OneOf(signal.Names()...)},
			turbines,
			{Name: "wide", Check: param.OneOf("false", "true")},
			{Name: "naming", Check: param.OneOf(namingDelfos, namingOpenOA)},
			{Name: "label", Check: param.OneOf(labelStart, labelEnd)},
			{Name: "format", Check: param.OneOf(formats...)},
		},
		"/events": nil,
		"/health": nil,
		"/ready":  nil,
	}
}

// fail answers with an error of an operation. Some answers take the source API,
// which may be away as the database may.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, source.ErrAway) {
		err = problem.SourceUnavailable(err)
	}
	problem.Of(dberror.Target)(w, r, err)
}

// refuse answers what the generated binding does not take of a header; the rest
// was checked before.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*targetserver.TooManyValuesForParamError](err); ok {
		err = problem.Parameters(problem.Unknown(e.ParamName, "may stand once"))
	} else if e, ok := errors.AsType[*targetserver.InvalidParamFormatError](err); ok {
		err = problem.Parameters(problem.Unknown(e.ParamName, "is malformed"))
	}
	problem.Write(w, r, err)
}

// acceptable refuses requests that don't take what an operation answers, before
// anything is done for them. The formats of /windows are its own matter.
func acceptable(next targetserver.StrictHandlerFunc, operation string) targetserver.StrictHandlerFunc {
	offer := stream.Formats()[:1]
	switch operation {
	case "GetWindows", "GetHealth", "GetReady", "ForgetPartition":
		return next
	case "GetEvents":
		offer = []stream.Format{{Name: "events", MediaType: eventStream}}
	}
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		if _, err := stream.Negotiate(r.Header.Values("Accept"), "", offer); err != nil {
			return nil, err
		}
		return next(ctx, w, r, request)
	}
}

// momentary says that what is answered holds for the moment.
func momentary(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
