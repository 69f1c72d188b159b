package orchestrator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/delfos/delfos/etl"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/pgpool"
)

// Config is what an Orchestrator needs. Zero values take the defaults named.
type Config struct {
	// Target is a pool of OpenControl. Loads don't use it: they have the job's.
	Target *pgxpool.Pool
	// Job loads the days; its pool has to have a session for each worker.
	Job *etl.Job
	// Workers is how many days are in work at once, 1 if it is 0.
	Workers  int
	Schedule ScheduleConfig
	// RunRetention is how long runs are kept that nothing rests on any more,
	// with their logs; 0 is for ever.
	RunRetention time.Duration
	// JobRetention is how long River keeps finished jobs; a day if it is 0.
	JobRetention time.Duration
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

// DefaultLease is how long a worker's process counts as alive after a sign of
// life. With the lease of claims it says how soon a dead worker's days are taken
// up: within 30 s.
const DefaultLease = 15 * time.Second

// beats is how many signs of life a lease sees, so that some may fail.
const beats = 5

// Orchestrator works on the queue. Any number of them may share a target.
type Orchestrator struct {
	config    Config
	pool      *pgxpool.Pool
	client    *river.Client[pgx.Tx]
	control   *Control
	scheduler *Scheduler
	inHand    *inHand
	host      string // of this process
	log       *slog.Logger
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

// New returns an Orchestrator that has not begun. The target needs its schema
// and River's by then.
func New(_ context.Context, c Config) (*Orchestrator, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.SoftStop == 0 {
		c.SoftStop = 5 * time.Second
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.ForgetWait == 0 {
		c.ForgetWait = DefaultForgetWait
	}
	c.Workers = max(c.Workers, 1)
	o := &Orchestrator{config: c, pool: c.Target, inHand: newInHand(), log: c.Log}
	q := &queue{}
	o.control = &Control{pool: c.Target, queue: q, job: c.Job, stale: staleOf{c.Job}, feed: newFeed(), forgetWait: c.ForgetWait, log: c.Log}
	var err error
	if o.scheduler, err = newScheduler(c, q); err != nil {
		return nil, err
	}
	o.control.scheduler = o.scheduler
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{job: c.Job, pool: c.Target, queue: q, inHand: o.inHand, log: c.Log})
	o.scheduler.register(workers)
	if o.host, err = os.Hostname(); err != nil {
		o.host = "unknown"
	}
	q.client, err = river.NewClient(riverpgxv5.New(c.Target), &river.Config{
		ID:     fmt.Sprintf("%s-%d-%s", o.host, os.Getpid(), rand.Text()[:8]),
		Schema: Schema,
		Queues: map[string]river.QueueConfig{
			partitionQueue: {MaxWorkers: c.Workers},
			scheduleQueue:  {MaxWorkers: scheduleWorkers},
		},
		Workers:                     workers,
		PeriodicJobs:                o.scheduler.Periodic(),
		JobTimeout:                  partitionTimeout,
		RescueStuckJobsAfter:        2 * partitionTimeout,
		CompletedJobRetentionPeriod: c.JobRetention,
		CancelledJobRetentionPeriod: c.JobRetention,
		DiscardedJobRetentionPeriod: c.JobRetention,
		FetchCooldown:               time.Millisecond, // a worker shall not wait between days
		FetchPollInterval:           500 * time.Millisecond,
		SoftStopTimeout:             c.SoftStop,
		Logger:                      newRiverLog(c.Log),
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of the queue: %w", err)
	}
	o.client = q.client
	return o, nil
}

// Control shows and steers the queue that o works on.
func (o *Orchestrator) Control() *Control { return o.control }

// River is the client of the queue.
func (o *Orchestrator) River() *river.Client[pgx.Tx] { return o.client }

// Run works on the queue until ctx ends. Loads under way may go on for SoftStop
// then; those that don't end by themselves are stopped and go back to the queue.
func (o *Orchestrator) Run(ctx context.Context) error {
	if err := o.beat(ctx); err != nil {
		return err
	}
	if err := targetdb.New(o.pool).EnsureSchedule(ctx); err != nil {
		return fmt.Errorf("ensure the schedule: %w", err)
	}
	// Upkeep goes on while loads end.
	upkeep, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var tasks sync.WaitGroup
	tasks.Go(func() { o.every(upkeep, o.config.Lease/beats, "giving a sign of life", o.beat) })
	tasks.Go(func() { o.every(upkeep, time.Second, "putting the queue in order", o.reconcile) })
	tasks.Go(func() { o.every(upkeep, time.Minute, "tidying up", o.tidy) })
	tasks.Go(func() { o.every(upkeep, DefaultTickEvery, "looking after the schedule", o.scheduler.watch) })
	tasks.Go(func() { o.numberEvents(upkeep) })
	if o.config.RunLog != nil {
		tasks.Go(func() { o.config.RunLog.follow(upkeep, o.pool, o.log) })
	}
	err := o.client.Start(context.WithoutCancel(ctx))
	if err == nil {
		<-ctx.Done()
		err = o.end(context.WithoutCancel(ctx))
	} else {
		err = fmt.Errorf("start the queue's client: %w", err)
	}
	stop()
	tasks.Wait()
	return errors.Join(err, o.leave(context.WithoutCancel(ctx)))
}

// end stops River's client, after what it works on.
func (o *Orchestrator) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.config.SoftStop+20*time.Second)
	defer cancel()
	if err := o.client.Stop(ctx); err != nil {
		return fmt.Errorf("stop the queue's client: %w", err)
	}
	return nil
}

// leave writes what is left of the logs and takes this worker off the list.
func (o *Orchestrator) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var err error
	if o.config.RunLog != nil {
		err = o.config.RunLog.flush(ctx, o.pool)
	}
	return errors.Join(err, targetdb.New(o.pool).RemoveWorker(ctx, o.client.ID()))
}

// every does a task at intervals, until ctx ends. A failure is logged once, and
// so is its end.
func (o *Orchestrator) every(ctx context.Context, interval time.Duration, what string, task func(context.Context) error) {
	failed := false
	for pause(ctx, interval); ctx.Err() == nil; pause(ctx, interval) {
		bounded, cancel := context.WithTimeout(ctx, max(interval, 30*time.Second))
		err := task(bounded)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil && !failed:
			o.log.WarnContext(ctx, "upkeep failed; trying again", "task", what, "error", err)
		case err == nil && failed:
			o.log.InfoContext(ctx, "upkeep works again", "task", what)
		}
		failed = err != nil
	}
}

// beat tells the others that this process is alive, and what it works on.
func (o *Orchestrator) beat(ctx context.Context) error {
	if err := targetdb.New(o.pool).BeatWorker(ctx, targetdb.BeatWorkerParams{
		ID: o.client.ID(), Host: o.host, Pid: int32(os.Getpid()), Workers: int32(o.config.Workers),
		Jobs: o.inHand.list(), Lease: o.config.Lease,
	}); err != nil {
		return fmt.Errorf("enter this worker: %w", err)
	}
	return nil
}

// reconcile brings the queue to what the ledger asks for: sessions of expired
// claims end, jobs of dead workers go back, open requests without a job get one,
// and runs whose last day has ended are closed. One process at a time does it.
func (o *Orchestrator) reconcile(ctx context.Context) error {
	ended, err := targetdb.New(o.pool).EndExpired(ctx, targetdb.EndExpiredParams{})
	if err != nil {
		return fmt.Errorf("end expired claims: %w", err)
	}
	for _, e := range ended {
		o.log.WarnContext(ctx, "a worker stopped; its session was ended", "day", e.Day.Format(time.DateOnly), "token", e.Token)
	}
	err = pgx.BeginFunc(ctx, o.pool, func(tx pgx.Tx) error {
		db := targetdb.New(tx)
		mine, err := db.TryReconciling(ctx)
		if err != nil || !mine {
			return err //nolint:wrapcheck // Said below.
		}
		lost, err := db.RequeueLostJobs(ctx)
		if err != nil {
			return fmt.Errorf("requeue lost jobs: %w", err)
		}
		for _, j := range lost {
			o.log.WarnContext(ctx, "a worker was lost; its day goes back to the queue", "day", j.Day.Format(time.DateOnly), "job", j.ID, "attempt", j.Attempt)
		}
		if err := o.control.queue.dispatch(ctx, tx); err != nil {
			return err
		}
		_, err = db.CloseRuns(ctx)
		return err //nolint:wrapcheck // Said below.
	})
	if err != nil {
		return fmt.Errorf("put the queue in order: %w", err)
	}
	return nil
}

// abandoned is how long a run of the command line may be silent, with no day of
// it in work, before its process counts as gone.
const abandoned = 2 * time.Minute

// tidy removes what is no longer wanted.
func (o *Orchestrator) tidy(ctx context.Context) error {
	db := targetdb.New(o.pool)
	_, err := db.CloseAbandonedCommands(ctx, abandoned)
	if err == nil {
		_, err = db.TrimEvents(ctx, KeptEvents)
	}
	if err == nil {
		_, err = db.ForgetWorkers(ctx)
	}
	if err == nil && o.config.RunRetention > 0 {
		_, err = db.DeleteOldRuns(ctx, o.config.Now().Add(-o.config.RunRetention))
	}
	if err != nil {
		return fmt.Errorf("tidy up: %w", err)
	}
	return nil
}
