package schema_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/pgtest"
	"github.com/delfos/delfos/schema"
)

func TestDestructivePlanIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after string
		want          []string
	}{
		"table": {
			before: "CREATE TABLE a (x integer); CREATE TABLE b (y integer)",
			after:  "CREATE TABLE b (y integer)",
			want:   []string{"table a"},
		},
		"column": {
			before: "CREATE TABLE a (x integer, y integer, z integer)",
			after:  "CREATE TABLE a (y integer)",
			want:   []string{"column a.x", "column a.z"},
		},
		"renamed column": {
			before: "CREATE TABLE a (x integer)",
			after:  "CREATE TABLE a (y integer)",
			want:   []string{"column a.x"},
		},
		"both": {
			before: "CREATE TABLE a (x integer); CREATE TABLE b (y integer, z integer)",
			after:  "CREATE TABLE b (z bigint); CREATE TABLE c (x integer)",
			want:   []string{"table a", "column b.y"},
		},
		"table that others refer to": {
			before: "CREATE TABLE a (x integer PRIMARY KEY); CREATE TABLE b (x integer REFERENCES a)",
			after:  "CREATE TABLE b (x integer)",
			want:   []string{"table a"},
		},
	}
	dev := pgtest.Empty(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := setup(t)
			db.apply(t, schema.New(test.before), schema.Options{DevURL: dev})
			before := db.relations(t, "public")
			after := schema.New(test.after)

			for _, dryRun := range []bool{true, false} {
				plan, err := schema.Apply(t.Context(), db.url, after, schema.Options{DevURL: dev, DryRun: dryRun})
				var refused *schema.DestructiveError
				if !errors.As(err, &refused) {
					t.Fatalf("error: got %v, want a DestructiveError", err)
				}
				if diff := cmp.Diff(&schema.DestructiveError{Schema: "test", Drops: test.want}, refused); diff != "" {
					t.Errorf("refused (-want +got):\n%s", diff)
				}
				if len(plan.Statements) == 0 {
					t.Error("refused plan: got none")
				}
			}
			if diff := cmp.Diff(before, db.relations(t, "public")); diff != "" {
				t.Errorf("relations after a refusal (-before +after):\n%s", diff)
			}

			db.apply(t, after, schema.Options{DevURL: dev, DryRun: true, AllowDestructive: true})
			if diff := cmp.Diff(before, db.relations(t, "public")); diff != "" {
				t.Errorf("relations after a dry run (-before +after):\n%s", diff)
			}
			db.apply(t, after, schema.Options{DevURL: dev, AllowDestructive: true})
			if plan := db.apply(t, after, schema.Options{DevURL: dev, DryRun: true}); plan.Statements != nil {
				t.Errorf("plan after the drop: got %q, want none", plan.SQL())
			}
		})
	}
}

func TestForeignTableInPublic(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, "CREATE TABLE notes (text text)")
	_, err := schema.Apply(t.Context(), db.url, schema.Source, schema.Options{})
	var refused *schema.DestructiveError
	if !errors.As(err, &refused) || !cmp.Equal(refused.Drops, []string{"table notes"}) {
		t.Fatalf("error: got %v, want a DestructiveError for table notes", err)
	}
	const want = "the plan would drop table notes; nothing was changed (--allow-destructive applies it)"
	if refused.Error() != want {
		t.Errorf("error: got %q, want %q", refused, want)
	}
	if got := db.lines(t, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"); !cmp.Equal(got, []string{"notes"}) {
		t.Errorf("tables: got %q, want notes alone", got)
	}
}
