package source_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/internal/timestamp"
)

// fixture gives turbines 1, 2 and 5 a few samples, with what is awkward: NULLs,
// a fraction of a second, the ends of ranges.
func fixture(b *bundle) {
	b.TB.Helper()
	b.exec(`INSERT INTO turbine (id, name) VALUES (2, 'North'), (5, 'South <&>')`)
	b.exec(`INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature) VALUES
		(5, '2025-01-01 00:00Z', 5, 50, 5),
		(2, '2025-01-01 00:01Z', NULL, -1.25, NULL),
		(2, '2025-01-01 00:00Z', 1e9, 1e-7, 0.1),
		(1, '2024-12-31 23:59:59.999999Z', 9, 9, 9),
		(1, '2025-01-01 00:00Z', 6.745, 304.16, 21.37),
		(1, '2025-01-01 00:01Z', NULL, 129.52, 21.78),
		(1, '2025-01-01 00:01:30.5Z', 7, NULL, -0.5),
		(1, '2025-01-01 23:59:59.999999Z', 8, 8, 8),
		(1, '2025-01-02 00:00Z', 10, 10, 10)`)
}

const day = "start=2025-01-01T00:00:00Z&end=2025-01-01T23:59:59.999999Z"

func TestDataGolden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	tests := []struct{ file, query string }{
		{"day.json", day},
		{"power_wind.json", day + "&variables=power,wind_speed"},
		{"turbine_2.json", day + "&turbines=2"},
		{"all.json", day + "&turbines=all"},
		{"some.json", day + "&turbines=2-2147483647,1-1&variables=power"},
		{"none.json", "start=2020-01-01&end=2020-01-02"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			a := b.Get("/data?" + tt.query)
			if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
			}
			golden.Equal(t, tt.file, a.Body)
			sum := sha256.Sum256([]byte(a.Body))
			if got, want := a.Trailer.Get("Content-Digest"), "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":"; got != want {
				t.Errorf("Content-Digest is %q, want %q", got, want)
			}
			var rows []json.RawMessage
			if err := json.Unmarshal([]byte(a.Body), &rows); err != nil {
				t.Fatal(err)
			}
			if got, want := a.Trailer.Get("Delfos-Rows"), jsonOf(len(rows)); got != want {
				t.Errorf("Delfos-Rows is %q, want %q", got, want)
			}
		})
	}
}

// The same question in other words has the same answer.
func TestDataQueriesAlike(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	tests := map[string][]string{
		day: {
			"start=2025-01-01&end=2025-01-01T23:59:59.999999",
			"start=2025-01-01T01:00:00+01:00&end=2025-01-01T23:59:59.999999", // the plus unescaped
			"start=2025-01-01T01:00:00%2B01:00&end=2025-01-01T23:59:59.999999Z",
			"start=2025-01-01%2000:00:00&end=2025-01-01+23:59:59.999999",
			"end=2025-01-01T23:59:59.999999Z&start=2025-01-01T00:00:00Z&",
			day + "&variables=wind_speed,power,ambient_temperature",
			day + "&variables=power&variables=wind_speed,ambient_temperature,power",
		},
		day + "&variables=wind_speed,power": {
			day + "&variables=wind_speed&variables=power",
			day + "&variables=power,wind_speed,power",
			day + "&variables=power%2Cwind_speed",
		},
		day + "&turbines=1,2,5": {
			day + "&turbines=all",
			day + "&turbines=1&turbines=5&turbines=2",
			day + "&turbines=5,1-2",
			day + "&turbines=1-2147483647",
			day + "&turbines=1,2,3,4,5,6,1-2",
			day + "&turbines=3,all",
		},
		"start=2020-01-01&end=2020-01-02": {day + "&turbines=4", day + "&turbines=6-2147483647"},
	}
	for query, others := range tests {
		want := b.Get("/data?" + query)
		if want.Status != http.StatusOK {
			t.Fatalf("%s: got %d %s", query, want.Status, want.Body)
		}
		for _, other := range others {
			got := b.Get("/data?" + other)
			if diff := cmp.Diff(want.Body, got.Body); diff != "" || got.Status != want.Status {
				t.Errorf("%s differs from %s: %d (-want +got):\n%s", other, query, got.Status, diff)
			}
		}
	}
}

// What the replaced system's clients ask for, they get: a list of objects with
// timestamp and the variables, and nothing else that a client which aggregates
// every column would trip over.
func TestDataDropIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fill(1500)
	for query, variables := range map[string][]string{
		"":                                      {"wind_speed", "power", "ambient_temperature"},
		"&variables=wind_speed&variables=power": {"wind_speed", "power"},
	} {
		a := b.Get("/data?start=2025-01-01T00:00:00&end=2025-01-01T23:59:59" + query)
		var rows []map[string]any
		if err := json.Unmarshal([]byte(a.Body), &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != 1440 {
			t.Errorf("%s: got %d rows, want 1440", query, len(rows))
		}
		for i, row := range rows {
			if len(row) != len(variables)+1 {
				t.Fatalf("%s: row %d has other fields: %v", query, i, row)
			}
			for _, v := range variables {
				if _, ok := row[v].(float64); !ok {
					t.Fatalf("%s: row %d: %s is %v", query, i, v, row[v])
				}
			}
			at := time.Date(2025, 1, 1, 0, i, 0, 0, time.UTC).Format(time.RFC3339)
			if row["timestamp"] != at {
				t.Fatalf("%s: row %d is at %v, want %s", query, i, row["timestamp"], at)
			}
		}
	}
}

// Ranges by before meet; ranges by end share their ends.
func TestReadByTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fill(1500)
	whole := rowsOf(t, b.Get("/data?start=2025-01-01&before=2025-01-02"))
	var before, end []string
	for hour := range 24 {
		at := func(hour int) string {
			return time.Date(2025, 1, 1, hour, 0, 0, 0, time.UTC).Format(time.RFC3339)
		}
		query := "/data?start=" + at(hour)
		before = append(before, rowsOf(t, b.Get(query+"&before="+at(hour+1)))...)
		end = append(end, rowsOf(t, b.Get(query+"&end="+at(hour+1)))...)
	}
	if diff := cmp.Diff(whole, before); diff != "" || len(before) != 1440 {
		t.Errorf("24 hours by before have %d rows, want 1440 (-day +hours):\n%s", len(before), diff)
	}
	if len(end) != 1464 {
		t.Errorf("24 hours by end have %d rows, want 1464", len(end))
	}
	for query, want := range map[string]int{
		"start=2025-01-01T00:01:00Z&end=2025-01-01T00:01:00Z":                     1,
		"start=2025-01-01T00:01:30Z&end=2025-01-01T00:01:30Z":                     0,
		"start=2025-01-01T00:01:00Z&before=2025-01-01T00:01:00.000001Z":           1,
		"start=2025-01-01T00:01:00.000001Z&before=2025-01-01T00:02:00.000000000Z": 0,
	} {
		if rows := rowsOf(t, b.Get("/data?"+query)); len(rows) != want {
			t.Errorf("%s has %d rows, want %d", query, len(rows), want)
		}
	}
	// The same question has the same tag and cursor.
	tag := b.Get("/data?start=2025-01-01&end=2025-01-01T23:59:59.999999Z").Header.Get("ETag")
	if a := b.Get("/data?start=2025-01-01&before=2025-01-02", "If-None-Match: "+tag); a.Status != http.StatusNotModified {
		t.Errorf("the same day with before: got %d, want 304", a.Status)
	}
}

func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fixture(b)
	ctx := t.Context()
	api, read := b.api(), apitest.Read(t)

	turbines := apitest.Decode[[]sourceapi.Turbine](t, read(api.ListTurbines(ctx, nil)), http.StatusOK)
	want := []sourceapi.Turbine{{Id: 1, Name: "Turbine 1", SampleInterval: 60}, {Id: 2, Name: "North", SampleInterval: 60}, {Id: 5, Name: "South <&>", SampleInterval: 60}}
	if diff := cmp.Diff(want, turbines); diff != "" {
		t.Errorf("ListTurbines (-want +got):\n%s", diff)
	}

	// To the last microsecond of the day, as the ETL asks.
	variables := []string{"power", "wind_speed"}
	selectors := []sourceapi.TurbineSelector{"1-2", "7"}
	data := read(api.GetData(ctx, &sourceapi.GetDataParams{
		Start:     timestamp.New(time.Date(2025, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))),
		End:       new(timestamp.New(time.Date(2025, 1, 1, 23, 59, 59, 999_999_000, time.UTC))),
		Variables: &variables,
		Turbines:  &selectors,
	}))
	rows := apitest.Decode[[]sourceapi.Sample](t, data, http.StatusOK)
	if len(rows) != 6 {
		t.Fatalf("GetData has %d rows, want 6: %s", len(rows), data.Body)
	}
	last := rows[3]
	if *last.TurbineId != 1 || *last.Power != 8 || last.AmbientTemperature != nil ||
		last.Timestamp != time.Date(2025, 1, 1, 23, 59, 59, 999_999_000, time.UTC) {
		t.Errorf("the last row of turbine 1 is %+v", last)
	}
	if got := data.Trailer.Get("Delfos-Rows"); got != "6" {
		t.Errorf("Delfos-Rows is %q, want 6", got)
	}

	refused := read(api.GetData(ctx, &sourceapi.GetDataParams{
		Start: timestamp.New(time.Unix(1, 0)), Before: new(timestamp.New(time.Unix(1, 0))),
	}))
	if want := "start must be earlier than before"; refused.Status != http.StatusBadRequest || !strings.Contains(refused.Body, want) {
		t.Errorf("GetData of nothing: %d %s, want %q", refused.Status, refused.Body, want)
	}
}

func TestTurbinesWithoutAny(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec("DELETE FROM turbine")
	if a := b.Get("/turbines"); a.Status != http.StatusOK || a.Body != "[]\n" {
		t.Errorf("got %d %q, want []", a.Status, a.Body)
	}
	for _, query := range []string{"", "&turbines=all", "&limit=5"} {
		if a := b.Get("/data?" + day + query); a.Body != "[]" || a.Trailer.Get("Delfos-Rows") != "0" {
			t.Errorf("%s: got %d %q, want []", query, a.Status, a.Body)
		}
	}
	b.exec("INSERT INTO turbine (id, name) VALUES (80, 'Second'), (77, 'First')")
	b.exec("INSERT INTO data (turbine_id, timestamp, power) VALUES (77, '2025-01-01Z', 77), (80, '2025-01-01Z', 80)")
	if a := b.Get("/data?" + day + "&variables=power"); a.Body != `[{"timestamp":"2025-01-01T00:00:00Z","power":77.0}]` {
		t.Errorf("without turbines: got %d %s, want the samples of the first there is, 77", a.Status, a.Body)
	}
}

// One sample with a fraction of a second gives all timestamps of an answer six
// digits of it, and those of the other pages; without one none has any.
func TestTimestampsHaveOneForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fill(5000)
	b.exec("INSERT INTO turbine VALUES (2, 'Second')")
	b.exec("INSERT INTO data SELECT 2, timestamp, power FROM data WHERE timestamp < '2025-01-02Z'")
	query := "/data?start=2025-01-02&before=2025-01-05"
	whole := b.Get(query)
	b.exec("UPDATE data SET timestamp = timestamp + interval '5 ms' WHERE turbine_id = 1 AND timestamp = '2025-01-04 00:01Z'")
	if a := b.Get(query, "If-None-Match: "+whole.Trailer.Get("ETag")); a.Status != http.StatusOK {
		t.Errorf("after the change: got %d, want 200", a.Status)
	}
	form := regexp.MustCompile(`2025-01-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	for query, want := range map[string]string{
		query:                                   ".000000",
		query + "&format=ndjson":                ".000000",
		query + "&format=csv&turbines=all":      ".000000",
		query + "&limit=3":                      ".000000",
		query + "&turbines=2":                   "",
		"/data?start=2025-01-01&end=2025-01-03": "",
		"/data?start=2025-01-01&before=2025-01-05T00:00&turbines=2": "",
	} {
		a := b.Get(query)
		found := form.FindAllStringSubmatch(a.Body, -1)
		if rows, _ := strconv.Atoi(a.Trailer.Get("Delfos-Rows")); len(found) != rows {
			t.Errorf("%s: %d timestamps in %d rows", query, len(found), rows)
		}
		for _, f := range found {
			if f[1] != want && f[0] != "2025-01-04T00:01:00.005000Z" {
				t.Errorf("%s has %s, want a fraction %q", query, f[0], want)
				break
			}
		}
	}
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
