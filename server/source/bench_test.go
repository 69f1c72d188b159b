package source_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/delfos/delfos/internal/test/apitest"
)

// One iteration is a year of one turbine, 525,600 rows, over HTTP and
// PostgreSQL; peak-MiB is how much the process's peak of memory grew in all.
func BenchmarkYear(b *testing.B) {
	api := setup(b)
	api.fill(525_600)
	c := apitest.HTTPClient(b)
	before := peakKiB(b)
	var size int64
	for b.Loop() {
		resp, err := c.Get(api.URL + year)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil || resp.Trailer.Get("Delfos-Rows") != "525600" {
			b.Fatalf("%v, %v", err, resp.Trailer)
		}
		size = n
		_ = resp.Body.Close()
	}
	b.SetBytes(size)
	b.ReportMetric(525_600*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(peakKiB(b)-before)/1024, "peak-MiB")
}

// One iteration is a day of one turbine, by four clients a core: read out, and
// answered by 304 to a client that has it.
func BenchmarkDay(b *testing.B) {
	api := setup(b)
	api.fill(10_000)
	const path = "/data?start=2025-01-03&end=2025-01-03T23:59:59"
	tag := api.Get(path).Header.Get("ETag")
	for name, want := range map[string]struct {
		tag    string
		status int
		rows   string
	}{
		"200": {"", http.StatusOK, "1440"},
		"304": {tag, http.StatusNotModified, ""},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				c := apitest.HTTPClient(b)
				for pb.Next() {
					req, _ := http.NewRequest(http.MethodGet, api.URL+path, nil)
					if want.tag != "" {
						req.Header.Set("If-None-Match", want.tag)
					}
					resp, err := c.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					_, err = io.Copy(io.Discard, resp.Body)
					if err != nil || resp.StatusCode != want.status || resp.Trailer.Get("Delfos-Rows") != want.rows {
						b.Errorf("%s, %v, %v", resp.Status, err, resp.Trailer)
					}
					_ = resp.Body.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// One iteration digests a day of a thousand turbines, 1.44 million samples.
func BenchmarkFleetDigest(b *testing.B) {
	api := setup(b)
	api.exec("INSERT INTO turbine SELECT i, 'Turbine ' || i FROM generate_series(2, 1000) AS i")
	api.exec(`INSERT INTO data SELECT turbine, '2025-01-01Z'::timestamptz + i * interval '1 min', i % 25, i % 2000 / 10.0, i % 40 / 3.0
		FROM generate_series(0, 1439) AS i, generate_series(1, 1000) AS turbine`)
	api.exec("VACUUM ANALYZE data")
	c := apitest.HTTPClient(b)
	for b.Loop() {
		resp, err := c.Get(api.URL + "/data/digest?start=2025-01-01&end=2025-01-01T23:59:59")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Trailer.Get("Delfos-Rows") != "1000" {
			b.Fatalf("%v, %v", err, resp.Trailer)
		}
		_ = resp.Body.Close()
	}
	b.ReportMetric(1_440_000*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

// peakKiB is the process's peak of resident memory, where Linux tells it.
func peakKiB(b *testing.B) int {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		b.Fatal("no VmHWM in /proc/self/status")
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}
