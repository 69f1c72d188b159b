package orchestrator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/dberror"
	"github.com/delfos/delfos/internal/tracing"
	"github.com/delfos/delfos/schema"
)

const (
	// beats is how many signs of life a lease sees, so that some may fail.
	beats = 5
	// tickEvery is how often due days are looked for, besides the moments at which
	// one is due.
	tickEvery = 30 * time.Second
	// abandoned is how long a run of the command line may be silent, with no day of
	// it in work, before its process counts as gone.
	abandoned = 2 * time.Minute
)

// Orchestrator works on the queue. Any number of them may share a target.
type Orchestrator struct {
	config   Config
	control  *Control
	client   *river.Client[pgx.Tx]
	running  *runningJobs
	counters *counters
	host     string // of this process
}

// New returns an Orchestrator that has not begun. The target needs its schema
// and River's by then.
func New(c Config) (*Orchestrator, error) {
	q := &queue{}
	s, err := newScheduler(c, q)
	if err != nil {
		return nil, err
	}
	c = s.config
	o := &Orchestrator{
		config: c, control: &Control{s, newEvents(c.Target)}, running: &runningJobs{ended: map[int64]time.Time{}},
		counters: newCounters(),
	}
	if o.host, err = os.Hostname(); err != nil {
		o.host = "unknown"
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{config: c, queue: q, running: o.running, counters: o.counters})
	var reindex river.PeriodicSchedule // River's own
	if c.LeaveIndexes {
		reindex = river.NeverSchedule()
	}
	o.client, err = river.NewClient(riverpgxv5.New(c.Target), &river.Config{
		ID:                          fmt.Sprintf("%s-%d-%s", o.host, os.Getpid(), rand.Text()[:8]),
		Schema:                      schema.RiverName,
		Queues:                      map[string]river.QueueConfig{partitionQueue: {MaxWorkers: c.Workers}, todayQueue: {MaxWorkers: 1}},
		Workers:                     workers,
		Middleware:                  tracing.Jobs(),
		JobTimeout:                  partitionTimeout,
		RescueStuckJobsAfter:        2 * partitionTimeout,
		CompletedJobRetentionPeriod: c.JobRetention,
		CancelledJobRetentionPeriod: c.JobRetention,
		DiscardedJobRetentionPeriod: c.JobRetention,
		FetchCooldown:               time.Millisecond, // a worker shall not wait between days
		FetchPollInterval:           500 * time.Millisecond,
		SoftStopTimeout:             c.SoftStop,
		ReindexerSchedule:           reindex,
		Logger:                      slog.New(riverLog{c.Log.Handler()}),
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of the queue: %w", err)
	}
	q.client = o.client
	return o, nil
}

// Control shows and steers the queue that o works on.
func (o *Orchestrator) Control() *Control { return o.control }

// River is the client of the queue.
func (o *Orchestrator) River() *river.Client[pgx.Tx] { return o.client }

// Run works on the queue until ctx ends. Loads under way may go on for SoftStop
// then; those that don't end by themselves are stopped and go back to the queue.
func (o *Orchestrator) Run(ctx context.Context) error {
	if err := o.enter(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // nothing was begun
		}
		return fmt.Errorf("enter this worker: %w", err)
	}
	// Upkeep goes on while loads end.
	upkeep, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var tasks sync.WaitGroup
	for _, t := range o.tasks() {
		tasks.Go(func() { o.repeat(upkeep, t) })
	}
	err := o.work(ctx)
	stop()
	tasks.Wait()
	return errors.Join(err, o.leave(context.WithoutCancel(ctx)))
}

// enter puts this worker on the list. In an upgrade it may have to wait until somebody
// applies the schema, so that no load meets half of it; a target without tables is none of an
// upgrade.
func (o *Orchestrator) enter(ctx context.Context) error {
	for warned := false; ; warned = true {
		err := o.beat(ctx)
		pg, told := errors.AsType[*pgconn.PgError](err)
		if !told || pg.Code == pgerrcode.UndefinedTable || dberror.Target.Of(err).Class != dberror.Outdated {
			return err
		}
		if !warned {
			o.config.Log.WarnContext(ctx, "the schema of the target is not that of this version; nothing is loaded before it is", "error", dberror.Target.Explain(err))
		}
		if !pause(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

func (o *Orchestrator) work(ctx context.Context) error {
	if err := o.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the queue's client: %w", err)
	}
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.config.SoftStop+20*time.Second)
	defer cancel()
	if err := o.client.Stop(ending); err != nil {
		return fmt.Errorf("stop the queue's client: %w", err)
	}
	return nil
}

// leave writes what is left of the logs and takes this worker off the list.
func (o *Orchestrator) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := o.config.RunLog.flush(ctx, o.config.Target)
	return errors.Join(err, targetdb.New(o.config.Target).RemoveWorker(ctx, o.client.ID()))
}

// A task is what an Orchestrator does again and again while it runs.
type task struct {
	name  string
	do    func(context.Context) error
	limit time.Duration        // bounds do
	wait  func() time.Duration // until do is called again
}

func (o *Orchestrator) tasks() []task {
	const limit = 30 * time.Second
	every := func(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
	s := o.control.scheduler
	return []task{
		{"give a sign of life", o.beat, limit, every(o.config.Lease / beats)},
		{"put the queue in order", o.reconcile, limit, every(time.Second)},
		{"tidy up", o.tidy, time.Minute, every(time.Minute)},
		{"look for due days", func(ctx context.Context) error { return s.tick(ctx, s.config.Now()) }, limit, func() time.Duration { return untilTick(s.cron, time.Now()) }},
		{"say what the schedule leaves out", s.tell, limit, every(tickEvery)},
		{"look for late data", func(ctx context.Context) error { return s.sweep(ctx, s.config.Now()) }, s.config.Schedule.SweepEvery + time.Minute, every(tickEvery)},
		{"prune old days", func(ctx context.Context) error { return s.prune(ctx, s.config.Now()) }, time.Hour, every(tickEvery)},
		{"look at the running day", func(ctx context.Context) error { return s.today(ctx, s.config.Now()) }, limit, every(tickEvery)},
		{"look for what to tell", func(ctx context.Context) error { return o.control.notice(ctx, o.config.Now()) }, limit, every(o.config.Notify.Every)},
		{"send notices", o.control.sendNotice, limit, every(time.Second)},
		{"number events", o.control.numberAll, math.MaxInt64, every(time.Second)},
		{"write the logs of runs", func(ctx context.Context) error { return o.config.RunLog.flush(ctx, o.config.Target) }, limit, every(flushEvery)},
	}
}

func untilTick(cron Cron, now time.Time) time.Duration {
	if at, _, ok := cron.upcoming(dates.Earliest(), now); ok {
		return min(at.Sub(now), tickEvery)
	}
	return tickEvery
}

// repeat does a task until ctx ends. The first of failures in a row is logged, and
// so is their end.
func (o *Orchestrator) repeat(ctx context.Context, t task) {
	failing := false
	// River's client starts first: the target may have few sessions to spare.
	for wait := min(t.wait(), time.Second); pause(ctx, wait); wait = t.wait() {
		bounded, cancel := context.WithTimeout(ctx, t.limit)
		begun := time.Now()
		err := t.do(bounded)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errNotDue):
		case err != nil:
			if !failing || time.Since(begun) > time.Minute { // for so long it worked
				o.config.Log.WarnContext(ctx, "upkeep failed; trying again", "task", t.name, "error", err)
			}
			failing = true
		case failing:
			o.config.Log.InfoContext(ctx, "upkeep works again", "task", t.name)
			failing = false
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// beat tells the others that this process is alive, and what it works on.
func (o *Orchestrator) beat(ctx context.Context) error {
	return targetdb.New(o.config.Target).BeatWorker(ctx, targetdb.BeatWorkerParams{
		ID: o.client.ID(), Host: o.host, Pid: int32(os.Getpid()), Workers: int32(o.config.Workers),
		Jobs: o.running.list(), Lease: o.config.Lease, Settings: o.config.Schedule.String(),
	})
}

// reconcile brings the queue to what the ledger asks for: sessions of expired
// claims end, jobs of dead workers go back, open requests without a job get one,
// and runs whose last day has ended are closed. One process at a time does it.
func (o *Orchestrator) reconcile(ctx context.Context) error {
	log := o.config.Log
	ended, err := targetdb.New(o.config.Target).EndExpired(ctx, targetdb.EndExpiredParams{})
	if err != nil {
		return fmt.Errorf("end expired claims: %w", err)
	}
	for _, e := range ended {
		o.counters.leasesLost.Inc()
		log.WarnContext(ctx, "a worker stopped; its session was ended", "day", e.Day.Format(time.DateOnly), "token", e.Token)
	}
	return pgx.BeginFunc(ctx, o.config.Target, func(tx pgx.Tx) error {
		db := targetdb.New(tx)
		mine, err := db.TryReconciling(ctx)
		if err != nil || !mine {
			return err
		}
		lost, err := db.RequeueLostJobs(ctx)
		if err != nil {
			return fmt.Errorf("requeue lost jobs: %w", err)
		}
		for _, j := range lost {
			o.counters.leasesLost.Inc()
			log.WarnContext(ctx, "a worker was lost; its day goes back to the queue", "day", j.Day.Format(time.DateOnly), "job", j.ID, "attempt", j.Attempt)
		}
		if err := o.control.queue.dispatch(ctx, tx); err != nil {
			return err
		}
		return db.CloseRuns(ctx)
	})
}

func (o *Orchestrator) tidy(ctx context.Context) error {
	db := targetdb.New(o.config.Target)
	err := errors.Join(db.CloseAbandonedCommands(ctx, abandoned), db.TrimEvents(ctx, keptEvents), db.ForgetWorkers(ctx), db.TrimNotices(ctx, keptNotices))
	if o.config.RunRetention > 0 {
		err = errors.Join(err, db.DeleteOldRuns(ctx, o.config.Now().Add(-o.config.RunRetention)))
	}
	return err
}
