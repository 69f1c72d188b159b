package orchestrator

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

// schedule is a target with a schedule, a clock and a source to say what it is
// told to.
type schedule struct {
	*scheduler

	t      *testing.T
	pool   *pgxpool.Pool
	config Config
	clock  *clock
	source *fakeSource
	logged *strings.Builder
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = dayAt(text)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fakeSource is a source API with a first sample and digests.
type fakeSource struct {
	Job

	pool  *pgxpool.Pool // of the target, whose ledger is told
	mu    sync.Mutex
	days  []time.Time // with samples
	err   error
	takes func()
	asked []string // ranges of Stale
	// digests that differ from what was loaded, which is 1
	digests map[string]int64
	look    etl.Look // what else it says
	changes *extract.Changes
	since   []string // the cursors that it was asked with
}

func (f *fakeSource) Sampled(_ context.Context, first, last time.Time) (etl.Span, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var span *etl.Span
	for _, day := range f.days {
		if day.Before(first) || day.After(last) {
			continue
		}
		if span == nil {
			span = &etl.Span{First: day, Last: day}
		}
		span.First, span.Last = dates.Earlier(span.First, day), dates.Later(span.Last, day)
	}
	if span == nil {
		return etl.Span{}, false, f.err
	}
	return *span, true, f.err
}

// sample makes the source have samples of the days alone.
func (f *fakeSource) sample(days ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.days = nil
	for _, day := range days {
		f.days = append(f.days, dayAt(day))
	}
}

// Changes answers with what it is told to, and the number of the answer; without that, as an
// older source does.
func (f *fakeSource) Changes(_ context.Context, since string) (extract.Changes, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changes == nil {
		return extract.Changes{}, errors.New("there is nothing at /data/changes")
	}
	f.since = append(f.since, since)
	return extract.Changes{Complete: f.changes.Complete, Days: f.changes.Days, Cursor: strconv.Itoa(len(f.since))}, nil
}

func (f *fakeSource) LookAt(ctx context.Context, days []time.Time) (etl.Look, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(days) == 0 {
		return etl.Look{}, f.err
	}
	from, to := days[0], days[len(days)-1]
	asked := from.Format(time.DateOnly) + ".." + to.Format(time.DateOnly)
	if len(days) < dates.Count(from, to) {
		asked = ""
		for _, day := range days {
			asked = strings.TrimSpace(asked + " " + day.Format(time.DateOnly))
		}
	}
	f.asked = append(f.asked, asked)
	if f.takes != nil {
		f.takes()
	}
	if f.err != nil {
		return etl.Look{}, f.err
	}
	for text, digest := range f.digests {
		day := dayAt(text)
		if !slices.ContainsFunc(days, day.Equal) {
			continue
		}
		if _, err := f.pool.Exec(ctx, "UPDATE partition SET source_digest_seen = $2 WHERE day = $1", day, digest); err != nil {
			return etl.Look{}, err
		}
	}
	return f.look, nil
}

func (f *fakeSource) Samples(_ context.Context, day time.Time) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.days, day) {
		return 1, f.err
	}
	return 0, f.err
}

func (f *fakeSource) change(digest int64, days ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, day := range days {
		f.digests[day] = digest
	}
}

func newSchedule(t *testing.T, c ScheduleConfig) *schedule {
	t.Helper()
	pool := pgtest.Pool(t, pgtest.Target(t))
	s := &schedule{
		t: t, pool: pool, clock: &clock{now: dayAt("2025-06-30 12:00")}, logged: &strings.Builder{},
		source: &fakeSource{pool: pool, days: []time.Time{dayAt("2025-01-01")}, digests: map[string]int64{}},
	}
	s.config = Config{
		Target: pool, Job: s.source, Schedule: c, Now: s.clock.read, Log: slog.New(slog.NewTextHandler(s.logged, nil)),
	}
	s.restart()
	return s
}

// other is the scheduler of another process.
func (s *schedule) other() *scheduler {
	s.t.Helper()
	client, err := river.NewClient(riverpgxv5.New(s.pool), &river.Config{Schema: schema.RiverName})
	if err != nil {
		s.t.Fatal(err)
	}
	other, err := newScheduler(s.config, &queue{client: client})
	if err != nil {
		s.t.Fatal(err)
	}
	return other
}

func (s *schedule) restart() { s.scheduler = s.other() }

func (s *schedule) tick() {
	s.t.Helper()
	if err := s.scheduler.tick(s.t.Context(), s.clock.read()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *schedule) sweep() {
	s.t.Helper()
	if err := s.scheduler.sweep(s.t.Context(), s.clock.read()); err != nil && !errors.Is(err, errNotDue) {
		s.t.Fatal(err)
	}
}

func (s *schedule) exec(sql string, args ...any) {
	s.t.Helper()
	pgtest.Exec(s.t, s.pool, sql, args...)
}

func (s *schedule) strings(sql string, args ...any) []string {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), sql, args...)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	if len(texts) == 0 {
		return nil
	}
	return texts
}

// tickQueue makes the jobs that open requests lack.
func (s *schedule) tickQueue() {
	s.t.Helper()
	if err := pgx.BeginFunc(s.t.Context(), s.pool, func(tx pgx.Tx) error { return s.queue.dispatch(s.t.Context(), tx) }); err != nil {
		s.t.Fatal(err)
	}
}

// today looks at the running day.
func (s *schedule) today() {
	s.t.Helper()
	if err := s.scheduler.today(s.t.Context(), s.clock.read()); err != nil && !errors.Is(err, errNotDue) {
		s.t.Fatal(err)
	}
}

// load makes days done, by an attempt an hour after their end.
func (s *schedule) load(days ...string) {
	s.t.Helper()
	for _, day := range days {
		s.loadAt(day, dayAt(day).AddDate(0, 0, 1).Add(time.Hour))
	}
}

func (s *schedule) loadAt(day string, at time.Time) {
	s.t.Helper()
	s.exec(`INSERT INTO partition (day, token, outcome, attempt, started_at, finished_at, source_digest, source_digest_seen, run_id)
		VALUES ($1, 1, 'done', 1, $2, $2, 1, 1, (SELECT min(run_id) FROM run_partition WHERE day = $1 AND outcome IS NULL))
		ON CONFLICT (day) DO UPDATE SET outcome = 'done', started_at = $2, finished_at = $2, source_digest = partition.source_digest_seen, run_id = excluded.run_id`, dayAt(day), at)
	s.exec("UPDATE run_partition SET outcome = 'done', finished_at = now() WHERE day = $1 AND outcome IS NULL", dayAt(day))
	s.exec("UPDATE river.river_job SET state = 'completed', finalized_at = now() WHERE args ->> 'day' = $1", day)
}

// fail makes a day failed, by an attempt that ended at at.
func (s *schedule) fail(day string, at time.Time) {
	s.t.Helper()
	s.exec(`INSERT INTO partition (day, token, outcome, attempt, error, started_at, finished_at, source_digest_seen)
		VALUES ($1, 1, 'failed', 1, 'a bad row', $2, $2, 1)
		ON CONFLICT (day) DO UPDATE SET outcome = 'failed', error = 'a bad row', finished_at = $2, next_attempt_at = NULL`, dayAt(day), at)
	s.exec("UPDATE run_partition SET outcome = 'failed', finished_at = now() WHERE day = $1 AND outcome IS NULL", dayAt(day))
	s.exec("UPDATE river.river_job SET state = 'cancelled', finalized_at = now() WHERE args ->> 'day' = $1 AND finalized_at IS NULL", day)
}

// loadRange makes all days of a range done.
func (s *schedule) loadRange(from, to string) {
	s.t.Helper()
	for day := dayAt(from); !day.After(dayAt(to)); day = day.AddDate(0, 0, 1) {
		s.load(day.Format(time.DateOnly))
	}
}

// runs are the runs with the days of each.
func (s *schedule) runs() []string {
	s.t.Helper()
	return s.strings(`SELECT r.trigger || ' ' || r.scope || ' ' || string_agg(to_char(rp.day, 'MM-DD'), ' ' ORDER BY rp.day)
		FROM run AS r JOIN run_partition AS rp ON rp.run_id = r.id
		WHERE rp.day BETWEEN r.first_day AND r.last_day
		GROUP BY r.id ORDER BY r.id`)
}

func (s *schedule) wantRuns(what string, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.runs()); diff != "" {
		s.t.Fatalf("%s: runs (-want +got):\n%s", what, diff)
	}
}

func (s *schedule) state() ScheduleState {
	s.t.Helper()
	state, err := s.Schedule(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

func (s *schedule) pause(paused bool) {
	s.t.Helper()
	if err := s.Pause(s.t.Context(), paused); err != nil {
		s.t.Fatal(err)
	}
}

// cancel calls the open requests of all runs off.
func (s *schedule) cancel() {
	s.exec("UPDATE run_partition SET outcome = 'cancelled', finished_at = now() WHERE outcome IS NULL")
	s.exec("UPDATE river.river_job SET state = 'cancelled', finalized_at = now() WHERE kind = 'partition' AND state = 'available'")
}
