package target_test

import (
	"net/http"
	"strings"
	"testing"
)

// reads are all operations that read, as requests that are answered with 200
// when the database is well.
func reads() []string {
	return []string{
		"/partitions", "/partitions?from=2025-01-01&to=2025-01-02", "/runs", "/runs/1", "/runs/1/log", "/schedule", "/checks",
		"/flags?start=2025-01-01&end=2025-01-02", "/signals", "/revisions", "/windows?start=2025-01-01&end=2025-01-02", "/events",
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
	if a := b.get("/health"); a.status != http.StatusOK || a.body != "{\"status\":\"ok\"}\n" {
		t.Errorf("/health: %d %s", a.status, a.body)
	}
	want := func(a answer) {
		t.Helper()
		wantProblem(t, a, http.StatusServiceUnavailable, "database")
		if a.header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
		for _, secret := range []string{"127.0.0.1", "refused", "delfos:"} {
			if strings.Contains(a.body, secret) {
				t.Errorf("%s tells of %s", a.body, secret)
			}
		}
	}
	for _, path := range append(reads(), "/ready") {
		want(b.get(path))
	}
	for op, body := range writes() {
		method, path, _ := strings.Cut(op, " ")
		want(b.do(method, path, body, "Content-Type: application/json"))
	}
	for _, line := range b.log.requests() {
		if line["status"] == 503.0 && !strings.Contains(text(line["error"]), "refused") {
			t.Errorf("the log has no cause: %v", line)
		}
	}
}

// A stale backfill asks the source first.
func TestSourceAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	a := b.post("/runs", `{"from": "2025-01-01", "to": "2025-01-08", "only": "stale", "dry_run": true}`)
	wantProblem(t, a, http.StatusServiceUnavailable, "source API")
	if a.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
}

// What somebody has to mend is said at once, with the way to do so, and told
// once at level ERROR however many ask.
func TestMissingTables(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("DROP TABLE data, signal, run, run_partition, partition, attempt, event, run_log, schedule, check_result, flag CASCADE")
	want := func(a answer) {
		t.Helper()
		p := wantProblem(t, a, http.StatusInternalServerError, "`delfos schema apply target`")
		if strings.Contains(p.Detail, "relation") || strings.Contains(p.Detail, "42P01") {
			t.Errorf("detail %q tells of the database", p.Detail)
		}
	}
	for _, path := range reads() {
		want(b.get(path))
	}
	for op, body := range writes() {
		method, path, _ := strings.Cut(op, " ")
		want(b.do(method, path, body, "Content-Type: application/json"))
	}
	errors := 0
	for _, line := range b.log.requests() {
		if line["status"] == 500.0 && !strings.Contains(text(line["error"]), "42P01") {
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
