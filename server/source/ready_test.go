package source_test

import (
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// /ready says what is missing and what to do; once that is done, it says so at
// once.
func TestReadyAsksForTheSchema(t *testing.T) {
	t.Parallel()
	database := pgtest.Empty(t)
	b := start(t, database)
	a := b.Get("/ready")
	apitest.WantUnavailable(t, a, `relation "data" does not exist`, `relation "turbine" does not exist`, "delfos schema apply source")
	if _, err := schema.Apply(t.Context(), database, schema.Source, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/ready", "/turbines"} {
		b.OK(path)
	}
}
