package orchestrator

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/notify"
	"github.com/delfos/delfos/internal/pgpool"
)

const (
	// MaxDays bounds a range of days.
	MaxDays = 20_000
	// DefaultLease is how long a worker's process counts as alive after a sign of
	// life. With the lease of claims it says how soon a dead worker's days are taken
	// up: within 30 s.
	DefaultLease = 15 * time.Second
	// DefaultForgetWait is how long Forget waits for a load of the day to end.
	DefaultForgetWait = 5 * time.Second
	// DefaultSweepEvery is how often late data is looked for.
	DefaultSweepEvery = 5 * time.Minute
)

// Job loads days and asks the source about them; *etl.Job does.
type Job interface {
	Load(ctx context.Context, day time.Time, o ledger.Order) (etl.Partition, error)
	// Look asks what the source has of a range of days, and notes in the ledger what
	// it saw.
	Look(ctx context.Context, r etl.Request) (etl.Look, error)
	// LookAt is Look at days that ascend.
	LookAt(ctx context.Context, days []time.Time) (etl.Look, error)
	// Changes asks what has changed at the source since an answer with a cursor.
	Changes(ctx context.Context, since string) (extract.Changes, error)
	// Removal counts what the target holds of the days that the source has no longer.
	Removal(ctx context.Context, days []time.Time) (etl.Removal, error)
	// Sampled is the first and the last of the days [first, last] with samples; false
	// if there is none.
	Sampled(ctx context.Context, first, last time.Time) (etl.Span, bool, error)
	// Samples counts the samples that the source has of a day.
	Samples(ctx context.Context, day time.Time) (int64, error)
	// PruneDays removes days from the target, on behalf of a run.
	PruneDays(ctx context.Context, run int64, days []etl.PrunedDay) error
}

var _ Job = (*etl.Job)(nil)

// Config is what an Orchestrator needs. Zero values take the defaults named.
type Config struct {
	// Target is a pool of OpenControl. Loads don't use it: they have the job's.
	Target *pgxpool.Pool
	// Job loads the days; its pool has to have a session for each worker.
	Job Job
	// Workers is how many days are in work at once, 1 if it is 0.
	Workers  int
	Schedule ScheduleConfig
	Notify   NotifyConfig
	// RunRetention is how long runs are kept that nothing rests on any more,
	// with their logs; 0 is for ever.
	RunRetention time.Duration
	// JobRetention is how long River keeps finished jobs; a day if it is 0.
	JobRetention time.Duration
	// LeaveIndexes keeps River from rebuilding its indexes every midnight, which only
	// their owner may.
	LeaveIndexes bool
	// SoftStop is how long loads may go on after the end was asked for, 5 s if
	// it is 0.
	SoftStop time.Duration
	// Lease is DefaultLease if it is 0.
	Lease time.Duration
	// ForgetWait is how long a load may hold up that its day is forgotten;
	// DefaultForgetWait if it is 0.
	ForgetWait time.Duration
	// RunLog keeps the logs of runs; none are kept if it is nil.
	RunLog *RunLog
	Now    func() time.Time // time.Now
	Log    *slog.Logger     // slog.Default()
}

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
	// TargetRetention is how many of the days that are over stay in the target; older ones
	// are pruned. 0 is all.
	TargetRetention int
	// SweepEvery is how often late data is looked for; DefaultSweepEvery if it is
	// zero. After a look that took long it is less often.
	SweepEvery time.Duration
	// TodayEvery is how often the day that is not over yet is loaded; 0 is never.
	TodayEvery time.Duration
}

// NotifyConfig says who is told of what is wrong.
type NotifyConfig struct {
	Receiver *notify.Receiver // nobody if it is nil
	// Every is how often it is looked for, 30 s if it is 0.
	Every time.Duration
	// Gather is for how long after a notice no other of its kind is made, so that what
	// happens meanwhile comes in one; 10 minutes if it is 0.
	Gather time.Duration
}

// String is the settings as the environment has them, for others to compare.
func (c ScheduleConfig) String() string {
	start := ""
	if c.PartitionStart != nil {
		start = c.PartitionStart.Format(time.DateOnly)
	}
	return fmt.Sprintf("SCHEDULE=%q CATCH_UP_DAYS=%d STALE_DAYS=%d SOURCE_RETENTION_DAYS=%d TARGET_RETENTION_DAYS=%d TODAY_EVERY=%s PARTITION_START=%s",
		c.Cron, c.CatchUpDays, c.StaleDays, c.SourceRetention, c.TargetRetention, c.TodayEvery, start)
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Log, c.RunLog = cmp.Or(c.Log, slog.Default()), cmp.Or(c.RunLog, NewRunLog())
	c.Workers = max(c.Workers, 1)
	c.SoftStop = cmp.Or(c.SoftStop, 5*time.Second)
	c.Lease = cmp.Or(c.Lease, DefaultLease)
	c.ForgetWait = cmp.Or(c.ForgetWait, DefaultForgetWait)
	c.Schedule.SweepEvery = cmp.Or(c.Schedule.SweepEvery, DefaultSweepEvery)
	c.Notify.Every = cmp.Or(c.Notify.Every, tickEvery)
	c.Notify.Gather = cmp.Or(c.Notify.Gather, 10*time.Minute)
	if start := c.Schedule.PartitionStart; start != nil {
		c.Schedule.PartitionStart = new(dates.Of(*start))
	}
	return c
}

// OpenControl returns a pool of short sessions on the target: no transaction of
// theirs idles, lest a stopped process keeps what it holds locked.
func OpenControl(ctx context.Context, url string) (*pgxpool.Pool, error) {
	pool, err := pgpool.Open(ctx, url, pgpool.Options{
		Name:     "delfos orchestrator",
		MaxConns: 12,
		Settings: map[string]string{
			"idle_in_transaction_session_timeout": "10s",
			"lock_timeout":                        "10s",
			"statement_timeout":                   "60s",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("target database: %w", err)
	}
	return pool, nil
}
