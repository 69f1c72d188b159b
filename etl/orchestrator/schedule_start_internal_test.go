package orchestrator

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPartitionStart(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	s.source.first = time.Time{}
	s.tick()
	s.wantRuns("no samples yet")
	if got := s.state(); got.PartitionStart != nil || got.NextAt == nil {
		t.Errorf("no samples yet: got %+v", got)
	}
	s.source.first = dayAt("2025-06-28 23:59")
	s.tick()
	s.wantRuns("asked a moment ago")
	s.clock.advance(askAgain)
	s.tick()
	s.wantRuns("samples", "schedule missing 06-28 06-29")
	s.source.first = dayAt("2025-06-26 12:00")
	s.clock.advance(askAgain)
	s.tick()
	s.wantRuns("older samples", "schedule missing 06-28 06-29", "schedule missing 06-26 06-27")

	s.config.Schedule.PartitionStart = dayAt("2025-06-25 18:00")
	s.restart()
	s.tick()
	s.wantRuns("configured", "schedule missing 06-28 06-29", "schedule missing 06-26 06-27", "schedule missing 06-25")
}

// The schedule goes on while the source can't be asked where it begins.
func TestPartitionStartOfASourceThatIsAway(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	s.source.first, s.source.err = time.Time{}, errors.New("away")
	s.tick()
	s.wantRuns("nothing is known")
	s.load("2025-06-27")
	s.tick()
	s.wantRuns("the ledger knows a day", "schedule missing 06-28 06-29")
	s.clock.advance(askAgain)
	s.tick()
	if got := strings.Count(s.logged.String(), "first sample"); got != 1 {
		t.Errorf("it was logged %d times, want once:\n%s", got, s.logged)
	}
	s.source.first, s.source.err = dayAt("2025-06-26"), nil
	s.clock.advance(askAgain)
	s.tick()
	s.wantRuns("the source is back", "schedule missing 06-28 06-29", "schedule missing 06-26")
}

func TestControlRange(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{})
	s.source.first = time.Time{}
	rangeOf := func() string {
		t.Helper()
		first, last, known, err := (&Control{pool: s.pool, scheduler: s.Scheduler}).Range(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !known {
			return "unknown"
		}
		return first.Format(time.DateOnly) + ".." + last.Format(time.DateOnly)
	}
	want := func(what, want string) {
		t.Helper()
		if got := rangeOf(); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	want("nothing is there", "unknown")
	s.load("2025-03-03", "2025-03-05")
	want("days are loaded", "2025-03-03..2025-03-05")
	s.source.first = dayAt("2025-02-01 12:00")
	s.clock.advance(askAgain)
	want("samples are there", "2025-02-01..2025-03-05")
	s.config.Schedule.PartitionStart = dayAt("2025-04-01")
	s.restart()
	want("a start is configured", "2025-03-03..2025-04-01")
}
