//go:build citus

package endtoend_test

import (
	"log/slog"
	"net/url"
	"testing"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// The whole way with the target on a cluster: under the roles, with a day that is loaded, found
// unchanged and changed, and with a schema that changes afterwards.
func TestCitus(t *testing.T) {
	t.Parallel()
	const owner = "delfos_owner"
	coordinator := pgtest.Citus(t)
	apply := func() schema.Plan {
		t.Helper()
		plan, err := schema.Apply(t.Context(), coordinator, schema.Target, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	distribute := func() schema.Plan {
		t.Helper()
		plan, err := schema.Distribute(t.Context(), coordinator, schema.Target, 4, false)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	apply()
	if _, err := schema.ApplyRiver(t.Context(), coordinator, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	roles := schema.Options{Passwords: map[string]string{schema.ETLRole: schema.ETLRole}}
	if _, err := schema.ApplyRoles(t.Context(), coordinator, schema.Target, roles); err != nil {
		t.Fatal(err)
	}
	distribute()
	s := &system{source: pgtest.Pool(t, pgtest.Source(t)), target: pgtest.Pool(t, coordinator)}
	pgtest.Exec(t, s.target, "ALTER ROLE "+owner+" PASSWORD '"+owner+"'")
	pgtest.Exec(t, s.target, "INSERT INTO pg_dist_authinfo SELECT 0, r, 'password=' || r FROM unnest(ARRAY[$1::text, $2]) AS r", owner, schema.ETLRole)
	for name, plan := range map[string]schema.Plan{"apply": apply(), "distribute": distribute()} {
		if len(plan.Statements) > 0 {
			t.Errorf("%s once more: got %q, want nothing to do", name, plan.Statements)
		}
	}

	s.serve(t, s.source.Config().ConnString(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	as, err := url.Parse(coordinator)
	if err != nil {
		t.Fatal(err)
	}
	as.User = url.UserPassword(schema.ETLRole, schema.ETLRole)
	s.job = s.newJob(t, as.String())
	const values = 20 * 2160 // enough for the index to be looked after
	s.seed(t, 1, 20)
	for _, step := range []struct {
		name, sql         string
		inserted, updated int64
	}{
		{"new", "SELECT 1", values, 0},
		{"unchanged", "SELECT 1", 0, 0},
		{"a reading changed", "UPDATE data SET power = power + 1000 WHERE turbine_id = 7 AND timestamp = '2025-01-01 10:03'", 0, 3},
	} {
		pgtest.Exec(t, s.source, step.sql)
		if got := s.run(t, 1); got.Inserted != step.inserted || got.Updated != step.updated || got.Deleted != 0 {
			t.Errorf("%s: got %+v, want %d inserted and %d updated", step.name, got.Written, step.inserted, step.updated)
		}
		near(t, s.values(t), s.expected(t))
	}
	const left = `SELECT sum(result::integer)::integer FROM run_command_on_shards('data',
		$$SELECT brin_summarize_new_values(replace('%s', 'data_', 'data_timestamp_idx_')::regclass)$$)`
	if n := pgtest.Query[int](t, s.target, left); n != 0 {
		t.Errorf("the indexes of shards lack %d ranges after the load, want none", n)
	}
	pgtest.Exec(t, s.target, "ALTER TABLE data DROP CONSTRAINT data_value_finite")
	if plan := apply(); len(plan.Statements) != 1 {
		t.Errorf("a CHECK that is missing: got %q, want one statement", plan.Statements)
	}
}
