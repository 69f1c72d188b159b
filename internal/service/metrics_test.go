package service_test

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/metrics"
)

// A day that is loaded and each operation of the contract show at /metrics, under names
// that Prometheus's own linter finds nothing wrong with.
func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := metrics.NewRegistry("1.2.3", "abc")
	console, scraped := listener(t), listener(t)
	s, _ := start(t, service.Config{TargetURL: pgtest.Target(t), SourceURL: sourceAPI(t, nil), Listener: console, Metrics: registry})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() {
		served <- metrics.Serve(ctx, metrics.Config{
			Listener: scraped, Metrics: registry, Log: slog.New(slog.DiscardHandler),
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	backfill(t, s)
	state(t, s, "done")
	want := map[string]bool{}
	for _, o := range targetserver.Operations() {
		path := strings.NewReplacer("{id}", "1", "{day}", "2025-01-01").Replace(o.Path)
		request, err := http.NewRequestWithContext(t.Context(), o.Method, "http://"+console.Addr().String()+path+"?nothing=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		want[o.ID] = true
	}
	status, body := get(t, "http://"+scraped.Addr().String()+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("got %d: %s", status, body)
	}
	for _, line := range []string{
		`delfos_build_info{commit="abc",version="1.2.3"} 1`,
		`delfos_attempts_total{outcome="done"} 1`,
		`delfos_samples_read_total 1440`,
		`delfos_values_written_total{change="inserted"} 2160`,
		`delfos_target_up 1`,
		`delfos_partitions{state="done"} 1`,
		`delfos_queue_age_seconds 0`,
		`delfos_workers 1`,
		`delfos_newest_done_day_end_timestamp_seconds 1.735776e+09`,
		`delfos_checks_failed_total{severity="block"} 0`,
		`delfos_source_retries_total 0`,
		`db_client_connections_max{pool="target_api"} `,
	} {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("/metrics has no line %s", line)
		}
	}
	if status, _ := get(t, "http://"+scraped.Addr().String()+"/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("profiles that nobody asked for: got %d, want 404", status)
	}
	got := map[string]bool{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "http_server_request_duration_seconds" {
			for _, m := range family.GetMetric() {
				got[label(m, "operation")] = true
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("operations with metrics (-want +got):\n%s", diff)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
