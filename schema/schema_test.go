package schema_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestApply(t *testing.T) {
	t.Parallel()
	for _, s := range []schema.Schema{schema.Source, schema.Target} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			db := setup(t)

			planned := db.apply(t, s, schema.Options{DryRun: true})
			golden.Equal(t, s.Name+".plan.sql", planned.SQL())
			if got := db.relations(t, "public"); len(got) > 0 {
				t.Errorf("relations after a dry run: got %q, want none", got)
			}

			applied := db.apply(t, s, schema.Options{})
			if diff := cmp.Diff(planned, applied); diff != "" {
				t.Errorf("dry run and run plan differently (-dry +run):\n%s", diff)
			}

			before := db.relations(t, "public")
			if plan := db.apply(t, s, schema.Options{}); plan.Statements != nil {
				t.Errorf("second plan: got %q, want none", plan.SQL())
			}
			if diff := cmp.Diff(before, db.relations(t, "public")); diff != "" {
				t.Errorf("second run changed relations (-before +after):\n%s", diff)
			}
		})
	}
}

func TestPlanIsAScript(t *testing.T) {
	t.Parallel()
	for _, s := range []schema.Schema{schema.Source, schema.Target} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			db := setup(t)
			plan, err := os.ReadFile(filepath.Join("testdata", s.Name+".plan.sql"))
			if err != nil {
				t.Fatal(err)
			}
			db.exec(t, string(plan))
			db.wantNothingToDo(t, s)
		})
	}
}

func TestSchemaByHandIsInPlace(t *testing.T) {
	t.Parallel()
	for _, s := range []schema.Schema{schema.Source, schema.Target} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			db := setup(t)
			db.exec(t, s.SQL)
			db.wantNothingToDo(t, s)
		})
	}
}

func TestReferenceRows(t *testing.T) {
	t.Parallel()

	t.Run("source", func(t *testing.T) {
		t.Parallel()
		db := setup(t)
		db.apply(t, schema.Source, schema.Options{})
		turbines := func() []string { return db.lines(t, "SELECT id || ' ' || name FROM turbine ORDER BY id") }
		if got := turbines(); len(got) > 0 {
			t.Errorf("a new source has the turbines %q, want none: nobody made one", got)
		}
		db.exec(t, "INSERT INTO turbine VALUES (7, 'Seven')")
		db.apply(t, schema.Source, schema.Options{})
		if diff := cmp.Diff([]string{"7 Seven"}, turbines()); diff != "" {
			t.Errorf("turbines after a second run (-want +got):\n%s", diff)
		}
	})

	t.Run("target", func(t *testing.T) {
		t.Parallel()
		db := setup(t)
		db.apply(t, schema.Target, schema.Options{})
		signals := func() []string { return db.lines(t, "SELECT name FROM signal WHERE id BETWEEN 1 AND 15 ORDER BY id") }
		if diff := cmp.Diff(signal.Names(), signals()); diff != "" {
			t.Errorf("signals (-want +got):\n%s", diff)
		}
		// Rules that somebody changed stay; one that is missing comes back.
		db.exec(t, "UPDATE signal SET name = 'power' WHERE id = 6; DELETE FROM signal WHERE id = 15")
		db.exec(t, "UPDATE check_rule SET severity = 'block', high = NULL WHERE variable = 'power'; DELETE FROM check_rule WHERE variable = 'wind_speed'")
		db.apply(t, schema.Target, schema.Options{DryRun: true})
		if got := signals(); len(got) != 14 || got[5] != "power" {
			t.Errorf("signals after a dry run: got %q, want them as they were", got)
		}
		if plan := db.apply(t, schema.Target, schema.Options{}); plan.Statements != nil {
			t.Errorf("plan: got %q, want none: reference rows are no part of it", plan.SQL())
		}
		if diff := cmp.Diff(signal.Names(), signals()); diff != "" {
			t.Errorf("signals after repair (-want +got):\n%s", diff)
		}
		rules := db.lines(t, "SELECT concat_ws(' ', check_name, nullif(variable, ''), severity, low, high) FROM check_rule WHERE check_name IN ('order', 'range') ORDER BY check_name, variable")
		if diff := cmp.Diff([]string{"order block", "range ambient_temperature warn -50 60", "range power block -500", "range wind_speed warn 0 60"}, rules); diff != "" {
			t.Errorf("rules of data checks after repair (-want +got):\n%s", diff)
		}
		// The signals of a new variable make way for somebody's own, and stay there.
		db.exec(t, "UPDATE signal SET name = 'availability' WHERE id = 13; DELETE FROM signal WHERE name LIKE 'ambient%'")
		for range 2 {
			db.apply(t, schema.Target, schema.Options{})
			got := db.lines(t, "SELECT id || ' ' || name FROM signal WHERE id > 10 ORDER BY id")
			want := []string{
				"13 availability", "14 ambient_temperature_mean", "15 ambient_temperature_min", "16 ambient_temperature_max",
				"17 ambient_temperature_std", "18 ambient_temperature_count",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("signals beside one of somebody's own (-want +got):\n%s", diff)
			}
			db.exec(t, "DELETE FROM signal WHERE id = 16")
		}
	})
}

// A load holds the signals locked until it commits.
func TestApplyDoesNotWaitForALoad(t *testing.T) {
	t.Parallel()
	url := pgtest.Target(t)
	db := database{url: url, conn: connect(t, url)}
	db.exec(t, "BEGIN; SELECT FROM signal FOR KEY SHARE; INSERT INTO data (signal_id, timestamp, value) VALUES (1, now(), 1)")
	db.apply(t, schema.Target, schema.Options{})
}

func TestOtherSchemasAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, s := range []schema.Schema{schema.Source, schema.Target} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			db := setup(t)
			db.exec(t, `
				CREATE SCHEMA river;
				CREATE TYPE river.state AS ENUM ('available', 'running');
				CREATE TABLE river.job (id bigserial PRIMARY KEY, state river.state NOT NULL);
				CREATE TABLE river.data (job_id bigint REFERENCES river.job);
				CREATE TYPE mood AS ENUM ('calm');
				CREATE FUNCTION answer() RETURNS integer LANGUAGE sql AS 'SELECT 42';
				CREATE VIEW job AS SELECT id, state FROM river.job;
				COMMENT ON SCHEMA public IS 'ours';
				INSERT INTO river.job (state) VALUES ('available'), ('running')`)
			before := db.relations(t, "river")
			plan := db.apply(t, s, schema.Options{})
			if strings.Contains(plan.SQL(), "river") || strings.Contains(plan.SQL(), "mood") || strings.Contains(plan.SQL(), "SCHEMA") {
				t.Errorf("the plan touches what is not ours:\n%s", plan.SQL())
			}
			db.wantNothingToDo(t, s)
			if diff := cmp.Diff(before, db.relations(t, "river")); diff != "" {
				t.Errorf("relations of river (-before +after):\n%s", diff)
			}
			if got := db.lines(t, "SELECT concat(id, state, answer()) FROM job ORDER BY id"); !cmp.Equal(got, []string{"1available42", "2running42"}) {
				t.Errorf("rows of river.job: got %q", got)
			}
		})
	}
}

func TestConcurrentApplies(t *testing.T) {
	t.Parallel()
	db := setup(t)
	var group errgroup.Group
	plans := make([]schema.Plan, 3)
	for i := range plans {
		group.Go(func() (err error) {
			plans[i], err = schema.Apply(t.Context(), db.url, schema.Target, schema.Options{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("Apply: %v", err)
	}
	did := 0
	for _, plan := range plans {
		if len(plan.Statements) > 0 {
			did++
		}
	}
	if did != 1 {
		t.Errorf("runs that had something to do: got %d, want 1", did)
	}
	db.wantNothingToDo(t, schema.Target)
}

func TestFailureRollsBack(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, "CREATE TABLE a (x integer); INSERT INTO a VALUES (1)")
	before := db.relations(t, "public")
	_, err := schema.Apply(t.Context(), db.url, schema.New(
		"CREATE TABLE a (x integer CONSTRAINT a_x_large CHECK (x > 1)); CREATE TABLE b (y integer)"), schema.Options{})
	if err == nil || !strings.Contains(err.Error(), `"a" table: ERROR: check constraint "a_x_large"`) {
		t.Errorf("error: got %v, want one that names the table and the constraint", err)
	}
	if diff := cmp.Diff(before, db.relations(t, "public")); diff != "" {
		t.Errorf("relations (-before +after):\n%s", diff)
	}
}

// A change waits for whoever uses a table, and keeps nobody else from it meanwhile.
func TestReadersDoNotWait(t *testing.T) {
	t.Parallel()
	for name, apply := range map[string]func(db database, waiting func(error)) error{
		"schema": func(db database, waiting func(error)) error {
			_, err := schema.Apply(t.Context(), db.url, schema.Target, schema.Options{Waiting: waiting})
			return err
		},
		"roles": func(db database, waiting func(error)) error {
			_, err := schema.ApplyRoles(t.Context(), db.url, schema.Target, schema.Options{Waiting: waiting})
			return err
		},
		"river": func(db database, waiting func(error)) error {
			_, err := schema.ApplyRiver(t.Context(), db.url, schema.Options{Waiting: waiting})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := setup(t)
			db.exec(t, schema.Target.SQL)
			db.exec(t, "ALTER TABLE run DROP COLUMN actor")
			db.formerRiver(t, 6)
			const read = "SELECT FROM run, data, river.river_job, river.river_queue"
			db.exec(t, "BEGIN; "+read) // a long answer
			put, ended := make(chan error, 1), make(chan error, 1)
			go func() {
				ended <- apply(db, func(err error) {
					select {
					case put <- err:
					default:
					}
				})
			}()
			// As the sessions of the APIs.
			reader := connect(t, db.url)
			if _, err := reader.Exec(t.Context(), "SET lock_timeout = '5s'"); err != nil {
				t.Fatal(err)
			}
			for waited := false; !waited; {
				if _, err := reader.Exec(t.Context(), read); err != nil {
					t.Fatalf("read while the change waits: %v", err)
				}
				select {
				case <-put:
					waited = true
				case err := <-ended:
					t.Fatalf("the change is made while the table is in use: %v", err)
				case <-time.After(5 * time.Millisecond):
				}
			}
			db.exec(t, "COMMIT")
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCancelWhileWaiting(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, "CREATE TABLE a (x integer)")
	before := db.relations(t, "public")
	db.exec(t, "BEGIN; LOCK TABLE a")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := schema.Apply(ctx, db.url, schema.New("CREATE TABLE a (x integer, y integer); CREATE TABLE b (z integer)"), schema.Options{})
		ended <- err
	}()
	for len(db.lines(t, "SELECT mode FROM pg_locks WHERE relation = 'a'::regclass AND NOT granted")) == 0 {
		select {
		case err := <-ended:
			t.Fatalf("Apply ended early: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error: got %v, want the cancel", err)
	}
	db.exec(t, "ROLLBACK")
	if diff := cmp.Diff(before, db.relations(t, "public")); diff != "" {
		t.Errorf("relations (-before +after):\n%s", diff)
	}
}

func TestChangedCheckIsSeen(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, "CREATE TABLE a (x integer CONSTRAINT a_x_known CHECK (x IN (1, 2)))")
	changed := schema.New("CREATE TABLE a (x integer CONSTRAINT a_x_known CHECK (x IN (1, 2, 3)))")
	db.apply(t, changed, schema.Options{})
	db.exec(t, "INSERT INTO a VALUES (3)")
	db.wantNothingToDo(t, changed)
}
