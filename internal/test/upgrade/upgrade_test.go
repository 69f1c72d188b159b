package upgrade_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/problem"
)

// TestUpgrade runs the lines of docs/versions.md on databases that are read all the
// while: by the queries of the former release, by HTTP clients of today's servers, which
// were started too early, and by answers that take long. No query fails or gives other rows.
// Each HTTP answer is a 200, or, before the schemas are there, a 503 that says when to come
// again and what is to be done. Afterwards all that was under way goes on.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	lines := documented(t)
	f := setup(t)
	f.serve(t)
	before := f.held(t)

	var applied atomic.Bool
	all := newReaders()
	begun := f.readByQueries(t, all)
	web := client(t)
	for name, url := range f.paths(false) {
		all.each(t, name, func() error { return ask(web, url, &applied) })
	}

	if plan := f.done(t, lines[0]); !strings.Contains(plan, "CREATE TABLE") {
		t.Errorf("%s: got %q, want what is to be done", lines[0], plan)
	}
	// Each schema waits for a long answer to end.
	holders := []pgx.Tx{f.hold(t, f.source, "SELECT FROM data, turbine LIMIT 1"), f.hold(t, f.target, "SELECT FROM data, partition LIMIT 1")}
	code, _, stderr := f.program(t, lines[1], func(said string) {
		if strings.Contains(said, "a table is in use") && len(holders) > 0 {
			if err := holders[0].Commit(context.WithoutCancel(t.Context())); err != nil {
				t.Errorf("a long answer: %v", err)
			}
			holders = holders[1:]
		}
	})
	if code != 0 || len(holders) > 0 {
		t.Fatalf("%s: exit code %d, %d long answers were not waited for: %s", lines[1], code, len(holders), stderr)
	}
	applied.Store(true)
	begun() // once more each, on what is new
	all.end()
	if t.Failed() {
		return
	}
	f.afterUpgrade(t, before)
	for _, again := range []string{lines[2], "delfos schema apply roles"} {
		if left := f.done(t, again); left != "" {
			t.Errorf("%s: got %s, want nothing to do", again, left)
		}
	}
}

// afterUpgrade sees that the days are what they were, and that the work goes on.
func (f *former) afterUpgrade(t *testing.T, before []string) {
	t.Helper()
	if diff := cmp.Diff(before, f.held(t)); diff != "" {
		t.Errorf("loaded days (-before +after):\n%s", diff)
	}
	await.Value(t, "the run that was under way", func() (any, bool) {
		got := pgtest.Query[string](t, f.target, "SELECT string_agg(concat_ws(' ', day, outcome), ', ' ORDER BY day) FROM run_partition WHERE run_id = 6")
		return got, got == "2025-01-04 done, 2025-01-05 done"
	})
	states := pgtest.Query[string](t, f.target, "SELECT string_agg(concat_ws(' ', extract(day FROM day), outcome), ', ' ORDER BY day) FROM partition")
	if want := "1 done, 2 done, 3 done, 4 done, 5 done, 6 empty, 7 failed, 8 cancelled"; states != want {
		t.Errorf("days: got %s, want %s", states, want)
	}
	web := client(t)
	for _, url := range f.paths(true) {
		if err := ask(web, url, nil); err != nil {
			t.Error(err)
		}
	}
	f.done(t, "delfos verify --from 2025-01-01 --to 2025-01-06")
	if stale := f.done(t, "delfos etl --stale --to 2025-01-06"); !strings.Contains(stale, "no day that is loaded has changed") {
		t.Errorf("etl --stale: got %s, want no day", stale)
	}
	f.done(t, "delfos seed --start-date 2025-01-10 --days 1")
	f.done(t, "delfos etl 2025-01-10")
	f.done(t, "delfos verify --from 2025-01-10 --to 2025-01-10")
}

// held is what the target holds of the days that the former release loaded.
func (f *former) held(t *testing.T) []string {
	t.Helper()
	rows, err := f.target.Query(t.Context(), `
		SELECT concat_ws(' ', p.day, p.outcome, p.rows, p.source_digest, p.source_digest_seen, p.target_digest, (
			SELECT md5(string_agg(concat_ws(' ', d.turbine_id, d.signal_id, d.timestamp, d.value), ',' ORDER BY d.turbine_id, d.signal_id, d.timestamp))
			FROM data AS d WHERE d.timestamp >= p.day AND d.timestamp < p.day + 1))
		FROM partition AS p WHERE p.day <= '2025-01-03' ORDER BY p.day`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 {
		t.Fatalf("the target holds %q", lines)
	}
	return lines
}

// hold reads in a transaction that stays open.
func (f *former) hold(t *testing.T, pool *pgxpool.Pool, sql string) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	return tx
}

// documented are the lines of docs/versions.md.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "versions.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^ *(delfos .*)$`).FindAllStringSubmatch(string(text), -1)
	var commands []string
	for _, line := range lines {
		commands = append(commands, line[1])
	}
	if len(commands) != 3 {
		t.Fatalf("docs/versions.md has the lines %q, want a dry run, what applies the schemas, and what removes the rest", commands)
	}
	return commands
}

// ask wants an answer that is right, or that says when to come again and what is to be
// done; when applied says so, a right one alone.
func ask(web *http.Client, url string, applied *atomic.Bool) error {
	late := applied == nil || applied.Load()
	response, err := web.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusOK {
		return err
	}
	var p problem.Problem
	_ = json.Unmarshal(body, &p)
	comeAgain := response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != ""
	upgrading := strings.Contains(p.Detail, "`delfos schema apply source`") || strings.Contains(p.Detail, "`delfos schema apply target`") ||
		strings.Contains(p.Detail, "schema of the database has just changed")
	if late || !comeAgain || !upgrading {
		return fmt.Errorf("%s: got %s, Retry-After %q, %s", url, response.Status, response.Header.Get("Retry-After"), body)
	}
	return nil
}

// readByQueries has the queries of the former release asked all the time, each of which
// has to give the rows that it gave at first. The returned function asks each once more.
func (f *former) readByQueries(t *testing.T, all *readers) (again func()) {
	t.Helper()
	reads := map[string]func() error{}
	for name, sql := range queries(t, "source_queries.sql") {
		reads[name] = f.steady(t, f.source, sql, sourceArgs()[name])
	}
	of := queries(t, "target_queries.sql")
	for name, args := range dataArgs() {
		reads[name] = f.steady(t, f.target, of[name], args)
	}
	for name, read := range reads {
		all.each(t, name, read)
	}
	return func() {
		for name, read := range reads {
			if err := read(); err != nil {
				t.Errorf("%s after the upgrade: %v", name, err)
			}
		}
	}
}

// steady reads by a query, and holds its rows against those that there are now.
func (f *former) steady(t *testing.T, pool *pgxpool.Pool, sql string, args []any) func() error {
	t.Helper()
	want, err := rowsOf(t.Context(), pool, sql, args)
	if err != nil || len(want) == 0 && !strings.Contains(sql, "FROM flag") {
		t.Fatalf("%s: got %d rows, error %v", sql, len(want), err)
	}
	return func() error {
		got, err := rowsOf(context.WithoutCancel(t.Context()), pool, sql, args)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return errors.New("the rows differ: " + cmp.Diff(want, got))
		}
		return nil
	}
}

func rowsOf(ctx context.Context, pool *pgxpool.Pool, sql string, args []any) ([]string, error) {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		for i, column := range row.FieldDescriptions() {
			if column.Name == "snapshot" { // which each transaction changes
				values[i] = ""
			}
		}
		return fmt.Sprint(values...), err
	})
}

// queries are those of a file, by name.
func queries(t *testing.T, name string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, part := range strings.Split(testdata(t, name), "-- name: ")[1:] {
		name, sql, _ := strings.Cut(part, "\n")
		all[name] = sql
	}
	return all
}

const (
	first = "2025-01-01"
	last  = "2025-01-03"
)

func sourceArgs() map[string][]any {
	turbines := []int32{1, 7}
	return map[string][]any{
		"ReadSamples": {turbines, first, last}, "TagSamples": {turbines, first, last}, "DigestSamples": {turbines, first, last},
		"ReadSamplePage": {turbines, first, last, 100}, "TagSamplePage": {100, first, turbines, last},
	}
}

// dataArgs has the queries that read windows, as analysts do.
func dataArgs() map[string][]any {
	signals := []int32{1, 2, 6}
	return map[string][]any{
		"ListSignals": nil, "NextWindowTurbine": {1}, "FirstWindow": {signals, 7, first, last},
		"ReadWindows": {[]int32{1, 7}, signals, first, last}, "ReadFlags": {first, last},
	}
}

// The queries of the former release that read the ledger, as its orchestrator asks
// them. docs/versions.md has it stopped: some name states that the ledger's columns
// can't have any more.
func TestFormerLedgerQueries(t *testing.T) {
	t.Parallel()
	f := setup(t)
	of := queries(t, "target_queries.sql")
	args := map[string][]any{
		"ReadCheckResults": {first, last, ""}, "ReadCheckRules": nil, "EventRange": nil, "ReadEvents": {0, 10}, "ReadRunLog": {1, 0, 10}, "LedgerRange": nil,
		"ReadGrid": {first, "2025-01-09"}, "ReadRevisions": {first, last, 10}, "FindRunByKey": {"first"}, "ReadRuns": {nil, nil, 10}, "ReadSchedule": nil,
	}
	reads := map[string]func() error{}
	for name, args := range args {
		reads[name] = f.steady(t, f.target, of[name], args)
	}
	f.done(t, "delfos schema apply target")
	f.target.Reset()
	var refused []string
	for _, name := range slices.Sorted(maps.Keys(reads)) {
		if err := reads[name](); err != nil {
			t.Logf("%s: %v", name, err)
			refused = append(refused, name)
		}
	}
	if diff := cmp.Diff([]string{"ReadCheckResults", "ReadGrid", "ReadRevisions"}, refused); diff != "" {
		t.Errorf("queries that the new schema refuses (-want +got):\n%s", diff)
	}
}
