package endtoend_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

var (
	faultRuns = flag.Int("faults", 6, "how many backfills TestBackfillsUnderFaults hits")
	faultSeed = flag.Uint64("fault-seed", 0, "the seed of the first of them, to see a failure again; one of the clock if 0")
)

const (
	faultDays = 3
	// shortLease is that of workers which are stopped for longer.
	shortLease = 2 * time.Second
)

// Each backfill suffers one fault at a random moment, and the target must come
// to hold what the source does, by nobody's hand.
func TestBackfillsUnderFaults(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, faultDays, 1)
	cut, through := newWire(t, s.targetURL)
	workers := []*worker{
		s.process(t, orchestratorWorkers, 2, shortLease, through),
		s.process(t, orchestratorWorkers, 1, shortLease, s.targetURL),
	}
	control := s.control(t)
	// A worker that is hit before it has begun ends with an error, as it should.
	var newest time.Time // when a worker had begun last
	begun := func(n int) {
		await.Value(t, "the workers begin", func() (int, bool) {
			found := pgtest.Query[int](t, s.target, "SELECT count(*) FROM worker WHERE started_at > $1", newest)
			return found, found >= n
		})
	}
	begun(len(workers))
	first := *faultSeed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	hits := 0
	for n := uint64(0); hits < *faultRuns; n++ {
		if n > uint64(20**faultRuns) {
			t.Fatalf("%d of %d faults came while a backfill was under way, want %d", hits, n, *faultRuns)
		}
		seed := first + n
		r := rand.New(rand.NewPCG(seed, 0))
		pgtest.Exec(t, s.source, everyWindow)
		if r.IntN(2) == 0 {
			pgtest.Exec(t, s.target, "TRUNCATE data")
		}
		plan, err := control.Start(t.Context(), orchestrator.StartRequest{From: date("2025-01-01"), To: date("2025-01-03")})
		if err != nil {
			t.Fatal(err)
		}
		since := time.Now()
		time.Sleep(time.Duration(r.Int64N(int64(110 * time.Millisecond))))
		kind := r.IntN(5)
		switch kind {
		case 0:
			w := r.IntN(len(workers))
			newest = pgtest.Query[time.Time](t, s.target, "SELECT max(started_at) FROM worker")
			workers[w].signal(syscall.SIGKILL)
			_ = workers[w].Wait()
			url := s.targetURL
			if w == 0 {
				url = through
			}
			workers[w] = s.process(t, orchestratorWorkers, 2-w, shortLease, url)
		case 1:
			w := workers[r.IntN(len(workers))]
			w.signal(syscall.SIGSTOP)
			time.AfterFunc(shortLease+time.Duration(r.Int64N(int64(2*time.Second))), func() { _ = w.Process.Signal(syscall.SIGCONT) })
		case 2:
			pgtest.Exec(t, s.target, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name LIKE 'delfos%' AND pid <> pg_backend_pid()
				ORDER BY hashint4extended(pid, $1) LIMIT 1`, int64(seed>>1))
		case 3:
			cut.atCommit(func() fate { return fate(r.IntN(2)) })
		case 4:
			s.gateway.spoil(cutAt(r.IntN(20_000)))
		}
		// What came when all was done has tried nothing.
		open := pgtest.Query[int](t, s.target, "SELECT count(*) FROM run_partition WHERE run_id = $1 AND outcome IS NULL", plan.RunID)
		if open > 0 {
			hits++
		}
		what := fmt.Sprintf("seed %d, fault %d, %d days open", seed, kind, open)
		await.Value(t, what, func() (targetdb.ReadRunsRow, bool) {
			var ended *pgconn.PgError // It may be this very session that was ended.
			run, err := control.Run(t.Context(), plan.RunID)
			if err != nil && !errors.As(err, &ended) {
				t.Fatal(err)
			}
			if run.State == "failed" || run.State == "cancelled" {
				t.Fatalf("%s: after %s the run is %+v", what, time.Since(since), run)
			}
			return run, run.State == "done"
		})
		t.Logf("%s: done after %s", what, time.Since(since).Round(time.Millisecond))
		near(t, s.values(t), s.expected(t))
		if t.Failed() {
			t.Fatalf("%s: the target is not what the source is", what)
		}
		begun(1)
	}
	for _, w := range workers {
		w.signal(syscall.SIGCONT)
		w.signal(syscall.SIGTERM)
	}
	for _, w := range workers {
		if err := w.Wait(); err != nil {
			t.Errorf("a worker that was told to end: %v", err)
		}
	}
	s.noOverlap(t)
}

// cutAt breaks the answer off after so many bytes.
func cutAt(n int) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		next.ServeHTTP(&cutWriter{ResponseWriter: w, left: n}, r)
		return true
	}
}

// cutWriter aborts the answer when it has passed on what it may.
type cutWriter struct {
	http.ResponseWriter

	left int
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		_, _ = w.ResponseWriter.Write(b[:w.left])
		w.Flush()
		panic(http.ErrAbortHandler)
	}
	w.left -= len(b)
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (w *cutWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// control steers the queue from this process, and works on nothing.
func (s *system) control(t *testing.T) *orchestrator.Control {
	t.Helper()
	pool, err := orchestrator.OpenControl(t.Context(), s.targetURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	o, err := orchestrator.New(orchestrator.Config{
		Target: pool, Job: s.job, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return o.Control()
}
