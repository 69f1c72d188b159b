package target_test

import (
	"net/http"
	"testing"
	"time"
)

// /ready looks for the tables of the ledger and of the queue.
func TestReadyAsksForTheSchema(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *options) { o.api.ReadyFor = time.Nanosecond })
	if a := b.get("/ready"); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	b.exec("DROP SCHEMA river CASCADE")
	wantProblem(t, b.get("/ready"), http.StatusServiceUnavailable, "river_job", "delfos schema apply target river")
	b.exec("DROP TABLE flag")
	wantProblem(t, b.get("/ready"), http.StatusServiceUnavailable, `relation "flag" does not exist`)
}
