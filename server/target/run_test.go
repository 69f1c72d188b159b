package target_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/internal/test/apitest"
)

// fill is a request for the days of ledger.
func fill(t *testing.T) targetapi.RunRequest {
	t.Helper()
	return targetapi.RunRequest{From: day(t, "2025-01-01"), To: day(t, "2025-01-09")}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A backfill, from the plan to its run, its cancelling and its retry.
func TestBackfill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	valid := b.validator()

	for only, want := range map[enum.RunScope][2]int64{ // days queued, days up to date
		enum.RunScopeAll:     {9, 2},
		enum.RunScopeMissing: {2, 2},
		enum.RunScopeFailed:  {2, 2},
	} {
		body := fill(t)
		body.Only, body.DryRun = &only, new(true)
		a := b.Post("/runs", jsonOf(t, body))
		plan := apitest.Decode[targetapi.RunPlan](t, a, http.StatusOK)
		valid.check(t, "RunPlan", []byte(a.Body))
		p := targetapi.RunPlan{From: body.From, To: body.To, Only: only, DryRun: true, Partitions: want[0], UpToDate: want[1]}
		if only != enum.RunScopeAll { // of which nobody knows, as the source is away; the others hold nothing to lose
			p.RemovedValues, p.RefusedDays = new(int64), new(int64)
		}
		if diff := cmp.Diff(p, plan); diff != "" {
			t.Errorf("%s (-want +got):\n%s", only, diff)
		}
		if a.Header.Get("Location") != "" {
			t.Error("a dry run has a Location")
		}
	}

	body := fill(t)
	body.Only, body.Parallel = new(enum.RunScopeMissing), new(int32(3))
	a := b.Post("/runs", jsonOf(t, body))
	made := apitest.Decode[targetapi.RunPlan](t, a, http.StatusAccepted)
	valid.check(t, "RunPlan", []byte(a.Body))
	if diff := cmp.Diff(targetapi.RunPlan{Id: new(int64(5)), From: body.From, To: body.To, Only: *body.Only, Partitions: 2, UpToDate: 2}, made); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := a.Header.Get("Location"); got != b.URL+"/runs/5" {
		t.Fatalf("Location is %q", got)
	}
	want := func(what string, a apitest.Answer, state enum.RunState, counts targetapi.RunCounts) {
		t.Helper()
		got := apitest.Decode[targetapi.Run](t, a, http.StatusOK)
		valid.check(t, "Run", []byte(a.Body))
		if got.State != state || got.Partitions != counts || got.Trigger != enum.RunTriggerBackfill || *got.Parallel != 3 {
			t.Errorf("%s: got %s, want %s %+v", what, a.Body, state, counts)
		}
	}
	queued := targetapi.RunCounts{Total: 2, Queued: 2}
	want("made", b.Get("/runs/5"), enum.RunStateQueued, queued)
	for range 2 { // the second time there is nothing to do
		want("cancelled", b.Post("/runs/5/cancel", ""), enum.RunStateCancelled, targetapi.RunCounts{Total: 2, Cancelled: 2})
	}
	for range 2 {
		want("retried", b.Post("/runs/5/retry", ""), enum.RunStateQueued, queued)
	}
	// A body is not wanted, and is no harm whatever its type.
	for _, contentType := range []string{"text/plain", "application/json", ""} {
		for _, body := range []string{"", "{}", "x"} {
			if a := b.Do(http.MethodPost, "/runs/5/cancel", body, "Content-Type: "+contentType); a.Status != http.StatusOK {
				t.Errorf("cancel with %q of %q: %d %s", body, contentType, a.Status, a.Body)
			}
		}
	}
	// What the command line does is not the queue's.
	for _, path := range []string{"/runs/2/cancel", "/runs/2/retry"} {
		apitest.WantProblem(t, b.Do(http.MethodPost, path, ""), http.StatusConflict, "command line")
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const key = "Idempotency-Key: year"
	first := b.Post("/runs", `{"from": "2024-01-01", "to": "2024-12-31"}`, key)
	if first.Status != http.StatusAccepted {
		t.Fatalf("%d %s", first.Status, first.Body)
	}
	// The same request, spelled otherwise.
	for _, body := range []string{
		`{"from": "2024-01-01", "to": "2024-12-31"}`,
		`{"to":"2024-12-31","dry_run":false,"only":"all","parallel":null,"from":"2024-01-01"}`,
	} {
		again := b.Post("/runs", body, key)
		if again.Status != http.StatusAccepted || again.Header.Get("Location") != first.Header.Get("Location") || !strings.Contains(again.Body, `"partitions":366`) {
			t.Errorf("again: %d %v %s", again.Status, again.Header, again.Body)
		}
	}
	for _, body := range []string{
		`{"from": "2024-01-01", "to": "2024-12-30"}`,
		`{"from": "2024-01-01", "to": "2024-12-31", "only": "missing"}`,
		`{"from": "2024-01-01", "to": "2024-12-31", "parallel": 1}`,
		`{"from": "2024-01-01", "to": "2024-12-31", "stop_on_failure": true}`,
	} {
		apitest.WantProblem(t, b.Post("/runs", body, key), http.StatusUnprocessableEntity, `Idempotency-Key "year" was used for another request`)
	}
	if other := b.Post("/runs", `{"from": "2024-01-01", "to": "2024-12-31"}`, "Idempotency-Key: other"); other.Header.Get("Location") == first.Header.Get("Location") {
		t.Errorf("another key finds %s", other.Header.Get("Location"))
	}
}

// A run says what its days wait for, and when they will have ended.
func TestWaiting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	valid := b.validator()
	read := func(id string) targetapi.Run {
		t.Helper()
		a := b.Get("/runs/" + id)
		valid.check(t, "Run", []byte(a.Body))
		return apitest.Decode[targetapi.Run](t, a, http.StatusOK)
	}
	if made := b.Post("/runs", `{"from":"2025-01-06","to":"2025-01-09","only":"missing","parallel":1,"stop_on_failure":true}`); made.Status != http.StatusAccepted {
		t.Fatalf("%d %s", made.Status, made.Body)
	}
	b.exec("UPDATE partition SET next_attempt_at = '2025-01-11Z' WHERE day = '2025-01-04'")
	run := read("5")
	want := targetapi.RunWaiting{Position: new(int64(3)), Ahead: []targetapi.RunAhead{
		{RunId: 3, Trigger: enum.RunTriggerSchedule, Days: 1}, {RunId: 4, Trigger: enum.RunTriggerSweep, Days: 1},
	}}
	if diff := cmp.Diff(&want, run.Waiting); diff != "" || run.Eta != nil || !*run.StopOnFailure {
		t.Errorf("without a worker: %+v (-want +got):\n%s", run, diff)
	}

	b.exec(`INSERT INTO worker (id, host, pid, workers, jobs, lease_until) VALUES
		('a', 'h', 7, 2, '{}', 'infinity'), ('b', 'h', 8, 1, '{}', 'infinity'), ('dead', 'h', 9, 9, '{}', '2025-01-01Z')`)
	b.exec("UPDATE river.river_job SET state = 'running', attempted_by = '{a}' WHERE args ->> 'day' = '2025-01-07'")
	want.Position, want.Ahead, want.WorkersFree = new(int64(2)), want.Ahead[1:], 2
	run = read("5")
	if diff := cmp.Diff(&want, run.Waiting); diff != "" {
		t.Errorf("with workers (-want +got):\n%s", diff)
	}
	// Two days of a second each, one at a time.
	if run.Eta == nil || !run.Eta.Equal(now().Add(2*time.Second)) {
		t.Errorf("eta is %v, want 2 s from %s", run.Eta, now())
	}
	// Days that wait for their next attempt, or for their run's bound, have no place.
	b.exec("UPDATE river.river_job SET state = 'retryable', scheduled_at = now() + interval '1 hour' WHERE args ->> 'day' = '2025-01-06'")
	b.exec(`INSERT INTO partition (day, run_id, outcome, error, next_attempt_at) VALUES ('2025-01-06', 5, 'failed', '503', '2025-01-12Z')`)
	want.Position, want.Ahead, want.NextAttemptAt = nil, []targetapi.RunAhead{}, new(time.Date(2025, 1, 12, 0, 0, 0, 0, time.UTC))
	if diff := cmp.Diff(&want, read("5").Waiting); diff != "" {
		t.Errorf("before the next attempt (-want +got):\n%s", diff)
	}

	if got := apitest.Decode[targetapi.Run](t, b.Post("/runs/5/cancel", ""), http.StatusOK); got.Waiting != nil || got.Eta != nil || got.CancelledAt == nil {
		t.Errorf("cancelled: %+v", got)
	}
	if got := read("2"); got.Waiting != nil || got.Eta != nil {
		t.Errorf("a command's run: %+v", got)
	}
}

// Link leads through all runs, each once.
func TestPagesOfRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO run (trigger, first_day, last_day) SELECT 'backfill', '2025-01-01', '2025-01-01' FROM generate_series(1, 7)")
	var got []int64
	pages := 0
	for path := "/runs?limit=3"; path != ""; pages++ {
		a := b.Get(path)
		for _, run := range apitest.Decode[targetapi.RunList](t, a, http.StatusOK).Runs {
			got = append(got, run.Id)
		}
		path = ""
		if link := a.Header.Get("Link"); link != "" {
			address, rel, _ := strings.Cut(link, "; ")
			path = strings.Trim(address, "<>")
			if rel != `rel="next"` || !strings.HasPrefix(path, b.URL+"/runs?before=") {
				t.Errorf("Link is %q", link)
			}
		}
	}
	if diff := cmp.Diff([]int64{7, 6, 5, 4, 3, 2, 1}, got); diff != "" || pages != 3 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
}
