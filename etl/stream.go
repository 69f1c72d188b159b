package etl

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
)

// tally adds up what a day's groups brought.
type tally struct {
	written

	read    int
	samples int64
	digest  int64
	windows int64
	broken  []BrokenTurbine
	kept    []Loss  // turbines that keep what the target has of them
	reached []int32 // turbines that were read
	checks  *check.Day
	found   check.Report
}

// count adds a group in.
func (t *tally) count(g group) {
	t.read += len(g.read)
	t.samples += g.samples
	t.digest ^= g.digest
	t.broken = append(t.broken, g.broken...)
	for _, s := range g.series {
		t.windows += int64(len(s.windows))
	}
	t.check(g)
}

// stream extracts a day group by group while load takes what has arrived, and
// calls extracted when there is no more to come. The error is of the side that
// failed first. What the checks found, by rules, is in the tally.
func (j *Job) stream(ctx context.Context, day time.Time, turbines []int32, rules check.Rules, extracted func(), load func(context.Context, <-chan group) (written, error)) (*tally, error) {
	t := &tally{checks: check.NewDay(rules, day)}
	x := &extraction{source: j.source, day: day, rules: rules}
	var loaded written
	work, ctx := errgroup.WithContext(ctx)
	groups := make(chan group) // one is loaded, the next one waits
	work.Go(func() error {
		defer extracted()
		defer close(groups)
		return x.extract(ctx, turbines, j.group, func(g group) error {
			t.count(g)
			if len(t.reached)+len(t.broken) == len(turbines) {
				work.Go(func() error { return j.compare(ctx, t, day, rules) }) // while the last group is loaded
			}
			select {
			case groups <- g:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	work.Go(func() (err error) {
		loaded, err = load(ctx, groups)
		return err
	})
	err := work.Wait()
	t.written = loaded
	return t, err
}

// verdict tells whether there is anything to commit.
func (t *tally) verdict(r Request) error {
	empty := r.AllowEmpty || r.mayBeEmpty
	switch {
	case t.samples > 0, empty && t.read > 0, empty && len(t.broken) == 0:
		return nil
	case len(t.broken) > 0:
		return t.brokenError()
	}
	return ErrNoSamples
}

// outcome is that of an attempt which is committed; part is the error of one that
// left some turbines as they were.
func (t *tally) outcome(part error) enum.Outcome {
	switch {
	case part != nil:
		return enum.OutcomeFailed
	case t.samples == 0:
		return enum.OutcomeEmpty
	}
	return enum.OutcomeDone
}

// brokenError names the broken turbines; nil if there are none.
func (t *tally) brokenError() error {
	if len(t.broken) == 0 {
		return nil
	}
	return &BrokenError{Turbines: t.broken}
}

func (t *tally) report(p *Partition, turbines int) {
	p.Samples, p.Expected, p.Windows = t.samples, int64(turbines)*extract.SamplesPerDay, t.windows
	p.Inserted, p.Updated, p.Deleted = t.inserted, t.updated, t.deleted
	p.Warnings = t.found.Warnings()
}
