package endtoend_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/internal/test/await"
	"github.com/delfos/delfos/internal/test/pgtest"
)

// twoGroups is more turbines than a job of these tests asks for at once: when
// the second request is held, the first group's values are in the open
// transaction.
const twoGroups = 3

// everyWindow changes a sample of each window.
const everyWindow = "UPDATE data SET power = power + 1 WHERE extract(minute FROM timestamp)::int % 10 = 0"

// hold is a fault that passes one request to the second group on only when it
// is released; reached is closed when the request has come.
func hold() (f fault, reached, release chan struct{}) {
	reached, release = make(chan struct{}), make(chan struct{})
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		close(reached)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return false
	}, reached, release
}

func pass(http.ResponseWriter, *http.Request, http.Handler) bool { return false }

func TestKilledInTheMiddleOfALoad(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, twoGroups)
	held, reached, _ := hold()
	s.gateway.spoil(pass, held)
	w := s.worker(t, 1, time.Hour)
	<-reached
	w.signal(syscall.SIGKILL)
	_ = w.Wait()

	// A lease of an hour is no hindrance: the session died with its process.
	got := s.run(t, 1)
	if got.Inserted != twoGroups*2160 || got.Partitions[0].Token != 2 {
		t.Errorf("rerun: got %d inserted, token %d, want %d and 2", got.Inserted, got.Partitions[0].Token, twoGroups*2160)
	}
	near(t, s.values(t), s.expected(t))
}

func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const days = 4
	s.seed(t, days, twoGroups)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	// An attempt that was killed never says how it ended.
	const lost = "SELECT count(*) FROM attempt WHERE outcome IS NULL"
	for rounds := 1; pgtest.Query[int](t, s.target, lost) < 4; rounds++ {
		if rounds > 100 {
			t.Fatalf("%d of 100 kills hit a load", pgtest.Query[int](t, s.target, lost))
		}
		pgtest.Exec(t, s.source, everyWindow)
		w := s.worker(t, days, time.Hour)
		done := make(chan struct{})
		go func() { _ = w.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(time.Duration(r.Int64N(int64(400 * time.Millisecond)))):
			w.signal(syscall.SIGKILL)
			<-done
		}
	}
	if got := s.run(t, days); got.Done != days {
		t.Errorf("clean run: got %d done, want %d", got.Done, days)
	}
	near(t, s.values(t), s.expected(t))
	s.noOverlap(t)
}

func TestStoppedInTheMiddleOfALoad(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, twoGroups)
	held, reached, release := hold()
	s.gateway.spoil(pass, held)
	w := s.worker(t, 1, time.Second)
	<-reached
	w.signal(syscall.SIGSTOP)

	// The source changes meanwhile; the later extract must win.
	pgtest.Exec(t, s.source, "UPDATE data SET power = power + 1 WHERE turbine_id = 1")
	got := s.run(t, 1)
	if got.Done != 1 {
		t.Fatalf("second run: got %+v, want it done", got)
	}
	want := s.values(t)
	near(t, want, s.expected(t))

	close(release)
	w.signal(syscall.SIGCONT)
	if err := w.Wait(); err == nil {
		t.Error("the stopped run succeeded after another had taken its day over")
	}
	same(t, s.values(t), want, 0)
	if outcome := pgtest.Query[string](t, s.target, "SELECT outcome::text || token FROM partition"); outcome != "done2" {
		t.Errorf("ledger: got %s, want done2", outcome)
	}
}

func TestManyRunsOfOneDayAtOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 2, 2)
	var work sync.WaitGroup
	for range 4 {
		job := s.newJob(t, s.targetURL)
		work.Go(func() {
			if _, err := job.Run(t.Context(), request(2)); err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	work.Wait()
	near(t, s.values(t), s.expected(t))
	s.noOverlap(t)
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM attempt WHERE outcome = 'done'"); n != 8 {
		t.Errorf("attempts done: got %d, want 8", n)
	}
}

// noOverlap proves by the ledger that no day was written by two at once: who had
// taken it over began after the last commit. An attempt that was stopped may say
// later that it lost its claim; it has written nothing.
func (s *system) noOverlap(t *testing.T) {
	t.Helper()
	if n := pgtest.Query[int](t, s.target, `
		SELECT count(*) FROM attempt AS a JOIN attempt AS b ON b.day = a.day AND b.token > a.token
		WHERE a.finished_at > b.started_at AND a.inserted IS NOT NULL`); n != 0 {
		t.Errorf("%d pairs of attempts overlap", n)
	}
	if n := pgtest.Query[int](t, s.target, "SELECT count(*) FROM partition WHERE lease_until IS NOT NULL"); n != 0 {
		t.Errorf("%d claims are left", n)
	}
}

func TestDaysAtOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.hours(t, 6, 3)
	parallel := request(6)
	parallel.Parallel = 3
	told := 0
	parallel.Progress = func(etl.Partition) { told++ }
	for _, inserted := range []int64{6 * 3 * hourly, 0} {
		got, err := s.job.Run(t.Context(), parallel)
		if err != nil || got.Done != 6 || got.Inserted != inserted {
			t.Fatalf("run: got %d done, %d inserted, %v, want 6 and %d", got.Done, got.Inserted, err, inserted)
		}
		for i, p := range got.Partitions {
			if want := date("2025-01-01").AddDate(0, 0, i).Format(time.DateOnly); p.Day != want {
				t.Errorf("partition %d: got %s, want %s", i, p.Day, want)
			}
		}
	}
	if told != 12 {
		t.Errorf("progress: told %d times, want 12", told)
	}
	near(t, s.values(t), s.expected(t))

	s.stopAPI()
	got, err := s.job.Run(t.Context(), parallel)
	if !errors.Is(err, extract.ErrAway) || len(got.Partitions) == 6 || !strings.Contains(err.Error(), "more days were not tried") {
		t.Errorf("run with the API away: got %d partitions, %v; want some not to be tried", len(got.Partitions), err)
	}
}

func TestAPIStoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.hours(t, 1, twoGroups)
	s.run(t, 1)
	pgtest.Exec(t, s.source, everyWindow)
	want := s.values(t)
	held, reached, release := hold()
	s.gateway.spoil(pass, held)
	go func() {
		<-reached
		s.stopAPI()
		close(release)
	}()
	got, err := s.job.Run(t.Context(), request(3))
	if !errors.Is(err, extract.ErrAway) {
		t.Fatalf("run: got %v, want %v", err, extract.ErrAway)
	}
	if !strings.Contains(err.Error(), "2025-01-01") || !strings.Contains(err.Error(), "2 more days were not tried") {
		t.Errorf("error %q does not name the day and what was left", err)
	}
	if got.Failed != 1 || got.Written != 0 || len(got.Partitions) != 1 {
		t.Errorf("summary: got %d failed, %d written, %d partitions, want 1, 0, 1", got.Failed, got.Written, len(got.Partitions))
	}
	same(t, s.values(t), want, 0)
	if p := pgtest.Query[string](t, s.target, "SELECT outcome::text || attempt || (error LIKE '%502 Bad Gateway%') FROM partition"); p != "failed1true" {
		t.Errorf("ledger: got %s, want failed1true", p)
	}
}

// TestTakenOverDuringItsCommit has the first run's COMMIT wait at a lock until
// its lease has run out and a second run has ended it.
func TestTakenOverDuringItsCommit(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.seed(t, 1, 1)
	pgtest.Exec(t, s.target, `CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END'`)
	pgtest.Exec(t, s.target, `CREATE CONSTRAINT TRIGGER gate AFTER UPDATE ON partition DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (new.loaded_at IS DISTINCT FROM old.loaded_at) EXECUTE FUNCTION gate()`)
	tx, err := s.target.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT pg_advisory_xact_lock(1)"); err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() {
		_, err := s.leasedJob(t, s.targetURL, time.Second).Run(t.Context(), request(1))
		first <- err
	}()
	s.await(t, "the first COMMIT to wait", "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
	pgtest.Exec(t, s.source, everyWindow)
	second := make(chan error, 1)
	go func() {
		_, err := s.job.Run(t.Context(), request(1))
		second <- err
	}()
	if err := <-first; err == nil {
		t.Error("the first run succeeded though its COMMIT was ended")
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Errorf("second run: %v", err)
	}
	near(t, s.values(t), s.expected(t))
	if got := pgtest.Query[string](t, s.target, "SELECT string_agg(outcome::text, ' ' ORDER BY token) FROM attempt"); got != "failed done" {
		t.Errorf("attempts: got %s, want failed done", got)
	}
}

// await looks until a query is true.
func (s *system) await(t *testing.T, what, sql string) {
	t.Helper()
	await.True(t, what, func() bool { return pgtest.Query[bool](t, s.target, sql) })
}
