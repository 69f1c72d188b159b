package orchestrator

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/extract"
)

// Three days change at the source: exactly they run again.
func TestSweep(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{StaleDays: 30})
	s.loadRange("2025-05-20", "2025-06-29")
	s.tick()
	s.sweep()
	s.wantRuns("nothing has changed")
	s.source.change(2, "2025-06-03", "2025-06-17", "2025-06-29", "2025-05-30", "2025-06-30")
	s.sweep()
	s.wantRuns("before it is time")
	s.clock.advance(DefaultSweepEvery)
	s.sweep()
	const swept = "sweep stale 06-03 06-17 06-29"
	s.wantRuns("three days have", swept)
	s.clock.advance(DefaultSweepEvery)
	s.sweep()
	s.wantRuns("they are asked for", swept)
	s.load("2025-06-03", "2025-06-17", "2025-06-29")
	s.clock.advance(DefaultSweepEvery)
	s.sweep()
	s.wantRuns("they are loaded", swept)
	s.source.change(3, "2025-06-17")
	s.clock.advance(DefaultSweepEvery)
	s.sweep()
	s.wantRuns("one has again", swept, "sweep stale 06-17")
	for _, asked := range s.source.asked {
		if asked != "2025-05-31..2025-06-29" {
			t.Errorf("the source was asked for %s, want the last 30 days", asked)
		}
	}
}

// A sweep that somebody calls off does not come back until there is news.
func TestSweepCalledOff(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{StaleDays: 30})
	s.loadRange("2025-06-01", "2025-06-29")
	s.tick()
	s.source.change(2, "2025-06-03", "2025-06-17")
	s.sweep()
	s.cancel()
	s.clock.advance(DefaultSweepEvery)
	s.sweep()
	const swept = "sweep stale 06-03 06-17"
	s.wantRuns("called off", swept)
	s.source.change(3, "2025-06-17")
	s.clock.advance(DefaultSweepEvery)
	s.sweep()
	s.wantRuns("changed again", swept, "sweep stale 06-17")
}

// While the source tells which days have changed, these are looked at, and those that were
// being loaded; once a UTC day, and whenever it can't tell or is suspect, all are.
func TestSweepAgenda(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{StaleDays: 30})
	s.loadRange("2025-05-20", "2025-06-29")
	s.tick()
	const all = "2025-05-31..2025-06-29"
	days := func(texts ...string) []time.Time {
		var days []time.Time
		for _, text := range texts {
			days = append(days, dayAt(text))
		}
		return days
	}
	for _, tt := range []struct {
		what     string
		changes  *extract.Changes // nil of an older source
		do       func()
		want     string
		since    string
		followed string
	}{
		{what: "the first", changes: &extract.Changes{Complete: true}, want: all},
		{what: "nothing", changes: &extract.Changes{Complete: true}, since: "1"},
		{
			what: "two, and one too old", changes: &extract.Changes{Complete: true, Days: days("2025-05-20", "2025-06-03", "2025-06-17")}, since: "2",
			do:   func() { s.source.change(2, "2025-06-03", "2025-06-17", "2025-06-20") },
			want: "2025-06-03 2025-06-17", followed: "sweep stale 06-03 06-17",
		},
		{
			what: "one that is being loaded", changes: &extract.Changes{Complete: true, Days: days("2025-06-10")}, since: "3",
			do: func() {
				s.exec("UPDATE partition SET claim_run_id = 1, claim_pid = 1, claim_backend_start = now(), lease_until = now() WHERE day IN ('2025-06-10', '2025-06-11')")
			},
			want: "2025-06-10..2025-06-10",
		},
		{
			what: "it again", changes: &extract.Changes{Complete: true}, since: "4", want: "2025-06-10..2025-06-10",
			do: func() {
				s.exec("UPDATE partition SET claim_run_id = NULL, claim_pid = NULL, claim_backend_start = NULL, lease_until = NULL")
			},
		},
		{what: "not again", changes: &extract.Changes{Complete: true}, since: "5"},
		{what: "somebody wrote by SQL", changes: &extract.Changes{}, since: "6", want: all, followed: "sweep stale 06-20"},
		{what: "an older source", want: all},
		{what: "a newer one", changes: &extract.Changes{}, want: all},
		{what: "nothing again", changes: &extract.Changes{Complete: true}, since: "8"},
		{what: "a suspect one", changes: &extract.Changes{Complete: true}, since: "9", want: all, do: func() {
			s.exec("UPDATE schedule SET suspect_since = now(), suspect_reason = 'it has nothing'")
		}},
		{what: "a believed one", changes: &extract.Changes{Complete: true}, since: "10"},
		{what: "another day", changes: &extract.Changes{Complete: true}, since: "11", do: func() { s.clock.set("2025-07-01 00:01") }, want: "2025-06-01..2025-06-30"},
	} {
		asked, told, runs := len(s.source.asked), len(s.source.since), len(s.runs())
		s.source.changes = tt.changes
		s.clock.advance(DefaultSweepEvery)
		if tt.do != nil {
			tt.do()
		}
		s.sweep()
		if got := strings.Join(s.source.asked[asked:], ", "); got != tt.want {
			t.Errorf("%s: looked at %q, want %q", tt.what, got, tt.want)
		}
		if got := strings.Join(s.source.since[told:], ", "); got != tt.since {
			t.Errorf("%s: asked since %q, want %q", tt.what, got, tt.since)
		}
		if got := strings.Join(s.runs()[runs:], ", "); got != tt.followed {
			t.Errorf("%s: followed by %q, want %q", tt.what, got, tt.followed)
		}
	}
}

// A sweep that takes long rests long.
func TestSweepInterval(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{StaleDays: 1, SweepEvery: time.Minute})
	s.tick()
	s.source.takes = func() { s.clock.advance(10 * time.Second) }
	s.sweep() // at 12:00:00
	s.clock.set("2025-06-30 12:03:19")
	s.sweep()
	if got := len(s.source.asked); got != 1 {
		t.Errorf("the source was asked %d times in 20 times what it took, want once", got)
	}
	s.restart()
	s.source.takes = nil
	s.clock.set("2025-06-30 12:03:20")
	s.sweep()
	if got := len(s.source.asked); got != 2 {
		t.Errorf("the source was asked %d times afterwards, want twice", got)
	}
	s.clock.set("2025-06-30 12:04:20")
	s.sweep()
	if got := len(s.source.asked); got != 3 {
		t.Errorf("the source was asked %d times after a quick one and a minute, want three times", got)
	}
	s.clock.set("2025-06-30 11:00") // The other clock was wrong.
	s.sweep()
	if got := len(s.source.asked); got != 4 {
		t.Errorf("a time that is to come keeps sweeps from being made")
	}
}

// A source that is away neither stops the schedule nor the next sweep.
func TestSweepOfASourceThatIsAway(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{StaleDays: 30, CatchUpDays: 1, PartitionStart: new(dayAt("2025-01-01"))})
	s.load("2025-06-20")
	s.source.change(2, "2025-06-20")
	s.source.err = errors.New("away")
	for range 3 {
		s.tick()
		if err := s.scheduler.sweep(t.Context(), s.clock.read()); !errors.Is(err, s.source.err) {
			t.Errorf("a sweep of a source that is away: got %v", err)
		}
		s.clock.advance(DefaultSweepEvery)
	}
	s.wantRuns("while it is away", "schedule missing 06-29")
	s.source.err = nil
	s.sweep()
	s.wantRuns("when it is back", "schedule missing 06-29", "sweep stale 06-20")
}

// The first of failures in a row is logged, and their end; a turn that somebody else
// has is neither.
func TestRepeatLogsOnce(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	away := errors.New("away")
	results := []error{nil, away, away, errNotDue, away, nil, errNotDue, nil, away}
	logged := &strings.Builder{}
	o := &Orchestrator{config: Config{Log: slog.New(slog.NewTextHandler(logged, nil))}}
	o.repeat(ctx, task{"look", func(context.Context) (err error) {
		if len(results) == 0 {
			stop()
			return nil
		}
		err, results = results[0], results[1:]
		return err
	}, time.Minute, func() time.Duration { return 0 }})
	var lines []string
	for line := range strings.Lines(logged.String()) {
		_, message, _ := strings.Cut(line, "msg=")
		lines = append(lines, message)
	}
	want := []string{
		"\"upkeep failed; trying again\" task=look error=away\n",
		"\"upkeep works again\" task=look\n",
		"\"upkeep failed; trying again\" task=look error=away\n",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// Without days to follow nobody is asked.
func TestSweepOfNothing(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{})
	s.tick()
	s.sweep()
	if len(s.source.asked) != 0 {
		t.Errorf("the source was asked for %v", s.source.asked)
	}
}
