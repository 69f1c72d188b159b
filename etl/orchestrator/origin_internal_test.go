package orchestrator

import (
	"errors"
	"strings"
	"testing"
)

func TestPartitionStart(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	s.source.sample()
	s.tick()
	s.wantRuns("no samples yet")
	if got := s.state(); got.PartitionStart != nil || len(got.Next) == 0 {
		t.Errorf("no samples yet: got %+v", got)
	}
	s.source.sample("2025-06-28")
	s.tick()
	s.wantRuns("asked a moment ago")
	s.clock.advance(answerLasts)
	s.tick()
	s.wantRuns("samples", "schedule missing 06-28 06-29")
	s.source.sample("2025-06-26")
	s.clock.advance(answerLasts)
	s.tick()
	s.wantRuns("older samples", "schedule missing 06-28 06-29", "schedule missing 06-26 06-27")

	s.config.Schedule.PartitionStart = new(dayAt("2025-06-25 18:00"))
	s.restart()
	s.tick()
	s.wantRuns("configured", "schedule missing 06-28 06-29", "schedule missing 06-26 06-27", "schedule missing 06-25")
}

// The schedule goes on while the source can't be asked where it begins.
func TestPartitionStartOfASourceThatIsAway(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	s.source.sample()
	s.source.err = errors.New("away")
	s.tick()
	s.wantRuns("nothing is known")
	s.load("2025-06-27")
	s.tick()
	s.wantRuns("the ledger knows a day", "schedule missing 06-28 06-29")
	s.clock.advance(answerLasts)
	s.tick()
	if got := strings.Count(s.logged.String(), "first and last sample"); got != 1 {
		t.Errorf("it was logged %d times, want once:\n%s", got, s.logged)
	}
	s.source.sample("2025-06-26")
	s.source.err = nil
	s.clock.advance(answerLasts)
	s.tick()
	s.wantRuns("the source is back", "schedule missing 06-28 06-29", "schedule missing 06-26")
}

// What can't be believed, at the source or in the ledger, does not keep the days
// that are due from being loaded.
func TestPartitionStartOfUnbelievableDays(t *testing.T) {
	t.Parallel()
	for name, unbelievable := range map[string][]string{
		"a clock never set":         {"1970-01-01", "1979-12-31"},
		"the unset time of .NET":    {"0001-01-01"},
		"a day ahead":               {"2099-01-01", "9999-12-31"},
		"all of them":               {"0001-01-01", "1970-01-01", "2099-01-01"},
		"all of them, and the past": {"0001-01-01", "1980-01-01", "2099-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchedule(t, ScheduleConfig{CatchUpDays: 2, StaleDays: 30})
			s.load("0001-01-01", "1970-01-01", "2099-01-01", "9999-12-31")
			s.source.sample(append(unbelievable, "2025-06-29")...)
			s.source.change(2, "0001-01-01", "1970-01-01", "2099-01-01", "9999-12-31")
			s.tick()
			s.sweep()
			want := []string{"schedule missing 06-29"}
			if name == "all of them, and the past" {
				want = []string{"schedule missing 06-28 06-29"}
			}
			s.wantRuns("", want...)
			if got := s.state(); len(got.Next) == 0 || got.PartitionStart == nil || got.PartitionStart.Year() < 1980 {
				t.Errorf("the schedule is %+v", got)
			}
		})
	}
}
