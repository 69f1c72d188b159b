//go:build variable

package variable_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// What the patch adds.
const name, unit = "generator_speed", "rpm"

// Databases that hold data of today's schema are brought to a schema with one
// variable more, by a program that was made of this tree and the patch. Not a
// line of Go is written for it.
//
//nolint:tparallel // The subtests follow each other on one system.
func TestNewVariable(t *testing.T) {
	t.Parallel()
	s := &system{t: t, source: pgtest.Source(t), target: pgtest.Target(t)}

	// Today's program.
	s.dir = copyTree(t)
	s.make("build")
	s.run("seed", "--days", "2")
	s.serve()
	s.run("etl", "2025-01-01", "--to", "2025-01-02")
	s.stop()

	// And tomorrow's.
	s.git("apply", "--verbose", "-C1", patch)
	s.make("generate", "build")
	if plan := s.run("schema", "apply", "source", "target", "--dry-run"); !strings.Contains(plan, name) {
		t.Errorf("the plan is\n%s\nwant %s in it", plan, name)
	}
	s.run("schema", "apply", "source", "target")
	s.want(s.source, "SELECT count(*)::text FROM data WHERE generator_speed IS NULL", "2880")
	s.serve()

	for _, step := range []struct {
		name string
		do   func(*system)
	}{
		{"is imported", (*system).imported},
		{"stays NULL in a seed", (*system).seeded},
		{"is served in all formats", (*system).served},
		{"is loaded and verified", (*system).loaded},
		{"has windows, signals and checks", (*system).shown},
	} {
		t.Run(step.name, func(t *testing.T) {
			part := *s
			part.t = t
			step.do(&part)
		})
	}
}

func (s *system) imported() {
	s.run("import", s.readings())
	s.want(s.source, "SELECT count(generator_speed) || ' ' || min(generator_speed) || ' ' || max(generator_speed) FROM data", "1440 1000 2439")
}

func (s *system) seeded() {
	s.run("seed", "--days", "3")
	s.want(s.source, "SELECT count(*) || ' ' || count(wind_speed) || ' ' || count(generator_speed) FROM data WHERE timestamp >= '2025-01-03Z'", "1440 1440 0")
}

func (s *system) loaded() {
	s.run("etl", "2025-01-01", "--to", "2025-01-03")
	s.run("verify", "--from", "2025-01-01", "--to", "2025-01-03")
	s.want(s.target, `SELECT string_agg(format('%s %s %s', s.id, s.name, round(d.value::numeric, 4)), ', ' ORDER BY s.id)
		FROM data AS d JOIN signal AS s ON s.id = d.signal_id WHERE s.name LIKE 'generator_speed%' AND d.timestamp = '2025-01-01Z'`,
		"16 generator_speed_mean 1004.5000, 17 generator_speed_min 1000.0000, 18 generator_speed_max 1009.0000, "+
			"19 generator_speed_std 3.0277, 20 generator_speed_count 10.0000")
	s.want(s.target, `SELECT count(*)::text FROM data WHERE signal_id > 15`, "720")
}

// copyTree copies what generating and building need.
func copyTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"Makefile", "go.mod", "go.sum", "main.go", "openapi.yaml", "sqlc.yaml", "schema", "queries", "tools", "gen", "server", "etl", "internal", "testdata"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			to, err := filepath.Rel(root, path)
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			to = filepath.Join(dir, to)
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			return os.WriteFile(to, text, 0o644)
		})
		if err != nil {
			t.Fatalf("copy %s: %v", part, err)
		}
	}
	return dir
}

// system is a program in dir, its databases and its servers.
type system struct {
	t              *testing.T
	dir            string
	source, target string // URLs of databases
	api            string // URL of the source API
	stop           func() // the source API
}

// command is a program's, with nothing in its environment that could lead it
// astray.
func (s *system) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(),
		"SOURCE_DB_URL="+s.source, "TARGET_DB_URL="+s.target, "SOURCE_API_URL="+s.api, "API_ADDR=127.0.0.1:0", "CONSOLE_ADDR=127.0.0.1:0",
		"LOG_FORMAT=json", "MAKEFLAGS=", "GIT_CEILING_DIRECTORIES="+filepath.Dir(s.dir))
	return cmd
}

// output runs a command to its end.
func (s *system) output(cmd *exec.Cmd) string {
	s.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

func (s *system) make(targets ...string) {
	s.t.Helper()
	s.output(s.command(s.t.Context(), "make", append(targets, "VERSION=test", "COMMIT=test")...))
}

func (s *system) git(args ...string) {
	s.t.Helper()
	s.output(s.command(s.t.Context(), "git", args...))
}

// run runs delfos.
func (s *system) run(args ...string) string {
	s.t.Helper()
	return s.output(s.command(s.t.Context(), filepath.Join(s.dir, "bin/delfos"), args...))
}

// serve starts the source API.
func (s *system) serve() {
	s.t.Helper()
	s.api, s.stop = s.start("serve")
	s.t.Cleanup(s.stop)
}

// start starts a server. It returns its URL, which its log tells, and what ends
// it.
func (s *system) start(args ...string) (url string, stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	cmd := s.command(ctx, filepath.Join(s.dir, "bin/delfos"), args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	read := make(chan struct{})
	stop = func() {
		cancel()
		<-read
		_ = cmd.Wait() // it was killed
	}
	addr := make(chan string, 1)
	go func() {
		defer close(read)
		defer close(addr)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			_, _ = fmt.Fprintln(s.t.Output(), lines.Text())
			var entry struct{ Addr string }
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Addr != "" {
				select {
				case addr <- entry.Addr:
				default:
				}
			}
		}
	}()
	at, ok := <-addr
	if !ok {
		stop()
		s.t.Fatalf("delfos %s ended", strings.Join(args, " "))
	}
	return "http://" + at, stop
}

// readings is a file with a day of all variables; generator_speed counts minutes
// from 1,000.
func (s *system) readings() string {
	s.t.Helper()
	var text strings.Builder
	text.WriteString("timestamp,wind_speed,power,ambient_temperature," + name + "\n")
	for minute := range 1440 {
		fmt.Fprintf(&text, "2025-01-01T%02d:%02d:00Z,%g,%g,7.5,%d\n", minute/60, minute%60, 5+float64(minute%60)/10, 200+float64(minute%60), 1000+minute)
	}
	path := filepath.Join(s.dir, "readings.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// want wants a query of one text to give it.
func (s *system) want(database, sql, want string) {
	t := s.t
	t.Helper()
	rows, err := pgtest.Pool(t, database).Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	got, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if got != want {
		t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
	}
}

// get reads an answer whole.
func get(t *testing.T, url string) []byte {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v %s", url, response.Status, err, body[:min(len(body), 500)])
	}
	return body
}

// records reads an answer in CSV.
func records(t *testing.T, body []byte) [][]string {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *system) served() {
	t := s.t
	const hour = "/data?start=2025-01-01T01:00&end=2025-01-01T01:01:59"
	header := []string{"timestamp", "wind_speed", "power", "ambient_temperature", name}
	type sample struct {
		Timestamp      string
		GeneratorSpeed float64 `json:"generator_speed"`
	}
	want := []sample{{"2025-01-01T01:00:00Z", 1060}, {"2025-01-01T01:01:00Z", 1061}}

	var samples []sample
	if err := json.Unmarshal(get(t, s.api+hour), &samples); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, samples); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	samples = nil
	for lines := json.NewDecoder(bytes.NewReader(get(t, s.api+hour+"&format=ndjson&variables="+name))); lines.More(); {
		var line sample
		if err := lines.Decode(&line); err != nil {
			t.Fatal(err)
		}
		samples = append(samples, line)
	}
	if diff := cmp.Diff(want, samples); diff != "" {
		t.Errorf("NDJSON (-want +got):\n%s", diff)
	}
	table := [][]string{header, {"2025-01-01T01:00:00Z", "5.0", "200.0", "7.5", "1060.0"}, {"2025-01-01T01:01:00Z", "5.1", "201.0", "7.5", "1061.0"}}
	if diff := cmp.Diff(table, records(t, get(t, s.api+hour+"&format=csv"))); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}

	stream, err := ipc.NewReader(bytes.NewReader(get(t, s.api+hour+"&format=arrow")))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Release()
	if !stream.Next() {
		t.Fatalf("Arrow: no batch: %v", stream.Err())
	}
	wantColumn(t, "Arrow", stream.Schema(), stream.RecordBatch().Column(len(header)-1))

	parquet, err := file.NewParquetReader(bytes.NewReader(get(t, s.api+hour+"&format=parquet")))
	if err != nil {
		t.Fatal(err)
	}
	defer parquet.Close()
	reader, err := pqarrow.NewFileReader(parquet, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	read, err := reader.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer read.Release()
	wantColumn(t, "Parquet", read.Schema(), read.Column(len(header)-1).Data().Chunk(0))
}

// wantColumn wants the last column to be the new variable's.
func wantColumn(t *testing.T, format string, schema *arrow.Schema, column arrow.Array) {
	t.Helper()
	field := schema.Field(schema.NumFields() - 1)
	if got, _ := field.Metadata.GetValue("unit"); field.Name != name || got != unit {
		t.Errorf("%s: the last field is %v, want %s in %s", format, field, name, unit)
	}
	values, ok := column.(*array.Float64)
	if !ok || !slices.Equal(values.Float64Values(), []float64{1060, 1061}) {
		t.Errorf("%s: got %v, want 1060 and 1061", format, column)
	}
}

func (s *system) shown() {
	t := s.t
	console, stop := s.start("orchestrate")
	defer stop()

	const window = "/windows?start=2025-01-01&end=2025-01-01T00:09:59&format=csv"
	wide := records(t, get(t, console+window+"&wide=true"))
	if got, want := wide[0][17:], []string{name + "_mean", name + "_min", name + "_max", name + "_std", name + "_count"}; !slices.Equal(got, want) {
		t.Errorf("the columns of /windows end with %q, want %q", got, want)
	}
	if got := wide[1][17]; got != "1004.5" {
		t.Errorf("the mean is %s, want 1004.5", got)
	}
	openOA := records(t, get(t, console+window+"&naming=openoa"))
	if diff := cmp.Diff([]string{"time", "asset_id", "WMET_HorWdSpd", "WTUR_W", "WMET_EnvTmp", name, "WTUR_SupWh"}, openOA[0]); diff != "" {
		t.Errorf("OpenOA's columns (-want +got):\n%s", diff)
	}
	if got := openOA[1][5]; got != "1004.5" {
		t.Errorf("the mean in OpenOA's table is %s, want 1004.5", got)
	}

	var list struct {
		Signals []struct{ Name, Variable, Statistic, Unit string }
	}
	if err := json.Unmarshal(get(t, console+"/signals"), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Signals) != 20 || list.Signals[15].Variable != name || list.Signals[15].Unit != unit || list.Signals[19].Unit != "1" {
		t.Errorf("the signals are %+v, want five of %s in %s at the end", list.Signals, name, unit)
	}

	var results struct {
		Checks []struct{ Check, Variable, Status string }
	}
	if err := json.Unmarshal(get(t, console+"/checks?from=2025-01-01&to=2025-01-01"), &results); err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, result := range results.Checks {
		if result.Variable == name {
			made = append(made, result.Check+" "+result.Status)
		}
	}
	if diff := cmp.Diff([]string{"completeness pass", "frozen pass", "range pass"}, made); diff != "" {
		t.Errorf("the checks of %s (-want +got):\n%s", name, diff)
	}
}
