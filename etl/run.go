package etl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/selector"
)

// Config is what a Job needs.
type Config struct {
	// Target is a pool of OpenTarget; a partition takes one session of it, also
	// while it waits for its day. A job has two more sessions for their upkeep.
	Target *pgxpool.Pool
	// SourceURL is where the source API answers.
	SourceURL string
	// Retry bounds the attempts at one request; extract.DefaultRetry if it is zero.
	Retry extract.Retry
	// Lease is how long a claim lives without a sign of life; DefaultLease if
	// it is zero.
	Lease time.Duration
	// Late is how long after its end a day may still change while it is read: a
	// day that ended longer ago is not held against the source's digest once more
	// (check digest), which would have the database read it twice. DefaultLate if
	// it is zero.
	Late time.Duration
	// Group is how many turbines one request asks for; DefaultGroup if it is
	// zero.
	Group int
	Log   *slog.Logger
}

// DefaultLate is as long as stragglers among a farm's readings usually take.
const DefaultLate = 7 * 24 * time.Hour

// Job loads partitions. It is safe for concurrent use.
type Job struct {
	target *pgxpool.Pool
	upkeep *pgxpool.Pool
	source *extract.Client
	group  int           // see Config
	late   time.Duration // likewise
	ledger *ledger
	added  atomic.Int64 // rows since data_timestamp_idx was brought up to date
	log    *slog.Logger
}

// New returns a Job, to be closed after use; the error is of the configuration
// alone.
func New(ctx context.Context, c Config) (*Job, error) {
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Group == 0 {
		c.Group = DefaultGroup
	}
	if c.Late == 0 {
		c.Late = DefaultLate
	}
	client, err := extract.New(c.SourceURL, c.Retry, c.Log)
	if err != nil {
		return nil, err
	}
	upkeep, err := openUpkeep(ctx, c.Target)
	if err != nil {
		return nil, err
	}
	return &Job{
		target: c.Target, upkeep: upkeep, source: client, group: c.Group, late: c.Late, log: c.Log,
		ledger: &ledger{pool: c.Target, upkeep: upkeep, lease: c.Lease, log: c.Log},
	}, nil
}

// Close ends the job's own sessions and its idle connections to the source API.
// The pool that it was given stays open.
func (j *Job) Close() {
	j.upkeep.Close()
	j.source.Close()
}

// Request asks for the days From to To, both inclusive, at UTC midnight.
type Request struct {
	From, To time.Time
	// Days are those of From to To that are run, ascending, or nil for each.
	// With none of them there is nothing to do, not even a run to open.
	Days []time.Time
	// Turbines selects what to extract; less than all never makes a day done.
	Turbines selector.Set
	// AllowEmpty takes a day without samples for a success, and lets values be
	// removed that the source no longer has samples for, however many they are.
	AllowEmpty bool
	// DryRun computes what would change and writes nothing, not even a run.
	DryRun bool
	// Parallel is how many days are in work at once, one if it is zero. Each
	// takes a session of the target's pool.
	Parallel int
	// Progress, if any, is called after each day, one call at a time.
	Progress func(Partition)

	extracted  func() // called when a day's extraction has ended
	mayBeEmpty bool   // a day without samples is a success if the target has none of it
}

func (r Request) check() error {
	if r.To.Before(r.From) {
		return fmt.Errorf("the last day is %s: want one not before the first, %s", format(r.To), format(r.From))
	}
	return nil
}

// days are those that are run.
func (r Request) days() []time.Time {
	if r.Days != nil {
		return r.Days
	}
	return daysFrom(r.From, r.To)
}

// daysFrom lists the days from first to last, both inclusive.
func daysFrom(first, last time.Time) []time.Time {
	days := make([]time.Time, 0, max(dates.Count(first, last), 0))
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		days = append(days, day)
	}
	return days
}

// Summary is what became of a run. Its counts are sums over its partitions.
type Summary struct {
	RunID      int64       `json:"run_id,omitempty"`
	From       string      `json:"from"`
	To         string      `json:"to"`
	DryRun     bool        `json:"dry_run"`
	Partitions []Partition `json:"partitions"`
	Done       int         `json:"done"`
	Empty      int         `json:"empty"`
	Failed     int         `json:"failed"`
	Cancelled  int         `json:"cancelled"`
	Samples    int64       `json:"samples"`
	Rows       int64       `json:"rows"`
	Inserted   int64       `json:"inserted"`
	Updated    int64       `json:"updated"`
	Deleted    int64       `json:"deleted"`
	Written    int64       `json:"written"`
	Warnings   int         `json:"warnings"`
	Seconds    float64     `json:"seconds"`
}

// Run brings the days of r to what the source holds, the extraction of one
// beside the load of another. A day that fails does not hold up the others,
// unless no other would fare better, as when the source API or the target is away
// or the target lacks its tables: then no more are begun. The error joins those of
// the days, in their order.
func (j *Job) Run(ctx context.Context, r Request) (Summary, error) {
	begun := time.Now()
	s := Summary{From: format(r.From), To: format(r.To), DryRun: r.DryRun, Partitions: []Partition{}}
	if err := r.check(); err != nil {
		return s, err
	}
	r.Days = r.days()
	if !r.DryRun && len(r.Days) > 0 {
		var err error
		if s.RunID, err = j.open(ctx, r); err != nil {
			return s, fmt.Errorf("open a run: %w", explain(err))
		}
	}
	err := j.days(ctx, r, &s)
	if err != nil && !r.DryRun && !targetAway(err) {
		j.leave(ctx, s.RunID)
	}
	if s.Inserted > 0 && !r.DryRun && ctx.Err() == nil {
		j.tidy(ctx, s.Inserted)
	}
	s.Seconds = time.Since(begun).Seconds()
	return s, err
}

const (
	// fewRows are read as a whole in a millisecond or two, some 150 pages, so that
	// the planner need not know of them before autovacuum tells it.
	fewRows = 20_000
	// rangeRows fill two ranges of data_timestamp_idx. To enter fewer costs more
	// than it saves the next days of a long run, which look through what is not
	// entered yet; to wait for more costs these more.
	rangeRows = 5_000
)

// days works on the days of r and adds up in s what became of them.
func (j *Job) days(ctx context.Context, r Request, s *Summary) error {
	count := len(r.Days)
	partitions, errs := make([]Partition, count), make([]error, count)
	var (
		work sync.WaitGroup
		// A day that only loads makes room for the next one's extraction, of one
		// day at most, for each has its memory and its session.
		parallel = max(r.Parallel, 1)
		inWork   = make(chan struct{}, parallel+min(parallel-1, 1))
		slots    = make(chan struct{}, parallel)
		mu       sync.Mutex // guards stop, and Progress
		stop     bool
		begun    int
	)
	goesOn := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return !stop && (ctx.Err() == nil || begun == 0)
	}
	for ; begun < count; begun++ {
		inWork <- struct{}{}
		slots <- struct{}{}
		if !goesOn() {
			break
		}
		day, p, err := r.Days[begun], &partitions[begun], &errs[begun]
		r := r
		r.extracted = sync.OnceFunc(func() { <-slots })
		work.Go(func() {
			defer func() { <-inWork }()
			defer r.extracted()
			*p, *err = j.partition(ctx, r, day, Order{RunID: s.RunID})
			mu.Lock()
			defer mu.Unlock()
			stop = stop || concernsAll(*err)
			if r.Progress != nil {
				r.Progress(*p)
			}
			if *err == nil {
				j.log.DebugContext(ctx, "partition", "day", p.Day, "outcome", p.Outcome, "samples", p.Samples, "written", p.Written, "seconds", p.Seconds)
			}
		})
	}
	work.Wait()
	for _, p := range partitions[:begun] {
		s.add(p)
	}
	explainOnce(errs)
	if left := count - begun; left > 0 && ctx.Err() == nil {
		errs[begun] = fmt.Errorf("%d more days were not tried", left)
	}
	return errors.Join(errs...)
}

// leave settles the days that a run which ends early has not come to, so that
// the ledger does not show it as under way for ever.
func (j *Job) leave(ctx context.Context, runID int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if _, err := targetdb.New(j.upkeep).CancelRunPartitions(ctx, runID); err != nil {
		j.log.WarnContext(ctx, "settling the days that were not tried failed", "run", runID, "error", err)
	}
}

// tidy does after a run what the target's readers gain by: it enters new rows in
// the index on timestamp, and brings the planner's statistics up to date after a
// load that was large for the target. A failure costs them time alone.
func (j *Job) tidy(ctx context.Context, inserted int64) {
	q := targetdb.New(j.target)
	err := q.SummarizeData(ctx)
	if err == nil && inserted >= fewRows {
		var stale bool
		if stale, err = q.StatisticsStale(ctx, inserted); err == nil && stale {
			err = q.AnalyzeData(ctx)
		}
	}
	if err != nil {
		j.log.WarnContext(ctx, "tidying up after the load failed", "error", err)
	}
}

// open enters the run and its days in the ledger.
func (j *Job) open(ctx context.Context, r Request) (id int64, err error) {
	var turbines *string
	if !r.Turbines.All() {
		text := r.Turbines.String()
		turbines = &text
	}
	conn, err := j.target.Acquire(ctx)
	if err != nil {
		return 0, fmt.Errorf("create: %w", err)
	}
	defer conn.Release()
	id, err = targetdb.New(sparing{conn}).CreateRun(ctx, targetdb.CreateRunParams{
		FirstDay: r.From, LastDay: r.To, Turbines: turbines, AllowEmpty: r.AllowEmpty, Days: r.Days,
	})
	if err != nil {
		return 0, fmt.Errorf("create: %w", err)
	}
	return id, nil
}

func (s *Summary) add(p Partition) {
	s.Partitions = append(s.Partitions, p)
	switch p.Outcome {
	case enum.OutcomeDone:
		s.Done++
	case enum.OutcomeEmpty:
		s.Empty++
	case enum.OutcomeFailed:
		s.Failed++
	case enum.OutcomeCancelled:
		s.Cancelled++
	}
	s.Samples += p.Samples
	s.Rows += p.Rows
	s.Inserted += p.Inserted
	s.Updated += p.Updated
	s.Deleted += p.Deleted
	s.Written += p.Written
	s.Warnings += p.Warnings
}

// format writes a day as the ledger and the command line do.
func format(day time.Time) string { return day.Format(time.DateOnly) }
