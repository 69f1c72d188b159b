package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/targetapi"
)

// fill is a request for the days of ledger.
func fill(t *testing.T) targetapi.RunRequest {
	t.Helper()
	return targetapi.RunRequest{From: day(t, "2025-01-01"), To: day(t, "2025-01-09")}
}

// A backfill, from the plan to its run, its cancelling and its retry.
func TestBackfill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledger()
	c, valid := b.api(), b.validator()
	ctx := t.Context()

	for only, want := range map[targetapi.RunScope][2]int64{ // days queued, days up to date
		targetapi.RunScopeAll:     {9, 2},
		targetapi.RunScopeMissing: {2, 2},
		targetapi.RunScopeFailed:  {2, 2},
	} {
		body := fill(t)
		body.Only, body.DryRun = &only, new(true)
		plan, err := c.CreateRunWithResponse(ctx, nil, body)
		if err != nil || plan.JSON200 == nil {
			t.Fatalf("%s: %v %s", only, err, plan.Body)
		}
		valid.check(t, "RunPlan", plan.Body)
		p := targetapi.RunPlan{From: body.From, To: body.To, Only: only, DryRun: true, Partitions: want[0], UpToDate: want[1]}
		if only != targetapi.RunScopeAll { // of which nobody knows, as the source is away; the others hold nothing to lose
			p.RemovedValues, p.RefusedDays = new(int64), new(int64)
		}
		if diff := cmp.Diff(p, *plan.JSON200); diff != "" {
			t.Errorf("%s (-want +got):\n%s", only, diff)
		}
		if plan.HTTPResponse.Header.Get("Location") != "" {
			t.Error("a dry run has a Location")
		}
	}

	body := fill(t)
	body.Only, body.Parallel = new(targetapi.RunScopeMissing), new(int32(3))
	made, err := c.CreateRunWithResponse(ctx, nil, body)
	if err != nil || made.JSON202 == nil {
		t.Fatalf("start: %v %s", err, made.Body)
	}
	valid.check(t, "RunPlan", made.Body)
	if diff := cmp.Diff(targetapi.RunPlan{Id: new(int64(5)), From: body.From, To: body.To, Only: *body.Only, Partitions: 2, UpToDate: 2}, *made.JSON202); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := made.HTTPResponse.Header.Get("Location"); got != b.url+"/runs/5" {
		t.Fatalf("Location is %q", got)
	}
	want := func(what string, body []byte, got *targetapi.Run, state targetapi.RunState, counts targetapi.RunCounts) {
		t.Helper()
		if got == nil {
			t.Fatalf("%s: %s", what, body)
		}
		valid.check(t, "Run", body)
		if got.State != state || got.Partitions != counts || got.Trigger != targetapi.RunTriggerBackfill || *got.Parallel != 3 {
			t.Errorf("%s: got %s, want %s %+v", what, body, state, counts)
		}
	}
	queued := targetapi.RunCounts{Total: 2, Queued: 2}
	cancelled := targetapi.RunCounts{Total: 2, Cancelled: 2}
	run, err := c.GetRunWithResponse(ctx, 5)
	if err != nil {
		t.Fatal(err)
	}
	want("made", run.Body, run.JSON200, targetapi.RunStateQueued, queued)
	for range 2 { // the second time there is nothing to do
		gone, err := c.CancelRunWithResponse(ctx, 5)
		if err != nil {
			t.Fatal(err)
		}
		want("cancelled", gone.Body, gone.JSON200, targetapi.RunStateCancelled, cancelled)
	}
	for range 2 {
		again, err := c.RetryRunWithResponse(ctx, 5)
		if err != nil {
			t.Fatal(err)
		}
		want("retried", again.Body, again.JSON200, targetapi.RunStateQueued, queued)
	}
	// A body is not wanted, and is no harm whatever its type.
	for _, contentType := range []string{"text/plain", "application/json", ""} {
		for _, body := range []string{"", "{}", "x"} {
			if a := b.do(http.MethodPost, "/runs/5/cancel", body, "Content-Type: "+contentType); a.status != http.StatusOK {
				t.Errorf("cancel with %q of %q: %d %s", body, contentType, a.status, a.body)
			}
		}
	}
	// What the command line does is not the queue's.
	for _, path := range []string{"/runs/2/cancel", "/runs/2/retry"} {
		wantProblem(t, b.do(http.MethodPost, path, ""), http.StatusConflict, "command line")
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const key = "Idempotency-Key: year"
	first := b.post("/runs", `{"from": "2024-01-01", "to": "2024-12-31"}`, key)
	if first.status != http.StatusAccepted {
		t.Fatalf("%d %s", first.status, first.body)
	}
	// The same request, spelled otherwise.
	for _, body := range []string{
		`{"from": "2024-01-01", "to": "2024-12-31"}`,
		`{"to":"2024-12-31","dry_run":false,"only":"all","parallel":null,"from":"2024-01-01"}`,
	} {
		again := b.post("/runs", body, key)
		if again.status != http.StatusAccepted || again.header.Get("Location") != first.header.Get("Location") || !strings.Contains(again.body, `"partitions":366`) {
			t.Errorf("again: %d %v %s", again.status, again.header, again.body)
		}
	}
	for _, body := range []string{
		`{"from": "2024-01-01", "to": "2024-12-30"}`,
		`{"from": "2024-01-01", "to": "2024-12-31", "only": "missing"}`,
		`{"from": "2024-01-01", "to": "2024-12-31", "parallel": 1}`,
	} {
		wantProblem(t, b.post("/runs", body, key), http.StatusUnprocessableEntity, `Idempotency-Key "year" was used for another request`)
	}
	if other := b.post("/runs", `{"from": "2024-01-01", "to": "2024-12-31"}`, "Idempotency-Key: other"); other.header.Get("Location") == first.header.Get("Location") {
		t.Errorf("another key finds %s", other.header.Get("Location"))
	}
}

// Link leads through all runs, each once.
func TestPagesOfRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO run (trigger, first_day, last_day) SELECT 'backfill', '2025-01-01', '2025-01-01' FROM generate_series(1, 7)")
	c := b.api()
	var got []int64
	pages := 0
	for params := (&targetapi.ListRunsParams{Limit: new(int32(3))}); params != nil; pages++ {
		page, err := c.ListRunsWithResponse(t.Context(), params)
		if err != nil || page.JSON200 == nil {
			t.Fatalf("%v %s", err, page.Body)
		}
		for _, run := range page.JSON200.Runs {
			got = append(got, run.Id)
		}
		params = nil
		if link := page.HTTPResponse.Header.Get("Link"); link != "" {
			address, rel, _ := strings.Cut(link, "; ")
			if rel != `rel="next"` {
				t.Errorf("Link is %q", link)
			}
			params = &targetapi.ListRunsParams{Limit: new(int32(3)), Before: new(got[len(got)-1])}
			if want := b.get(strings.Trim(address, "<>")); want.status != http.StatusOK || !strings.HasPrefix(address, "<"+b.url+"/runs?before=") {
				t.Errorf("%s: %d", address, want.status)
			}
		}
	}
	if diff := cmp.Diff([]int64{7, 6, 5, 4, 3, 2, 1}, got); diff != "" || pages != 3 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
}
