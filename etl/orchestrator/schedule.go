package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/actor"
	"github.com/delfos/delfos/internal/dates"
)

// The states of a schedule, as events tell them.
const (
	schedulePaused  = "paused"
	scheduleResumed = "resumed"
	// sourceSuspect and sourceBelieved say that looking for late data stopped, and
	// that it goes on.
	sourceSuspect  = "source_suspect"
	sourceBelieved = "source_believed"
)

// scheduler asks for days that are due and for those that have changed at the
// source. What they are is read from the ledger each time, and never kept: any
// number of processes may look at once, late or never. It is safe for concurrent
// use.
type scheduler struct {
	config Config
	queue  *queue
	cron   Cron
	origin origin
	told   told // by tell alone
}

func newScheduler(c Config, q *queue) (*scheduler, error) {
	c = c.withDefaults()
	cron, err := ParseCron(c.Schedule.Cron)
	if err != nil {
		return nil, err
	}
	return &scheduler{config: c, queue: q, cron: cron, origin: origin{config: c}}, nil
}

// scheduledRun is a run that the schedule has opened; none if its id is 0.
type scheduledRun struct {
	id          int64
	days        int
	first, last time.Time
}

func (s *scheduler) open(ctx context.Context, tx pgx.Tx, trigger enum.RunTrigger, scope enum.RunScope, days []time.Time) (run scheduledRun, err error) {
	if len(days) == 0 {
		return scheduledRun{}, nil
	}
	run = scheduledRun{days: len(days), first: slices.MinFunc(days, time.Time.Compare), last: slices.MaxFunc(days, time.Time.Compare)}
	run.id, err = s.queue.open(ctx, tx, targetdb.OpenRunParams{Trigger: trigger, FirstDay: run.first, LastDay: run.last, Scope: scope, Days: days})
	return run, err
}

func (r scheduledRun) facts() []any {
	return []any{"run", r.id, "days", r.days, "from", r.first.Format(time.DateOnly), "to", r.last.Format(time.DateOnly)}
}

// tick asks for the days that are due at now and not loaded, and for failed ones whose
// time has come, each as one run; unless the schedule is paused.
func (s *scheduler) tick(ctx context.Context, now time.Time) error {
	days, err := s.due(ctx, now)
	if err != nil {
		return err
	}
	var again, due scheduledRun
	err = s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if err := targetdb.New(tx).NoteScheduleChecked(ctx, now); err != nil {
			return fmt.Errorf("note the look at it: %w", err)
		}
		if row.Paused {
			return nil
		}
		if again, err = s.askAgain(ctx, tx, now); err != nil || len(days) == 0 {
			return err
		}
		grid, calledOff, err := readStates(ctx, tx, days[len(days)-1], days[0])
		if err != nil {
			return err
		}
		due, err = s.open(ctx, tx, enum.RunTriggerSchedule, enum.RunScopeMissing, wanting(days, grid, calledOff))
		return err
	})
	if err != nil {
		return err
	}
	if again.id != 0 {
		s.config.Log.InfoContext(ctx, "failed days are asked for again", again.facts()...)
	}
	if due.id != 0 {
		s.config.Log.InfoContext(ctx, "days are due", due.facts()...)
	}
	return nil
}

// due returns the days that are due at now, the newest first, loaded or not.
func (s *scheduler) due(ctx context.Context, now time.Time) ([]time.Time, error) {
	days, _ := s.cron.dueDays(dates.Earliest(), now, s.config.Schedule.CatchUpDays)
	if len(days) == 0 {
		return nil, nil
	}
	start, known, err := s.origin.first(ctx, now, days[len(days)-1])
	if err != nil || !known {
		return nil, err
	}
	if since, bounded := s.config.Schedule.SourceRetention.Since(now); bounded {
		// The day that has just ended is loaded now or never.
		start = dates.Later(start, dates.Earlier(since, days[0]))
	}
	if kept, bounded := s.config.Schedule.kept(now); bounded {
		start = dates.Later(start, kept)
	}
	for len(days) > 0 && days[len(days)-1].Before(start) {
		days = days[:len(days)-1]
	}
	return days, nil
}

// readStates reads the states of the days of a range, and which of them somebody
// has called off. Whoever called a day off while it ran meant that it is not loaded as
// long as it runs.
func readStates(ctx context.Context, tx pgx.Tx, first, last time.Time) ([]targetdb.ReadGridRow, map[time.Time]bool, error) {
	grid, err := readGrid(ctx, tx, first, last)
	if err != nil {
		return nil, nil, err
	}
	days, err := targetdb.New(tx).CalledOffDays(ctx, targetdb.CalledOffDaysParams{FirstDay: first, LastDay: last})
	if err != nil {
		return nil, nil, fmt.Errorf("read called off days: %w", err)
	}
	calledOff := make(map[time.Time]bool, len(days))
	for _, row := range days {
		calledOff[row.Day] = !row.Today
		if i := dates.Count(first, row.Day) - 1; row.Today && grid[i].State == enum.PartitionStateCancelled {
			grid[i].State = enum.PartitionStateMissing
		}
	}
	return grid, calledOff, nil
}

// wanting returns those of the days, which are due, that nobody has loaded since
// they ended, in the order of days: missing ones, and those that were loaded
// before they were over. What is asked for, has failed or was called off is
// somebody's decision, or has retries of its own.
func wanting(days []time.Time, grid []targetdb.ReadGridRow, calledOff map[time.Time]bool) []time.Time {
	wanted := make(map[time.Time]bool, len(grid))
	for _, row := range grid {
		wanted[row.Day] = row.State == enum.PartitionStateMissing || half(row)
	}
	return slices.DeleteFunc(slices.Clone(days), func(day time.Time) bool { return !wanted[day] || calledOff[day] })
}

func half(row targetdb.ReadGridRow) bool {
	loaded := row.State == enum.PartitionStateDone || row.State == enum.PartitionStateEmpty || row.State == enum.PartitionStateStale
	return loaded && !row.Over
}

// againAfter is how long after its last failure a day is asked for again that the
// schedule has asked for again so many times since somebody else did; false when
// it is left to a person.
func againAfter(times int) (time.Duration, bool) {
	waits := []time.Duration{10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 24 * time.Hour}
	if times < len(waits) {
		return waits[times], true
	}
	return 0, false
}

// askAgain asks once more for days that have failed, and that nobody asks for or has
// called off: what made them fail may have been mended. Those whose time has not come get
// it noted, as the next attempt that the ledger shows. Days that the schedule does not
// follow are left to whoever loaded them.
func (s *scheduler) askAgain(ctx context.Context, tx pgx.Tx, now time.Time) (scheduledRun, error) {
	c := s.config.Schedule
	last := yesterday(now)
	first := dates.Later(last.AddDate(0, 0, 1-max(c.CatchUpDays, c.StaleDays, 1)), dates.Earliest())
	first = c.clip(first, now)
	if c.PartitionStart != nil {
		first = dates.Later(first, *c.PartitionStart)
	}
	db := targetdb.New(tx)
	failed, err := db.FailedDays(ctx, targetdb.FailedDaysParams{FirstDay: first, LastDay: last})
	if err != nil {
		return scheduledRun{}, fmt.Errorf("read failed days: %w", err)
	}
	var days []time.Time
	for _, f := range failed {
		after, ok := againAfter(int(f.Asked))
		at := f.FailedAt.Add(after)
		switch {
		case !ok: // It is left to a person.
		case !now.Before(at):
			days = append(days, f.Day)
		case f.NextAttemptAt == nil || !f.NextAttemptAt.Equal(at):
			if err := db.PlanNextAttempt(ctx, targetdb.PlanNextAttemptParams{Day: f.Day, At: at}); err != nil {
				return scheduledRun{}, fmt.Errorf("note the next attempt at %s: %w", f.Day.Format(time.DateOnly), err)
			}
		}
	}
	return s.open(ctx, tx, enum.RunTriggerSchedule, enum.RunScopeFailed, days)
}

func (s *scheduler) held(ctx context.Context, f func(pgx.Tx, targetdb.Schedule) error) error {
	return pgx.BeginFunc(ctx, s.config.Target, func(tx pgx.Tx) error {
		row, err := targetdb.New(tx).LockSchedule(ctx)
		if err != nil {
			return fmt.Errorf("hold the schedule: %w", err)
		}
		return f(tx, row)
	})
}

// note enters an event of the schedule; by is "" if the schedule noticed by itself.
func note(ctx context.Context, tx pgx.Tx, state, by string) error {
	return targetdb.New(tx).AddEvent(ctx, targetdb.AddEventParams{Kind: enum.EventKindSchedule, State: state, Actor: by})
}

// Pause pauses or resumes the schedule, looking for late data included, for all
// processes and over restarts. What became due meanwhile is asked for when it is
// resumed.
func (s *scheduler) Pause(ctx context.Context, paused bool) error {
	changed, state := false, scheduleResumed
	if paused {
		state = schedulePaused
	}
	err := s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if row.Paused == paused {
			return nil
		}
		changed = true
		if err := targetdb.New(tx).PauseSchedule(ctx, targetdb.PauseScheduleParams{Paused: paused, At: s.config.Now(), Actor: actor.Of(ctx)}); err != nil {
			return err
		}
		return note(ctx, tx, state, actor.Of(ctx))
	})
	if err != nil {
		return fmt.Errorf("schedule %s: %w", state, err)
	}
	if changed {
		s.config.Log.InfoContext(ctx, "the schedule was "+state, "actor", actor.Of(ctx)) //nolint:sloglint // One of two messages.
	}
	if changed && !paused {
		if err := s.tick(ctx, s.config.Now()); err != nil {
			s.config.Log.WarnContext(ctx, "looking for due days failed; trying again", "error", err)
		}
	}
	return nil
}

// ScheduleState is the schedule as it stands. What is not known, or not to come,
// is nil.
type ScheduleState struct {
	targetdb.Schedule
	// QueuePaused says that River's queue of days is; Workers is how many days can
	// be in work at once, in all processes.
	targetdb.ReadWorkforceRow

	Cron string
	// Next are the next days that become due; none while paused.
	Next                                                     []Due
	CatchUpDays, StaleDays, SourceRetention, TargetRetention int32
	PartitionStart                                           *time.Time
	// LeftOut are the days that are due for longer than CatchUpDays and missing; nil if
	// there are none.
	LeftOut    *targetdb.LeftOutDaysRow
	TodayEvery time.Duration
	// Settings are those of the schedule, and Others those of workers that have others.
	Settings string
	Others   []targetdb.OtherSettingsRow
}

// Schedule reads the schedule and who works by it, as they are at one moment.
func (s *scheduler) Schedule(ctx context.Context) (ScheduleState, error) {
	now := s.config.Now()
	need := yesterday(now)
	if _, older := s.cron.dueDays(dates.Earliest(), now, s.config.Schedule.CatchUpDays); older != nil {
		need = *older
	}
	first, known, err := s.origin.first(ctx, now, need)
	if err != nil {
		return ScheduleState{}, fmt.Errorf("read the schedule: %w", err)
	}
	start := &first
	if !known {
		start = nil
	}
	var state ScheduleState
	err = pgx.BeginTxFunc(ctx, s.config.Target, snapshot(), func(tx pgx.Tx) (err error) {
		state, err = s.readSchedule(ctx, tx, now, start)
		return err
	})
	return state, err
}

func snapshot() pgx.TxOptions {
	return pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
}

// readSchedule reads the schedule whose first day is start, nil while it is not known.
func (s *scheduler) readSchedule(ctx context.Context, tx pgx.Tx, now time.Time, start *time.Time) (ScheduleState, error) {
	c := s.config.Schedule
	state := ScheduleState{
		PartitionStart: start,

		Cron: s.cron.String(), CatchUpDays: int32(max(c.CatchUpDays, 1)), StaleDays: int32(c.StaleDays), SourceRetention: int32(c.SourceRetention), TargetRetention: int32(c.TargetRetention),
		TodayEvery: c.TodayEvery, Settings: c.String(),
	}
	fail := func(err error) (ScheduleState, error) {
		return ScheduleState{}, fmt.Errorf("read the schedule: %w", err)
	}
	db := targetdb.New(tx)
	var err error
	if state.Schedule, err = db.ReadSchedule(ctx); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fail(err)
	}
	if state.ReadWorkforceRow, err = db.ReadWorkforce(ctx, partitionQueue); err != nil {
		return fail(err)
	}
	if state.Others, err = db.OtherSettings(ctx, state.Settings); err != nil {
		return fail(err)
	}
	begun := dates.Earliest()
	if start != nil {
		begun = *start
		if _, older := s.cron.dueDays(dates.Earliest(), now, c.CatchUpDays); older != nil {
			left, err := db.LeftOutDays(ctx, targetdb.LeftOutDaysParams{FirstDay: c.clip(begun, now), LastDay: *older})
			if err != nil {
				return fail(err)
			}
			if left.Days > 0 {
				state.LeftOut = &left
			}
		}
	}
	for after := now; !state.Paused && len(state.Next) < duesTold; {
		at, day, ok := s.cron.upcoming(begun, after)
		if !ok {
			break
		}
		state.Next, after = append(state.Next, Due{at, day}), at
	}
	return state, nil
}

const duesTold = 5

// Due is when a day becomes due; the newest, if several do.
type Due struct{ At, Day time.Time }

type told struct {
	leftOut bool
	others  []targetdb.OtherSettingsRow
}

// tell logs days that are left out, and other settings than this process's, when there
// begin to be any.
func (s *scheduler) tell(ctx context.Context) error {
	state, err := s.Schedule(ctx)
	if err != nil {
		return err
	}
	if left := state.LeftOut; left != nil && !s.told.leftOut {
		s.config.Log.WarnContext(ctx, "days are due and missing, and older than CATCH_UP_DAYS: the schedule does not load them", "days", left.Days,
			"from", left.FirstDay.Format(time.DateOnly), "to", left.LastDay.Format(time.DateOnly), "catch_up_days", state.CatchUpDays)
	}
	for _, other := range state.Others {
		if !slices.Contains(s.told.others, other) {
			s.config.Log.WarnContext(ctx, "another orchestrator has other settings of the schedule: give both the same",
				"other", other.Process, "its_settings", other.Settings, "settings", state.Settings)
		}
	}
	s.told = told{state.LeftOut != nil, state.Others}
	return nil
}
