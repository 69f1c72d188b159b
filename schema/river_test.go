package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/schema"
)

func (d database) applyRiver(t *testing.T, opts schema.Options) schema.Plan {
	t.Helper()
	plan, err := schema.ApplyRiver(t.Context(), d.url, opts)
	if err != nil {
		t.Fatalf("ApplyRiver: %v", err)
	}
	return plan
}

func TestApplyRiver(t *testing.T) {
	t.Parallel()
	db := setup(t)
	planned := db.applyRiver(t, schema.Options{DryRun: true})
	if !strings.HasPrefix(planned.SQL(), "CREATE SCHEMA river;\nCREATE TABLE ") {
		t.Errorf("plan of an empty database: got\n%.200s\nwant it to create the schema and tables", planned.SQL())
	}
	if got := db.lines(t, "SELECT nspname::text FROM pg_namespace WHERE nspname = 'river'"); len(got) > 0 {
		t.Error("a dry run made the schema")
	}

	applied := db.applyRiver(t, schema.Options{})
	if diff := cmp.Diff(planned, applied); diff != "" {
		t.Errorf("dry run and run plan differently (-dry +run):\n%s", diff)
	}
	if got := db.relations(t, "public"); len(got) > 0 {
		t.Errorf("relations in public: got %q, want none", got)
	}
	before := db.relations(t, "river")
	for _, opts := range []schema.Options{{}, {DryRun: true}} {
		if plan := db.applyRiver(t, opts); plan.Statements != nil {
			t.Errorf("second plan: got %q, want none", plan.SQL())
		}
	}
	if diff := cmp.Diff(before, db.relations(t, "river")); diff != "" {
		t.Errorf("second run changed relations (-before +after):\n%s", diff)
	}
}

func TestRiverPlanIsAScript(t *testing.T) {
	t.Parallel()
	db := setup(t)
	for _, statement := range db.applyRiver(t, schema.Options{DryRun: true}).Statements {
		db.exec(t, statement)
	}
	if plan := db.applyRiver(t, schema.Options{DryRun: true}); plan.Statements != nil {
		t.Errorf("plan after the script: got %q, want none", plan.SQL())
	}
	byApply := setup(t)
	byApply.applyRiver(t, schema.Options{})
	const columns = `SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
		FROM information_schema.columns WHERE table_schema = 'river' ORDER BY table_name, ordinal_position`
	if diff := cmp.Diff(byApply.lines(t, columns), db.lines(t, columns)); diff != "" {
		t.Errorf("columns (-ApplyRiver +script):\n%s", diff)
	}
}

// formerRiver makes River's tables as they were at a version.
func (d database) formerRiver(t *testing.T, version int) {
	t.Helper()
	d.exec(t, "CREATE SCHEMA river")
	pool, err := pgxpool.New(t.Context(), d.url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	former, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: "river"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := former.Migrate(t.Context(), rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: version}); err != nil {
		t.Fatal(err)
	}
}

// A database of an older River is brought up from where it is, with its jobs.
func TestRiverIsBroughtUp(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.formerRiver(t, 3)
	db.exec(t, "INSERT INTO river.river_job (kind, max_attempts, args) VALUES ('partition', 3, '{}')")
	if sql := db.applyRiver(t, schema.Options{}).SQL(); strings.Contains(sql, "CREATE SCHEMA") || strings.Contains(sql, "VALUES (3)") || !strings.Contains(sql, "VALUES (4)") {
		t.Errorf("plan from version 3: got\n%s\nwant it to begin with version 4", sql)
	}
	if plan := db.applyRiver(t, schema.Options{}); plan.Statements != nil {
		t.Errorf("second plan: got %q, want none", plan.SQL())
	}
	if got := db.lines(t, "SELECT kind FROM river.river_job"); !cmp.Equal(got, []string{"partition"}) {
		t.Errorf("jobs: got %q, want the one from before", got)
	}
}

// Several orchestrators start at once on a new database.
func TestRiverAtOnce(t *testing.T) {
	t.Parallel()
	db := setup(t)
	var group errgroup.Group
	plans := make([]schema.Plan, 5)
	for i := range plans {
		group.Go(func() (err error) {
			plans[i], err = schema.ApplyRiver(t.Context(), db.url, schema.Options{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("ApplyRiver: %v", err)
	}
	did := 0
	for _, plan := range plans {
		if len(plan.Statements) > 0 {
			did++
		}
	}
	if did != 1 {
		t.Errorf("calls that did something: got %d, want 1", did)
	}
	if plan := db.applyRiver(t, schema.Options{DryRun: true}); plan.Statements != nil {
		t.Errorf("plan afterwards: got %q, want none", plan.SQL())
	}
}

// The target and River leave each other alone, whichever comes first.
func TestTargetAndRiver(t *testing.T) {
	t.Parallel()
	for _, riverFirst := range []bool{false, true} {
		db := setup(t)
		if riverFirst {
			db.applyRiver(t, schema.Options{})
		}
		db.apply(t, schema.Target, schema.Options{})
		public := db.relations(t, "public")
		db.applyRiver(t, schema.Options{})
		river := db.relations(t, "river")
		if plan := db.apply(t, schema.Target, schema.Options{AllowDestructive: true}); plan.Statements != nil {
			t.Errorf("river first %t: second plan: got %q, want none", riverFirst, plan.SQL())
		}
		if diff := cmp.Diff(public, db.relations(t, "public")); diff != "" {
			t.Errorf("river first %t: relations of public (-before +after):\n%s", riverFirst, diff)
		}
		if diff := cmp.Diff(river, db.relations(t, "river")); diff != "" {
			t.Errorf("river first %t: relations of river (-before +after):\n%s", riverFirst, diff)
		}
	}
}

// Who may not create schemas can still find that there is nothing to do.
func TestRiverWithoutTheRightToCreate(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.applyRiver(t, schema.Options{})
	db.exec(t, "REVOKE CREATE ON DATABASE "+db.lines(t, "SELECT quote_ident(current_database())")[0]+" FROM CURRENT_USER")
	if plan := db.applyRiver(t, schema.Options{}); plan.Statements != nil {
		t.Errorf("plan: got %q, want none", plan.SQL())
	}
}

func TestRiverErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ url, want string }{
		"keywords": {"host=127.0.0.1 port=1 password=secret dbname=name sslmode=disable", "apply schema river to 127.0.0.1:1/name: connect: "},
		"nobody":   {"postgres://u:secret@127.0.0.1:1/name?sslmode=disable", "apply schema river to 127.0.0.1:1/name: connect: "},
	} {
		_, err := schema.ApplyRiver(t.Context(), test.url, schema.Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q, and no password", name, err, test.want)
		}
	}
}
