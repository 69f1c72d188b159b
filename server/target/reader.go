package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/server/param"
)

// chunkValues is how many values are merged at once, about: the database keeps
// them by turbine, signal and time, and they are wanted window by window. So many
// take 720 KB; the database would take three times as long to sort them.
const chunkValues = 30_000

// windowReader reads a span in chunks: several turbines at once if their windows
// are few, a part of one's at a time if they are many.
type windowReader struct {
	db      *targetdb.Queries
	span    param.Span
	signals []int32
	yield   func(value) error
	most    int // values of a chunk, about
	ahead   int // chunks that may be read while one is yielded

	chunks  chan []value // as they are read
	free    chan []value // the memory of chunks, which others use anew
	stopped atomic.Bool  // no further chunk is wanted
	runs    [][]value    // those of a turbine in a chunk, each of a signal
}

// errStopped ends the reading of chunks that nobody wants.
var errStopped = errors.New("no further values are wanted")

// read yields what is left of the turbine of after, from its time on, and the turbines
// that follow. While a chunk is yielded, the database sends the next.
func (r *windowReader) read(ctx context.Context, after param.Key) error {
	r.chunks, r.free = make(chan []value), make(chan []value, 1+r.ahead)
	for range cap(r.free) {
		r.free <- nil
	}
	var failed error
	go func() {
		defer close(r.chunks)
		failed = r.readAll(ctx, after)
	}()
	defer func() {
		r.stopped.Store(true)
		close(r.free)
		for range r.chunks { // nobody else may use the session before the reading has ended
		}
	}()
	for held := range r.chunks {
		if err := r.yieldAll(held); err != nil {
			return err
		}
		r.free <- held[:0]
	}
	return failed
}

func (r *windowReader) readAll(ctx context.Context, after param.Key) error {
	if after.Turbine > 0 {
		if err := r.long(ctx, after.Turbine, time.UnixMicro(after.Micros)); err != nil {
			return err
		}
	}
	// As time.Duration, which saturates, even the longest span is a long one.
	each := int(r.span.End.Sub(r.span.Start)/window.Width+1) * len(r.signals)
	if each > r.most {
		return r.turbines(ctx, after.Turbine, func(turbine int32) error { return r.long(ctx, turbine, r.span.Start) })
	}
	var few []int32
	err := r.turbines(ctx, after.Turbine, func(turbine int32) error {
		few = append(few, turbine)
		if len(few)*each < r.most {
			return nil
		}
		err := r.chunk(ctx, few, r.span.Start, stop(r.span))
		few = few[:0]
		return err
	})
	if err == nil && len(few) > 0 {
		err = r.chunk(ctx, few, r.span.Start, stop(r.span))
	}
	return err
}

// turbines calls each for those of the span after one that have values, in order.
func (r *windowReader) turbines(ctx context.Context, turbine int32, each func(int32) error) error {
	for {
		next, err := r.db.NextWindowTurbine(ctx, turbine)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("look for turbines after %d: %w", turbine, err)
		}
		turbine = next
		if r.span.Turbines.Contains(turbine) {
			if err := each(turbine); err != nil {
				return err
			}
		}
	}
}

// long reads the span of one turbine from start on. Each chunk begins where there is
// something next, so that centuries without a value cost nothing.
func (r *windowReader) long(ctx context.Context, turbine int32, start time.Time) error {
	length := time.Duration(r.most/len(r.signals)) * window.Width
	end := stop(r.span)
	for start.Before(end) {
		first, err := r.db.FirstWindow(ctx, targetdb.FirstWindowParams{
			TurbineID: turbine, SignalIds: r.signals, Start: start, Stop: end,
		})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("look for values of turbine %d: %w", turbine, err)
		}
		start = first.Add(length)
		if start.After(end) {
			start = end
		}
		if err := r.chunk(ctx, []int32{turbine}, first, start); err != nil {
			return err
		}
	}
	return nil
}

func (r *windowReader) chunk(ctx context.Context, turbines []int32, start, stop time.Time) error {
	held := <-r.free
	if r.stopped.Load() {
		return errStopped
	}
	asked := targetdb.ReadWindowsParams{TurbineIds: turbines, SignalIds: r.signals, Start: start, Stop: stop}
	for v, err := range r.db.ReadWindows(ctx, asked) {
		if err != nil {
			return err
		}
		held = append(held, v)
	}
	r.chunks <- held
	return nil
}

func (r *windowReader) yieldAll(held []value) error {
	// They come by the key, so that there is nothing to sort; but no query promises it.
	slices.SortFunc(held, func(a, b value) int {
		return cmp.Or(cmp.Compare(a.TurbineID, b.TurbineID), cmp.Compare(a.SignalID, b.SignalID), cmp.Compare(a.Timestamp, b.Timestamp))
	})
	for left := held; len(left) > 0; {
		r.runs = r.runs[:0]
		for turbine := left[0].TurbineID; len(left) > 0 && left[0].TurbineID == turbine; {
			n := 1
			for n < len(left) && left[n].TurbineID == turbine && left[n].SignalID == left[0].SignalID {
				n++
			}
			r.runs, left = append(r.runs, left[:n]), left[n:]
		}
		if err := r.merge(); err != nil {
			return err
		}
	}
	return nil
}

func (r *windowReader) merge() error {
	for {
		const never = pgrow.Micros(math.MaxInt64)
		at := never
		for _, run := range r.runs {
			if len(run) > 0 {
				at = min(at, run[0].Timestamp)
			}
		}
		if at == never {
			return nil
		}
		for i, run := range r.runs {
			if len(run) > 0 && run[0].Timestamp == at {
				if err := r.yield(run[0]); err != nil {
					return err
				}
				r.runs[i] = run[1:]
			}
		}
	}
}
