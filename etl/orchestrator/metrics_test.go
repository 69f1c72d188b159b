package orchestrator_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// While the target is away, a scrape has what this process has done.
func TestMetricsOfTargetAway(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.targetURL = "postgres://delfos:delfos@127.0.0.1:1/delfos?sslmode=disable"
	control, err := orchestrator.OpenControl(t.Context(), s.targetURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Close)
	away := s.orchestrator(t, 1, func(c *orchestrator.Config) { c.Target = control })
	want := `
		# HELP delfos_retries_total Attempts that failed and are followed by another one.
		# TYPE delfos_retries_total counter
		delfos_retries_total 0
		# HELP delfos_target_up Whether the ledger could be read.
		# TYPE delfos_target_up gauge
		delfos_target_up 0
	`
	if err := testutil.CollectAndCompare(away.Metrics(), strings.NewReader(want), "delfos_retries_total", "delfos_target_up", "delfos_partitions"); err != nil {
		t.Error(err)
	}
}

// Days that are late, failed, refused and retried count.
func TestMetricsOfTrouble(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2)
	w := s.start(t, 1, func(c *orchestrator.Config) {
		c.Now, c.Schedule.PartitionStart = func() time.Time { return date("2025-01-03") }, new(date("2025-01-01"))
	})
	plan := startRun(t, w.Control(), days(2, enum.RunScopeAll))
	awaitRun(t, w.Control(), plan.RunID, "the days to be loaded", ended)
	pgtest.Exec(t, s.source, "DELETE FROM data WHERE timestamp < '2025-01-02'")
	again := startRun(t, w.Control(), days(2, enum.RunScopeAll))
	awaitRun(t, w.Control(), again.RunID, "the guard to refuse", ended)
	want := `
		# HELP delfos_erase_refusals_total Attempts that would have removed more values than is done without being asked.
		# TYPE delfos_erase_refusals_total counter
		delfos_erase_refusals_total 1
		# HELP delfos_partitions Days of the ledger, by state.
		# TYPE delfos_partitions gauge
		delfos_partitions{state="cancelled"} 0
		delfos_partitions{state="done"} 1
		delfos_partitions{state="empty"} 0
		delfos_partitions{state="failed"} 1
		delfos_partitions{state="missing"} 0
		delfos_partitions{state="pruned"} 0
		delfos_partitions{state="queued"} 0
		delfos_partitions{state="running"} 0
		delfos_partitions{state="stale"} 0
	`
	if err := testutil.CollectAndCompare(w.Metrics(), strings.NewReader(want), "delfos_erase_refusals_total", "delfos_partitions"); err != nil {
		t.Error(err)
	}
}
