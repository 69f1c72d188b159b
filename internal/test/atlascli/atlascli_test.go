//go:build atlas

package atlascli_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

const root = "../../.."

func TestMain(m *testing.M) { pgtest.Main(m) }

// atlas is the path of the command, built if need be.
func atlas(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("DELFOS_ATLAS"); path != "" {
		return path
	}
	command := exec.CommandContext(t.Context(), "go", "tool", "-n", "-modfile=tools/atlas/go.mod", "atlas")
	command.Dir = root
	command.Stderr = os.Stderr
	path, err := command.Output()
	if err != nil {
		t.Fatalf("build atlas: %v", err)
	}
	return strings.TrimSpace(string(path))
}

// cli is Atlas's command line, run in the root of the repository.
type cli struct{ path, dev string }

// run applies env to the database at url and returns what it prints.
func (c cli) run(t *testing.T, env, url string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.path, "schema", "apply", "--env", env, "--auto-approve")
	command.Dir = root
	command.Env = append(os.Environ(), "SOURCE_DB_URL=", "TARGET_DB_URL=", "ATLAS_DEV_URL="+c.dev, "ATLAS_NO_UPDATE_NOTIFIER=1")
	if url != "" {
		command.Env = append(command.Env, strings.ToUpper(env)+"_DB_URL="+url)
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

func (c cli) apply(t *testing.T, env, url string) string {
	t.Helper()
	out, err := c.run(t, env, url)
	if err != nil {
		t.Fatalf("atlas schema apply --env %s: %v\n%s", env, err, out)
	}
	return out
}

func (c cli) wantNothingToDo(t *testing.T, env, url string) {
	t.Helper()
	if out := c.apply(t, env, url); !strings.Contains(out, "no changes to be made") {
		t.Errorf("atlas on a database that has its schema: got\n%s\nwant no changes", out)
	}
}

func lines(t *testing.T, url, sql string) []string {
	t.Helper()
	rows, err := pgtest.Pool(t, url).Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	return lines
}

// catalog is every column, constraint and index outside of PostgreSQL's own
// schemas, as PostgreSQL itself puts them.
func catalog(t *testing.T, url string) []string {
	t.Helper()
	return lines(t, url, `
		WITH relation AS (
			SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind, c.reloptions
			FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
		)
		SELECT line FROM (
		SELECT concat_ws(' ', r.name, r.relkind, r.reloptions) AS line FROM relation AS r
		UNION ALL
		SELECT concat_ws(' ', r.name, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
		FROM relation AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0
		LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		UNION ALL
		SELECT concat_ws(' ', r.name, k.conname, pg_get_constraintdef(k.oid)) FROM relation AS r JOIN pg_constraint AS k ON k.conrelid = r.oid
		UNION ALL
		SELECT pg_get_indexdef(r.oid) FROM relation AS r WHERE r.relkind = 'i'
		) AS catalog ORDER BY line COLLATE "C"`)
}

func TestBothWaysAgree(t *testing.T) {
	t.Parallel()
	path := atlas(t)
	for _, s := range []schema.Schema{schema.Source, schema.Target} {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			cli := cli{path: path, dev: pgtest.Empty(t)}
			byCLI, byLibrary := pgtest.Empty(t), pgtest.Empty(t)
			cli.apply(t, s.Name, byCLI)
			if _, err := schema.Apply(t.Context(), byLibrary, s, schema.Options{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(catalog(t, byCLI), catalog(t, byLibrary)); diff != "" {
				t.Errorf("catalogs (-atlas +Apply):\n%s", diff)
			}
			for name, url := range map[string]string{"the command line": byCLI, "Apply": byLibrary} {
				cli.wantNothingToDo(t, s.Name, url)
				plan, err := schema.Apply(t.Context(), url, s, schema.Options{DryRun: true})
				if err != nil {
					t.Fatal(err)
				}
				if len(plan.Statements) > 0 {
					t.Errorf("plan for the database made by %s: got\n%s\nwant none", name, plan.SQL())
				}
			}
			if got := catalog(t, cli.dev); len(got) > 0 {
				t.Errorf("left in the dev database: %q", got)
			}
		})
	}
}

func TestForeignSchemaIsLeftAlone(t *testing.T) {
	t.Parallel()
	cli := cli{path: atlas(t), dev: pgtest.Empty(t)}
	url := pgtest.Empty(t)
	const river = `SELECT concat_ws(' ', relname, oid, relfilenode) FROM pg_class WHERE relnamespace = 'river'::regnamespace ORDER BY relname`
	if _, err := schema.ApplyRiver(t.Context(), url, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := pgtest.Pool(t, url).Exec(t.Context(), `INSERT INTO river.river_job (kind, args, max_attempts) VALUES ('partition', '{}', 3)`); err != nil {
		t.Fatal(err)
	}
	before := lines(t, url, river)
	if out := cli.apply(t, "target", url); strings.Contains(out, "river") {
		t.Errorf("the plan touches river:\n%s", out)
	}
	cli.wantNothingToDo(t, "target", url)
	if _, err := schema.ApplyRoles(t.Context(), url, schema.Target, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	cli.wantNothingToDo(t, "target", url)
	if diff := cmp.Diff(before, lines(t, url, river)); diff != "" {
		t.Errorf("relations of river (-before +after):\n%s", diff)
	}
	if got := lines(t, url, "SELECT concat(id, state) FROM river.river_job"); !cmp.Equal(got, []string{"1available"}) {
		t.Errorf("rows of river.river_job: got %q", got)
	}
}

func TestMissingVariable(t *testing.T) {
	t.Parallel()
	path, dev := atlas(t), pgtest.Empty(t)
	for name, test := range map[string]struct{ env, url, dev, want string }{
		"source": {env: "source", dev: dev, want: "source-db-url.is.not.set"},
		"target": {env: "target", dev: dev, want: "target-db-url.is.not.set"},
		"dev":    {env: "source", url: pgtest.Empty(t), want: "atlas-dev-url.is.not.set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := cli{path: path, dev: test.dev}.run(t, test.env, test.url)
			if err == nil || !strings.Contains(out, test.want) {
				t.Errorf("got error %v and\n%s\nwant %q", err, out, test.want)
			}
		})
	}
}
