package tracing

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/riverqueue/river/rivertype"
	"github.com/riverqueue/rivercontrib/otelriver"
	"go.opentelemetry.io/otel/propagation"
)

// Queries makes a span of each statement of a session under a span, beside what its
// tracer, which may be nil, does. A statement's span has the name of its query.
func Queries(tracer pgx.QueryTracer) pgx.QueryTracer {
	if !On() {
		return tracer
	}
	spans := otelpgx.NewTracer(otelpgx.WithSpanNameFunc(queryName), otelpgx.WithDisableAcquireTracer())
	if tracer == nil {
		return spans
	}
	return multitracer.New(tracer, spans)
}

// queryName is the name that sqlc begins a query with, or else the statement's first word.
func queryName(sql string) string {
	if rest, ok := strings.CutPrefix(sql, "-- name: "); ok {
		query, _, _ := strings.Cut(rest, " ")
		return query
	}
	word, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	return strings.ToUpper(word)
}

// Jobs are the middlewares of River's client: a job is worked on in the trace that it was
// queued in, so that one trace has all of a day, from whoever asked for it on.
func Jobs() []rivertype.Middleware {
	if !On() {
		return nil
	}
	return []rivertype.Middleware{
		&follower{},
		otelriver.NewMiddleware(&otelriver.MiddlewareConfig{EnableTracePropagation: true, EnableWorkSpanJobKindSuffix: true}),
	}
}

// follower takes the trace of a job from its metadata, where otelriver puts it and makes a
// mere link of it.
type follower struct{}

// IsMiddleware implements rivertype.Middleware.
func (*follower) IsMiddleware() bool { return true }

// Work implements rivertype.WorkerMiddleware.
func (*follower) Work(ctx context.Context, job *rivertype.JobRow, next func(context.Context) error) error {
	var carrier struct {
		Traceparent string `json:"traceparent"`
		Tracestate  string `json:"tracestate"`
	}
	if json.Unmarshal(job.Metadata, &carrier) == nil && carrier.Traceparent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": carrier.Traceparent, "tracestate": carrier.Tracestate})
	}
	return next(ctx)
}
