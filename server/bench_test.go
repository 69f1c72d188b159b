package server_test

import (
	"io"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// One iteration is a year of one turbine, 525,600 rows, over HTTP and
// PostgreSQL; peak-MiB is how much the process's peak of memory grew in all.
func BenchmarkYear(b *testing.B) {
	api := setup(b)
	api.fill(525_600)
	c := client(b)
	before := peakKiB(b)
	var size int64
	for b.Loop() {
		resp, err := c.Get(api.url + year)
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

// One iteration is a day of one turbine, by four clients a core.
func BenchmarkDay(b *testing.B) {
	api := setup(b)
	api.fill(10_000)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		c := client(b)
		for pb.Next() {
			resp, err := c.Get(api.url + "/data?start=2025-01-03&end=2025-01-03T23:59:59")
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Trailer.Get("Delfos-Rows") != "1440" {
				b.Errorf("%v, %v", err, resp.Trailer)
			}
			_ = resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
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
