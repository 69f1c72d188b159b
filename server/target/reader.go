package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/server/param"
)

// chunkValues is how many values are merged at once, about: the database keeps
// them by turbine, signal and time, and they are wanted window by window. So many
// take 480 KB; the database would take three times as long to sort them.
const chunkValues = 30_000

// windowReader reads a span in chunks: several turbines at once if their windows
// are few, a part of one's at a time if they are many.
type windowReader struct {
	db      *targetdb.Queries
	span    param.Span
	signals []int32
	yield   func(value) error
	most    int  // values of a chunk, about
	ahead   bool // a chunk is read while the one before is yielded

	take func([]run) error // each chunk
}

// run is the values of a signal of one turbine in a chunk.
type run = targetdb.ReadWindowsRow

// errStopped ends the reading of chunks that nobody wants.
var errStopped = errors.New("no further values are wanted")

// read yields what is left of the turbine of after, from its time on, and the turbines
// that follow. If ahead, the database sends a chunk while the one before is yielded.
func (r *windowReader) read(ctx context.Context, after param.Key) error {
	if !r.ahead {
		r.take = r.yieldAll
		return r.readAll(ctx, after)
	}
	chunks, left := make(chan []run), make(chan struct{})
	r.take = func(runs []run) error {
		select {
		case chunks <- runs:
			return nil
		case <-left:
			return errStopped
		}
	}
	var failed error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(chunks)
		failed = r.readAll(ctx, after)
	})
	defer func() {
		close(left)
		reading.Wait() // nobody else may use the session before
	}()
	for runs := range chunks {
		if err := r.yieldAll(runs); err != nil {
			return err
		}
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

// turbines calls each for those of the span after one that have values, in order. It
// looks for none between those that are asked for.
func (r *windowReader) turbines(ctx context.Context, turbine int32, each func(int32) error) error {
	for {
		lowest, ok := r.span.Turbines.Next(turbine)
		if !ok {
			return nil
		}
		next, err := r.db.NextWindowTurbine(ctx, lowest-1)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("look for turbines from %d on: %w", lowest, err)
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
	asked := targetdb.ReadWindowsParams{TurbineIds: turbines, SignalIds: r.signals, Start: start, Stop: stop}
	var runs []run
	for of, err := range r.db.ReadWindows(ctx, asked) {
		if err != nil {
			return err
		}
		runs = append(runs, of)
	}
	return r.take(runs)
}

// yieldAll yields a chunk by turbine, time and signal.
func (r *windowReader) yieldAll(runs []run) error {
	// They come by the key, so that there is nothing to sort; but no query promises it.
	slices.SortFunc(runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.TurbineID, b.TurbineID), cmp.Compare(a.SignalID, b.SignalID))
	})
	for i := range runs {
		if !slices.IsSorted(runs[i].Timestamps) {
			sort.Sort(byTime(runs[i]))
		}
	}
	for len(runs) > 0 {
		n := 1
		for n < len(runs) && runs[n].TurbineID == runs[0].TurbineID {
			n++
		}
		if err := r.merge(runs[:n]); err != nil {
			return err
		}
		runs = runs[n:]
	}
	return nil
}

// merge yields the runs of a turbine window by window.
func (r *windowReader) merge(runs []run) error {
	for {
		const never = pgrow.Micros(math.MaxInt64)
		at := never
		for i := range runs {
			if times := runs[i].Timestamps; len(times) > 0 {
				at = min(at, times[0])
			}
		}
		if at == never {
			return nil
		}
		for i := range runs {
			of := &runs[i]
			if len(of.Timestamps) == 0 || of.Timestamps[0] != at {
				continue
			}
			if err := r.yield(value{TurbineID: of.TurbineID, SignalID: of.SignalID, Timestamp: at, Value: of.Values[0]}); err != nil {
				return err
			}
			of.Timestamps, of.Values = of.Timestamps[1:], of.Values[1:]
		}
	}
}

// byTime sorts a run.
type byTime run

func (b byTime) Len() int           { return len(b.Timestamps) }
func (b byTime) Less(i, j int) bool { return b.Timestamps[i] < b.Timestamps[j] }
func (b byTime) Swap(i, j int) {
	b.Timestamps[i], b.Timestamps[j] = b.Timestamps[j], b.Timestamps[i]
	b.Values[i], b.Values[j] = b.Values[j], b.Values[i]
}
