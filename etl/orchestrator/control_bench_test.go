package orchestrator_test

import (
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/apitest"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/internal/test/servetest"
)

// BenchmarkControl plans, opens, cancels and retries runs of 16,800 days, 46 years.
func BenchmarkControl(b *testing.B) {
	o, _ := servetest.Idle(b, pgtest.As(b, pgtest.ETL, pgtest.Target(b)), "http://127.0.0.1:1", new(apitest.Log).Logger())
	c := o.Control()
	r := days(16_800, "")
	r.From = r.To.AddDate(0, 0, -16_799)
	timed := map[string]time.Duration{}
	do := func(what string, call func() error) {
		b.Helper()
		begun := time.Now()
		if err := call(); err != nil {
			b.Fatal(err)
		}
		timed[what] += time.Since(begun)
	}
	for b.Loop() {
		var id int64
		do("create", func() error {
			plan, err := c.Start(b.Context(), r)
			id = plan.RunID
			return err
		})
		do("cancel", func() error { return c.Cancel(b.Context(), id) })
		do("retry", func() error { return c.Retry(b.Context(), id) })
		do("again", func() error { return c.Retry(b.Context(), id) })
		do("read", func() error {
			_, err := c.Run(b.Context(), id)
			return err
		})
		if err := c.Cancel(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
	for what, took := range timed {
		b.ReportMetric(float64(took.Milliseconds())/float64(b.N), what+"-ms/op")
	}
}
