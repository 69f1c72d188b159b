package trace_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/internal/tracing"
	"github.com/delfos/delfos/server/source"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// clientTrace is the trace that a client asks in.
const clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// receiver takes traces by OTLP.
type receiver struct {
	mu    sync.Mutex
	spans []*trace.Span
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var export collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &export) != nil {
		panic(http.ErrAbortHandler)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range export.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
}

// A day that is due is one trace: from the schedule that opens its run, by River's job and the
// client, to the source API and the SQL of both databases. A run that a client asks for goes on
// in the client's trace. The runs and their logs have the trace's id.
func TestScheduledDay(t *testing.T) {
	got := &receiver{}
	front := httptest.NewServer(got)
	t.Cleanup(front.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", front.URL)
	log := slog.New(tracing.LogHandler(slog.NewTextHandler(t.Output(), nil)))
	stop, err := tracing.Start(t.Context(), "test", log)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	day := now.Truncate(24*time.Hour).AddDate(0, 0, -1)
	sourceURL, targetURL := pgtest.Source(t), pgtest.Target(t)
	if _, err := seed.Run(t.Context(), pgtest.Pool(t, sourceURL), seed.Options{Start: day, Days: 1, Turbines: 1}); err != nil {
		t.Fatal(err)
	}
	pool, err := source.OpenPool(t.Context(), sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	api := httptest.NewServer(source.New(source.Config{Pool: pool, Log: log}))
	t.Cleanup(api.Close)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := service.Open(t.Context(), service.Config{TargetURL: targetURL, SourceURL: api.URL, Listener: ln, Config: orchestrator.Config{
		Workers: 1, Log: log, Schedule: orchestrator.ScheduleConfig{Cron: "0 0 * * *", CatchUpDays: 1, PartitionStart: &day},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	await.True(t, "the day to be loaded", func() bool {
		grid, err := s.Control().Grid(t.Context(), day, day)
		if err != nil {
			t.Fatal(err)
		}
		return grid[0].State == "done"
	})
	asked := (apitest.Client{TB: t, URL: "http://" + ln.Addr().String()}).Do("POST", "/runs", fmt.Sprintf(`{"from": %[1]q, "to": %[1]q}`, day.Format(time.DateOnly)),
		"Content-Type: application/json", "X-Request-ID: r1", "Traceparent: 00-"+clientTrace+"-00f067aa0ba902b7-01")
	if asked.Status != http.StatusAccepted {
		t.Fatalf("POST /runs: %d %s", asked.Status, asked.Body)
	}
	await.True(t, "the run to be done", func() bool {
		run, err := s.Control().Run(t.Context(), 2)
		return err == nil && run.State == "done"
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	stop()
	got.mu.Lock()
	defer got.mu.Unlock()
	golden.Equal(t, "scheduled_day.txt", tree(got.spans))
	id := hex.EncodeToString(opened(got.spans).GetTraceId())
	runs := pgtest.Query[[]string](t, pgtest.Pool(t, targetURL), `SELECT array_agg(concat_ws(' ', trigger, coalesce(request_id, '-'), trace_id, logged) ORDER BY id)
		FROM run JOIN (SELECT run_id, array_agg(DISTINCT coalesce(attributes->>'trace_id', '-')) AS logged FROM run_log GROUP BY run_id) AS l ON run_id = id`)
	want := []string{fmt.Sprintf("schedule - %s {%[1]s}", id), fmt.Sprintf("backfill r1 %s {%[1]s}", clientTrace)}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Errorf("runs with their traces, and the traces in their logs (-want +got):\n%s", diff)
	}
}

// opened is the opening of a run that nobody asked for, nil if there is none.
func opened(spans []*trace.Span) *trace.Span {
	at := slices.IndexFunc(spans, func(s *trace.Span) bool { return s.GetName() == "open run" && len(s.GetParentSpanId()) == 0 })
	if at < 0 {
		return nil
	}
	return spans[at]
}

// tree is the trace that begins with the opening of a run by the schedule, a line each span, indented below
// its parent. Spans of one name and parent are one line: how often a lease is renewed is a
// matter of time.
func tree(spans []*trace.Span) string {
	root := opened(spans)
	children := map[string][]*trace.Span{}
	for _, s := range spans {
		children[string(s.GetParentSpanId())] = append(children[string(s.GetParentSpanId())], s)
	}
	if root == nil {
		return "no run was opened\n"
	}
	var b strings.Builder
	var write func(same []*trace.Span, depth int)
	write = func(same []*trace.Span, depth int) {
		kind := strings.ToLower(strings.TrimPrefix(same[0].GetKind().String(), "SPAN_KIND_"))
		fmt.Fprintf(&b, "%s%s (%s)\n", strings.Repeat("  ", depth), same[0].GetName(), kind)
		below := map[string][]*trace.Span{}
		var names []string
		for _, parent := range same {
			for _, s := range children[string(parent.GetSpanId())] {
				if string(s.GetTraceId()) != string(root.GetTraceId()) || s.GetName() == parent.GetName() || asNeeded(s.GetName()) {
					continue
				}
				if below[s.GetName()] == nil {
					names = append(names, s.GetName())
				}
				below[s.GetName()] = append(below[s.GetName()], s)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			write(below[name], depth+1)
		}
	}
	write([]*trace.Span{root}, 0)
	return b.String()
}

// asNeeded reports whether it is a matter of time or of earlier days that a span is there.
func asNeeded(name string) bool { return name == "connect" || name == "RenewLease" }
