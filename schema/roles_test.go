package schema_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/internal/localpg"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// rights are statements, and the roles that may run each; the others are refused.
var rights = []struct{ database, sql, roles string }{
	{"source", "SELECT * FROM data, turbine", "api import read owner"},
	{"source", "INSERT INTO data VALUES (1, '2025-01-01Z')", "import owner"},
	{"source", "INSERT INTO turbine (id, name) VALUES (7, 'North')", "import owner"},
	{"source", "UPDATE data SET power = 1", "import owner"},
	{"source", "DELETE FROM data", "import owner"},
	{"source", "SELECT * FROM data_change", "api import read owner"},
	{"source", "INSERT INTO data_change VALUES (1, 1, '2025-01-01', 1)", "import owner"},
	{"source", "COPY data TO '/dev/null'", ""},
	{"source", "LOCK TABLE turbine IN SHARE ROW EXCLUSIVE MODE", "import owner"},
	{"source", schema.SourceStage + "INSERT INTO data_stage VALUES (1, '2025-01-01Z')", "api import read owner"}, // TEMPORARY is everybody's
	{"source", "TRUNCATE data", "owner"},
	{"source", "ALTER TABLE data ADD COLUMN pitch double precision", "owner"},
	{"source", "DROP TABLE data", "owner"},
	{"source", "CREATE TABLE copy AS TABLE data", "owner"},
	{"source", "CREATE SCHEMA mine", "owner"},
	{"target", "SELECT * FROM data, signal, turbine, partition, run, run_log, event, flag, check_result", "etl read owner"},
	{"target", "INSERT INTO data VALUES (1, 1, '2025-01-01Z', 1)", "etl owner"},
	{"target", "INSERT INTO run (trigger, first_day, last_day) VALUES ('command', '2025-01-01', '2025-01-01')", "etl owner"},
	{"target", "UPDATE partition SET token = token + 1", "etl owner"},
	{"target", "DELETE FROM data", "etl owner"},
	{"target", "SELECT FROM signal FOR KEY SHARE", "etl owner"},
	{"target", "SELECT * FROM river.river_job", "etl owner"},
	{"target", "INSERT INTO river.river_job (kind, max_attempts, args) VALUES ('partition', 3, '{}')", "etl owner"},
	{"target", "SELECT delfos_tidy(true), delfos_tidy(false)", "etl owner"},
	{"target", "SELECT brin_summarize_new_values('data_timestamp_idx')", "owner"},
	{"target", "LISTEN delfos_event; SELECT pg_notify('delfos_event', ''), pg_try_advisory_xact_lock(1)", "api import etl read owner"},
	{"target", "TRUNCATE data", "owner"},
	{"target", "ALTER TABLE data DROP CONSTRAINT data_value_finite", "owner"},
	{"target", "ALTER TYPE outcome ADD VALUE 'lost'", "owner"},
	{"target", "CREATE INDEX ON river.river_job (kind)", "owner"},
	{"target", "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "owner"},
	{"target", "CREATE ROLE another", "owner"}, // as CREATEROLE, which the login of the tests has
	{"target", "SET ROLE delfos_owner", "owner"},
	{"target", "SET ROLE delfos_etl", "etl owner"},
}

func TestRights(t *testing.T) {
	t.Parallel()
	databases := map[string]string{"source": pgtest.Source(t), "target": pgtest.Target(t)}
	analyst := "analyst_" + strings.ToLower(rand.Text())
	admin := database{conn: connect(t, databases["target"])}
	admin.exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'secret' IN ROLE delfos_read", analyst))
	t.Cleanup(func() { admin.execLate(t, "DROP ROLE "+analyst) })
	for name, url := range databases {
		logins := map[string]string{
			"api": pgtest.As(t, schema.APIRole, url), "import": pgtest.As(t, schema.ImportRole, url), "etl": pgtest.As(t, schema.ETLRole, url),
			"read": as(t, analyst, "secret", url), "owner": url,
		}
		for role, login := range logins {
			conn := connect(t, login)
			for _, right := range rights {
				if right.database != name {
					continue
				}
				tx, err := conn.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_, err = tx.Exec(t.Context(), right.sql, pgx.QueryExecModeSimpleProtocol)
				refused, _ := errors.AsType[*pgconn.PgError](err)
				may := slices.Contains(strings.Fields(right.roles), role)
				if may && err != nil || !may && (refused == nil || refused.Code != pgerrcode.InsufficientPrivilege) {
					t.Errorf("%s, %s: %s: got %v, want it allowed: %t", name, role, right.sql, err, may)
				}
				if err := tx.Rollback(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// The recipe of docs/roles.md: an analyst reads, and has a view of their own.
func TestAnalystsRecipe(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/roles.md")
	if err != nil {
		t.Fatal(err)
	}
	target := pgtest.Target(t)
	name := "anna_" + strings.ToLower(rand.Text())
	admin := database{conn: connect(t, target)}
	var analyst database
	for i, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		made, used, _ := strings.Cut(strings.ReplaceAll(block[1], "anna", name), "\n")
		admin.exec(t, made)
		if i == 0 {
			t.Cleanup(func() { admin.execLate(t, "DROP OWNED BY "+name+"; DROP ROLE "+name) })
			admin.exec(t, "ALTER ROLE "+name+" PASSWORD 'secret'; GRANT "+name+" TO CURRENT_USER")
			analyst = database{conn: connect(t, as(t, name, "secret", target))}
		}
		analyst.exec(t, used)
	}
	if got := analyst.lines(t, "SELECT count(*)::text FROM "+name+".daily"); !cmp.Equal(got, []string{"0"}) {
		t.Errorf("rows of the view: got %q, want 0", got)
	}
}

// A stopped session that holds a day is ended by another of the same role, or of a member;
// one of a role that is neither is not even seen, and is left alone.
func TestRightToEndSessions(t *testing.T) {
	t.Parallel()
	url := pgtest.Target(t)
	etl := func() *pgx.Conn { return connect(t, pgtest.As(t, schema.ETLRole, url)) }
	for name, test := range map[string]struct {
		from, to *pgx.Conn
		ended    bool
	}{
		"a worker ends another":   {etl(), etl(), true},
		"the owner ends a worker": {connect(t, url), etl(), true},
		"a worker ends the owner": {etl(), connect(t, url), false},
		"the API ends a worker":   {connect(t, pgtest.As(t, schema.APIRole, url)), etl(), false},
	} {
		pid := test.to.PgConn().PID()
		var seen, ended bool
		err := test.from.QueryRow(t.Context(), "SELECT backend_start IS NOT NULL FROM pg_stat_activity WHERE pid = $1", pid).Scan(&seen)
		if err != nil {
			t.Fatal(err)
		}
		err = test.from.QueryRow(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&ended)
		refused, _ := errors.AsType[*pgconn.PgError](err)
		if seen != test.ended || ended != test.ended || !ended && (refused == nil || refused.Code != pgerrcode.InsufficientPrivilege) {
			t.Errorf("%s: seen %t, ended %t, %v; want %t", name, seen, ended, err, test.ended)
		}
	}
}

// COPY is how loads and imports write.
func TestRightToCopy(t *testing.T) {
	t.Parallel()
	target := connect(t, pgtest.As(t, schema.ETLRole, pgtest.Target(t)))
	if _, err := target.PgConn().CopyFrom(t.Context(), strings.NewReader("1\t1\t2025-01-01\t1\n"), "COPY data FROM STDIN"); err != nil {
		t.Errorf("delfos_etl: %v", err)
	}
	source := pgtest.Source(t)
	conn := connect(t, pgtest.As(t, schema.ImportRole, source))
	if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("1\t2025-01-01\t1\t2\t3\n"), "COPY data FROM STDIN"); err != nil {
		t.Errorf("delfos_import: %v", err)
	}
	conn = connect(t, pgtest.As(t, schema.APIRole, source))
	_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("1\t2025-01-02\t1\t2\t3\n"), "COPY data FROM STDIN")
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != pgerrcode.InsufficientPrivilege {
		t.Errorf("delfos_api: got %v, want it refused", err)
	}
}

// Whatever comes first, the roles or the tables, and whatever comes later by a newer
// version, the roles have their rights.
func TestRolesOfWhatComesLater(t *testing.T) {
	t.Parallel()
	pgtest.Target(t) // so that no test beside this one makes the roles, which are the whole server's
	db := setup(t)
	apply := func(opts schema.Options) []string {
		t.Helper()
		plan, err := schema.ApplyRoles(t.Context(), db.url, schema.Target, opts)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Statements
	}
	dry := apply(schema.Options{DryRun: true})
	if diff := cmp.Diff(dry, apply(schema.Options{})); diff != "" || len(dry) == 0 {
		t.Errorf("dry run and run plan differently (-dry +run):\n%s", diff)
	}
	db.apply(t, schema.Target, schema.Options{})
	db.applyRiver(t, schema.Options{})
	newer := schema.Target
	newer.SQL += "CREATE TABLE later (id integer PRIMARY KEY); CREATE TYPE sooner AS ENUM ('a');"
	db.apply(t, newer, schema.Options{})
	if left := apply(schema.Options{}); left != nil {
		t.Errorf("left to do: got %q, want none", left)
	}
	db.exec(t, `CREATE OR REPLACE FUNCTION delfos_tidy(statistics boolean) RETURNS void LANGUAGE plpgsql AS 'BEGIN NULL; END'`)
	if plan := apply(schema.Options{}); len(plan) != 1 || !strings.Contains(plan[0], "brin_summarize_new_values") || apply(schema.Options{}) != nil {
		t.Errorf("a function as a former version made it: got the plan %q, want that the function is made anew, once", plan)
	}
	const owned = `SELECT DISTINCT c.relowner::regrole::text || ' ' || has_table_privilege('delfos_etl', c.oid, 'SELECT, INSERT')
		FROM pg_class AS c WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'river'::regnamespace)`
	if got := db.lines(t, owned); !cmp.Equal(got, []string{"delfos_owner true"}) {
		t.Errorf("owners of tables, and whether delfos_etl writes them: got %q, want delfos_owner and true alone", got)
	}
	db.wantNothingToDo(t, newer)
}

// A database of an earlier version hands over what Delfos made, and nothing that somebody
// else did; its owner can do what they could.
func TestRolesLeaveForeignThingsAlone(t *testing.T) {
	t.Parallel()
	db := setup(t)
	db.apply(t, schema.Target, schema.Options{})
	db.applyRiver(t, schema.Options{})
	for _, f := range foreign {
		db.exec(t, f.sql)
	}
	const theirs = `SELECT concat_ws(' ', relname, relkind, relowner::regrole, relacl::text) FROM pg_class
		WHERE relnamespace IN ('public'::regnamespace, 'other'::regnamespace) AND relkind IN ('r', 'p', 'v', 'm')
		AND (relowner <> 'delfos_owner'::regrole OR relname IN ('data_backup', 'report', 'asset')) ORDER BY 1`
	const ours = `SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
		AND relowner = 'delfos_owner'::regrole ORDER BY relname`
	plan, err := schema.ApplyRoles(t.Context(), db.url, schema.Target, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	login := db.lines(t, "SELECT current_user::text")[0]
	want := []string{"asset r", "asset r", "data_backup r", "data_of_old r", "monthly m", "reading p", "reading_2025 r", "report v"}
	for i := range want {
		want[i] += " " + login
	}
	if diff := cmp.Diff(want, db.lines(t, theirs)); diff != "" {
		t.Errorf("what others made, its owner and its grants (-want +got):\n%s", diff)
	}
	made := pgtest.Query[[]string](t, pgtest.Pool(t, pgtest.Target(t)), "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
	if diff := cmp.Diff(made, db.lines(t, ours)); diff != "" {
		t.Errorf("what changed hands (-want +got):\n%s", diff)
	}
	if len(plan.Statements) == 0 {
		t.Error("plan: got none")
	}
	db.exec(t, "ALTER TABLE data ADD COLUMN another integer; DROP VIEW report")
}

// Who may not make roles is told what an administrator runs, and that is enough.
func TestRolesByAnAdministrator(t *testing.T) {
	t.Parallel()
	server, err := localpg.Start(t.Context(), localpg.Config{Dir: pgtest.Folder(t), Superuser: true, Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
	admin := database{url: server.URL(), conn: connect(t, server.URL())}
	admin.exec(t, "CREATE ROLE plain LOGIN CREATEDB PASSWORD 'secret'")
	admin.exec(t, "CREATE DATABASE wind OWNER plain")
	plain := strings.Replace(as(t, "plain", "secret", server.URL()), "/delfos?", "/wind?", 1)
	db := database{url: plain, conn: connect(t, plain)}
	db.apply(t, schema.Source, schema.Options{})
	before := db.relations(t, "public")

	_, err = schema.ApplyRoles(t.Context(), plain, schema.Source, schema.Options{})
	if err == nil {
		t.Fatal("error: got none")
	}
	_, statements, _ := strings.Cut(err.Error(), "an administrator of the server runs: ")
	statements, _, found := strings.Cut(statements, " Then run this again")
	if !found || !strings.Contains(err.Error(), `nothing was changed: the role "plain" may not run CREATE ROLE delfos_owner NOLOGIN`) {
		t.Fatalf("error: got %v, want what an administrator runs", err)
	}
	admin.exec(t, statements)
	if _, err := schema.ApplyRoles(t.Context(), plain, schema.Source, schema.Options{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if diff := cmp.Diff(before, db.relations(t, "public")); diff != "" {
		t.Errorf("tables (-before +after):\n%s", diff)
	}
	db.wantNothingToDo(t, schema.Source)

	// A password, of any characters, is the administrator's too.
	passwords := schema.Options{Passwords: map[string]string{schema.APIRole: "pässwörd º '\\ x", schema.ImportRole: ""}}
	_, err = schema.ApplyRoles(t.Context(), plain, schema.Source, passwords)
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != pgerrcode.InsufficientPrivilege {
		t.Errorf("password by one who may not: got %v, want it refused", err)
	}
	for _, want := range []string{"-- delfos_api gets the password that it was given.\n", ""} {
		as := strings.Replace(server.URL(), "/delfos?", "/wind?", 1)
		if plan, err := schema.ApplyRoles(t.Context(), as, schema.Source, passwords); err != nil || plan.SQL() != want {
			t.Errorf("plan with a password: got %q, %v, want %q", plan.SQL(), err, want)
		}
	}
}

// as is the URL of a database for another login.
func as(t *testing.T, name, password, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, password)
	return u.String()
}

// execLate runs SQL when the test ends.
func (d database) execLate(t *testing.T, sql string) {
	t.Helper()
	if _, err := d.conn.Exec(context.WithoutCancel(t.Context()), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
}
