package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/delfos/delfos/internal/localpg"
)

//go:embed sql
var sqlFiles embed.FS

// statistics stands for the text of statistics.sql in other files.
const statistics = "@statistics\n"

// A dataset is one source database: days of turbines 1 to turbines.
type dataset struct {
	name     string
	first    time.Time
	days     int
	turbines int
}

// stop is the midnight after the dataset's last day.
func (d dataset) stop() time.Time { return d.first.AddDate(0, 0, d.days) }

// span is a range of days, as psql's variables.
type span struct{ start, stop time.Time }

func (d dataset) span() span { return span{d.first, d.stop()} }

func (s span) variables() []string {
	return []string{"-v", "start=" + s.start.Format(time.RFC3339), "-v", "stop=" + s.stop.Format(time.RFC3339)}
}

// bench is the pair of servers and what was made on them.
type bench struct {
	options
	dir            string
	servers        []*localpg.Server
	source, target *url.URL
	replaced       *url.URL        // the replaced system's target, beside ours
	version        string          // PostgreSQL's
	seeded         map[string]bool // datasets by name
}

// start starts the pair, and makes the target and the replaced system's.
func start(ctx context.Context, o options) (b *bench, err error) {
	dir, err := os.MkdirTemp("", "delfos-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the databases: %w", err)
	}
	b = &bench{options: o, dir: dir, seeded: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close(context.WithoutCancel(ctx)))
		}
	}()
	// PostgreSQL may run under another account, which has to come through.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // The data in it is closed.
		return nil, fmt.Errorf("open the folder of the databases: %w", err)
	}
	if err := b.writeSQL(); err != nil {
		return nil, err
	}
	for _, side := range []struct {
		name string
		url  **url.URL
	}{{"source", &b.source}, {"target", &b.target}} {
		server, err := localpg.Start(ctx, localpg.Config{Dir: filepath.Join(dir, side.name), Database: side.name, Superuser: true})
		if err != nil {
			return nil, err
		}
		b.servers = append(b.servers, server)
		if *side.url, err = url.Parse(server.URL()); err != nil {
			return nil, fmt.Errorf("read the server's URL: %w", err)
		}
	}
	if b.version, err = b.psql(ctx, b.target, "version.sql"); err != nil {
		return nil, err
	}
	return b, b.templates(ctx)
}

// templates makes what the target and the replaced system's are copied from,
// and moves the addresses of both on to the copies.
func (b *bench) templates(ctx context.Context) error {
	for _, name := range []string{"empty_target", "empty_replaced"} {
		if err := b.create(ctx, b.target, name); err != nil {
			return err
		}
	}
	if err := b.delfosDo(ctx, []string{"TARGET_DB_URL=" + at(b.target, "empty_target").String()}, "schema", "apply", "target"); err != nil {
		return err
	}
	if _, err := b.psql(ctx, at(b.target, "empty_replaced"), "replaced.sql"); err != nil {
		return err
	}
	b.replaced = at(b.target, "fresh_replaced")
	b.target = at(b.target, "fresh_target")
	return nil
}

// renew makes a database of the target's server anew. Emptied, it would keep
// the planner's statistics of what was loaded before, which a database that is
// filled for the first time has not.
func (b *bench) renew(ctx context.Context, database *url.URL) error {
	_, err := b.psql(ctx, at(database, "postgres"), "renew.sql", "-v", "template=empty"+strings.TrimPrefix(database.Path, "/fresh"), "-v", "database="+strings.TrimPrefix(database.Path, "/"))
	return err
}

// at is the address of another database of the same server.
func at(server *url.URL, database string) *url.URL {
	u := *server
	u.Path = "/" + database
	return &u
}

// close stops the pair and removes all that there was.
func (b *bench) close(ctx context.Context) error {
	var failed []error
	for _, server := range b.servers {
		failed = append(failed, server.Stop(ctx))
	}
	return errors.Join(append(failed, os.RemoveAll(b.dir))...)
}

// writeSQL writes the embedded files to where psql and pgbench can read them.
func (b *bench) writeSQL() error {
	shared, err := sqlFiles.ReadFile("sql/statistics.sql")
	if err != nil {
		return fmt.Errorf("read the statistics: %w", err)
	}
	entries, err := sqlFiles.ReadDir("sql")
	if err != nil {
		return fmt.Errorf("list the queries: %w", err)
	}
	for _, entry := range entries {
		text, err := sqlFiles.ReadFile("sql/" + entry.Name())
		if err != nil {
			return fmt.Errorf("read a query: %w", err)
		}
		whole := strings.ReplaceAll(string(text), statistics, string(shared))
		if err := os.WriteFile(b.file(entry.Name()), []byte(whole), 0o600); err != nil {
			return fmt.Errorf("write a query: %w", err)
		}
	}
	return nil
}

// file is where the query of that name was written.
func (b *bench) file(name string) string { return filepath.Join(b.dir, name) }

// database is the address of a dataset on the source's server.
func (b *bench) database(d dataset) *url.URL {
	return at(b.source, d.name)
}

// seed makes a dataset unless it is there.
func (b *bench) seed(ctx context.Context, d dataset) error {
	if b.seeded[d.name] {
		return nil
	}
	if err := b.create(ctx, b.source, d.name); err != nil {
		return err
	}
	env := []string{"SOURCE_DB_URL=" + b.database(d).String()}
	if err := b.delfosDo(ctx, env, "schema", "apply", "source"); err != nil {
		return err
	}
	if err := b.delfosDo(ctx, env, "seed", "--start-date", d.first.Format(time.DateOnly),
		"--days", strconv.Itoa(d.days), "--turbines", strconv.Itoa(d.turbines)); err != nil {
		return err
	}
	if _, err := b.psql(ctx, b.database(d), "settle.sql"); err != nil {
		return err
	}
	b.seeded[d.name] = true
	return nil
}

// create makes an empty database.
func (b *bench) create(ctx context.Context, server *url.URL, name string) error {
	_, err := b.psql(ctx, server, "create.sql", "-v", "database="+name)
	return err
}

// psql runs a query's file and returns what it prints.
func (b *bench) psql(ctx context.Context, at *url.URL, name string, args ...string) (string, error) {
	got, err := command(ctx, nil, "psql", append(b.psqlArgs(at, name), args...)...)
	return strings.TrimSpace(string(got.stdout)), err
}

// psqlArgs are the arguments by which psql runs a query's file and prints no
// more than the rows.
func (b *bench) psqlArgs(at *url.URL, name string) []string {
	return []string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", at.String(), "-f", b.file(name)}
}

// delfosDo runs a command of ours that is not measured.
func (b *bench) delfosDo(ctx context.Context, env []string, args ...string) error {
	_, err := command(ctx, env, b.delfos, args...)
	return err
}
