package etl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// Run brings the days of r to what the source holds, the extraction of one beside the
// load of another. A day that fails does not hold up the others, unless no other would
// fare better: then no more are begun. The error joins those of the days, in their order.
func (j *Job) Run(ctx context.Context, r Request) (Summary, error) {
	begun := time.Now()
	s := Summary{From: format(r.From), To: format(r.To), DryRun: r.DryRun, Partitions: []Partition{}}
	if err := r.check(); err != nil {
		return s, err
	}
	if r.Days == nil {
		r.Days = daysFrom(r.From, r.To)
	}
	if !r.DryRun && len(r.Days) > 0 {
		run := targetdb.CreateRunParams{Trigger: enum.RunTriggerCommand, FirstDay: r.From, LastDay: r.To, AllowEmpty: r.AllowEmpty, Days: r.Days}
		if !r.Turbines.All() {
			turbines := r.Turbines.String()
			run.Turbines = &turbines
		}
		var err error
		if s.RunID, err = openRun(ctx, j.ledger, run); err != nil {
			return s, err
		}
	}
	err := j.days(ctx, r, &s)
	if err != nil && !r.DryRun && !targetAway(err) {
		if err := j.ledger.CancelRun(ctx, s.RunID); err != nil {
			j.log.WarnContext(ctx, "recording that days were not tried failed", "run", s.RunID, "error", err)
		}
	}
	if s.Inserted > 0 && !r.DryRun && ctx.Err() == nil {
		j.tidy(ctx, s.Inserted)
	}
	s.Seconds = time.Since(begun).Seconds()
	return s, err
}

func openRun(ctx context.Context, l *ledger.Ledger, run targetdb.CreateRunParams) (int64, error) {
	id, err := l.OpenRun(ctx, run)
	if err != nil {
		return 0, fmt.Errorf("open a run: create: %w", explain(err))
	}
	return id, nil
}

func (j *Job) days(ctx context.Context, r Request, s *Summary) error {
	count := len(r.Days)
	partitions, errs := make([]Partition, count), make([]error, count)
	order := ledger.Order{RunID: s.RunID, AllowEmpty: r.AllowEmpty, Subset: !r.Turbines.All()}
	var (
		work sync.WaitGroup
		// A day that only loads makes room for the next one's extraction, of one
		// day at most, because each has its memory and its session.
		parallel   = max(r.Parallel, 1)
		inWork     = make(chan struct{}, parallel+min(parallel-1, 1))
		extracting = make(chan struct{}, parallel)
		mu         sync.Mutex // guards stop, and Progress
		stop       bool
		begun      int
	)
	goesOn := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return !stop && (ctx.Err() == nil || begun == 0)
	}
	for ; begun < count; begun++ {
		inWork <- struct{}{}
		extracting <- struct{}{}
		if !goesOn() {
			break
		}
		p, err := &partitions[begun], &errs[begun]
		d := dayLoad{
			Job: j, day: r.Days[begun], turbines: r.Turbines, order: order, dryRun: r.DryRun,
			extracted: sync.OnceFunc(func() { <-extracting }),
		}
		work.Go(func() {
			defer func() { <-inWork }()
			defer d.extracted()
			*p, *err = d.run(ctx)
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

// fewRows are read as a whole in a millisecond or two, some 150 pages, so that
// the planner need not know of them before autovacuum tells it.
const fewRows = 20_000

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
