package cli_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/localpg"
	until "github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// TestBackup runs the lines of docs/backup.md, as they stand, from a loaded system to a
// new server of PostgreSQL, and works on there.
func TestBackup(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "backup.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("docs/backup.md has %d blocks to run, want those of dump, restore and comparison", len(blocks))
	}
	old := newInstallation(t)
	old.source, old.target = pgtest.Source(t), pgtest.Target(t)
	old.run(t, 0, "seed", "--days", "2", "--turbines", "2")
	stop := old.serve(t)
	old.run(t, 0, "etl", "2025-01-01", "--to", "2025-01-02", "--source-api-url", "http://"+old.api)
	stop()
	old.shell(t, blocks[0][1])

	dir := pgtest.Folder(t)
	pgtest.Cluster(t, dir)
	server, err := localpg.Start(t.Context(), localpg.Config{
		Dir: dir, BinDir: os.Getenv("DELFOS_PG_BIN"), Database: "source", Roles: pgtest.Superuser(), Fast: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	pgtest.Exec(t, pgtest.Pool(t, server.URL()), "CREATE DATABASE target")
	restored := newInstallation(t)
	restored.dir = old.dir
	restored.source, restored.target = server.URL(), strings.Replace(server.URL(), "/source?", "/target?", 1)
	restored.shell(t, blocks[1][1])
	for name, urls := range map[string][2]string{"source": {old.source, restored.source}, "target": {old.target, restored.target}} {
		if diff := cmp.Diff(digests(t, urls[0]), digests(t, urls[1])); diff != "" {
			t.Errorf("tables of the %s (-dumped +restored):\n%s", name, diff)
		}
	}
	if p := restored.run(t, 0, "schema", "apply", "source", "target", "river", "roles", "--dry-run"); p.stdout.String() != "" {
		t.Errorf("schema apply has something to do: %s", p.stdout)
	}
	stop = restored.serve(t)
	defer stop()
	restored.shell(t, blocks[2][1])
	orchestrator := restored.start(t, "orchestrate", "--source-api-url", "http://"+restored.api)
	restored.ready(t, restored.console)
	restored.start(t, "runs", "start", "--from", "2025-01-01", "--to", "2025-01-02", "--wait", "--target-api-url", "http://"+restored.console).exit(0)
	orchestrator.signal(syscall.SIGINT)
	orchestrator.exit(0)
}

// serve runs the source API until the returned function is called.
func (in *installation) serve(t *testing.T) (stop func()) {
	t.Helper()
	api := in.start(t, "serve")
	in.ready(t, in.api)
	return func() {
		api.signal(syscall.SIGINT)
		api.exit(0)
	}
}

func (in *installation) ready(t *testing.T, addr string) {
	t.Helper()
	until.True(t, addr+" is ready", func() bool {
		response, err := http.Get("http://" + addr + "/ready")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// shell runs lines of a document.
func (in *installation) shell(t *testing.T, lines string) {
	t.Helper()
	if err := os.Symlink(in.bin, filepath.Join(in.dir, "bin")); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", lines)
	cmd.Dir, cmd.Env = in.dir, slices.Concat(in.command(t.Context()).Env, []string{"SOURCE_API_URL=http://" + in.api})
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", lines, err, out)
	}
}

// digests has one of each table's rows, whatever their order, and where each sequence is.
func digests(t *testing.T, url string) map[string]string {
	t.Helper()
	pool := pgtest.Pool(t, url)
	rows, err := pool.Query(t.Context(), `SELECT CASE relkind
			WHEN 'S' THEN format('SELECT %L, last_value::text FROM %s', oid::regclass, oid::regclass)
			ELSE format('SELECT %L, concat_ws('' '', count(*), md5(string_agg(t::text, '' '' ORDER BY t::text))) FROM %s AS t', oid::regclass, oid::regclass)
		END
		FROM pg_class WHERE relkind IN ('r', 'S') AND relnamespace IN (to_regnamespace('public'), to_regnamespace('river'))`)
	if err != nil {
		t.Fatal(err)
	}
	queries, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, query := range queries {
		var relation, digest string
		if err := pool.QueryRow(t.Context(), query).Scan(&relation, &digest); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		all[relation] = digest
	}
	return all
}
