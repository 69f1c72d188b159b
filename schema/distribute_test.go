package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/delfos/delfos/schema"
)

func TestDistributeWithoutCitus(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, schema.Target.SQL)
	_, err := schema.Distribute(t.Context(), db.url, schema.Target, 8, false)
	if !errors.Is(err, schema.ErrNoCitus) || !strings.Contains(err.Error(), "CREATE EXTENSION citus") {
		t.Errorf("error: got %v, want that there is no Citus, and what to do", err)
	}
}

// Citus runs no EXISTS of a spread table that selects nothing.
func TestExistsSelectsSomething(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../queries/*/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("queries: got %v, %v", files, err)
	}
	empty := regexp.MustCompile(`\(\s*SELECT\s+FROM (data|flag|turbine)\b`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := empty.Find(text); found != nil {
			t.Errorf("%s: got %q, want SELECT 1", file, found)
		}
	}
}

// Citus runs one subcommand of an ALTER TABLE at a time where it adds a constraint.
func TestEachPartOfAChangeIsAStatement(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, schema.Source.SQL)
	db.exec(t, `ALTER TABLE data DROP COLUMN ambient_temperature, DROP CONSTRAINT data_power_finite,
		ADD CONSTRAINT data_power_finite CHECK (power > -1)`)
	plan := db.apply(t, schema.Source, schema.Options{})
	for _, statement := range plan.Statements {
		if strings.HasPrefix(statement, "ALTER TABLE") && strings.Count(statement, "ADD ")+strings.Count(statement, "DROP ") != 1 {
			t.Errorf("statement of several parts: %s", statement)
		}
	}
	if len(plan.Statements) != 5 { // column, its comment and CHECK; the changed CHECK twice
		t.Errorf("plan: got\n%s\nwant five statements", plan.SQL())
	}
	db.wantNothingToDo(t, schema.Source)
}
