// Package tracing sends what a process does as traces by OTLP, as OpenTelemetry's standard
// variables say: OTEL_EXPORTER_OTLP_ENDPOINT turns it on, OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and the like are
// obeyed. They are read from the environment alone. Without an endpoint nothing is wrapped,
// and a request, a query and a job cost what they did.
package tracing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/riverqueue/river/rivertype"
	"github.com/riverqueue/rivercontrib/otelriver"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

const (
	name = "github.com/delfos/delfos"
	// flushLimit bounds how long the end of a process waits for its last spans to be taken.
	flushLimit = 3 * time.Second
)

// On reports whether the environment asks for traces.
func On() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Start begins to send traces if the environment asks for them; stop sends the last ones.
func Start(ctx context.Context, version string, log *slog.Logger) (stop func(), err error) {
	if !On() {
		return func() {}, nil
	}
	if protocol := os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: want http/protobuf, or nothing", protocol)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	own := resource.NewSchemaless(attribute.String("service.name", "delfos"), attribute.String("service.version", version))
	from, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithHost())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	merged, err := resource.Merge(own, from)
	if err != nil {
		return nil, fmt.Errorf("describe this process for traces: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(merged))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("sending traces failed", "error", err) //nolint:sloglint // OpenTelemetry has no context here.
	}))
	return func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
		defer cancel()
		if err := provider.Shutdown(bounded); err != nil {
			log.WarnContext(bounded, "the last traces were not sent", "error", err)
		}
	}, nil
}

// Span begins a span; end ends it, with the error if there is one.
func Span(ctx context.Context, span string, attributes ...attribute.KeyValue) (_ context.Context, end func(error)) {
	ctx, s := otel.Tracer(name).Start(ctx, span, api.WithAttributes(attributes...)) //nolint:spancheck // end ends it
	return ctx, func(err error) {                                                   //nolint:spancheck // end ends it
		if err != nil {
			s.SetStatus(codes.Error, err.Error())
		}
		s.End()
	}
}

// TraceID is that of a context, "" if nothing of it is recorded.
func TraceID(ctx context.Context) string {
	if span := api.SpanContextFromContext(ctx); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}

// Handler makes a span of each request but the probes. Operation gives it its name.
func Handler(server string, next http.Handler) http.Handler {
	if !On() {
		return next
	}
	return otelhttp.NewHandler(next, server,
		otelhttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/health" && r.URL.Path != "/ready" }),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method }))
}

// Operation names the span of a request.
func Operation(ctx context.Context, id, method, route string) {
	if span := api.SpanFromContext(ctx); span.IsRecording() {
		span.SetName(method + " " + route)
		span.SetAttributes(attribute.String("http.route", route), attribute.String("delfos.operation", id))
	}
}

// Transport makes a span of each request, and tells it to the server.
func Transport(base http.RoundTripper) http.RoundTripper {
	if !On() {
		return base
	}
	return otelhttp.NewTransport(base, otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
		return r.Method + " " + r.URL.Path
	}))
}

// LogHandler adds the trace's id to what is logged under a span.
func LogHandler(next slog.Handler) slog.Handler {
	if !On() {
		return next
	}
	return logHandler{next}
}

type logHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := api.SpanContextFromContext(ctx); span.IsSampled() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(group string) slog.Handler {
	return logHandler{h.Handler.WithGroup(group)}
}

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

// follower takes a job's trace from its metadata; otelriver makes a mere link of it.
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
