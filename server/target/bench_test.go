package target_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
)

// BenchmarkWindows reads a year of one turbine, 788,400 values, and a day of a
// thousand, 2,160,000.
func BenchmarkWindows(b *testing.B) {
	s := setup(b)
	s.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT 1, s, at, s + extract(epoch FROM at)::bigint % 1000 / 7.0
		FROM generate_series(1, 15) AS s, generate_series('2024-01-01Z'::timestamptz, '2024-12-30 23:50Z', '10 min') AS at`)
	s.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s, at, s + extract(epoch FROM at)::bigint % 1000 / 7.0
		FROM generate_series(1, 1000) AS t, generate_series(1, 15) AS s,
			generate_series('2025-01-01Z'::timestamptz, '2025-01-01 23:50Z', '10 min') AS at
		ORDER BY t, s, at`) // as the ETL loads
	const year, day = "start=2024-01-01&end=2024-12-31&turbines=1", "start=2025-01-01&end=2025-01-01T23:59:59"
	for name, query := range map[string]string{
		"YearJSON":        year,
		"YearWideJSON":    year + "&wide=true",
		"YearWideArrow":   year + "&wide=true&format=arrow",
		"YearLongParquet": year + "&format=parquet",
		"DayWideArrow":    day + "&wide=true&format=arrow",
	} {
		b.Run(name, func(b *testing.B) { readAll(b, s, "/windows?"+query) })
	}
}

// BenchmarkRollups reads ten years of one turbine, 525,600 windows, a year of it, and
// 30 days of a hundred, 432,000: as longer periods, and as coverage and energy.
func BenchmarkRollups(b *testing.B) {
	s := setup(b)
	s.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT 1, s, at, s + extract(epoch FROM at)::bigint % 1000 / 7.0
		FROM generate_series(1, 15) AS s, generate_series('2014-01-01Z'::timestamptz, '2023-12-31 23:50Z', '10 min') AS at`)
	s.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s, at, s + extract(epoch FROM at)::bigint % 1000 / 7.0
		FROM generate_series('2025-01-01Z'::timestamptz, '2025-01-30Z', '1 day') AS day,
			generate_series(1, 100) AS t, generate_series(1, 15) AS s,
			generate_series(day, day + interval '23:50', '10 min') AS at
		ORDER BY day, t, s, at`) // as the ETL loads
	s.exec("VACUUM ANALYZE data")
	const signals = "&format=arrow&wide=true&signals=wind_speed_mean,wind_speed_min,wind_speed_max"
	for name, query := range map[string]string{
		"YearHours":     "/windows?start=2023-01-01&before=2024-01-01&step=1h&turbines=1" + signals,
		"FleetHours":    "/windows?start=2025-01-01&before=2025-01-31&step=1h" + signals,
		"TenYearsDays":  "/windows?start=2014-01-01&before=2024-01-01&step=1d&tz=Europe/Berlin&turbines=1" + signals,
		"YearCoverage":  "/stats/coverage?from=2023-01-01&to=2023-12-31&turbines=1",
		"FleetCoverage": "/stats/coverage?from=2025-01-01&to=2025-01-30",
		"YearEnergy":    "/stats/energy?from=2023-01-01&to=2023-12-31&turbines=1",
		"FleetEnergy":   "/stats/energy?from=2025-01-01&to=2025-01-30",
	} {
		b.Run(name, func(b *testing.B) { readAll(b, s, query) })
	}
}

// BenchmarkDays reads 20,000 days of the ledger, as the console's first page does.
func BenchmarkDays(b *testing.B) {
	s := setup(b)
	s.exec("INSERT INTO run (trigger, first_day, last_day) VALUES ('backfill', '1980-01-01', '2024-12-31')")
	s.exec(`
		INSERT INTO partition (day, token, run_id, outcome, attempt, started_at, finished_at, inserted, updated, deleted,
			samples, expected, windows, rows, rows_most, loaded_at, source_digest, source_digest_seen, target_digest)
		SELECT '1970-04-05'::date + n, 1, 1, 'done', 1, at, at + interval '0.2 s', 2160, 0, 0, 1440, 1440, 144, 2160, 2160, at, n,
			CASE WHEN n % 97 = 0 THEN n + 1 ELSE n END, n
		FROM generate_series(0, 19999) AS n CROSS JOIN LATERAL (SELECT '2025-01-01Z'::timestamptz + n * interval '1 s' AS at) AS t
		WHERE n % 50 <> 7`)
	s.exec("INSERT INTO run_partition (run_id, day, token, outcome, finished_at) SELECT 1, day, 1, 'done', finished_at FROM partition")
	s.exec(`
		INSERT INTO check_result (day, check_name, variable, version, status, faults, detail, token)
		SELECT day, c, v, 1, (CASE WHEN c = 'frozen' AND extract(day FROM day) < 4 THEN 'warn' ELSE 'pass' END)::check_status, 0, 'all is well', 1
		FROM partition, unnest('{completeness,range,frozen,curve}'::text[]) AS c, unnest('{wind_speed,power,ambient_temperature}'::text[]) AS v`)
	s.exec("VACUUM ANALYZE")
	for name, path := range map[string]string{
		"Partitions": "/partitions?from=1970-04-05&to=2025-01-05",
		"Brief":      "/partitions?brief=true&from=1970-04-05&to=2025-01-05",
		"Newest":     "/partitions?brief=true&from=1970-04-05&to=2025-01-05&limit=800",
		"Status":     "/status",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.SetBytes(int64(len(s.OK(path, "Accept-Encoding: gzip").Body)))
			}
		})
	}
}

// readAll reads an answer over and over.
func readAll(b *testing.B, s *bundle, path string) {
	b.Helper()
	c := apitest.HTTPClient(b)
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL+path, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.Trailer.Get("Delfos-Rows") == "" {
			b.Fatalf("%d bytes, %v", n, err)
		}
		b.SetBytes(n)
	}
}

// BenchmarkStatistics answers of a year of one turbine, and of 30 days of a hundred.
func BenchmarkStatistics(b *testing.B) {
	s := setup(b)
	s.exec(`
		INSERT INTO data (turbine_id, signal_id, timestamp, value)
		SELECT t, s.id, at, CASE
			WHEN s.name LIKE '%_count' THEN 10
			WHEN s.name LIKE '%_std' THEN 1
			WHEN s.name LIKE 'wind_speed_%' THEN 8 + 4 * sin(extract(epoch FROM at) / 20000 + t) + 3 * random()
			ELSE 1000 + 900 * sin(extract(epoch FROM at) / 20000 + t) + 100 * random()
		END
		FROM generate_series(1, 101) AS t
		CROSS JOIN signal AS s
		CROSS JOIN generate_series('2024-01-01Z'::timestamptz, '2024-12-29 23:50Z', '10 min') AS at
		WHERE t = 101 OR at < '2024-01-31Z'
		ORDER BY t, s.id, at`)
	for _, name := range []string{"power-curve", "power-density", "distribution", "profile"} {
		for size, query := range map[string]string{
			"YearOfOne":    "?turbines=101&start=2024-01-01&before=2025-01-01",
			"MonthOfFleet": "?turbines=1-100&start=2024-01-01&before=2024-01-31",
		} {
			b.Run(name+"/"+size, func(b *testing.B) {
				for b.Loop() {
					s.OK("/stats/" + name + query)
				}
			})
		}
	}
}
