package service_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/service"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// A removal is allowed by the request alone, which a dry run tells the size of.
func TestAllowEmptyOverHTTP(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sourceURL, target := pgtest.Source(t), pgtest.Target(t)
	s, _ := start(t, service.Config{TargetURL: target, SourceURL: sourceOf(t, sourceURL, nil), Listener: ln})
	backfill(t, s)
	state(t, s, "done")
	if _, err := pgtest.Pool(t, sourceURL).Exec(t.Context(), "DELETE FROM data"); err != nil {
		t.Fatal(err)
	}
	runs := "http://" + ln.Addr().String() + "/runs"
	ask := func(fields, key string) (int, targetapi.RunPlan) {
		t.Helper()
		body := `{"from": "2025-01-01", "to": "2025-01-01"` + fields + `}`
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, runs, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		if key != "" {
			request.Header.Set("Idempotency-Key", key)
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var plan targetapi.RunPlan
		if err := json.Unmarshal(text, &plan); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return response.StatusCode, plan
	}
	for fields, refused := range map[string]int64{
		`, "dry_run": true`:                                             1,
		`, "dry_run": true, "allow_empty": true`:                        0,
		`, "dry_run": true, "allow_empty": false, "allow_dates": false`: 1,
	} {
		status, plan := ask(fields, "")
		if status != http.StatusOK || plan.RemovedValues == nil || *plan.RemovedValues != 2160 || plan.RefusedDays == nil || *plan.RefusedDays != refused {
			t.Errorf("%s: got %d, %+v, want 2160 values and %d days refused", fields, status, plan, refused)
		}
	}

	if status, plan := ask("", "k"); status != http.StatusAccepted || plan.RemovedValues != nil {
		t.Errorf("a run: got %d, %+v", status, plan)
	}
	state(t, s, "failed")
	if status, _ := ask(`, "allow_empty": true`, "k"); status != http.StatusUnprocessableEntity {
		t.Errorf("the same key with a permission: got %d, want 422", status)
	}
	status, plan := ask(`, "allow_empty": true`, "l")
	if status != http.StatusAccepted {
		t.Fatalf("a run that is allowed to: got %d", status)
	}
	state(t, s, "empty")
	var left int
	if err := pgtest.Pool(t, target).QueryRow(t.Context(), "SELECT count(*) FROM data").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d values are left, %v, want none", left, err)
	}
	if _, again := ask(`, "allow_empty": true`, "l"); !cmp.Equal(again.Id, plan.Id) {
		t.Errorf("the same key and permission: got run %v, want %v", again.Id, plan.Id)
	}
}
