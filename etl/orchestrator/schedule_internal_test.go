package orchestrator

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// After three weeks of downtime the last seven days come, the newest first.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	s.loadRange("2025-06-01", "2025-06-08")
	s.tick()
	const caughtUp = "schedule missing 06-23 06-24 06-25 06-26 06-27 06-28 06-29"
	s.wantRuns("after three weeks", caughtUp)
	want := []string{"2025-06-29", "2025-06-28", "2025-06-27", "2025-06-26", "2025-06-25", "2025-06-24", "2025-06-23"}
	if diff := cmp.Diff(want, s.strings("SELECT args ->> 'day' FROM river.river_job WHERE kind = 'partition' AND priority = 1 ORDER BY id")); diff != "" {
		t.Errorf("jobs in the order to work on them (-want +got):\n%s", diff)
	}
	s.tick()
	s.restart()
	s.tick()
	s.wantRuns("once more", caughtUp)
	for _, day := range want {
		s.load(day)
	}
	s.clock.set("2025-07-01 00:59:59")
	s.tick()
	s.wantRuns("before the next day is due", caughtUp)
	s.clock.set("2025-07-01 01:00")
	s.tick()
	s.wantRuns("when it is", caughtUp, "schedule missing 06-30")
	s.clock.set("2025-07-01 01:00:30")
	s.tick()
	s.wantRuns("afterwards", caughtUp, "schedule missing 06-30")
}

// What is asked for, has just failed or was called off is left alone, and a gap is
// filled.
func TestTickLeavesDecisionsAlone(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	s.load("2025-06-29", "2025-06-23")
	s.loadAt("2025-06-25", dayAt("2025-06-25 12:00"))
	s.fail("2025-06-28", s.clock.read())
	s.exec("INSERT INTO run (trigger, first_day, last_day) VALUES ('backfill', '2025-06-26', '2025-06-27')")
	s.exec("INSERT INTO run_partition (run_id, day, outcome) VALUES (1, '2025-06-26', NULL), (1, '2025-06-27', 'cancelled')")
	s.tick()
	s.wantRuns("after a tick", "backfill all 06-26 06-27", "schedule missing 06-24 06-25")
	s.cancel()
	s.tick()
	s.wantRuns("after a cancel", "backfill all 06-26 06-27", "schedule missing 06-24 06-25")
}

// A year passes with a tick every hour; each day comes once, when its clock says.
func TestMidnightsAndClockChanges(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{Cron: "CRON_TZ=Europe/Lisbon 30 1 * * *", CatchUpDays: 7})
	s.source.sample("2025-03-27")
	var got []string
	for _, span := range [][2]string{{"2025-03-27", "2025-04-02"}, {"2025-10-24", "2025-10-29"}} {
		s.clock.set(span[0])
		s.source.sample(span[0])
		s.restart()
		for ; s.clock.read().Before(dayAt(span[1])); s.clock.advance(30 * time.Minute) {
			s.tick()
			for _, day := range s.strings("SELECT day::text FROM run_partition WHERE outcome IS NULL ORDER BY day") {
				got = append(got, s.clock.read().Format("01-02 15:04")+" "+day)
				s.loadAt(day, s.clock.read())
			}
		}
	}
	want := []string{
		"03-28 01:30 2025-03-27", "03-29 01:30 2025-03-28", "03-30 01:00 2025-03-29", "03-31 00:30 2025-03-30", "04-01 00:30 2025-03-31",
		"10-25 00:30 2025-10-24", "10-26 00:30 2025-10-25", "10-27 01:30 2025-10-26", "10-28 01:30 2025-10-27",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("days by the clock (-want +got):\n%s", diff)
	}
}

func TestManyTickAtOnce(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 5, StaleDays: 20})
	s.loadRange("2025-06-10", "2025-06-24")
	s.source.change(2, "2025-06-12", "2025-06-14")
	var all sync.WaitGroup
	for range 8 {
		other := s.other()
		all.Go(func() {
			for range 3 {
				if err := other.tick(t.Context(), s.clock.read()); err != nil {
					t.Error(err)
				}
				if err := other.sweep(t.Context(), s.clock.read()); err != nil && !errors.Is(err, errNotDue) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	want := map[string]bool{"schedule missing 06-25 06-26 06-27 06-28 06-29": true, "sweep stale 06-12 06-14": true}
	got := map[string]bool{}
	for _, run := range s.runs() {
		if got[run] {
			t.Errorf("twice: %s", run)
		}
		got[run] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if len(s.source.asked) != 1 {
		t.Errorf("the source was asked %d times, want once", len(s.source.asked))
	}
}

func TestPauseOutlivesARestart(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 2, StaleDays: 9})
	s.pause(false) // As it was: no event.
	s.pause(true)
	s.pause(true)
	s.load("2025-06-20")
	s.source.change(2, "2025-06-20")
	s.restart()
	s.tick()
	s.sweep()
	s.wantRuns("while paused")
	if len(s.source.asked) != 0 {
		t.Errorf("a paused sweep asked the source for %v", s.source.asked)
	}
	if state := s.state(); !state.Paused || len(state.Next) > 0 || state.CheckedAt == nil {
		t.Errorf("paused: got %+v", state)
	}
	s.restart()
	s.pause(false)
	s.wantRuns("when resumed", "schedule missing 06-28 06-29")
	if s.state().Paused {
		t.Error("it is paused after it was resumed")
	}
	if diff := cmp.Diff([]string{"paused", "resumed"}, s.strings("SELECT state FROM event WHERE kind = 'schedule' ORDER BY entry")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestScheduleState(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{StaleDays: 30})
	day := func(text string) *time.Time {
		at := dayAt(text)
		return &at
	}
	want := ScheduleState{
		Cron: DefaultCron, CatchUpDays: 1, StaleDays: 30,
		Next: []Due{
			{dayAt("2025-07-01 01:00"), dayAt("2025-06-30")},
			{dayAt("2025-07-02 01:00"), dayAt("2025-07-01")},
			{dayAt("2025-07-03 01:00"), dayAt("2025-07-02")},
			{dayAt("2025-07-04 01:00"), dayAt("2025-07-03")},
			{dayAt("2025-07-05 01:00"), dayAt("2025-07-04")},
		},
		PartitionStart: day("2025-01-01"),
		LeftOut:        &targetdb.LeftOutDaysRow{Days: 179, FirstDay: dayAt("2025-01-01"), LastDay: dayAt("2025-06-28")},
		Settings:       `SCHEDULE="" CATCH_UP_DAYS=0 STALE_DAYS=30 SOURCE_RETENTION_DAYS=0 TARGET_RETENTION_DAYS=0 TODAY_EVERY=0s PARTITION_START=`,
	}
	stored := cmpopts.IgnoreFields(targetdb.Schedule{}, "ID", "SweepTook")
	if diff := cmp.Diff(want, s.state(), stored); diff != "" {
		t.Errorf("before the first tick (-want +got):\n%s", diff)
	}
	s.tick()
	s.sweep()
	want.CheckedAt, want.SweptAt, want.SweptWholeAt = day("2025-06-30 12:00"), day("2025-06-30 12:00"), day("2025-06-30 12:00")
	if diff := cmp.Diff(want, s.state(), stored); diff != "" {
		t.Errorf("after it (-want +got):\n%s", diff)
	}
	s.config.Schedule.PartitionStart = day("2025-08-01")
	s.restart()
	want.PartitionStart = day("2025-08-01")
	for i := range want.Next {
		want.Next[i] = Due{dayAt("2025-08-02 01:00").AddDate(0, 0, i), dayAt("2025-08-01").AddDate(0, 0, i)}
	}
	want.LeftOut, want.Settings = nil, want.Settings+"2025-08-01"
	if diff := cmp.Diff(want, s.state(), stored); diff != "" {
		t.Errorf("with a start that is to come (-want +got):\n%s", diff)
	}
}

// Days that are due and older than the schedule reaches back are told, and in the log
// once; days that somebody has loaded, asked for, called off or forgotten are not.
func TestDaysLeftOutAreTold(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	s.source.sample("2025-06-17", "2025-06-29")
	tell := func(want *targetdb.LeftOutDaysRow, logged int) {
		t.Helper()
		s.tick()
		if err := s.tell(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.state().LeftOut); diff != "" {
			t.Errorf("days left out (-want +got):\n%s", diff)
		}
		if got := strings.Count(s.logged.String(), "older than CATCH_UP_DAYS"); got != logged {
			t.Errorf("the log says so %d times, want %d:\n%s", got, logged, s.logged)
		}
	}
	six := &targetdb.LeftOutDaysRow{Days: 6, FirstDay: dayAt("2025-06-17"), LastDay: dayAt("2025-06-22")}
	tell(six, 1)
	tell(six, 1)
	s.load("2025-06-19")
	s.fail("2025-06-20", s.clock.read())
	s.exec("INSERT INTO run (trigger, first_day, last_day) VALUES ('backfill', '2025-06-17', '2025-06-18')")
	s.exec("INSERT INTO run_partition (run_id, day, outcome) SELECT max(id), '2025-06-17'::date, NULL::outcome FROM run UNION ALL SELECT max(id), '2025-06-18', 'cancelled' FROM run")
	tell(&targetdb.LeftOutDaysRow{Days: 2, FirstDay: dayAt("2025-06-21"), LastDay: dayAt("2025-06-22")}, 1)
	s.exec("INSERT INTO forgotten (day, token) VALUES ('2025-06-21', 1)")
	s.load("2025-06-22")
	tell(nil, 1)

	s.config.Schedule.CatchUpDays = 13
	s.exec("DELETE FROM partition")
	s.restart()
	tell(nil, 1)
	s.config.Schedule.CatchUpDays, s.config.Schedule.SourceRetention = 1, 4
	s.restart()
	tell(nil, 1) // All that the source still has is asked for.
}

// Orchestrators with different settings say so once, and the schedule for as long as both are alive.
func TestOtherSettingsAreTold(t *testing.T) {
	t.Parallel()
	s := newSchedule(t, ScheduleConfig{CatchUpDays: 7})
	enter := func(id, settings, lease string) {
		s.exec(`INSERT INTO worker (id, host, pid, workers, jobs, settings, lease_until) VALUES ($1, 'h', 7, 1, '{}', $2, clock_timestamp() + $3::text::interval)`, id, settings, lease)
	}
	const other = "SCHEDULE=\"0 2 * * *\""
	enter("same", s.config.Schedule.String(), "1 hour")
	enter("old", "", "1 hour")
	enter("dead", other, "-1 hour")
	tell := func(logged int, want ...targetdb.OtherSettingsRow) {
		t.Helper()
		if err := s.tell(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.state().Others, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("others (-want +got):\n%s", diff)
		}
		if got := strings.Count(s.logged.String(), "level=WARN msg=\"another orchestrator has other settings"); got != logged {
			t.Errorf("the log says so %d times, want %d:\n%s", got, logged, s.logged)
		}
	}
	tell(0)
	enter("other", other, "1 hour")
	for range 2 {
		tell(1, targetdb.OtherSettingsRow{Settings: other, Process: "h, process 7"})
	}
	s.exec("DELETE FROM worker WHERE id = 'other'")
	tell(1)
}

func TestScheduleConfigRefused(t *testing.T) {
	t.Parallel()
	_, err := newScheduler(Config{Schedule: ScheduleConfig{Cron: "daily"}}, nil)
	if want := `SCHEDULE "daily": `; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWanting(t *testing.T) {
	t.Parallel()
	day := dayAt("2025-06-29")
	for _, c := range []struct {
		state     enum.PartitionState
		over      bool
		calledOff bool
		want      bool
	}{
		{state: "missing", over: true, want: true},
		{state: "missing", over: true, calledOff: true},
		{state: "queued"},
		{state: "running"},
		{state: "failed", over: true},
		{state: "cancelled", over: true},
		{state: "done", over: true},
		{state: "empty", over: true},
		{state: "stale", over: true},
		// Loaded before it was over.
		{state: "done", want: true},
		{state: "empty", want: true},
		{state: "stale", want: true},
		{state: "done", calledOff: true},
		{state: "failed"},
	} {
		row := targetdb.ReadGridRow{Day: day, State: c.state, Over: c.over}
		got := wanting([]time.Time{day.AddDate(0, 0, 1), day}, []targetdb.ReadGridRow{row}, map[time.Time]bool{day: c.calledOff})
		if (len(got) == 1) != c.want {
			t.Errorf("%s, over %t, called off %t: got %v, want %t", c.state, c.over, c.calledOff, got, c.want)
		}
	}
}

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
