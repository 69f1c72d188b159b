package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/server"
)

// document is what the tests need of openapi.json.
type document struct {
	Paths map[string]map[string]struct {
		Tags       []string
		Parameters []struct {
			Name     string
			Required bool
		}
	}
	Components struct {
		Schemas map[string]struct{ Enum []string }
	}
}

// The parameters that are checked are those that openapi.yaml declares, each
// path of which answers.
func TestServesItsContract(t *testing.T) {
	t.Parallel()
	b := setup(t)
	yaml, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if a := b.get("/openapi.yaml"); a.body != string(yaml) || a.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("/openapi.yaml is not the file: %d, %d bytes", a.status, len(a.body))
	}
	var doc document
	if err := json.Unmarshal([]byte(b.get("/openapi.json").body), &doc); err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		op, ok := methods["get"]
		if !ok || !slices.Contains(op.Tags, "source") {
			continue
		}
		var declared, required []string
		for _, p := range op.Parameters {
			declared = append(declared, p.Name)
			if p.Required {
				required = append(required, p.Name)
			}
		}
		p := wantProblem(t, b.get(path+"?unheard_of=1"), http.StatusUnprocessableEntity)
		known := "there are none"
		if len(declared) > 0 {
			known = "those are " + strings.Join(declared, ", ")
		}
		if !strings.HasSuffix(p.Errors[0].Detail, known) {
			t.Errorf("%s: the API says %q, the contract %s", path, p.Errors[0].Detail, known)
		}
		var missing []string
		for _, f := range p.Errors[1:] {
			missing = append(missing, f.Parameter)
		}
		if diff := cmp.Diff(required, missing); diff != "" {
			t.Errorf("%s: required parameters (-contract +API):\n%s", path, diff)
		}
	}
	if diff := cmp.Diff(doc.Components.Schemas["Variable"].Enum, signal.Variables[:]); diff != "" {
		t.Errorf("variables (-contract +package signal):\n%s", diff)
	}
	for _, path := range []string{"/docs", "/redoc", "/docs/swagger-ui-bundle.js", "/redoc/redoc.standalone.js", "/ready"} {
		if a := b.get(path); a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// The hot query walks the key, and sorts nothing, whether PostgreSQL plans for
// the values at hand or for any.
func TestReadSamplesPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO turbine SELECT i, 'Turbine ' || i FROM generate_series(2, 5) AS i")
	// In the order of time, as turbines log: the key's order is not the table's.
	b.exec(`INSERT INTO data SELECT turbine, '2025-01-01Z'::timestamptz + i * interval '1 min', 1, 2, 3
		FROM generate_series(0, 19999) AS i, generate_series(1, 5) AS turbine`)
	b.exec("ANALYZE data")
	ctx := t.Context()
	pool, err := server.OpenPool(ctx, b.database) // its settings decide
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	var plans strings.Builder
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		for _, ids := range []string{"'{1}'", "'{1,2,5}'"} {
			for _, sql := range []string{
				"SET plan_cache_mode = " + mode,
				"SET jit = off",
				"DEALLOCATE ALL",
				"PREPARE read (integer[], timestamptz, timestamptz) AS " + sourcedb.ReadSamples,
			} {
				if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(err)
				}
			}
			rows, err := conn.Query(ctx, "EXPLAIN (COSTS OFF) EXECUTE read ("+ids+", '2025-01-02Z', '2025-01-03Z')",
				pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&plans, "%s %s\n%s\n\n", mode, ids, strings.Join(lines, "\n"))
		}
	}
	golden(t, "read_samples.plan", plans.String())
	if regexp.MustCompile(`Sort|Seq Scan`).MatchString(plans.String()) {
		t.Errorf("the plan reads or sorts more than is asked for:\n%s", plans.String())
	}
}

// A request has one line in the log, with what one needs to find it again.
func TestLogLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	b.get("/data?"+day+"&variables=power,wind_speed", "X-Request-Id: mine-7")
	b.get("/data?start=x")
	b.get("/health")
	eventually(t, "three lines are there", func() bool { return len(b.log.requests()) == 3 })
	lines := b.log.requests()
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "path": "/data",
		"query": day + "&variables=power,wind_speed", "status": 200.0, "rows": 4.0, "request_id": "mine-7",
	}
	for name, value := range want {
		if lines[0][name] != value {
			t.Errorf("%s is %v, want %v", name, lines[0][name], value)
		}
	}
	for _, name := range []string{"bytes", "duration_ms", "remote", "time"} {
		if lines[0][name] == nil {
			t.Errorf("the line has no %s", name)
		}
	}
	if lines[1]["level"] != "WARN" || lines[1]["status"] != 422.0 {
		t.Errorf("a refused request is logged as %v", lines[1])
	}
	if lines[2]["level"] != "DEBUG" {
		t.Errorf("a probe is logged as %v", lines[2])
	}
}
