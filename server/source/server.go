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
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/pgpool"
	"github.com/delfos/delfos/internal/tracing"
	"github.com/delfos/delfos/server/apidocs"
	"github.com/delfos/delfos/server/auth"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// Config is what the API needs. Zero durations take the defaults named.
type Config struct {
	Pool    *pgxpool.Pool // of the source database; OpenPool makes a fit one
	Access  httpserve.Access
	Gate    *auth.Gate         // who may do what; nil: everybody everything
	Limit   auth.Limit         // of each client
	Log     *slog.Logger       // slog.Default()
	OpenAPI []byte             // openapi.yaml, served as it is and shown by the docs
	Metrics *httpserve.Metrics // nil: requests are not counted

	WriteTimeout   time.Duration   // httpserve.WriteTimeout: for a client to take a chunk
	Floor          httpserve.Floor // of what a client has to take
	ReadyFor       time.Duration   // 10 s for /ready to look for all that the queries name
	AcquireTimeout time.Duration   // 5 s for a session, or a place among those who wait for their clients, to be free
}

// Server answers the operations of the source API.
type Server struct{ sessions *sessions.Sessions }

var _ sourceserver.StrictServerInterface = (*Server)(nil)

// New returns the handler of the whole API. It asks nothing of the database
// before the first request that does.
func New(config Config) http.Handler {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	s := &Server{sessions.New(config.Pool, sessions.NewCheck(dberror.Source, sourcedb.New, config.ReadyFor), config.AcquireTimeout)}
	chain := httpserve.Chain{Log: config.Log, WriteTimeout: config.WriteTimeout, Floor: config.Floor, Metrics: config.Metrics, Fail: problem.Write}

	r := chi.NewRouter()
	r.Use(chain.Middleware, config.Access.Middleware(problem.Write), httpserve.HeadAsGet, stream.JoinIfNoneMatch)
	problem.Routes(r)
	r.Get("/", apidocs.Home)
	apidocs.Mount(r, "Delfos source API", "source", config.OpenAPI)

	fail := problem.Of(dberror.Source)
	sourceserver.Route(r, s, fail, param.Noted, config.Gate.Hook(fail), config.Limit.Hook(fail), param.Hook(fail), stream.Acceptable(fail), withRequest)
	return tracing.Handler("source api", r)
}

func withRequest(_ param.Operation, next http.Handler) http.Handler {
	return httpserve.WithRequest(next)
}

// OpenPool returns a pool for the API on the source database; see
// sessions.OpenPool. A pooler that keeps no sessions gives each request its own
// transaction instead.
//
// Its sessions read by index: without statistics, as after a first seed, a planner
// would look through all of data for one day. And they don't sort while an index
// gives the order: a planner that counts the cost of the whole answer prefers to
// collect and sort a fleet's day, and the client would wait for its first byte
// until the last row is read.
func OpenPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	return sessions.OpenPool(ctx, dberror.Source, url, pgpool.Options{
		Name:     "delfos api",
		Shared:   true,
		Settings: map[string]string{"enable_seqscan": "off", "enable_sort": "off"},
	})
}

// GetHealth implements sourceserver.StrictServerInterface: the process is up.
func (s *Server) GetHealth(context.Context, sourceserver.GetHealthRequestObject) (sourceserver.GetHealthResponseObject, error) {
	return sourceserver.GetHealth200JSONResponse{Status: sourceapi.Ok}, nil
}

// GetReady implements sourceserver.StrictServerInterface.
func (s *Server) GetReady(ctx context.Context, _ sourceserver.GetReadyRequestObject) (sourceserver.GetReadyResponseObject, error) {
	return sourceserver.GetReady200JSONResponse{Status: sourceapi.Ok}, s.sessions.Ready(ctx)
}
