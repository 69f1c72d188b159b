package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

// The states of a schedule, as events tell them.
const (
	schedulePaused  = "paused"
	scheduleResumed = "resumed"
	// sourceSuspect and sourceBelieved tell that looking for late data stopped, and
	// that it goes on.
	sourceSuspect  = "source_suspect"
	sourceBelieved = "source_believed"
)

// DefaultSweepEvery is how often late data is looked for.
const DefaultSweepEvery = 5 * time.Minute

// ScheduleConfig says what is loaded without anybody asking.
type ScheduleConfig struct {
	// Cron says when days are due; DefaultCron if it is empty. See Cron.
	Cron string
	// CatchUpDays bounds how long ago a day may have become due, in days, and
	// still be loaded; less than 1 is 1.
	CatchUpDays int
	// StaleDays is how many past days are followed for late data; 0 is none.
	StaleDays int
	// PartitionStart is the first day that the schedule loads; if it is nil, the
	// first day of which the source has samples that can be believed (package dates).
	PartitionStart *time.Time
	// SourceRetention is for how many days the source keeps its samples. Older days
	// are neither looked at for late data nor loaded by the schedule; the day that
	// has just ended always is.
	SourceRetention etl.Retention
	// SweepEvery is how often late data is looked for; DefaultSweepEvery if it is
	// zero. After a look that took long it is less often.
	SweepEvery time.Duration
	// TickEvery is how often due days are looked for, besides the moments at
	// which one is due; DefaultTickEvery if it is zero.
	TickEvery time.Duration
}

// origin knows which of the days [first, last] are the first and the last with
// samples; *etl.Job does.
type origin interface {
	Sampled(ctx context.Context, first, last time.Time) (etl.Span, bool, error)
}

// opener enters runs; *queue is one.
type opener interface {
	open(ctx context.Context, tx pgx.Tx, r request, days []time.Time) (runID int64, err error)
}

// Scheduler asks for days that are due and for those that have changed at the
// source. What they are is read from the ledger each time, and never kept: a
// timer only wakes it, and any number of processes may be woken at once, late or
// never. It is safe for concurrent use.
type Scheduler struct {
	pool   *pgxpool.Pool // of the target
	queue  opener
	stale  StaleFinder
	cron   Cron
	config ScheduleConfig
	start  start
	now    func() time.Time
	log    *slog.Logger

	mu           sync.Mutex
	sweepFailing bool
}

func newScheduler(c Config, q opener) (*Scheduler, error) {
	cron, err := ParseCron(c.Schedule.Cron)
	if err != nil {
		return nil, err
	}
	config := c.Schedule
	if config.PartitionStart != nil {
		config.PartitionStart = new(dates.Of(*config.PartitionStart))
	}
	for _, bounded := range []struct {
		name  string
		value int
	}{{"CATCH_UP_DAYS", config.CatchUpDays}, {"STALE_DAYS", config.StaleDays}, {"SOURCE_RETENTION_DAYS", int(config.SourceRetention)}} {
		if bounded.value < 0 || bounded.value > MaxDays {
			return nil, fmt.Errorf("%s %d: want 0 to %d", bounded.name, bounded.value, MaxDays)
		}
	}
	if config.SweepEvery <= 0 {
		config.SweepEvery = DefaultSweepEvery
	}
	if config.TickEvery <= 0 {
		config.TickEvery = DefaultTickEvery
	}
	return &Scheduler{
		pool: c.Target, queue: q, stale: staleOf{c.Job}, cron: cron, config: config, now: c.Now, log: c.Log,
		start: start{origin: c.Job, pool: c.Target, configured: config.PartitionStart, log: c.Log},
	}, nil
}

// Tick asks for the days that are due at now and not loaded, as one run of
// trigger Scheduled, and for failed ones whose time has come, as another; unless
// the schedule is paused.
func (s *Scheduler) Tick(ctx context.Context, now time.Time) error {
	days, err := s.due(ctx, now)
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	var runID int64
	var wanted []time.Time
	var again asked
	err = s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		db := targetdb.New(tx)
		if err := db.NoteScheduleChecked(ctx, now); err != nil {
			return fmt.Errorf("note the look at it: %w", err)
		}
		if row.Paused {
			return nil
		}
		if again, err = s.askAgain(ctx, tx, now); err != nil {
			return err
		}
		if len(days) == 0 {
			return nil
		}
		first, last := days[len(days)-1], days[0]
		grid, err := db.ReadGrid(ctx, targetdb.ReadGridParams{FirstDay: first, LastDay: last})
		if err != nil {
			return fmt.Errorf("read the grid: %w", err)
		}
		calledOff, err := db.CalledOffDays(ctx, targetdb.CalledOffDaysParams{FirstDay: first, LastDay: last})
		if err != nil {
			return fmt.Errorf("read called off days: %w", err)
		}
		if wanted = wanting(days, grid, calledOff); len(wanted) == 0 {
			return nil
		}
		runID, err = s.queue.open(ctx, tx, request{
			Trigger: enum.RunTriggerSchedule, From: wanted[len(wanted)-1], To: wanted[0], Scope: enum.RunScopeMissing,
		}, wanted)
		return err
	})
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	again.log(ctx, s.log)
	if runID != 0 {
		s.log.InfoContext(ctx, "days are due", "run", runID, "days", len(wanted),
			"from", wanted[len(wanted)-1].Format(time.DateOnly), "to", wanted[0].Format(time.DateOnly))
	}
	return nil
}

// due returns the days that are due at now, the newest first, loaded or not.
func (s *Scheduler) due(ctx context.Context, now time.Time) ([]time.Time, error) {
	days := s.cron.dueDays(dates.Earliest(), now, s.config.CatchUpDays)
	if len(days) == 0 {
		return nil, nil
	}
	start, known, err := s.start.day(ctx, now, days[len(days)-1])
	if err != nil || !known {
		return nil, err
	}
	if since, bounded := s.config.SourceRetention.Since(now); bounded {
		if since.After(days[0]) {
			since = days[0] // It has just ended: now or never.
		}
		if start.Before(since) {
			start = since
		}
	}
	for len(days) > 0 && days[len(days)-1].Before(start) {
		days = days[:len(days)-1]
	}
	return days, nil
}

// held calls f in a transaction that holds the schedule's row.
func (s *Scheduler) held(ctx context.Context, f func(pgx.Tx, targetdb.Schedule) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		db := targetdb.New(tx)
		row, err := db.LockSchedule(ctx)
		if errors.Is(err, pgx.ErrNoRows) {
			if err := db.EnsureSchedule(ctx); err != nil {
				return fmt.Errorf("enter the schedule: %w", err)
			}
			row, err = db.LockSchedule(ctx)
		}
		if err != nil {
			return fmt.Errorf("hold the schedule: %w", err)
		}
		return f(tx, row)
	})
}

// Pause pauses or resumes the schedule, the sweep included, for all processes
// and over restarts. What became due meanwhile is asked for when it is resumed.
func (s *Scheduler) Pause(ctx context.Context, paused bool) error {
	changed, state := false, scheduleResumed
	if paused {
		state = schedulePaused
	}
	err := s.held(ctx, func(tx pgx.Tx, row targetdb.Schedule) error {
		if row.Paused == paused {
			return nil
		}
		changed = true
		if _, err := targetdb.New(tx).PauseSchedule(ctx, paused); err != nil {
			return err //nolint:wrapcheck // Said below.
		}
		return note(ctx, tx, enum.EventKindSchedule, 0, state)
	})
	if err != nil {
		return fmt.Errorf("schedule %s: %w", state, err)
	}
	if changed && !paused {
		if err := s.Tick(ctx, s.now()); err != nil {
			s.log.WarnContext(ctx, "looking for due days failed; trying again", "error", err)
		}
	}
	return nil
}

// ScheduleState is the schedule as it stands. What is not known, or not to come,
// is nil.
type ScheduleState struct {
	Cron   string
	Paused bool
	// NextAt is when the next day becomes due, and NextDay which one; the newest,
	// if they are several. Nil while paused.
	NextAt, NextDay        *time.Time
	CatchUpDays, StaleDays int32
	PartitionStart         *time.Time
	CheckedAt, SweptAt     *time.Time
	// SuspectReason is why the source is not believed, nil while it is, and
	// SuspectSince when that was first found.
	SuspectReason   *string
	SuspectSince    *time.Time
	SourceRetention int32
	// QueuePaused says that River's queue of days is; Workers is how many days can
	// be in work at once, in all processes.
	QueuePaused bool
	Workers     int64
}

// read reads the schedule and who works by it, as they are at one moment.
func (s *Scheduler) read(ctx context.Context) (row targetdb.Schedule, workforce targetdb.ReadWorkforceRow, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
		db := targetdb.New(tx)
		if row, err = db.ReadSchedule(ctx); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read the schedule: %w", err)
		}
		if workforce, err = db.ReadWorkforce(ctx, partitionQueue); err != nil {
			return fmt.Errorf("read the workforce: %w", err)
		}
		return nil
	})
	return row, workforce, err
}

// State reads the schedule.
func (s *Scheduler) State(ctx context.Context) (ScheduleState, error) {
	state := ScheduleState{
		Cron:        s.cron.String(),
		CatchUpDays: int32(max(s.config.CatchUpDays, 1)),
		StaleDays:   int32(s.config.StaleDays),

		SourceRetention: int32(s.config.SourceRetention),
	}
	row, workforce, err := s.read(ctx)
	if err != nil {
		return ScheduleState{}, err
	}
	state.Paused, state.CheckedAt, state.SweptAt = row.Paused, row.CheckedAt, row.SweptAt
	state.SuspectReason, state.SuspectSince = row.SuspectReason, row.SuspectSince
	state.Workers, state.QueuePaused = workforce.Workers, workforce.QueuePaused
	now := s.now()
	start, known, err := s.start.day(ctx, now, dates.Of(now).AddDate(0, 0, -1))
	switch {
	case err != nil:
		return ScheduleState{}, fmt.Errorf("read the schedule: %w", err)
	case known:
		state.PartitionStart = &start
	default:
		start = dates.Earliest()
	}
	if at, day, ok := s.cron.upcoming(start, now); ok && !state.Paused {
		state.NextAt, state.NextDay = &at, &day
	}
	return state, nil
}
