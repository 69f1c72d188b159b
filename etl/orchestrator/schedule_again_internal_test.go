package orchestrator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A failed day is asked for again at growing intervals, which the ledger shows,
// and in the end left to a person, whose asking counts anew.
func TestFailedDaysAreAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	s.loadRange("2025-06-20", "2025-07-10")
	s.fail("2025-06-20", s.clock.read()) // too long ago
	next := func() []string {
		return s.strings("SELECT to_char(day, 'MM-DD') || to_char(next_attempt_at, ' MM-DD HH24:MI') FROM partition WHERE next_attempt_at IS NOT NULL")
	}
	round := func() (asked []string) {
		t.Helper()
		for _, after := range []string{"06-30 12:10", "06-30 13:10", "06-30 19:10", "07-01 19:10", "07-02 19:10"} {
			s.fail("2025-06-28", s.clock.read())
			s.tick()
			if diff := cmp.Diff([]string{"06-28 " + after}, next()); diff != "" {
				t.Errorf("next attempt (-want +got):\n%s", diff)
			}
			s.clock.set("2025-" + after)
			s.clock.advance(-time.Second)
			s.tick()
			s.wantRuns("a second before "+after, asked...)
			s.clock.advance(time.Second)
			s.tick()
			s.tick()
			asked = append(asked, "schedule failed 06-28")
			s.wantRuns("at "+after, asked...)
			if got := next(); got != nil {
				t.Errorf("asked for, and the next attempt is at %s", got)
			}
		}
		return asked
	}
	asked := round()
	s.fail("2025-06-28", s.clock.read())
	s.clock.advance(36 * time.Hour)
	s.tick()
	s.wantRuns("after five times", asked...)
	if got := next(); got != nil {
		t.Errorf("left to a person, and the next attempt is at %s", got)
	}

	s.exec("WITH r AS (INSERT INTO run (trigger, first_day, last_day) VALUES ('backfill', '2025-06-28', '2025-06-28') RETURNING id) INSERT INTO run_partition (run_id, day) SELECT id, '2025-06-28' FROM r")
	asked = append(asked, "backfill all 06-28")
	s.tick()
	s.wantRuns("while somebody asks", asked...)
	s.fail("2025-06-28", s.clock.read())
	s.clock.advance(10 * time.Minute)
	s.tick()
	asked = append(asked, "schedule failed 06-28")
	s.wantRuns("after somebody has asked", asked...)
	s.cancel()
	s.clock.advance(48 * time.Hour)
	s.tick()
	s.wantRuns("called off", asked...)
}

// Paused, the schedule asks for nothing.
func TestFailedDaysWhilePaused(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 1})
	s.loadRange("2025-06-20", "2025-07-10")
	s.fail("2025-06-29", s.clock.read())
	s.pause(true)
	s.clock.advance(time.Hour)
	s.tick()
	s.wantRuns("paused")
	s.pause(false)
	s.wantRuns("resumed", "schedule failed 06-29")
}

// A failed day is asked for as soon as the source has another answer.
func TestSweepFindsMendedDays(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{StaleDays: 20})
	s.loadRange("2025-06-10", "2025-06-29")
	s.fail("2025-06-12", s.clock.read())
	s.fail("2025-06-14", s.clock.read())
	s.tick()
	s.sweep()
	s.wantRuns("nothing has changed")
	s.source.change(2, "2025-06-12")
	s.clock.advance(DefaultSweepEvery)
	s.sweep()
	s.wantRuns("mended", "sweep stale 06-12")
	s.fail("2025-06-12", s.clock.read())
	s.clock.advance(DefaultSweepEvery)
	s.sweep()
	s.wantRuns("failed again, and not mended since", "sweep stale 06-12")
}
