package source_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/server/source"
)

func TestTurbineSpans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO turbine (id, name) VALUES (2, 'North'), (3, 'South')")
	b.exec("INSERT INTO data (turbine_id, timestamp) VALUES (1, '2025-01-03'), (1, '2025-01-01 00:00:00.5'), (1, '2025-01-02'), (3, '2024-12-31 23:59')")
	want := `[{"first":"2025-01-01T00:00:00.5Z","id":1,"last":"2025-01-03T00:00:00Z","name":"Turbine 1"},` +
		`{"id":2,"name":"North"},` +
		`{"first":"2024-12-31T23:59:00Z","id":3,"last":"2024-12-31T23:59:00Z","name":"South"}]` + "\n"
	if a := b.get("/turbines?span=true"); a.status != http.StatusOK || a.body != want {
		t.Errorf("got %d %s, want %s", a.status, a.body, want)
	}
	// A clock that was never set, and dates that can't be written, are left out.
	b.exec("INSERT INTO data (turbine_id, timestamp) VALUES (2, '1970-01-01'), (3, '0001-01-01'), (3, '0044-03-15 BC'), (3, '9999-12-31 23:59:59.999999'), (3, '20000-01-01')")
	if a := b.get("/turbines?span=true&start=1980-01-01&end=2025-01-10"); a.status != http.StatusOK || a.body != want {
		t.Errorf("within bounds: got %d %s, want %s", a.status, a.body, want)
	}
	if a := b.get("/turbines?span=true&start=2025-01-03&end=2025-01-02"); a.status != http.StatusBadRequest {
		t.Errorf("reversed: got %d %s", a.status, a.body)
	}
	const all = `"first":"0001-01-01T00:00:00Z","id":3,"last":"9999-12-31T23:59:59.999999Z"`
	if a := b.get("/turbines?span=true"); a.status != http.StatusOK || !strings.Contains(a.body, all) || !strings.Contains(a.body, `"first":"1970-01-01T00:00:00Z","id":2`) {
		t.Errorf("all that can be written: got %d %s, want %s", a.status, a.body, all)
	}
	if with, without := b.get("/turbines?span=false").body, b.get("/turbines").body; with != without || strings.Contains(with, "first") {
		t.Errorf("span=false: got %s, want %s", with, without)
	}
}

// Each end costs a look at the index, however many samples there are.
func TestTurbineSpansPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("INSERT INTO turbine SELECT i, 'Turbine ' || i FROM generate_series(2, 5) AS i")
	b.exec(`INSERT INTO data SELECT turbine, '2025-01-01Z'::timestamptz + i * interval '1 min', 1, 2, 3
		FROM generate_series(0, 4999) AS i, generate_series(1, 5) AS turbine`)
	b.exec("ANALYZE data")
	pool, err := source.OpenPool(t.Context(), b.database) // its settings decide
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rows, err := pool.Query(t.Context(), "EXPLAIN (COSTS OFF) "+sourcedb.ListTurbineSpans,
		time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, time.January, 10, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	if strings.Count(plan, "using data_pkey") != 2 || strings.Contains(plan, "Seq Scan on data") {
		t.Errorf("the plan reads more than the ends:\n%s", plan)
	}
}
