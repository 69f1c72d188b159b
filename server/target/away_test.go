package target_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
)

// reads are all operations that read, as requests that are answered with 200
// when the database is well.
func reads() []string {
	return []string{
		"/partitions", "/partitions?from=2025-01-01&to=2025-01-02", "/runs", "/runs/1", "/runs/1/log", "/schedule", "/checks",
		"/flags?start=2025-01-01&end=2025-01-02", "/signals", "/revisions", "/windows?start=2025-01-01&end=2025-01-02", "/events",
		"/stats/coverage?from=2025-01-01&to=2025-01-01", "/stats/energy?from=2025-01-01&to=2025-01-01",
	}
}

// writes are those that change something, each with its body.
func writes() map[string]string {
	return map[string]string{
		"POST /runs":          `{"from": "2025-01-01", "to": "2025-01-02"}`,
		"POST /runs/1/cancel": "",
		"POST /runs/1/retry":  "",
		"PATCH /schedule":     `{"paused": true}`,
	}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	b := start(t, awayURL)
	if a := b.Get("/health"); a.Status != http.StatusOK || a.Body != "{\"status\":\"ok\"}\n" {
		t.Errorf("/health: %d %s", a.Status, a.Body)
	}
	for _, path := range append(reads(), "/ready") {
		apitest.WantAway(t, b.Get(path))
	}
	for op, body := range writes() {
		method, path, _ := strings.Cut(op, " ")
		apitest.WantAway(t, b.Do(method, path, body, "Content-Type: application/json"))
	}
	for _, line := range b.log.Requests() {
		if line["status"] == 503.0 && !strings.Contains(line.Text("error"), "refused") {
			t.Errorf("the log has no cause: %v", line)
		}
	}
}

// A stale backfill asks the source first.
func TestSourceAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	a := b.Post("/runs", `{"from": "2025-01-01", "to": "2025-01-08", "only": "stale", "dry_run": true}`)
	apitest.WantUnavailable(t, a, "source API")
}

// What somebody has to mend is said at once, with the way to do so, and told
// once at level ERROR however many ask.
func TestMissingTables(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("DROP TABLE data, signal, run, run_partition, partition, attempt, event, run_log, schedule, check_result, flag CASCADE")
	want := func(a apitest.Answer) {
		t.Helper()
		apitest.WantUnavailable(t, a)
		p := apitest.WantProblem(t, a, http.StatusServiceUnavailable, "`delfos schema apply target`")
		if strings.Contains(p.Detail, "relation") || strings.Contains(p.Detail, "42P01") {
			t.Errorf("detail %q tells of the database", p.Detail)
		}
	}
	for _, path := range reads() {
		want(b.Get(path))
	}
	for op, body := range writes() {
		method, path, _ := strings.Cut(op, " ")
		want(b.Do(method, path, body, "Content-Type: application/json"))
	}
	errors := 0
	for _, line := range b.log.Requests() {
		if line["status"] == 503.0 && !strings.Contains(line.Text("error"), "42P01") {
			t.Errorf("the log says %v", line)
		}
		if line["level"] == "ERROR" {
			errors++
		}
	}
	if errors != 1 {
		t.Errorf("%d lines at level ERROR, want one", errors)
	}
}
