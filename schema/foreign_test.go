package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// foreign is what people add to a target database, and how Apply names it; "" when
// it is of a kind that Apply does not look at.
var foreign = []struct{ sql, name string }{
	{"CREATE TABLE data_backup AS TABLE data", "table data_backup"},
	{"CREATE TABLE asset (id integer PRIMARY KEY, day date REFERENCES partition (day), note xml)", "table asset"},
	{"CREATE TABLE data_of_old () INHERITS (data)", "table data_of_old"},
	{"CREATE TABLE reading (at date NOT NULL) PARTITION BY RANGE (at)", "table reading"},
	{"CREATE TABLE reading_2025 PARTITION OF reading FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')", ""},
	{"CREATE VIEW report AS SELECT turbine_id, value FROM data", ""},
	{"CREATE MATERIALIZED VIEW monthly AS SELECT max(value) FROM data", ""},
	{"ALTER TABLE data ADD COLUMN remark text", "column data.remark"},
	{"ALTER TABLE data ADD COLUMN site integer NOT NULL DEFAULT 1", "column data.site"},
	{"ALTER TABLE data ADD COLUMN entry bigserial NOT NULL", "column data.entry"},
	{"ALTER TABLE data ADD COLUMN kilo double precision NOT NULL GENERATED ALWAYS AS (value / 1000) STORED", "column data.kilo"},
	{"CREATE TYPE mood AS ENUM ('calm'); ALTER TABLE data ADD COLUMN mood mood, ADD COLUMN moods mood[]", "type mood, column data.mood, column data.moods"},
	{"CREATE TYPE place AS (x integer, y integer); ALTER TABLE data ADD COLUMN spot place", "column data.spot"},
	{"CREATE DOMAIN mark AS integer NOT NULL DEFAULT 1 CHECK (VALUE > 0); ALTER TABLE data ADD COLUMN grade mark NOT NULL", "column data.grade"},
	{"ALTER TABLE signal ADD COLUMN plot point, ADD COLUMN words tsvector, ADD COLUMN span tstzrange, ADD COLUMN seen inet", "column signal.plot, column signal.words, column signal.span, column signal.seen"},
	{"CREATE INDEX words_idx ON signal USING gin (words)", "index words_idx on signal"},
	{"CREATE INDEX lower_idx ON signal (lower(name) text_pattern_ops) INCLUDE (id)", "index lower_idx on signal"},
	{"CREATE UNIQUE INDEX seen_key ON signal (id, seen DESC) NULLS NOT DISTINCT", "index seen_key on signal"},
	{"ALTER TABLE signal ADD CONSTRAINT span_excl EXCLUDE USING gist (span WITH &&)", "constraint span_excl on signal"},
	{"CREATE SCHEMA other; CREATE TABLE other.asset (id integer PRIMARY KEY); ALTER TABLE run ADD COLUMN asset integer REFERENCES other.asset", "column run.asset, foreign key run_asset_fkey on run"},
	{"ALTER TABLE worker ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON worker; ALTER TABLE worker SET (fillfactor = 90)", ""},
	{"CREATE INDEX my_idx ON data (value)", "index my_idx on data"},
	{"CREATE UNIQUE INDEX my_key ON run (id, trigger) WHERE id > 0", "index my_key on run"},
	{"ALTER TABLE signal ADD CONSTRAINT signal_name_whole UNIQUE (name, id)", "constraint signal_name_whole on signal"},
	{"ALTER TABLE data ADD CONSTRAINT my_check CHECK (value < 1e9)", "check my_check on data"},
	{"ALTER TABLE data ADD CONSTRAINT my_fkey FOREIGN KEY (signal_id) REFERENCES signal (id)", "foreign key my_fkey on data"},
	{"ALTER TABLE data ADD CONSTRAINT asset_fkey FOREIGN KEY (turbine_id) REFERENCES asset (id) NOT VALID", "foreign key asset_fkey on data"},
	{"COMMENT ON TABLE data IS 'what we keep'", "comment on table data"},
	{"COMMENT ON COLUMN data.value IS 'in its unit'", "comment on column data.value"},
	{"COMMENT ON INDEX data_timestamp_idx IS 'small'", "comment on index data_timestamp_idx"},
	{"COMMENT ON INDEX data_pkey IS 'large'", "comment on index data_pkey"},
	{"COMMENT ON CONSTRAINT data_value_finite ON data IS 'no NaN'", ""},
	{"INSERT INTO signal VALUES (99, 'availability'), (100, 'power_median')", ""},
}

func TestForeignThingsAreLeftAlone(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.apply(t, schema.Target, schema.Options{})
	var want []string
	for _, f := range foreign {
		db.exec(t, f.sql)
		if f.name != "" {
			want = append(want, strings.Split(f.name, ", ")...)
		}
	}
	before := db.objects(t)
	for _, opts := range []schema.Options{{DryRun: true}, {}, {AllowDestructive: true}} {
		plan := db.apply(t, schema.Target, opts)
		if plan.Statements != nil || plan.Retired != nil {
			t.Errorf("plan with %+v: got %q, retired %q; want none", opts, plan.SQL(), plan.Retired)
		}
		sort := cmp.Transformer("sort", func(names []string) map[string]int {
			count := map[string]int{}
			for _, name := range names {
				count[name]++
			}
			return count
		})
		if diff := cmp.Diff(want, plan.Foreign, sort); diff != "" {
			t.Errorf("foreign (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, db.objects(t)); diff != "" {
			t.Errorf("objects with %+v (-before +after):\n%s", opts, diff)
		}
	}
}

// What people add to one table does not keep another from being made.
func TestForeignThingsBesideAChange(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, schema.Target.SQL)
	for _, f := range foreign {
		db.exec(t, f.sql)
	}
	db.exec(t, `DROP TABLE flag; ALTER TABLE data DROP CONSTRAINT data_value_finite; DROP INDEX data_timestamp_idx;
		ALTER TABLE partition ALTER COLUMN rows DROP NOT NULL`)
	plan := db.apply(t, schema.Target, schema.Options{})
	if strings.Contains(plan.SQL(), "DROP") || len(plan.Statements) < 4 {
		t.Errorf("plan: got\n%s", plan.SQL())
	}
	plan = db.apply(t, schema.Target, schema.Options{DryRun: true})
	if plan.Statements != nil {
		t.Errorf("second plan: got %q, want none", plan.SQL())
	}
	db.exec(t, "INSERT INTO asset (id) VALUES (1); INSERT INTO data (signal_id, timestamp, value) VALUES (1, now(), 1)")
}

// objects are the definitions of all that public holds, with comments, and the
// signals.
func (d database) objects(t *testing.T) []string {
	t.Helper()
	return d.lines(t, `
		SELECT line FROM (
			SELECT concat_ws(' ', c.relname, c.oid, c.relfilenode, c.relkind, obj_description(c.oid, 'pg_class')) AS line
			FROM pg_class c WHERE relnamespace = 'public'::regnamespace
			UNION ALL
			SELECT concat_ws(' ', c.relname, a.attname, a.atttypid, a.attnotnull, pg_get_expr(f.adbin, f.adrelid), col_description(c.oid, a.attnum))
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
			WHERE relnamespace = 'public'::regnamespace
			UNION ALL
			SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'))
			FROM pg_constraint WHERE connamespace = 'public'::regnamespace
			UNION ALL
			SELECT concat_ws(' ', id, name) FROM signal
		) AS object ORDER BY line COLLATE "C"`)
}

// A table of ours that somebody has cut into partitions stays so.
func TestPartitionedTable(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, `
		CREATE TABLE data (
			turbine_id integer NOT NULL DEFAULT 1, signal_id integer NOT NULL, timestamp timestamptz NOT NULL, value double precision NOT NULL,
			CONSTRAINT data_pkey PRIMARY KEY (turbine_id, signal_id, timestamp)
		) PARTITION BY RANGE (timestamp);
		CREATE TABLE data_all PARTITION OF data DEFAULT`)
	plan := db.apply(t, schema.Target, schema.Options{})
	if diff := cmp.Diff([]string{"partitioning of table data"}, plan.Foreign); diff != "" {
		t.Errorf("foreign (-want +got):\n%s", diff)
	}
	db.wantNothingToDo(t, schema.Target)
	db.exec(t, "INSERT INTO data (signal_id, timestamp, value) VALUES (1, now(), 1)")
}

func TestNeedsThatCannotBeMet(t *testing.T) {
	t.Parallel()
	const ours = "CREATE TABLE a (x integer, y integer); CREATE TABLE b (z integer); CREATE INDEX b_z_idx ON b (z)"
	tests := map[string]struct {
		before  string
		retired []string
		want    string
	}{
		"column that rows have to fill": {
			before: "CREATE TABLE a (x integer, site integer NOT NULL)",
			want:   "nothing was changed: column a.site is NOT NULL without a default, and this version can't fill what it does not know: give it a default, or drop the NOT NULL",
		},
		"retired column that rows have to fill": {
			before: "CREATE TABLE a (x integer, site integer NOT NULL)", retired: []string{"column a.site"},
			want: "or drop the NOT NULL, or have it dropped by --allow-destructive",
		},
		"view of a table's name": {
			before: "CREATE VIEW b AS SELECT 1 AS z",
			want:   "nothing was changed: b is a view, and this version needs a table of that name: rename what has it, or drop it",
		},
		"materialized view of a table's name": {
			before: "CREATE MATERIALIZED VIEW b AS SELECT 1 AS z",
			want:   "b is a materialized view",
		},
		"type that can't be changed": {
			before: "CREATE TABLE a (x text, y integer)",
			want:   `column "x" cannot be cast automatically to type integer`,
		},
		"type that a view depends on": {
			before: "CREATE TABLE a (x bigint, y integer); CREATE VIEW report AS SELECT x FROM a",
			want:   `rule _RETURN on view report depends on column "x"`,
		},
		"table's name that an index has": {
			before: "CREATE TABLE c (i integer); CREATE INDEX a ON c (i)",
			want:   "a is an index on c, and this version needs a table of that name",
		},
		"index's name that another table's has": {
			before: "CREATE TABLE c (z integer); CREATE INDEX b_z_idx ON c (z)",
			want:   "b_z_idx is an index on c, and this version needs an index on b of that name: rename what has it, or drop it",
		},
		"index's name that a table has": {
			before: "CREATE TABLE b_z_idx (z integer)",
			want:   "b_z_idx is a table, and this version needs an index on b of that name",
		},
	}
	dev := pgtest.Empty(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := setup(t)
			db.exec(t, test.before)
			before := db.relations(t, "public")
			_, err := schema.Apply(t.Context(), db.url, schema.New(ours, test.retired...), schema.Options{DevURL: dev})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error: got %v, want %q", err, test.want)
			}
			if diff := cmp.Diff(before, db.relations(t, "public")); diff != "" {
				t.Errorf("relations (-before +after):\n%s", diff)
			}
		})
	}
}

// A default, or an end of the NOT NULL, is what the refusal asks for.
func TestNeedThatIsMet(t *testing.T) {
	t.Parallel()
	dev := pgtest.Empty(t)
	for _, remedy := range []string{"ALTER TABLE a ALTER COLUMN site SET DEFAULT 1", "ALTER TABLE a ALTER COLUMN site DROP NOT NULL"} {
		db := setup(t)
		db.exec(t, "CREATE TABLE a (x integer, site integer NOT NULL)")
		db.exec(t, remedy)
		if plan := db.apply(t, schema.New("CREATE TABLE a (x integer)"), schema.Options{DevURL: dev}); !cmp.Equal(plan.Foreign, []string{"column a.site"}) {
			t.Errorf("after %q: got %+v", remedy, plan)
		}
	}
}

// Names of ours are ours: what has one is brought to what this version needs.
func TestOurNamesAreBroughtToOurs(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, schema.Target.SQL)
	db.exec(t, `ALTER TABLE data DROP CONSTRAINT data_value_finite, ADD CONSTRAINT data_value_finite CHECK (value < 5);
		DROP INDEX data_timestamp_idx; CREATE INDEX data_timestamp_idx ON data (timestamp, value);
		ALTER TABLE signal ALTER COLUMN name SET DEFAULT 'x', ALTER COLUMN name TYPE varchar(99)`)
	if plan := db.apply(t, schema.Target, schema.Options{}); len(plan.Statements) == 0 || plan.Foreign != nil {
		t.Errorf("plan: got %+v", plan)
	}
	db.exec(t, "INSERT INTO data (signal_id, timestamp, value) VALUES (1, now(), 9)")
	db.wantNothingToDo(t, schema.Target)
}

// A column's comment is its unit, unless somebody has another there.
func TestForeignCommentInPlaceOfOurs(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.exec(t, schema.Source.SQL)
	db.exec(t, "COMMENT ON COLUMN data.power IS 'active power'; COMMENT ON COLUMN data.wind_speed IS NULL")
	plan := db.apply(t, schema.Source, schema.Options{})
	if diff := cmp.Diff([]string{"comment on column data.power"}, plan.Foreign); diff != "" {
		t.Errorf("foreign (-want +got):\n%s", diff)
	}
	got := db.lines(t, "SELECT col_description('data'::regclass, attnum) FROM pg_attribute WHERE attrelid = 'data'::regclass AND attname IN ('wind_speed', 'power') ORDER BY attnum")
	if diff := cmp.Diff([]string{"m/s", "active power"}, got); diff != "" {
		t.Errorf("comments (-want +got):\n%s", diff)
	}
}
