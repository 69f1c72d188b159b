//go:build node

package example_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/internal/test/pgtest"
)

const recipes = "../../../examples"

// Each recipe prints the energy, the power curve and the coverage that SQL over the
// target's values gives, of a month in which one turbine logs each minute, one every ten
// minutes, and some readings are missing.
func TestRecipes(t *testing.T) {
	t.Parallel()
	s := start(t, 31, func(source *pgxpool.Pool) {
		pgtest.Exec(t, source, "UPDATE turbine SET sample_interval = '10 minutes' WHERE id = 2")
		pgtest.Exec(t, source, "DELETE FROM data WHERE turbine_id = 2 AND extract(minute FROM timestamp)::integer % 10 > 0")
		pgtest.Exec(t, source, "DELETE FROM data WHERE turbine_id = 1 AND timestamp BETWEEN '2025-01-10' AND '2025-01-11 12:04'")
		pgtest.Exec(t, source, "UPDATE data SET power = NULL WHERE turbine_id = 1 AND timestamp >= '2025-01-20' AND timestamp < '2025-01-20 06:00'")
		pgtest.Exec(t, source, "UPDATE data SET wind_speed = NULL WHERE turbine_id = 2 AND timestamp >= '2025-01-21' AND timestamp < '2025-01-22'")
	})
	want := oracle(t, pgtest.Pool(t, s.targetDB))
	for name, tt := range map[string]struct {
		dir     string
		command []string
		prepare func(t *testing.T, dir string)
	}{
		"curl":   {"curl", []string{"sh", "month.sh", "2025-01"}, nil},
		"pandas": {"python", []string{"/usr/bin/python3", "month_pandas.py", "2025-01"}, nil},
		"R":      {"r", []string{"Rscript", "--vanilla", "month.R", "2025-01"}, nil},
		"Go": {"go", []string{"go", "run", "month.go", "2025-01"}, func(t *testing.T, dir string) {
			t.Helper()
			goModule(t, dir, "../../..")
			oapiClient(t, s, dir, "target")
		}},
		"DuckDB": {"duckdb", []string{"node", "run.mjs", "month.sql"}, func(t *testing.T, dir string) {
			t.Helper()
			modules, err := filepath.Abs("../../../tools/readers/node_modules")
			must(t, err)
			must(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
			copyFile(t, "../../../tools/readers/duckdb.mjs", filepath.Join(dir, "run.mjs"))
			s.download(t, s.targetURL+"/turbines", filepath.Join(dir, "turbines.json"))
			s.download(t, s.targetURL+"/windows?start=2025-01-01&before=2025-02-01&wide=true&signals=power_mean,power_count,wind_speed_mean&format=parquet", filepath.Join(dir, "windows.parquet"))
		}},
		"Grafana": {"grafana", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "Grafana" {
				equal(t, dashboard(t, s), want)
				return
			}
			dir := t.TempDir()
			must(t, os.CopyFS(dir, os.DirFS(filepath.Join(recipes, tt.dir))))
			if tt.prepare != nil {
				tt.prepare(t, dir)
			}
			var got []table
			for text := range strings.SplitSeq(strings.TrimSpace(run(t, dir, s.env(), tt.command[0], tt.command[1:]...)), "\n\n") {
				got = append(got, parse(t, text))
			}
			equal(t, got, want)
		})
	}
}

// The file for a spreadsheet has semicolons and decimal commas, and the same numbers.
func TestSemicolons(t *testing.T) {
	t.Parallel()
	s := start(t, 2)
	got := run(t, filepath.Join(recipes, "spreadsheet"), s.env(), "sh", "semicolons.sh", "2025-01")
	path := filepath.Join(t.TempDir(), "windows.csv")
	s.download(t, s.targetURL+"/windows?start=2025-01-01&before=2025-02-01&wide=true&signals=power_mean,power_count,wind_speed_mean&format=csv", path)
	plain, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(got, ".") || strings.Count(got, "\n") != 1+2*2*144 {
		t.Errorf("got %d lines, or a decimal point:\n%.500s", strings.Count(got, "\n"), got)
	}
	if back := strings.NewReplacer(";", ",", ",", ".").Replace(got); back != string(plain) {
		t.Errorf("got %.300s, of %.300s", back, plain)
	}
}

// table is what a recipe prints: a header and rows of numbers.
type table [][]string

func parse(t *testing.T, text string) table {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	must(t, err)
	return rows
}

// equal compares numbers; 3 decimals are printed.
func equal(t *testing.T, got, want []table) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d tables, want %d: %v", len(got), len(want), got)
	}
	for i, w := range want {
		same := slices.EqualFunc(got[i], w, func(a, b []string) bool {
			return slices.EqualFunc(a, b, func(a, b string) bool {
				x, err := strconv.ParseFloat(a, 64)
				y, other := strconv.ParseFloat(b, 64)
				return a == b || err == nil && other == nil && math.Abs(x-y) < 0.0011
			})
		})
		if !same {
			t.Errorf("table %d: got\n%v\nwant\n%v", i, got[i], w)
		}
	}
}

// oracle computes the tables from the samples' windows by SQL of its own.
func oracle(t *testing.T, db *pgxpool.Pool) []table {
	t.Helper()
	const wide = `WITH wide AS (
		SELECT turbine_id,
			max(value) FILTER (WHERE name = 'power_mean') AS power,
			max(value) FILTER (WHERE name = 'power_count') AS count,
			max(value) FILTER (WHERE name = 'wind_speed_mean') AS wind
		FROM data JOIN signal ON signal_id = signal.id GROUP BY turbine_id, timestamp
	), covered AS (SELECT turbine_id, power, count, wind, least(count * CASE turbine_id WHEN 1 THEN 60 ELSE 600 END, 600) AS seconds FROM wide WHERE power IS NOT NULL) `
	tables := make([]table, 3)
	for i, query := range []struct{ header, sql string }{
		{"turbine_id,energy_kwh", `SELECT string_agg(concat_ws(',', turbine_id, energy), E'\n' ORDER BY turbine_id) FROM (
			SELECT turbine_id, round((sum(power * seconds) / 3600)::numeric, 3) AS energy FROM covered GROUP BY 1) AS x`},
		{"wind_speed,power,windows", `SELECT string_agg(concat_ws(',', round(bin::numeric, 1), round(power::numeric, 3), windows), E'\n' ORDER BY bin) FROM (
			SELECT floor((wind + 0.25) / 0.5) / 2 AS bin, avg(power) AS power, count(*) AS windows FROM covered WHERE wind IS NOT NULL GROUP BY 1) AS x`},
		{"turbine_id,read,expected,coverage", `SELECT string_agg(concat_ws(',', turbine_id, read, expected, round((read / expected)::numeric, 3)), E'\n' ORDER BY turbine_id) FROM (
			SELECT turbine_id, sum(count) AS read, 31 * CASE turbine_id WHEN 1 THEN 1440 ELSE 144 END AS expected FROM covered GROUP BY 1) AS x`},
	} {
		tables[i] = parse(t, query.header+"\n"+pgtest.Query[string](t, db, wide+query.sql))
	}
	if want := fmt.Sprint([]string{"1", strconv.Itoa(31*1440 - 36*60 - 5 - 360), strconv.Itoa(31 * 1440), "0.943"}); fmt.Sprint(tables[2][1]) != want {
		t.Fatalf("the coverage of turbine 1 is %v, want %v", tables[2][1], want)
	}
	return tables
}

// dashboard runs the queries of the dashboard as Grafana does: macros and variables are
// replaced by January 2025. It returns the tables of the first three panels.
func dashboard(t *testing.T, s system) (tables []table) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recipes, "grafana", "dashboard.json"))
	must(t, err)
	var board struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				SQL     string `json:"rawSql"`
				URL     string `json:"url"`
				Type    string `json:"type"`
				Columns []struct {
					Selector string `json:"selector"`
				} `json:"columns"`
			} `json:"targets"`
		} `json:"panels"`
	}
	must(t, json.Unmarshal(text, &board))
	db := pgtest.Pool(t, s.targetDB)
	replace := strings.NewReplacer(
		"$__timeFrom()", "'2025-01-01T00:00:00Z'", "$__timeTo()", "'2025-02-01T00:00:00Z'",
		"${api}", s.targetURL, "${__from:date:YYYY-MM-DD}", "2025-01-01", "${__to:date:YYYY-MM-DD}", "2025-01-31",
		"${__from:date:iso}", "2025-01-01T00:00:00.000Z", "${__to:date:iso}", "2025-01-31T23:59:59.999Z")
	for i, p := range board.Panels {
		target := p.Targets[0]
		if target.SQL == "" {
			s.infinity(t, replace.Replace(target.URL), target.Type, len(target.Columns), func(column int) string { return target.Columns[column].Selector })
			continue
		}
		rows, err := db.Query(t.Context(), replace.Replace(target.SQL))
		must(t, err)
		var result table
		for rows.Next() {
			values, err := rows.Values()
			must(t, err)
			row := make([]string, len(values))
			for j, v := range values {
				row[j] = fmt.Sprint(v)
			}
			result = append(result, row)
		}
		must(t, rows.Err())
		switch {
		case i == 0: // has the turbine's name too
			for j := range result {
				result[j] = []string{result[j][0], result[j][2]}
			}
			tables = append(tables, append(table{{"turbine_id", "energy_kwh"}}, result...))
		case i < 3:
			tables = append(tables, append(table{[][]string{{"wind_speed", "power", "windows"}, {"turbine_id", "read", "expected", "coverage"}}[i-1]}, result...))
		case len(result) < 8000:
			t.Errorf("%s: %d rows", p.Title, len(result))
		}
	}
	return tables
}

// infinity asks for what the plugin asks for, and looks for the columns that it takes.
func (s system) infinity(t *testing.T, url, kind string, columns int, name func(int) string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "answer")
	s.download(t, url, path)
	text, err := os.ReadFile(path)
	must(t, err)
	var have []string
	if kind == "csv" {
		have = parse(t, string(text))[0]
	} else {
		var answer struct {
			Partitions []map[string]any `json:"partitions"`
		}
		must(t, json.Unmarshal(text, &answer))
		if len(answer.Partitions) != 31 {
			t.Fatalf("%s: %d days", url, len(answer.Partitions))
		}
		have = slices.Collect(maps.Keys(answer.Partitions[0]))
	}
	for i := range columns {
		if !slices.Contains(have, name(i)) {
			t.Errorf("%s has no column %s: %v", url, name(i), have)
		}
	}
}
