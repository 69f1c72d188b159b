package target_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/golden"
)

// periods fills the database with what testdata/stats/periods.py has computed the
// answers of.
func (b *bundle) periods() {
	b.TB.Helper()
	b.statistics()
	b.exec("UPDATE turbine SET rated_power = 2050 WHERE id = 1")
	b.exec("UPDATE turbine SET sample_interval = '3 min' WHERE id = 2")
	b.exec("UPDATE turbine SET rated_power = 2000, sample_interval = '7 min' WHERE id = 4")
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT d.turbine_id, t.id, d.timestamp, d.value
		FROM data AS d
		JOIN signal AS s ON s.id = d.signal_id AND s.name = 'power_count'
		JOIN signal AS t ON t.name = 'ambient_temperature_count'
		WHERE d.turbine_id = 1`)
}

// Coverage and energy are those of an independent computation in exact rationals.
func TestPeriods(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.periods()
	b.exec("INSERT INTO partition (day, outcome) VALUES ('2024-12-31', 'pruned'), ('2025-01-01', 'done')")
	text, err := os.ReadFile("testdata/stats/periods.json")
	if err != nil {
		t.Fatal(err)
	}
	var answers map[string]any
	if err := json.Unmarshal(text, &answers); err != nil {
		t.Fatal(err)
	}
	valid := b.validator()
	for path, want := range answers {
		a := b.OK(path)
		var got any
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		compare(t, path, want, got)
		schema := "EnergyList"
		if strings.Contains(path, "coverage") {
			schema = "CoverageList"
		}
		valid.check(t, schema, []byte(a.Body))
	}
}

// Rows say the same in every format.
func TestPeriodsAsRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.periods()
	for name, path := range map[string]string{
		"coverage.csv": "/stats/coverage?from=2024-12-31&to=2025-01-02&turbines=2,4",
		"energy.csv":   "/stats/energy?from=2024-12-31&to=2025-01-02&by=month",
	} {
		csv := b.OK(path + "&format=csv")
		golden.Equal(t, name, csv.Body)
		lines := strings.Split(strings.TrimSuffix(csv.Body, "\r\n"), "\r\n")[1:]
		for i := range lines {
			lines[i] = shortest(lines[i])
		}
		for _, format := range []string{"arrow", "parquet"} {
			got := tableOf(t, []byte(b.OK(path+"&format="+format).Body), format)
			for i := range got.rows {
				got.rows[i] = shortest(got.rows[i])
			}
			if diff := cmp.Diff(lines, got.rows); diff != "" {
				t.Errorf("%s of %s (-CSV +got):\n%s", format, path, diff)
			}
		}
		if rows := strings.Count(b.OK(path+"&format=ndjson").Body, "\n"); rows != len(lines) {
			t.Errorf("%s has %d rows as NDJSON, %d as CSV", path, rows, len(lines))
		}
	}
}

// Before anything is known there are no rows; of a known turbine without values there
// are, and an answer of too many is refused.
func TestPeriodsOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/stats/coverage", "/stats/energy"} {
		const day = "?from=2025-01-01&to=2025-01-01"
		if a := b.OK(path + day); a.Body != `{"rows":[]}`+"\n" {
			t.Errorf("%s: got %s", path, a.Body)
		}
	}
	b.exec("INSERT INTO turbine (id, name) SELECT n, n FROM generate_series(1, 6) AS n")
	if a := b.OK("/stats/energy?from=2025-01-01&to=2025-01-01&turbines=2&format=csv"); !strings.HasSuffix(a.Body, "\n2,2025-01-01,,,,0.0,0.0,\r\n") {
		t.Errorf("a known turbine without values: got %s", a.Body)
	}
	const years = "/stats/coverage?from=1971-01-01&to=2025-01-01"
	apitest.WantProblem(t, b.Get(years), http.StatusUnprocessableEntity, `by "day" makes 118350 rows, of 6 turbines and 19725 periods`, "at most 100000 are allowed")
	if a := b.OK(years + "&by=month"); strings.Count(a.Body, "turbine_id") != 6*(54*12+1) {
		t.Errorf("by month: got %d rows", strings.Count(a.Body, "turbine_id"))
	}
}

// A tag is true until a load, a turbine or the end of a window changes the answer.
func TestTagsOfPeriods(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.periods()
	b.exec("INSERT INTO partition (day, outcome, target_digest) VALUES ('2025-01-01', 'done', 1)")
	for _, path := range []string{"/stats/coverage?from=2025-01-01&to=2025-01-02", "/stats/energy?from=2025-01-01&to=2025-01-02"} {
		tag := b.OK(path).Header.Get("ETag")
		for _, query := range []string{"&by=month", "&turbines=1", "&format=csv"} {
			if other := b.OK(path + query).Header.Get("ETag"); other == tag || tag == "" {
				t.Errorf("%s%s has the tag of %s, %q", path, query, path, tag)
			}
		}
		if again := b.Get(path, "If-None-Match: "+tag); again.Status != http.StatusNotModified || again.Body != "" {
			t.Errorf("%s by its tag: got %d", path, again.Status)
		}
		for _, change := range []string{
			"UPDATE partition SET target_digest = target_digest + 1",
			"UPDATE turbine SET sample_interval = sample_interval + interval '1 s' WHERE id = 1",
			"UPDATE turbine SET rated_power = rated_power + 1 WHERE id = 1",
			"UPDATE turbine SET decommissioned = coalesce(decommissioned, '2026-01-01') + 1 WHERE id = 1",
		} {
			b.exec(change)
			now := b.OK(path).Header.Get("ETag")
			if now == tag {
				t.Errorf("%s: %s leaves the tag as it was", path, change)
			}
			tag = now
		}
	}
}
