// Package source is the source API: the HTTP face of the database of one-minute
// readings, as openapi.yaml declares it under the tag source. Handlers are
// short; what they share with the target API stands in server/ (httpserve,
// problem, param, stream, apidocs).
//
// A request's way: httpserve's middleware, the generated router, param's check,
// the generated binding, the handler, server/stream. Every error on
// that way is answered by server/problem.
package source

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/server/apidocs"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/readiness"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// Config is what the API needs. Zero durations take the defaults named.
type Config struct {
	Pool    *pgxpool.Pool // of the source database; OpenPool makes a fit one
	Access  httpserve.Access
	Log     *slog.Logger // slog.Default()
	OpenAPI []byte       // openapi.yaml, served as it is and shown by the docs

	WriteTimeout   time.Duration   // httpserve.WriteTimeout: for a client to take a chunk
	Floor          httpserve.Floor // of what a client has to take
	ReadyFor       time.Duration   // readiness.Lifetime: for /ready to look for all that the queries name
	AcquireTimeout time.Duration   // 5 s for a session, or a place among those who wait for their clients, to be free
}

// Server answers the operations of the source API.
type Server struct {
	sessions *sessions.Sessions
	ready    *readiness.Check
}

var _ sourceserver.StrictServerInterface = (*Server)(nil)

// New returns the handler of the whole API. It asks nothing of the database
// before the first request that does.
func New(config Config) http.Handler {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.AcquireTimeout == 0 {
		config.AcquireTimeout = 5 * time.Second
	}
	s := &Server{
		sessions: sessions.New(config.Pool, "source", config.AcquireTimeout),
		ready:    readiness.Of(dberror.Source, sourcedb.New, config.ReadyFor),
	}
	chain := httpserve.Chain{Log: config.Log, WriteTimeout: config.WriteTimeout, Floor: config.Floor, Fail: problem.Write}

	r := chi.NewRouter()
	r.Use(chain.Middleware, config.Access.Middleware(problem.Write), httpserve.HeadAsGet, joinIfNoneMatch)
	problem.Routes(r)
	apidocs.Mount(r, "Delfos source API", "source", config.OpenAPI)

	checks := param.Formats{"cursor": checkCursor}
	sourceserver.Route(r, s, problem.Of(dberror.Source), checks.Hook(problem.Write), stream.Acceptable(problem.Write), withRequest)
	return r
}

// Options bound what a client may cost; see httpserve.
type Options = httpserve.Options

// Serve answers on ln until ctx ends, and drains then; see httpserve.Serve.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler, options Options) error {
	return httpserve.Serve(ctx, ln, handler, options)
}

func withRequest(_ param.Operation, next http.Handler) http.Handler {
	return httpserve.WithRequest(next)
}
