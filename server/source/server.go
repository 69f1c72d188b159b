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
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
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

// server answers the operations of the source API.
type server struct{ sessions *sessions.Sessions }

var _ sourceserver.StrictServerInterface = (*server)(nil)

// New returns the handler of the whole API. It asks nothing of the database
// before the first request that does.
func New(config Config) http.Handler {
	config.Log = cmp.Or(config.Log, slog.Default())
	s := &server{sessions.New(config.Pool, sessions.NewCheck(dberror.Source, sourcedb.New, config.ReadyFor), config.AcquireTimeout)}
	chain := httpserve.Chain{Log: config.Log, WriteTimeout: config.WriteTimeout, Floor: config.Floor, Metrics: config.Metrics, Fail: problem.Write}

	r := chi.NewRouter()
	r.Use(chain.Middleware, config.Access.Middleware(problem.Write), httpserve.HeadAsGet, stream.JoinIfNoneMatch)
	problem.Routes(r)
	r.Get("/", apidocs.Home)
	apidocs.Mount(r, "Delfos source API", "source", config.OpenAPI)

	fail := problem.Of(dberror.Source)
	sourceserver.Route(r, s, fail, param.Noted, config.Gate.Hook(fail), config.Limit.Hook(fail), param.Hook(fail), stream.Acceptable(fail),
		func(_ param.Operation, next http.Handler) http.Handler { return httpserve.WithRequest(next) })
	return tracing.Handler("source api", r)
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

func (s *server) GetHealth(context.Context, sourceserver.GetHealthRequestObject) (sourceserver.GetHealthResponseObject, error) {
	return sourceserver.GetHealth200JSONResponse{Status: sourceapi.Ok}, nil
}

func (s *server) GetReady(ctx context.Context, _ sourceserver.GetReadyRequestObject) (sourceserver.GetReadyResponseObject, error) {
	return sourceserver.GetReady200JSONResponse{Status: sourceapi.Ok}, s.sessions.Ready(ctx)
}

func (s *server) ListTurbines(ctx context.Context, r sourceserver.ListTurbinesRequestObject) (sourceserver.ListTurbinesResponseObject, error) {
	spans := param.Or(r.Params.Span, false)
	within, err := param.TurbineSpanOf(spans, r.Params.Start, r.Params.End)
	if err != nil {
		return nil, err
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	list := sourceserver.ListTurbines200JSONResponse{}
	if !spans {
		turbines, err := sourcedb.New(session).ListTurbines(ctx)
		if err != nil {
			return nil, fmt.Errorf("list turbines: %w", err)
		}
		for _, t := range turbines {
			list = append(list, turbineOf(t))
		}
		return list, nil
	}
	turbines, err := sourcedb.New(session).ListTurbineSpans(ctx, sourcedb.ListTurbineSpansParams{Start: within.Start, Stop: within.End})
	if err != nil {
		return nil, fmt.Errorf("list turbines with their spans: %w", err)
	}
	for _, t := range turbines {
		turbine := turbineOf(t.Turbine)
		if t.Sampled {
			turbine.First, turbine.Last = &t.First, &t.Last
		}
		list = append(list, turbine)
	}
	return list, nil
}

func turbineOf(t sourcedb.Turbine) sourceapi.Turbine {
	return sourceapi.Turbine{
		Id: t.ID, Name: t.Name, SampleInterval: int32(t.SampleInterval / time.Second),
		RatedPower: t.RatedPower, CutIn: t.CutIn, CutOut: t.CutOut, RotorDiameter: t.RotorDiameter, HubHeight: t.HubHeight,
		Altitude: t.Altitude, Latitude: t.Latitude, Longitude: t.Longitude,
		Commissioned: param.Date(t.Commissioned), Decommissioned: param.Date(t.Decommissioned),
	}
}

// The answer is the days that the writers of Delfos have noted, and whether rows were
// written that they did not.
func (s *server) GetDataChanges(ctx context.Context, r sourceserver.GetDataChangesRequestObject) (sourceserver.GetDataChangesResponseObject, error) {
	var since *look
	var snapshot *string
	if text := r.Params.Since; text != nil {
		if since = parseLook(*text); since == nil {
			return nil, problem.Parameters(problem.Invalid("since", *text, "is no cursor that /data/changes has answered with"))
		}
		snapshot = &since.snapshot
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	found, err := sourcedb.New(session).LookAtChanges(ctx, snapshot)
	if err != nil {
		return nil, fmt.Errorf("look at what has changed: %w", err)
	}
	complete, next := since.follow(found)
	response := sourceserver.GetDataChanges200JSONResponse{Complete: complete, Cursor: next.String(), Days: make([]sourceapi.Day, len(found.Days))}
	for i, day := range found.Days {
		response.Days[i] = sourceapi.Day{Time: day}
	}
	return response, nil
}

// look is what has to be known of a look at the changes by the next one.
type look struct {
	epoch    int64
	written  int64 // rows ever written to data that are accounted for; negative if unknown
	snapshot string
}

// follow reports whether what was noted since accounts for all rows written since, and
// returns what the look after this one has to know.
//
// PostgreSQL counts what a session has written up to some seconds after it was committed.
// So notes may be ahead of the count: then it is expected to catch up, and what somebody
// else has written meanwhile shows as soon as it does.
func (l *look) follow(found sourcedb.LookAtChangesRow) (complete bool, next *look) {
	next = &look{found.Epoch, found.Written, found.Snapshot}
	if l == nil || l.epoch != found.Epoch || l.written < 0 || found.Written < 0 || found.Written > l.written+found.Noted {
		return false, next
	}
	next.written = l.written + found.Noted
	return true, next
}

const sumSize = 8

// String is the cursor: base64url of the look and a sum, by which parseLook knows its own.
func (l *look) String() string {
	b := fmt.Appendf(nil, "%d %d %s", l.epoch, l.written, l.snapshot)
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:sumSize]...))
}

func parseLook(text string) *look {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) <= sumSize {
		return nil
	}
	l := &look{}
	if _, err := fmt.Sscanf(string(b[:len(b)-sumSize]), "%d %d %s", &l.epoch, &l.written, &l.snapshot); err != nil || l.String() != text {
		return nil
	}
	return l
}
