package source_test

import (
	"net/http"
	"testing"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// /ready says what is missing and what to do; once that is done, it says so at
// once.
func TestReadyAsksForTheSchema(t *testing.T) {
	t.Parallel()
	database := pgtest.Empty(t)
	b := start(t, database)
	a := b.get("/ready")
	wantProblem(t, a, http.StatusServiceUnavailable, `relation "data" does not exist`, `relation "turbine" does not exist`, "delfos schema apply source")
	if a.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	if _, err := schema.Apply(t.Context(), database, schema.Source, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/ready", "/turbines"} {
		if a := b.get(path); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
