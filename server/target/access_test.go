package target_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
)

// A page of another site, and one that has pointed a name of its own here, can
// neither steer nor read anything, in River's pages as little as in the API.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.river = true })
	if a := b.Post("/runs", `{"from": "2025-01-01", "to": "2025-01-03"}`); a.Status != http.StatusAccepted {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	var job int64
	if err := b.db.QueryRow(t.Context(), "SELECT min(id) FROM river.river_job").Scan(&job); err != nil {
		t.Fatal(err)
	}
	const foreign = "Origin: https://evil.example"
	for _, write := range []struct{ method, path, body, media string }{
		{"POST", "/runs/1/cancel", "", "text/plain"},
		{"POST", "/runs/1/retry", "", "application/x-www-form-urlencoded"},
		{"POST", "/runs", `{"from": "2025-01-01", "to": "2025-01-01"}`, "application/json"},
		{"PATCH", "/schedule", `{"paused": true}`, "application/json"},
		{"POST", "/river/api/jobs/delete", fmt.Sprintf(`{"ids": ["%d"]}`, job), "text/plain"},
		{"POST", "/river/api/jobs/cancel", fmt.Sprintf(`{"ids": ["%d"]}`, job), "text/plain"},
		{"PUT", "/river/api/queues/partition/pause", "{}", "text/plain"},
		{"POST", "/nothing", "", "text/plain"},
	} {
		media := "Content-Type: " + write.media
		apitest.WantProblem(t, b.Do(write.method, write.path, write.body, media, foreign), http.StatusForbidden, write.method, "another site", "evil.example")
		apitest.WantProblem(t, b.Do(write.method, write.path, write.body, media, "Sec-Fetch-Site: same-site"), http.StatusForbidden, "another site")
		apitest.WantProblem(t, b.Do(write.method, write.path, write.body, media, "Host: evil.example"), http.StatusForbidden, `"evil.example"`, "ALLOWED_HOSTS")
	}
	for _, path := range []string{"/runs", "/river/", "/river/api/jobs", "/docs", "/redoc", "/openapi.yaml", "/nothing"} {
		apitest.WantProblem(t, b.Get(path, "Host: evil.example"), http.StatusForbidden, `"evil.example"`, "ALLOWED_HOSTS")
	}
	for _, path := range []string{"/health", "/ready"} {
		b.OK(path, "Host: 10.0.0.7")
	}
	var cancelled, jobs int
	if err := b.db.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE state <> 'available'), count(*) FROM river.river_job`).Scan(&cancelled, &jobs); err != nil {
		t.Fatal(err)
	}
	if cancelled != 0 || jobs != 3 {
		t.Errorf("%d of %d jobs are not available", cancelled, jobs)
	}
	if a := b.Get("/schedule"); !strings.Contains(a.Body, `"paused":false`) {
		t.Errorf("the schedule is %s", a.Body)
	}
	// The same from its own page.
	if a := b.Do("POST", "/river/api/jobs/delete", fmt.Sprintf(`{"ids": ["%d"]}`, job), "Content-Type: application/json", "Origin: "+b.URL, "Sec-Fetch-Site: same-origin"); a.Status != http.StatusOK {
		t.Errorf("River's own page deletes a job: %d %s", a.Status, a.Body)
	}
	if a := b.Post("/runs/1/cancel", "", "Origin: "+b.URL); a.Status != http.StatusOK {
		t.Errorf("our own page cancels a run: %d %s", a.Status, a.Body)
	}
}

// A key is a text that the database can hold, and is asked for again as it was.
func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const body = `{"from": "2025-01-01", "to": "2025-01-01"}`
	for _, key := range []string{"\xff", "a\xc3", "\xed\xa0\x80", "", strings.Repeat("x", 256), "a\u0085b"} {
		p := apitest.WantProblem(t, b.Post("/runs", body, "Idempotency-Key: "+key), http.StatusUnprocessableEntity, "Idempotency-Key", "UTF-8")
		if len(p.Errors) != 1 || p.Errors[0].Parameter != "Idempotency-Key" {
			t.Errorf("%q: faults %+v", key, p.Errors)
		}
	}
	for _, key := range []string{"été", strings.Repeat("ü", 255), `'"\`} {
		var ids [2]int64
		for i := range ids {
			a := b.Post("/runs", body, "Idempotency-Key: "+key)
			var plan struct{ ID int64 }
			if err := json.Unmarshal([]byte(a.Body), &plan); err != nil || a.Status != http.StatusAccepted {
				t.Fatalf("%q: %d %s (%v)", key, a.Status, a.Body, err)
			}
			ids[i] = plan.ID
		}
		if ids[0] != ids[1] || ids[0] == 0 {
			t.Errorf("%q made the runs %v", key, ids)
		}
	}
}
