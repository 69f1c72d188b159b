// Package etl is the job: it extracts a day of one-minute samples as 10-minute windows
// (etl/extract) and loads them (etl/load) under a claim of the ledger (etl/ledger), one
// transaction a day.
//
//	run.go     a range of days
//	day.go     one day: claim, extraction beside load, checks, commit; or its preview
//	totals.go  what a day's attempt read and wrote, and whether it may be committed
//	stale.go   what has changed at the source since it was loaded
//	prune.go   the end of a day's retention: its values are removed on purpose
//	prunesource.go  likewise its samples, from the source
//	job.go     the job and what can be asked of it
//	target.go  the sessions for the target database, and what an error says about another
//	           day, or another attempt
//
// After a day has succeeded, the target holds exactly the windows of what the source
// held; one that failed or was killed is left as it was. The source is reached through
// its API alone.
package etl

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/selector"
)

// Config is what a Job needs.
type Config struct {
	// Target is a pool of OpenTarget; a partition takes one session of it, also
	// while it waits for its day. A job has two more sessions for their upkeep.
	Target *pgxpool.Pool
	// SourceURL is where the source API answers, and SourceToken what it takes there.
	SourceURL   string
	SourceToken apiclient.Token
	// Retry bounds the attempts at one request; extract.DefaultRetry if it is zero.
	Retry extract.Retry
	// Lease is how long a claim lives without a sign of life; ledger.DefaultLease
	// if it is zero.
	Lease time.Duration
	// Late is how long after its end a day may still change while it is read: one that
	// ended longer ago is not held against the source's digest once more (check digest).
	// DefaultLate if it is zero.
	Late time.Duration
	// Group is how many turbines one request asks for; extract.DefaultGroup if it is
	// zero.
	Group int
	Now   func() time.Time // time.Now
	Log   *slog.Logger
}

// DefaultLate is as long as stragglers among a farm's readings usually take.
const DefaultLate = 7 * 24 * time.Hour

// Job loads partitions. It is safe for concurrent use.
type Job struct {
	target *pgxpool.Pool
	source *extract.Client
	group  int           // see Config
	late   time.Duration // likewise
	ledger *ledger.Ledger
	added  atomic.Int64 // rows since data_timestamp_idx was brought up to date
	now    func() time.Time
	log    *slog.Logger
}

// New returns a Job, to be closed after use; the error is of the configuration
// alone.
func New(ctx context.Context, c Config) (*Job, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	client, err := extract.New(c.SourceURL, c.SourceToken, c.Retry, c.Log)
	if err != nil {
		return nil, err
	}
	claims, err := ledger.New(ctx, c.Target, cmp.Or(c.Lease, ledger.DefaultLease), c.Log)
	if err != nil {
		return nil, err
	}
	return &Job{
		target: c.Target, source: client, ledger: claims, now: c.Now, log: c.Log,
		group: cmp.Or(c.Group, extract.DefaultGroup), late: cmp.Or(c.Late, DefaultLate),
	}, nil
}

// Close ends the job's own sessions and its idle connections to the source API.
// The pool that it was given stays open.
func (j *Job) Close() {
	j.ledger.Close()
	j.source.Close()
}

// Metrics returns how often the job had to ask the source API again.
func (j *Job) Metrics() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "delfos_source_retries_total", Help: "Requests of the source API that failed and were made again.",
	}, func() float64 { return float64(j.source.Retried()) })
}

// rangeRows fill two ranges of data_timestamp_idx. To enter fewer costs more than it
// saves the next days of a long run, which look through what is not entered yet; to
// wait for more costs these more.
const rangeRows = 5_000

// summarize enters new rows in the index on timestamp: until then whoever looks for a day
// looks through all of them. It can't be part of the transaction, as it would hold up
// other days' loads. A failure costs time alone.
func (j *Job) summarize(ctx context.Context, q *targetdb.Queries, day time.Time) {
	j.added.Store(0)
	if err := q.SummarizeData(ctx); err != nil {
		j.log.WarnContext(ctx, "summarizing new rows for data_timestamp_idx failed", "day", format(day), "error", err)
	}
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
}

func (r Request) check() error {
	if r.To.Before(r.From) {
		return fmt.Errorf("the last day is %s: want one not before the first, %s", format(r.To), format(r.From))
	}
	return nil
}

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
	Pruned     int         `json:"pruned"` // whose samples the source no longer has either
	Samples    int64       `json:"samples"`
	Rows       int64       `json:"rows"`
	Inserted   int64       `json:"inserted"`
	Updated    int64       `json:"updated"`
	Deleted    int64       `json:"deleted"`
	Written    int64       `json:"written"`
	Warnings   int         `json:"warnings"`
	Seconds    float64     `json:"seconds"`
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
	case enum.OutcomePruned:
		s.Pruned++
	}
	s.Samples += p.Samples
	s.Rows += p.Rows
	s.Inserted += p.Inserted
	s.Updated += p.Updated
	s.Deleted += p.Deleted
	s.Written += p.Written
	s.Warnings += p.Warnings
}

// Partition tells what became of one day. Rows are values of the target's data.
type Partition struct {
	Day      string       `json:"day"`
	Outcome  enum.Outcome `json:"outcome"`
	Samples  int64        `json:"samples"`
	Expected int64        `json:"expected"`
	Windows  int64        `json:"windows"`
	Rows     int64        `json:"rows"`
	Inserted int64        `json:"inserted"`
	Updated  int64        `json:"updated"`
	Deleted  int64        `json:"deleted"`
	// Written is the sum of the three; a dry run writes none of them.
	Written int64 `json:"written"`
	// Refused are values that would have been removed and were not, as that takes a
	// request that allows it.
	Refused int64   `json:"refused"`
	Seconds float64 `json:"seconds"`
	// Warnings counts the data checks that did not pass; an unchanged day is not
	// checked anew.
	Warnings int `json:"warnings"`
	// Token fenced the attempt; the ledger's table attempt has it too.
	Token int64  `json:"token,omitempty"`
	Error string `json:"error,omitempty"`
}

func (p *Partition) report(r ledger.Result) {
	p.Outcome, p.Rows = r.Outcome, r.Rows
	p.Samples, p.Expected, p.Windows = r.Samples, r.Expected, r.Windows
	p.Inserted, p.Updated, p.Deleted = r.Inserted, r.Updated, r.Deleted
}

// format writes a day as the ledger and the command line do.
func format(day time.Time) string { return day.Format(time.DateOnly) }
