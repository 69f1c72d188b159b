package verify_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/verify"
	"github.com/delfos/delfos/internal/seed"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/server/source"
)

// BenchmarkYear compares a year of one turbine.
func BenchmarkYear(b *testing.B) { benchmark(b, 365, 1) }

// BenchmarkFleetDay compares a day of a thousand turbines.
func BenchmarkFleetDay(b *testing.B) { benchmark(b, 1, 1000) }

func benchmark(b *testing.B, days, turbines int) {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	start := time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	url := pgtest.Source(b)
	if _, err := seed.Run(b.Context(), pgtest.Pool(b, url), seed.Options{Start: start, Days: days, Turbines: turbines}); err != nil {
		b.Fatal(err)
	}
	pool, err := source.OpenPool(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	api := httptest.NewServer(source.New(source.Config{Pool: pool, Log: log}))
	b.Cleanup(api.Close)
	target, err := etl.OpenTarget(b.Context(), pgtest.Target(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(target.Close)
	job, err := etl.New(b.Context(), etl.Config{Target: target, SourceURL: api.URL, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(job.Close)
	if _, err := job.Run(b.Context(), etl.Request{From: start, To: start.AddDate(0, 0, days-1), Turbines: selector.All(), Parallel: 2}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		report, err := verify.Run(b.Context(), verify.Config{Target: target, SourceURL: api.URL, Log: log}, verify.Request{Turbines: selector.All(), Parallel: 2})
		if err != nil || !report.OK() || report.Values != int64(days*turbines*2160) {
			b.Fatalf("%v: %+v", err, report)
		}
		b.ReportMetric(1e16*float64(report.Worst.Relative), "1e-16-worst")
	}
}
