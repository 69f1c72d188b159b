package target_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
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
		apitest.WantProblem(t, b.Do(http.MethodDelete, "/partitions/2024-12-31", ""), http.StatusNotFound, "/partitions/2024-12-31")
		apitest.WantProblem(t, b.Do(http.MethodDelete, "/partitions/2024-12-31?force=true", ""), http.StatusNotFound)
		a := b.Do(http.MethodDelete, "/partitions/2025-01-01", "")
		apitest.WantUnavailable(t, a, "the source API does not say whether it has samples of 2025-01-01", "force=true")
		apitest.WantProblem(t, b.Do(http.MethodDelete, "/partitions/2025-01-08?force=true", ""), http.StatusConflict, "2025-01-08 is being loaded by run 4", "cancel")
		for _, day := range []string{"2025-01-01", "2025-01-06", "2025-01-07"} { // loaded, called off, waiting
			if a := b.Do(http.MethodDelete, "/partitions/"+day+"?force=true", "", "Accept: text/html"); a.Status != http.StatusNoContent || a.Body != "" {
				t.Errorf("%s: got %d %s", day, a.Status, a.Body)
			}
			apitest.WantProblem(t, b.Do(http.MethodDelete, "/partitions/"+day+"?force=true", ""), http.StatusNotFound)
		}
		want := []string{"2025-01-02", "2025-01-03", "2025-01-04", "2025-01-05", "2025-01-06", "2025-01-07", "2025-01-08", "2025-01-09"}
		if got := daysOf(t, b.Get("/partitions")); !slices.Equal(got, want) {
			t.Errorf("days: got %v, want %v", got, want)
		}
		b.OK("/runs/3")
	}
}
