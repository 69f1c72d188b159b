package target_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/server/stream"
)

// hour holds the windows of values.
const hour = "/windows?start=2025-01-01&end=2025-01-01T01:00:00Z"

// rowsOf checks the trailers of a whole answer and returns its rows.
func rowsOf(tb testing.TB, a apitest.Answer) int {
	tb.Helper()
	sum := sha256.Sum256([]byte(a.Body))
	if want := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"; a.Trailer.Get("Content-Digest") != want {
		tb.Errorf("Content-Digest is %q, want %q", a.Trailer.Get("Content-Digest"), want)
	}
	rows, err := strconv.Atoi(a.Trailer.Get("Delfos-Rows"))
	if err != nil {
		tb.Errorf("Delfos-Rows: %v", err)
	}
	return rows
}

func TestWindows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.values()
	for name, query := range map[string]string{
		"windows_long.csv":       "&turbines=1&signals=power_std,wind_speed_mean,power_count&format=csv",
		"windows_long.json":      "&turbines=2&signals=wind_speed_mean",
		"windows_wide.csv":       "&wide=true&format=csv",
		"windows_wide_null.json": "&wide=true&signals=power_mean,power_count&turbines=1",
		"windows_wide_some.json": "&wide=true&signals=power_mean,wind_speed_std&turbines=1,2",
		"windows_openoa.csv":     "&naming=openoa&format=csv",
		"windows_openoa.json":    "&naming=openoa&wide=true&turbines=2",
		"windows_end.ndjson":     "&label=end&signals=wind_speed_max&format=ndjson",
		"windows_none.csv":       "&turbines=7&wide=true&format=csv",
		"windows_1h.csv":         "&step=1h&format=csv",
		"windows_1h_wide.json":   "&step=1h&wide=true&signals=power_mean,wind_speed_std&turbines=1",
		"windows_1mo_end.csv":    "&step=1mo&tz=Europe/Berlin&label=end&wide=true&format=csv",
		"windows_6h_openoa.csv":  "&step=6h&naming=openoa&format=csv",
	} {
		a := b.Get(hour + query)
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, a.Status, a.Body)
		}
		rows := rowsOf(t, a)
		if got := strings.Count(a.Body, "\n"); strings.HasSuffix(name, "csv") && got != rows+1 {
			t.Errorf("%s: %d lines, but %d rows", name, got, rows)
		}
		golden.Equal(t, name, a.Body)
	}
	// Both ends are inclusive.
	for span, want := range map[string]int{
		"start=2025-01-01T00:10:00Z&end=2025-01-01T00:20:00Z":    4,
		"start=2025-01-01T00:10:00.000001Z&end=2025-01-01T00:20": 2,
		"start=2025-01-01&end=2025-01-01T00:19:59.999999Z":       4,
		"start=0001-01-01&end=9999-12-31T23:59:59.999999Z":       6,
	} {
		if got := rowsOf(t, b.Get("/windows?signals=wind_speed_mean&"+span)); got != want {
			t.Errorf("%s: %d rows, want %d", span, got, want)
		}
	}
	// The limits are those of a zone, if one is given; an offset wins.
	b.exec(`INSERT INTO data SELECT 5, 1, at, 1 FROM generate_series('2025-10-25Z'::timestamptz, '2025-10-28Z', '10 min') AS at`)
	for span, want := range map[string]int{
		"start=2025-10-26&before=2025-10-27":                                    144,
		"start=2025-10-26&before=2025-10-27&tz=UTC":                             144,
		"start=2025-10-26&before=2025-10-27&tz=Europe/Berlin":                   150,
		"start=2025-10-26T00:00Z&before=2025-10-26T03:00%2B02:00&tz=Asia/Tokyo": 6,
	} {
		a := b.Get("/windows?turbines=5&" + span)
		if got := rowsOf(t, a); got != want {
			t.Errorf("%s: %d rows, want %d", span, got, want)
		}
		var walked int
		for next := "/windows?turbines=5&limit=100&" + span; next != ""; {
			page := b.Get(next)
			walked += rowsOf(t, page)
			next = linked(page)["next"]
		}
		if walked != want {
			t.Errorf("%s in pages: %d rows, want %d", span, walked, want)
		}
	}
	// What was not wanted makes rows of windows, and none of periods.
	b.exec(`INSERT INTO data SELECT 6, s, at, 1 FROM unnest('{1,5}'::integer[]) AS s, generate_series('2025-10-25Z'::timestamptz, '2025-10-25 23:50Z', '10 min') AS at`)
	for query, want := range map[string]int{"signals=power_mean": 144, "step=1h&signals=power_mean": 0, "step=1h&signals=power_mean,wind_speed_count": 24, "step=1h": 24} {
		if got := rowsOf(t, b.Get("/windows?turbines=6&wide=true&start=2025-10-25&before=2025-10-26&"+query)); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	if got := b.Get(hour).Header.Get("Content-Disposition"); got != "inline; filename=windows_20250101T000000Z_20250101T010000Z.json" {
		t.Errorf("Content-Disposition is %q", got)
	}
}

// Energy is the mean power over the time that readings cover, by the turbine's interval,
// and never more than the window. A changed interval changes the entity tag.
func TestEnergyFollowsTheInterval(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO turbine (id, name, sample_interval) VALUES (1, 'A', '1 s'), (2, 'B', '1 min'), (3, 'C', '9 min'), (4, 'D', '10 min'), (5, 'E', '19 min')`)
	b.exec(`INSERT INTO data SELECT t, s.id, '2025-01-01Z', CASE s.name WHEN 'power_mean' THEN 600 ELSE n END
		FROM signal AS s, (VALUES (1, 600), (2, 10), (3, 1), (4, 1), (5, 1), (6, 5)) AS held (t, n) WHERE s.name IN ('power_mean', 'power_count')`)
	b.exec(`INSERT INTO data SELECT t, s.id, '2025-01-01T00:10Z', CASE s.name WHEN 'power_mean' THEN 600 ELSE n END
		FROM signal AS s, (VALUES (1, 300), (2, 5), (3, 2), (4, 2), (6, 20)) AS held (t, n) WHERE s.name IN ('power_mean', 'power_count')`)
	energy := func() []string {
		var got []string
		for line := range strings.Lines(b.Get(hour + "&naming=openoa&format=csv").Body) {
			fields := strings.Split(strings.TrimSpace(line), ",")
			got = append(got, fields[1]+" "+fields[5])
		}
		return got[1:]
	}
	hours := b.Get(hour + "&naming=openoa&format=csv&step=1h").Body
	for _, want := range []string{"1,,600.0,,150.0", "2,,600.0,,150.0", "3,,600.0,,190.0"} {
		if !strings.Contains(hours, want) {
			t.Errorf("the energy of an hour is not that of its windows, %s:\n%s", want, hours)
		}
	}
	if diff := cmp.Diff([]string{"1 100.0", "1 50.0", "2 100.0", "2 50.0", "3 90.0", "3 100.0", "4 100.0", "4 100.0", "5 100.0", "6 50.0", "6 100.0"}, energy()); diff != "" {
		t.Errorf("energy (-want +got):\n%s", diff)
	}
	before := b.Get(hour + "&naming=openoa").Header.Get("ETag")
	b.exec("UPDATE turbine SET sample_interval = '2 min' WHERE id = 2")
	if after := b.Get(hour + "&naming=openoa").Header.Get("ETag"); after == before {
		t.Errorf("the entity tag is still %s", after)
	}
}

// table is what a column of Arrow holds, as text, and its unit.
type table struct {
	fields []string // name, type, unit
	rows   []string
}

func tableOf(tb testing.TB, body []byte, format string) table {
	tb.Helper()
	var got table
	add := func(batch arrow.RecordBatch) {
		for row := range int(batch.NumRows()) {
			var b strings.Builder
			for i, column := range batch.Columns() {
				if i > 0 {
					b.WriteByte(',')
				}
				switch {
				case column.IsNull(row):
				case column.DataType().ID() == arrow.TIMESTAMP:
					b.WriteString(strings.Replace(column.ValueStr(row), " ", "T", 1))
				default:
					b.WriteString(column.ValueStr(row))
				}
			}
			got.rows = append(got.rows, b.String())
		}
	}
	describe := func(schema *arrow.Schema) {
		for _, f := range schema.Fields() {
			unit, _ := f.Metadata.GetValue(stream.UnitKey)
			got.fields = append(got.fields, fmt.Sprintf("%s %s %s", f.Name, f.Type, unit))
		}
	}
	if format == "arrow" {
		r, err := ipc.NewReader(bytes.NewReader(body))
		if err != nil {
			tb.Fatal(err)
		}
		defer r.Release()
		describe(r.Schema())
		for r.Next() {
			add(r.RecordBatch())
		}
		return got
	}
	f, err := file.NewParquetReader(bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, memory.DefaultAllocator)
	if err != nil {
		tb.Fatal(err)
	}
	schema, err := r.Schema()
	if err != nil {
		tb.Fatal(err)
	}
	describe(schema)
	batches, err := r.GetRecordReader(tb.Context(), nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer batches.Release()
	for batches.Next() {
		add(batches.RecordBatch())
	}
	return got
}

// Arrow and Parquet say the same as CSV, with types and units.
func TestWindowsBinary(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.values()
	micros := "timestamp[us, tz=UTC] "
	for query, fields := range map[string][]string{
		"&signals=power_mean,power_count":           {"timestamp " + micros, "turbine_id int32 ", "signal utf8 ", "value float64 "},
		"&signals=power_mean,power_count&wide=true": {"timestamp " + micros, "turbine_id int32 ", "power_mean float64 kW", "power_count int64 1"},
		"&naming=openoa": {
			"time " + micros, "asset_id utf8 ", "WMET_HorWdSpd float64 m/s", "WTUR_W float64 kW", "WMET_EnvTmp float64 °C", "WTUR_SupWh float64 kWh",
		},
	} {
		lines := strings.Split(strings.TrimSuffix(b.Get(hour+query+"&format=csv").Body, "\r\n"), "\r\n")
		for _, format := range []string{"arrow", "parquet"} {
			a := b.Get(hour + query + "&format=" + format)
			rowsOf(t, a)
			got := tableOf(t, []byte(a.Body), format)
			if diff := cmp.Diff(fields, got.fields); diff != "" {
				t.Errorf("%s of %s: fields (-want +got):\n%s", format, query, diff)
			}
			for i, row := range got.rows {
				got.rows[i] = shortest(row)
			}
			for i := range lines[1:] {
				lines[i+1] = shortest(lines[i+1])
			}
			if diff := cmp.Diff(lines[1:], got.rows); diff != "" {
				t.Errorf("%s of %s: rows (-CSV +got):\n%s", format, query, diff)
			}
		}
	}
}

// shortest writes a row's numbers without the .0 of whole ones.
func shortest(row string) string {
	fields := strings.Split(row, ",")
	for i, f := range fields {
		fields[i] = strings.TrimSuffix(f, ".0")
	}
	return strings.Join(fields, ",")
}

func TestWindowsCompressed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.values()
	for _, coding := range []string{"gzip", "zstd"} {
		a := b.Get(hour, "Accept-Encoding: "+coding)
		rowsOf(t, a)
		if a.Header.Get("Content-Encoding") != coding {
			t.Errorf("%s: %v", coding, a.Header)
		}
	}
	a := b.Get(hour, "Accept: text/csv")
	if a.Header.Get("Content-Type") != "text/csv" || !strings.HasPrefix(a.Body, "timestamp,turbine_id,signal,value\r\n") {
		t.Errorf("%v %.60s", a.Header, a.Body)
	}
}

// Spans that are read in several chunks, by turbines or by time, come out as the
// database itself orders them.
func TestWindowsInChunks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// Two turbines of 20 days, one with a gap of years in between, and many of a day.
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s, at, s + extract(epoch FROM at)::bigint % 1000
		FROM unnest('{3,1}'::int[]) AS t, generate_series(1, 15) AS s,
			generate_series('2025-01-01Z'::timestamptz, '2025-01-20 23:50Z', '10 min') AS at
		WHERE (s + extract(epoch FROM at)::bigint / 600 + t) % 7 <> 0`)
	b.exec(`UPDATE data SET timestamp = timestamp - interval '30 years' WHERE turbine_id = 3 AND timestamp < '2025-01-05Z'`)
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s, at, t::bigint + s
		FROM unnest(array_append(ARRAY(SELECT generate_series(10, 28)), 2147483647)) AS t, generate_series(1, 15) AS s,
			generate_series('2025-01-10Z'::timestamptz, '2025-01-10 23:50Z', '10 min') AS at`)
	for _, tt := range []struct{ start, end, turbines, signals string }{
		{"0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "all", "{}"},
		{"2025-01-01T00:00:00Z", "2025-01-21T00:00:00Z", "all", "{}"},
		{"2025-01-10T00:00:00Z", "2025-01-10T23:59:59Z", "all", "{}"},
		{"2025-01-10T03:00:00Z", "2025-01-10T23:59:59Z", "2-30", "{}"},
		{"2025-01-02T00:00:00Z", "2025-01-19T00:00:00Z", "all", "{power_mean}"},
	} {
		query := fmt.Sprintf("/windows?format=csv&start=%s&end=%s&turbines=%s", tt.start, tt.end, tt.turbines)
		if tt.signals != "{}" {
			query += "&signals=" + strings.Trim(tt.signals, "{}")
		}
		var want []string
		rows, err := b.db.Query(t.Context(), `
			SELECT to_char(d.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ',' || d.turbine_id || ',' || s.name || ',' || d.value
			FROM data AS d JOIN signal AS s ON s.id = d.signal_id
			WHERE d.timestamp >= $1::text::timestamptz AND d.timestamp <= $2::text::timestamptz
			  AND ($3 = 'all' OR d.turbine_id BETWEEN 2 AND 30)
			  AND ($4::text[] = '{}' OR s.name = ANY ($4::text[]))
			ORDER BY d.turbine_id, d.timestamp, d.signal_id`, tt.start, tt.end, tt.turbines, tt.signals)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			want = append(want, line)
		}
		if rows.Err() != nil || len(want) == 0 {
			t.Fatalf("%d rows, %v", len(want), rows.Err())
		}
		a := b.Get(query)
		if got := rowsOf(t, a); got != len(want) {
			t.Errorf("%s: %d rows, want %d", query, got, len(want))
		}
		lines := strings.Split(strings.TrimSuffix(a.Body, "\r\n"), "\r\n")[1:]
		for i, line := range lines {
			if i >= len(want) || shortest(line) != want[i] {
				t.Fatalf("%s: row %d is %s, want %s", query, i, line, want[min(i, len(want)-1)])
			}
		}
	}
}

// A failure after the first byte breaks the answer off.
func TestWindowsBroken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT 1, s, at, 1 FROM generate_series(1, 15) AS s,
			generate_series('2025-01-01Z'::timestamptz, '2025-03-01 23:50Z', '10 min') AS at`)
	resp := b.Open(t.Context(), "/windows?start=2025-01-01&end=2025-05-01")
	defer resp.Body.Close()
	// The answer has begun, and far more of it is to come than buffers hold.
	b.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'delfos target api' AND datname = current_database()")
	n, err := new(bytes.Buffer).ReadFrom(resp.Body)
	if err == nil {
		t.Errorf("an answer of %d bytes ends cleanly", n)
	}
	if resp.Trailer.Get("Delfos-Rows") != "" {
		t.Error("it has trailers")
	}
}
