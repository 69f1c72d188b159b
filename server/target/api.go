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
	"cmp"
	"context"
	"errors"
	"fmt"
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

// Config is what the API needs. Zero values take the defaults named.
type Config struct {
	Control *orchestrator.Control
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

type server struct {
	Config
	sessions  *sessions.Sessions
	followers chan struct{} // a token each
}

var _ targetserver.StrictServerInterface = (*server)(nil)

// New returns the handler of the whole API. It asks nothing of the database
// before the first request that does.
func New(config Config) http.Handler {
	config.Log = cmp.Or(config.Log, slog.Default())
	if config.Now == nil {
		config.Now = time.Now
	}
	config.Heartbeat, config.Followers = cmp.Or(config.Heartbeat, 15*time.Second), cmp.Or(config.Followers, 1000)
	s := &server{
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

func (s *server) GetHealth(context.Context, targetserver.GetHealthRequestObject) (targetserver.GetHealthResponseObject, error) {
	return targetserver.GetHealth200JSONResponse{Status: targetapi.Ok}, nil
}

func (s *server) GetReady(ctx context.Context, _ targetserver.GetReadyRequestObject) (targetserver.GetReadyResponseObject, error) {
	return targetserver.GetReady200JSONResponse{Status: targetapi.Ok}, s.sessions.Ready(ctx)
}

const (
	// sessionTime is how long a browser stays signed in, if its token lasts so long.
	sessionTime = 12 * time.Hour
	// maxToken is how many bytes of a token a browser keeps in a cookie, less its name
	// and attributes.
	maxToken = 3800
)

func (s *server) GetSession(ctx context.Context, _ targetserver.GetSessionRequestObject) (targetserver.GetSessionResponseObject, error) {
	if s.Gate == nil {
		return targetserver.GetSession200JSONResponse{Required: false}, nil
	}
	client, err := s.Gate.Of(httpserve.RequestOf(ctx))
	if problem.IsUnauthorized(err) {
		return targetserver.GetSession200JSONResponse{Required: true}, nil
	}
	return targetserver.GetSession200JSONResponse(session(client)), err
}

// The cookie is the token itself, so that every server of a farm knows it and none keeps
// sessions, and so that it ends when the token is revoked.
func (s *server) CreateSession(ctx context.Context, request targetserver.CreateSessionRequestObject) (targetserver.CreateSessionResponseObject, error) {
	token := request.Body.Token
	if len(token) > maxToken {
		return nil, problem.Parameters(problem.Unknown("token", fmt.Sprintf("has %d bytes, more than the %d that a browser keeps", len(token), maxToken)))
	}
	if s.Gate == nil {
		return targetserver.CreateSession200JSONResponse{}, nil
	}
	client, err := s.Gate.Identify(ctx, token)
	if err != nil {
		return nil, err
	}
	httpserve.NoteActor(ctx, client.Actor)
	if end := time.Now().Add(sessionTime); client.Expires.IsZero() || client.Expires.After(end) {
		client.Expires = end
	}
	cookie := sessionCookie(httpserve.RequestOf(ctx)) //nolint:gosec // It is Secure where a browser would keep it so.
	cookie.Value, cookie.Expires = token, client.Expires
	return targetserver.CreateSession200JSONResponse{
		Body:    session(client),
		Headers: targetserver.CreateSession200ResponseHeaders{SetCookie: new(cookie.String())},
	}, nil
}

func (s *server) DeleteSession(ctx context.Context, _ targetserver.DeleteSessionRequestObject) (targetserver.DeleteSessionResponseObject, error) {
	cookie := sessionCookie(httpserve.RequestOf(ctx)) //nolint:gosec // It is Secure where a browser would keep it so.
	cookie.MaxAge = -1
	return targetserver.DeleteSession204Response{Headers: targetserver.DeleteSession204ResponseHeaders{SetCookie: new(cookie.String())}}, nil
}

// sessionCookie is a browser's cookie without what it stands for.
func sessionCookie(r *http.Request) http.Cookie {
	return http.Cookie{ //nolint:gosec // It is Secure where a browser would keep it so.
		Name: auth.Cookie, Path: httpserve.PathOf(r, "/"), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: httpserve.IsSecure(r),
	}
}

func session(c auth.Client) targetapi.Session {
	s := targetapi.Session{Required: true, Actor: &c.Actor}
	if c.Scope != "" {
		s.Scope = &c.Scope
	}
	if !c.Expires.IsZero() {
		s.ExpiresAt = new(c.Expires.UTC().Truncate(time.Second))
	}
	return s
}
