package etl

import (
	"context"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"
)

// tally adds up what a day's groups brought.
type tally struct {
	written

	read    int
	samples int64
	windows int64
	broken  []BrokenTurbine
}

// stream extracts a day group by group while load takes what has arrived.
func (j *Job) stream(ctx context.Context, day time.Time, turbines []int32, load func(context.Context, iter.Seq[group]) (written, error)) (tally, error) {
	var t tally
	work, ctx := errgroup.WithContext(ctx)
	groups := make(chan group, 1)
	work.Go(func() error {
		defer close(groups)
		return j.source.extract(ctx, day, turbines, func(g group) error {
			select {
			case groups <- g:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	work.Go(func() (err error) {
		t.written, err = load(ctx, func(yield func(group) bool) {
			for g := range groups {
				t.read += len(g.read)
				t.samples += g.samples
				t.broken = append(t.broken, g.broken...)
				for _, s := range g.series {
					t.windows += int64(len(s.windows))
				}
				if !yield(g) {
					return
				}
			}
		})
		return err
	})
	err := work.Wait()
	return t, err
}

// verdict tells whether there is anything to commit.
func (t tally) verdict(r Request) error {
	switch {
	case t.read == 0 && len(t.broken) > 0:
		return t.brokenError()
	case t.samples == 0 && len(t.broken) == 0 && !r.AllowEmpty:
		return ErrNoSamples
	}
	return nil
}

func (t tally) outcome() Outcome {
	switch {
	case len(t.broken) > 0:
		return Failed
	case t.samples == 0:
		return Empty
	}
	return Done
}

// brokenError names the broken turbines; nil if there are none.
func (t tally) brokenError() error {
	if len(t.broken) == 0 {
		return nil
	}
	return &BrokenError{Turbines: t.broken}
}

func (t tally) report(p *Partition, turbines int) {
	p.Samples, p.Expected, p.Windows = t.samples, int64(turbines)*samplesPerDay, t.windows
	p.Inserted, p.Updated, p.Deleted = t.inserted, t.updated, t.deleted
}
