package endtoend_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// TestDayThatKillsItsWorker has every attempt at a day killed in the middle of
// its load, as by a system that runs out of memory. The day is given up, and the
// others are loaded.
func TestDayThatKillsItsWorker(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2, 1)
	asked := make(chan struct{})
	s.gateway.spoilAll(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !strings.HasPrefix(r.URL.Query().Get("start"), "2025-01-01") {
			return false
		}
		select {
		case asked <- struct{}{}:
		case <-r.Context().Done():
		}
		<-r.Context().Done()
		return true
	})
	control := s.control(t)
	plan, err := control.Start(t.Context(), orchestrator.StartRequest{From: date("2025-01-01"), To: date("2025-01-02")})
	if err != nil {
		t.Fatal(err)
	}
	// Some are the ledger's word alone: each kill takes a second or two to be found
	// out.
	const lease, attempts, killed = 500 * time.Millisecond, 5, 2
	pgtest.Exec(t, s.target, "INSERT INTO partition (day, token) VALUES ('2025-01-01', $1)", attempts-killed)
	pgtest.Exec(t, s.target, "INSERT INTO attempt (day, token, run_id) SELECT '2025-01-01', n, $2 FROM generate_series(1, $1::bigint) AS n", attempts-killed, plan.RunID)
	for range killed {
		w := s.process(t, orchestratorWorkers, 1, lease, s.targetURL)
		<-asked
		w.signal(syscall.SIGKILL)
		_ = w.Wait()
	}
	last := s.process(t, orchestratorWorkers, 1, lease, s.targetURL)
	s.await(t, "the end of the run", "SELECT count(*) = 0 FROM run_partition WHERE outcome IS NULL")
	if got := pgtest.Query[string](t, s.target, "SELECT string_agg(outcome::text, ' ' ORDER BY day) FROM partition"); got != "failed done" {
		t.Errorf("days: got %s, want failed done", got)
	}
	if got := pgtest.Query[string](t, s.target, "SELECT error FROM partition WHERE day = '2025-01-01'"); !strings.HasPrefix(got, "the workers of the last 5 attempts were lost") {
		t.Errorf("the ledger says %q", got)
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM attempt WHERE day = '2025-01-01'"); n != attempts+1 {
		t.Errorf("attempts: got %d, want %d", n, attempts+1)
	}

	s.gateway.spoilAll(nil)
	if err := control.Retry(t.Context(), plan.RunID); err != nil {
		t.Fatal(err)
	}
	s.await(t, "the day to be done", "SELECT count(*) = 2 FROM partition WHERE outcome = 'done'")
	near(t, s.values(t), s.expected(t))
	last.signal(syscall.SIGTERM)
	if err := last.Wait(); err != nil {
		t.Errorf("a worker that was told to end: %v", err)
	}
}
