package target_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
)

// statistics fills the database with what testdata/stats/oracle.py has computed the
// answers of: the windows, turbines and flags that it names.
func (b *bundle) statistics() {
	b.TB.Helper()
	f, err := os.Open("testdata/stats/windows.csv")
	if err != nil {
		b.TB.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		b.TB.Fatal(err)
	}
	var turbines []int32
	var signals, times []string
	var values []float64
	for _, line := range lines[1:] {
		id, err := strconv.ParseInt(line[0], 10, 32)
		if err != nil {
			b.TB.Fatal(err)
		}
		for i, field := range line[2:] {
			if field == "" {
				continue
			}
			value, err := strconv.ParseFloat(field, 64)
			if err != nil {
				b.TB.Fatal(err)
			}
			turbines, signals, times, values = append(turbines, int32(id)), append(signals, lines[0][i+2]), append(times, line[1]), append(values, value)
		}
	}
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT d.turbine_id, s.id, d.timestamp, d.value
		FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::double precision[]) AS d (turbine_id, signal, timestamp, value)
		JOIN signal AS s ON s.name = d.signal`, turbines, signals, times, values)
	b.exec("INSERT INTO turbine (id, name, commissioned, decommissioned) VALUES (1, 'a', NULL, NULL), (2, 'b', '2025-01-02', NULL), (4, 'd', '2025-01-01', '2025-01-01')")
	b.exec("DELETE FROM check_rule")
	b.exec("INSERT INTO check_rule (check_name, variable, severity) VALUES ('frozen', 'wind_speed', 'warn'), ('range', 'power', 'block'), ('range', 'ambient_temperature', 'block')")
	b.exec(`INSERT INTO flag (turbine_id, variable, timestamp, check_name, version, detail) VALUES
		(1, 'wind_speed', '2025-01-01 03:00Z', 'frozen', 1, ''), (1, 'power', '2025-01-01 03:00Z', 'unknown', 1, ''),
		(1, 'wind_speed', '2025-01-01 03:10Z', 'frozen', 1, ''), (1, 'ambient_temperature', '2025-01-01 04:00Z', 'range', 1, ''),
		(2, 'power', '2025-01-01 05:00Z', 'range', 1, ''), (2, 'power', '2025-01-01 05:10Z', 'range', 1, ''),
		(2, 'power', '2025-01-01 05:10Z', 'curve', 1, ''), (2, 'wind_speed', '2025-01-02 05:20Z', 'frozen', 1, ''),
		(3, 'power', '2024-12-31 23:50Z', 'range', 1, '')`)
}

// TestStatistics compares every statistic with an independent computation in exact
// rationals, made by testdata/stats/oracle.py.
func TestStatistics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.statistics()
	text, err := os.ReadFile("testdata/stats/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var answers map[string]any
	if err := json.Unmarshal(text, &answers); err != nil {
		t.Fatal(err)
	}
	valid := b.validator()
	schemas := map[string]string{"power-curve": "PowerCurveList", "power-density": "PowerDensity", "distribution": "DistributionList", "profile": "Profile"}
	for path, want := range answers {
		a := b.OK(path)
		var got any
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		compare(t, path, want, got)
		name, _, _ := strings.Cut(strings.TrimPrefix(path, "/stats/"), "?")
		valid.check(t, schemas[name], []byte(a.Body))
	}
}

// compare compares JSON; its numbers may differ by 1e-12 of their size.
func compare(t *testing.T, at string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for name := range object {
			if _, ok := want[name]; !ok {
				t.Errorf("%s has %s, want none", at, name)
			}
		}
		for name, value := range want {
			compare(t, at+"."+name, value, object[name])
		}
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			t.Errorf("%s has %d items, want %d", at, len(list), len(want))
			return
		}
		for i, value := range want {
			compare(t, fmt.Sprintf("%s[%d]", at, i), value, list[i])
		}
	case float64:
		if number, ok := got.(float64); !ok || math.Abs(number-want) > 1e-12*math.Abs(want) {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
	default:
		if got != want {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
	}
}

// Rows say what the document does, in every format.
func TestStatisticsAsRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.statistics()
	for path, want := range map[string]string{
		"/stats/power-curve?start=2025-01-01T05:00&end=2025-01-01T05:00&turbines=2&bin=1":          "turbine_id,lower,upper,count,left_out,wind_speed,power,power_std,power_standard_error\r\n2,6.5,7.5,0,1,,,,\r\n",
		"/stats/power-curve?start=2025-01-01T05:00&end=2025-01-01T05:00&turbines=2&bin=1&by=fleet": "lower,upper,count,left_out,wind_speed,power,power_std,power_standard_error\r\n6.5,7.5,0,1,,,,\r\n",
		"/stats/power-density?start=2025-01-01T05:00&end=2025-01-01T05:00&turbines=2":              "wind_speed,power,wind_speed_size,power_size,count,left_out\r\n",
		"/stats/distribution?start=2025-01-01T05:00&end=2025-01-01T05:00&turbines=2":               "turbine_id,lower,upper,count,turbulence,turbulence_representative,turbulence_count,windows,mean,weibull_a,weibull_k,power_density\r\n",
		"/stats/profile?start=2025-01-01T05:00&end=2025-01-01T05:00&turbines=4":                    "turbine_id,month,hour,mean,count\r\n4,1,0,,0\r\n",
	} {
		a := b.OK(path + "&format=csv")
		if !strings.HasPrefix(a.Body, want) {
			t.Errorf("%s: got %q", path, a.Body)
		}
		rows := strings.Count(a.Body, "\r\n") - 1
		for _, format := range []string{"csv", "json", "ndjson", "arrow", "parquet"} {
			other := b.OK(path + "&format=" + format)
			if got := other.Trailer.Get("Delfos-Rows"); got != strconv.Itoa(rows) || rows < 1 {
				t.Errorf("%s: %s has %s rows, CSV %d", path, format, got, rows)
			}
		}
	}
}

// A tag is true until anything changes that the answer depends on.
func TestTagsOfStatistics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.statistics()
	b.exec("INSERT INTO partition (day, outcome, target_digest) VALUES ('2025-01-01', 'done', 1), ('2025-01-03', 'done', 3)")
	const span = "?start=2025-01-01&before=2025-01-03"
	tags := map[string]string{}
	for _, query := range []string{"", "&by=fleet", "&bin=1", "&turbines=1", "&leave_out=flagged", "&format=csv"} {
		path := "/stats/power-curve" + span + query
		tag := b.OK(path).Header.Get("ETag")
		if other, ok := tags[tag]; ok || tag == "" {
			t.Errorf("%s has the tag %q of %s", path, tag, other)
		}
		tags[tag] = path
		if again := b.Get(path, "If-None-Match: "+tag); again.Status != http.StatusNotModified || again.Body != "" || again.Header.Get("Delfos-Loaded-Until") == "" {
			t.Errorf("%s by its tag: got %d %v, want 304", path, again.Status, again.Header)
		}
		if head := b.Do(http.MethodHead, path, ""); head.Header.Get("ETag") != tag || head.Status != http.StatusOK {
			t.Errorf("HEAD %s: got %d and the tag %q, want %q", path, head.Status, head.Header.Get("ETag"), tag)
		}
	}
	tag := b.OK("/stats/power-curve" + span).Header.Get("ETag")
	for _, step := range []struct {
		sql     string
		changes bool
	}{
		{"UPDATE partition SET target_digest = 4 WHERE day = '2025-01-03'", false},
		{"UPDATE partition SET target_digest = 5 WHERE day = '2025-01-01'", true},
		{"UPDATE check_rule SET severity = 'block' WHERE check_name = 'frozen'", true},
		{"DELETE FROM flag WHERE timestamp < '2025-01-01Z'", false},
		{"DELETE FROM flag WHERE turbine_id = 2", true},
		{"UPDATE turbine SET decommissioned = '2025-01-01' WHERE id = 1", true},
		{"UPDATE turbine SET id = 5 WHERE id = 4", true},
		{"UPDATE data SET turbine_id = 6 WHERE turbine_id = 3", true},
	} {
		b.exec(step.sql)
		now := b.OK("/stats/power-curve" + span).Header.Get("ETag")
		if (now != tag) != step.changes {
			t.Errorf("%s: the tag was %s and is %s, want a change %t", step.sql, tag, now, step.changes)
		}
		tag = now
	}
}

// Values that are stored, but as large as no turbine reads, are no fault of the server's.
func TestStatisticsBeyondNumbers(t *testing.T) {
	t.Parallel()
	for _, size := range []string{"1e-310", "1e102", "1e160", "1.7e308"} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.exec(`
				INSERT INTO data (turbine_id, signal_id, timestamp, value)
				SELECT t, s, at, $1::double precision / CASE WHEN extract(minute FROM at) < 30 THEN 1 ELSE 7 END
				FROM generate_series(1, 2) AS t, generate_series(1, 15) AS s, generate_series('2025-01-01Z'::timestamptz, '2025-01-02 23:50Z', '10 min') AS at`, size)
			for _, query := range []string{
				"power-curve?start=2025-01-01&before=2025-01-03", "power-curve?by=fleet&start=2025-01-01&before=2025-01-03", "power-density?start=2025-01-01&before=2025-01-03",
				"distribution?start=2025-01-01&before=2025-01-03", "profile?start=2025-01-01&before=2025-01-03",
				"coverage?from=2025-01-01&to=2025-01-02", "energy?from=2025-01-01&to=2025-01-02",
			} {
				for _, format := range []string{"json", "csv"} {
					if a := b.Get("/stats/" + query + "&format=" + format); a.Status != http.StatusOK {
						apitest.WantProblem(t, a, http.StatusConflict, "find them with /windows")
					}
				}
			}
			for _, query := range []string{"step=1h", "step=1mo", "naming=openoa", "naming=openoa&step=1d", "wide=true"} {
				b.OK("/windows?start=2025-01-01&before=2025-01-03&" + query)
			}
		})
	}
}

// Before anything is known, there are no curves but that of no turbine.
func TestNoStatistics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for query, want := range map[string]string{
		"power-curve?":         `{"bin":0.5,"by":"turbine","curves":[]}`,
		"power-curve?by=fleet": `{"bin":0.5,"by":"fleet","curves":[{"bins":[],"expected":0,"left_out":{},"windows":0}]}`,
		"power-density?":       `{"cells":[],"expected":0,"left_out":{},"left_out_cells":[],"windows":0}`,
		"distribution?":        `{"bin":0.5,"turbines":[]}`,
		"profile?":             `{"rows":[],"tz":"UTC","variable":"wind_speed"}`,
	} {
		if a := b.OK("/stats/" + query + "&start=0001-01-01&end=9999-12-31T23:59:59"); a.Body != want+"\n" {
			t.Errorf("%s: got %s, want %s", query, a.Body, want)
		}
	}
	apitest.WantProblem(t, b.Get("/stats/power-curve?start=2025-01-02&end=2025-01-01"), http.StatusBadRequest, "start must not be later than end")
	// Go finds this one.
	apitest.WantProblem(t, b.Get("/stats/profile?start=2025-01-01&before=2025-01-02&tz=./UTC"), http.StatusUnprocessableEntity, `tz "./UTC" is not the name of a time zone that the database knows`)
}
