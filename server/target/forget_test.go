package target_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// DELETE says what became of a day; the orchestrator's own tests say what is left
// of it.
func TestForget(t *testing.T) {
	t.Parallel()
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) }))
	defer source.Close()
	for _, url := range []string{awaySource, source.URL} {
		b := setup(t, func(o *options) { o.source = url })
		b.ledger()
		wantProblem(t, b.do(http.MethodDelete, "/partitions/2024-12-31", ""), http.StatusNotFound, "/partitions/2024-12-31")
		wantProblem(t, b.do(http.MethodDelete, "/partitions/2024-12-31?force=true", ""), http.StatusNotFound)
		a := b.do(http.MethodDelete, "/partitions/2025-01-01", "")
		wantProblem(t, a, http.StatusServiceUnavailable, "the source API does not say whether it has samples of 2025-01-01", "force=true")
		if a.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		wantProblem(t, b.do(http.MethodDelete, "/partitions/2025-01-08?force=true", ""), http.StatusConflict, "2025-01-08 is being loaded by run 4", "cancel")
		for _, day := range []string{"2025-01-01", "2025-01-06", "2025-01-07"} { // loaded, called off, waiting
			if a := b.do(http.MethodDelete, "/partitions/"+day+"?force=true", "", "Accept: text/html"); a.status != http.StatusNoContent || a.body != "" {
				t.Errorf("%s: got %d %s", day, a.status, a.body)
			}
			wantProblem(t, b.do(http.MethodDelete, "/partitions/"+day+"?force=true", ""), http.StatusNotFound)
		}
		want := []string{"2025-01-02", "2025-01-03", "2025-01-04", "2025-01-05", "2025-01-06", "2025-01-07", "2025-01-08", "2025-01-09"}
		if got := daysOf(t, b.get("/partitions")); !slices.Equal(got, want) {
			t.Errorf("days: got %v, want %v", got, want)
		}
		if a := b.get("/runs/3"); a.status != http.StatusOK {
			t.Errorf("the run of a day alone that is forgotten: got %d %s", a.status, a.body)
		}
	}
}
