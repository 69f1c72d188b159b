package target_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
)

// /ready looks for the tables of the ledger and of the queue.
func TestReadyAsksForTheSchema(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.api.ReadyFor = time.Nanosecond })
	if a := b.Get("/ready"); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	b.exec("DROP SCHEMA river CASCADE")
	apitest.WantProblem(t, b.Get("/ready"), http.StatusServiceUnavailable, "river_job", "delfos schema apply target river")
	b.exec("DROP TABLE flag")
	apitest.WantProblem(t, b.Get("/ready"), http.StatusServiceUnavailable, `relation "flag" does not exist`)
}
