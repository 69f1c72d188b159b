package schema_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

func TestRetiredTablesAndColumns(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, `
		CREATE TABLE gone (x integer); CREATE TABLE stays (y integer);
		CREATE TABLE loses (x integer, y integer, z integer);
		CREATE TABLE renames (x integer)`)
	retired := []string{"table gone", "column loses.x", "column loses.z", "column renames.x"}
	after := schema.New(`
		CREATE TABLE stays (y bigint); CREATE TABLE comes (x integer);
		CREATE TABLE loses (y bigint);
		CREATE TABLE renames (y integer)`, retired...)

	// All but the drops.
	plan := db.apply(t, after, schema.Options{})
	if len(plan.Statements) != 4 || strings.Contains(plan.SQL(), "DROP") {
		t.Errorf("plan: got %q, want a change of each table that stays, a new one, and no drop", plan.SQL())
	}
	plan = db.apply(t, after, schema.Options{DryRun: true})
	if diff := cmp.Diff(schema.Plan{Retired: retired}, plan); diff != "" {
		t.Errorf("plan of a database that lacks the drops alone (-want +got):\n%s", diff)
	}

	before := db.relations(t, "public")
	db.apply(t, after, schema.Options{DryRun: true, AllowDestructive: true})
	if diff := cmp.Diff(before, db.relations(t, "public")); diff != "" {
		t.Errorf("relations after a dry run (-before +after):\n%s", diff)
	}
	plan = db.apply(t, after, schema.Options{AllowDestructive: true})
	if !strings.Contains(plan.SQL(), "DROP") || plan.Retired != nil || plan.Foreign != nil {
		t.Errorf("plan that may drop: got %+v", plan)
	}
	if plan := db.apply(t, after, schema.Options{DryRun: true}); !cmp.Equal(plan, schema.Plan{}) {
		t.Errorf("plan after the drop: got %+v, want none", plan)
	}
}

// A rule of a former version holds no rows, and might refuse what this one
// writes: it goes without being asked.
func TestRetiredRulesGo(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, `
		CREATE TABLE a (x integer PRIMARY KEY);
		CREATE TABLE b (x integer CONSTRAINT b_x_fkey REFERENCES a, y integer CONSTRAINT b_y_known CHECK (y IN (1, 2)));
		CREATE UNIQUE INDEX b_y_key ON b (y)`)
	after := schema.New(`
		CREATE TABLE a (x integer PRIMARY KEY);
		CREATE TABLE b (x integer, y integer CONSTRAINT b_y_listed CHECK (y IN (1, 2, 3)))`,
		"foreign key b_x_fkey on b", "check b_y_known on b", "index b_y_key on b")
	db.apply(t, after, schema.Options{})
	db.exec(t, "INSERT INTO b VALUES (7, 3), (7, 3)")
	db.wantNothingToDo(t, after)
}

// With --allow-destructive what depends on a retired thing, and is not ours,
// stops the drop; the message names it.
func TestRetiredTableThatOthersUse(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, "CREATE TABLE a (x integer, y integer); CREATE VIEW report AS SELECT y FROM a")
	after := schema.New("CREATE TABLE a (x integer)", "column a.y")
	_, err := schema.Apply(t.Context(), db.url, after, schema.Options{DevURL: db.dev(), AllowDestructive: true})
	if err == nil || !strings.Contains(err.Error(), "view report depends on column y of table a") {
		t.Errorf("error: got %v, want the name of the view", err)
	}
	if plan := db.apply(t, after, schema.Options{}); !cmp.Equal(plan, schema.Plan{Retired: []string{"column a.y"}}) {
		t.Errorf("plan without the drop: got %+v", plan)
	}
}

// A database of an earlier version, with rows in it, comes to this version and
// keeps them. What left the schema since then has to be listed in plan.go:
// otherwise it counts as somebody else's.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		schema       schema.Schema
		insert, read string
		want         []string
	}{
		{
			schema: schema.Source,
			insert: `INSERT INTO turbine VALUES (1, 'Turbine 1'), (7, 'Seven');
				INSERT INTO data VALUES (7, '2025-01-01Z', 5.5, -1, NULL)`,
			read: "SELECT concat_ws(' ', turbine_id, timestamp AT TIME ZONE 'UTC', wind_speed, power) FROM data",
			want: []string{"7 2025-01-01 00:00:00 5.5 -1"},
		},
		{
			schema: schema.Target,
			insert: `INSERT INTO signal VALUES (1, 'wind_speed_mean'), (16, 'availability');
				INSERT INTO data VALUES (7, 1, '2025-01-01Z', 5.5), (7, 16, '2025-01-01Z', 1);
				INSERT INTO run (trigger, first_day, last_day) VALUES ('command', '2025-01-01', '2025-01-01'), ('schedule', '2025-01-01', '2025-01-01');
				INSERT INTO partition (day, token, run_id, outcome, rows) VALUES ('2025-01-01', 1, 1, 'done', 2);
				INSERT INTO attempt (day, token, run_id, outcome, finished_at) VALUES ('2025-01-01', 1, 1, 'done', now());
				INSERT INTO run_partition (run_id, day, token, outcome) VALUES (1, '2025-01-01', 1, 'done'), (2, '2025-01-01', NULL, NULL);
				INSERT INTO run_log (run_id, at, level, message) VALUES (1, now(), 'warn', 'slow');
				INSERT INTO event (kind, state) VALUES ('schedule', 'paused');
				INSERT INTO check_rule VALUES ('order', '', 'off');
				INSERT INTO check_result (day, check_name, variable, version, status, faults, detail, token) VALUES ('2025-01-01', 'range', 'power', 1, 'warn', 1, '', 1)`,
			read: `SELECT concat_ws(' ', d.turbine_id, s.name, d.value, p.outcome, p.rows, a.outcome, r.trigger, r.scope,
					(SELECT string_agg(concat_ws('/', q.trigger, q.scope, q.priority, rp.queued, coalesce(rp.outcome::text, 'open')), ' ' ORDER BY q.id) FROM run q JOIN run_partition rp ON rp.run_id = q.id),
					(SELECT level FROM run_log), (SELECT kind FROM event), (SELECT severity FROM check_rule WHERE check_name = 'order'), (SELECT status FROM check_result))
				FROM data d JOIN signal s ON s.id = d.signal_id, partition p JOIN attempt a USING (day) JOIN run r ON r.id = a.run_id ORDER BY d.signal_id`,
			want: []string{
				"7 wind_speed_mean 5.5 done 2 done command all command/all/3/f/done schedule/all/1/t/open warn schedule off warn",
				"7 availability 1 done 2 done command all command/all/3/f/done schedule/all/1/t/open warn schedule off warn",
			},
		},
	} {
		t.Run(test.schema.Name, func(t *testing.T) {
			t.Parallel()
			former, err := os.ReadFile(filepath.Join("testdata", "former", test.schema.Name+".sql"))
			if err != nil {
				t.Fatal(err)
			}
			dev := pgtest.Empty(t)
			for _, destructive := range []bool{false, true} {
				db := setup(t)
				db.exec(t, string(former))
				db.exec(t, test.insert)
				plan := db.apply(t, test.schema, schema.Options{DevURL: dev, AllowDestructive: destructive})
				if len(plan.Foreign) > 0 || destructive && len(plan.Retired) > 0 {
					t.Errorf("left over: got foreign %q, retired %q; list in plan.go what left the schema", plan.Foreign, plan.Retired)
				}
				if diff := cmp.Diff(test.want, db.lines(t, test.read)); diff != "" {
					t.Errorf("rows after the upgrade (-want +got):\n%s", diff)
				}
				if plan := db.apply(t, test.schema, schema.Options{DevURL: dev, DryRun: true}); plan.Statements != nil {
					t.Errorf("plan after the upgrade: got %q, want none", plan.SQL())
				}
			}
		})
	}
}
