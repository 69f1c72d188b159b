package orchestrator

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/gen/enum"
)

const aToday = "today all 06-30"

// runningDay is a schedule at noon that looks at the running day every ten minutes, with
// yesterday loaded and samples of both days at the source.
func runningDay(t *testing.T) *schedule {
	t.Helper()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 1, StaleDays: 5, TodayEvery: 10 * time.Minute})
	s.source.sample("2025-06-29", "2025-06-30")
	s.load("2025-06-29")
	s.tick()
	return s
}

// asks are what the run of the running day has asked for and not got.
func (s *schedule) wantAsks(what string, want ...string) {
	s.t.Helper()
	got := s.strings("SELECT to_char(rp.day, 'MM-DD ') || j.queue FROM run_partition AS rp JOIN river.river_job AS j ON j.args ->> 'day' = rp.day::text AND j.state = 'available' WHERE rp.outcome IS NULL")
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Fatalf("%s: asked for (-want +got):\n%s", what, diff)
	}
}

// The running day is loaded again as often as it changes, by one run, and for good when
// it is due.
func TestTodayIsLoadedAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := runningDay(t)
	s.today()
	s.wantRuns("at noon", aToday)
	s.wantAsks("at noon", "06-30 today")
	s.clock.advance(10 * time.Minute)
	s.today()
	s.wantAsks("while it still asks", "06-30 today")
	s.loadAt("2025-06-30", s.clock.read())
	s.clock.advance(9 * time.Minute)
	s.today()
	s.wantAsks("before it is time")
	s.restart()
	s.clock.advance(time.Minute)
	s.today()
	s.wantAsks("when it is", "06-30 today")
	s.wantRuns("when it is", aToday)
	s.loadAt("2025-06-30", dayAt("2025-06-30 23:59:59"))
	s.clock.set("2025-07-01 00:59")
	s.tick()
	s.wantRuns("before it is due", aToday)
	s.clock.set("2025-07-01 01:00")
	s.tick()
	s.wantRuns("when it is due", aToday, "schedule missing 06-30")
	s.load("2025-06-30")
	s.clock.advance(time.Minute)
	s.tick()
	s.wantRuns("loaded since it ended", aToday, "schedule missing 06-30")
}

// A load that was asked for while the day ran, and began after its end, is not its last.
func TestTodayThatBeginsAfterMidnightIsLoadedWhenDue(t *testing.T) {
	t.Parallel()
	s := runningDay(t)
	s.clock.set("2025-06-30 23:59:59")
	s.today()
	s.loadAt("2025-06-30", dayAt("2025-07-01 00:00:05"))
	s.clock.set("2025-07-01 01:00")
	s.tick()
	s.wantRuns("when it is due", aToday, "schedule missing 06-30")
}

// Nothing is asked for when the source has nothing of the day, when nobody wants it, and
// when somebody stopped it.
func TestTodayIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*schedule){
		"no samples of today":        func(s *schedule) { s.source.sample("2025-06-29", "2025-07-01") },
		"a source that is ahead":     func(s *schedule) { s.source.sample("2025-06-29", "2025-07-01", "2026-01-01") },
		"TODAY_EVERY=0":              func(s *schedule) { s.config.Schedule.TodayEvery = 0 },
		"PARTITION_START is to come": func(s *schedule) { s.config.Schedule.PartitionStart = new(dayAt("2025-07-01")) },
		"a paused schedule":          func(s *schedule) { s.pause(true) },
		"a suspect source": func(s *schedule) {
			s.exec("UPDATE schedule SET suspect_since = now(), suspect_reason = 'it has nothing'")
		},
		"a day that somebody forgot": func(s *schedule) { s.exec("INSERT INTO forgotten (day, token) VALUES ('2025-06-30', 1)") },
		"a day that waits for another attempt": func(s *schedule) {
			s.fail("2025-06-30", s.clock.read())
			s.exec("UPDATE partition SET next_attempt_at = now() WHERE day = '2025-06-30'")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := runningDay(t)
			prepare(s)
			s.restart()
			s.today()
			s.wantRuns(name)
		})
	}
}

// Who cancels the run of the running day has peace until the day is due.
func TestTodayCalledOff(t *testing.T) {
	t.Parallel()
	for _, loaded := range []bool{false, true} {
		s := runningDay(t)
		s.today()
		if loaded {
			s.loadAt("2025-06-30", s.clock.read())
			s.clock.advance(10 * time.Minute)
			s.today()
		}
		s.cancel()
		s.clock.advance(10 * time.Minute)
		s.today()
		s.wantAsks("called off")
		s.clock.set("2025-07-01 01:00")
		s.tick()
		s.wantRuns("when it is due", aToday, "schedule missing 06-30")
	}
}

// What has come late of yesterday is loaded first, unless that waits for another attempt.
func TestYesterdayGoesFirst(t *testing.T) {
	t.Parallel()
	s := runningDay(t)
	s.source.change(2, "2025-06-29")
	s.sweep()
	s.today()
	const late = "sweep stale 06-29"
	s.wantRuns("while yesterday waits", late)
	s.exec("UPDATE partition SET outcome = 'failed', error = 'away', next_attempt_at = now() WHERE day = '2025-06-29'")
	s.today()
	s.wantRuns("while yesterday waits for another attempt", late, aToday)
	s.clock.advance(10 * time.Minute)
	s.load("2025-06-29")
	s.today()
	s.wantRuns("afterwards", late, aToday)
}

// A backfill that wants the running day at its end does not hold it up: the day moves to
// the queue of its own. One that waits for other days is no matter.
func TestTodayWithinABackfill(t *testing.T) {
	t.Parallel()
	s := runningDay(t)
	const backfill = "backfill all 06-30"
	s.exec("WITH r AS (INSERT INTO run (trigger, first_day, last_day) VALUES ('backfill', '2025-06-30', '2025-06-30') RETURNING id) INSERT INTO run_partition (run_id, day) SELECT id, '2025-06-30' FROM r")
	s.tickQueue()
	s.wantAsks("before", "06-30 partition")
	s.today()
	s.wantRuns("afterwards", backfill, aToday)
	s.wantAsks("afterwards", "06-30 today", "06-30 today")
}

// Many processes look at once, and one asks.
func TestManyLookAtTodayAtOnce(t *testing.T) {
	t.Parallel()
	s := runningDay(t)
	errs := make(chan error)
	const many = 8
	for range many {
		other := s.other()
		go func() { errs <- other.today(t.Context(), s.clock.read()) }()
	}
	turns := 0
	for range many {
		switch err := <-errs; {
		case err == nil:
			turns++
		case !errors.Is(err, errNotDue):
			t.Error(err)
		}
	}
	if turns != 1 {
		t.Errorf("%d of %d had the turn, want one", turns, many)
	}
	s.wantRuns("at once", aToday)
}

// A backfill of what is missing takes a day that was loaded before its end, once it has
// ended.
func TestMissingIsWhatWasNotLoadedSinceItsEnd(t *testing.T) {
	t.Parallel()
	s := runningDay(t)
	s.load("2025-06-27")
	s.loadAt("2025-06-28", dayAt("2025-06-28 12:00"))
	s.loadAt("2025-06-30", dayAt("2025-06-30 12:00"))
	c := &Control{s.scheduler, newEvents(s.pool)}
	plan, err := c.Start(t.Context(), StartRequest{From: dayAt("2025-06-27"), To: dayAt("2025-06-30"), Only: enum.RunScopeMissing})
	if err != nil || plan.Partitions != 1 {
		t.Errorf("%d days are missing (%v), want one", plan.Partitions, err)
	}
	s.wantRuns("a backfill", "backfill missing 06-28")
}
