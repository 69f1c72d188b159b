package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetdb"
)

// chunkValues is how many values are sorted at once, about: the database keeps
// them by turbine, signal and time, and they are wanted window by window. So many
// take 720 KB; the database would take three times as long to sort them.
const chunkValues = 30_000

// readWindows yields the values of a span, by turbine, time and signal. They are
// of one snapshot: a day that is loaded meanwhile is there whole or not at all.
func readWindows(ctx context.Context, snapshot pgx.Tx, asked span, signals []int32, yield func(value) error) error {
	if len(signals) == 0 {
		return nil
	}
	r := &windowReader{db: targetdb.New(snapshot), span: asked, signals: signals, yield: yield}
	if err := r.read(ctx); err != nil {
		return fmt.Errorf("read windows: %w", err)
	}
	return nil
}

// windowReader reads a span in chunks: several turbines at once if their windows
// are few, a part of one's at a time if they are many.
type windowReader struct {
	db      *targetdb.Queries
	span    span
	signals []int32
	yield   func(value) error
	held    []value // those of a chunk, in memory that each uses anew
}

func (r *windowReader) read(ctx context.Context) error {
	// As time.Duration, which saturates, even the longest span is a long one.
	each := int(r.span.stop.Sub(r.span.start)/window.Width+1) * len(r.signals)
	if each > chunkValues {
		return r.turbines(ctx, func(turbine int32) error { return r.long(ctx, turbine) })
	}
	var few []int32
	err := r.turbines(ctx, func(turbine int32) error {
		few = append(few, turbine)
		if len(few)*each < chunkValues {
			return nil
		}
		err := r.chunk(ctx, few, r.span.start, r.span.stop)
		few = few[:0]
		return err
	})
	if err == nil && len(few) > 0 {
		err = r.chunk(ctx, few, r.span.start, r.span.stop)
	}
	return err
}

// turbines calls each for those of the span that have values, in order.
func (r *windowReader) turbines(ctx context.Context, each func(int32) error) error {
	turbine := int32(0)
	for {
		next, err := r.db.NextWindowTurbine(ctx, turbine)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("look for turbines after %d: %w", turbine, err)
		}
		turbine = next
		if r.span.turbines.Contains(turbine) {
			if err := each(turbine); err != nil {
				return err
			}
		}
	}
}

// long reads the span of one turbine. Each chunk begins where there is something
// next, so that centuries without a value cost nothing.
func (r *windowReader) long(ctx context.Context, turbine int32) error {
	length := time.Duration(chunkValues/len(r.signals)) * window.Width
	for start := r.span.start; start.Before(r.span.stop); {
		first, err := r.db.FirstWindow(ctx, targetdb.FirstWindowParams{
			TurbineID: turbine, SignalIds: r.signals, Start: start, Stop: r.span.stop,
		})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("look for values of turbine %d: %w", turbine, err)
		}
		start = first.Add(length)
		if start.After(r.span.stop) {
			start = r.span.stop
		}
		if err := r.chunk(ctx, []int32{turbine}, first, start); err != nil {
			return err
		}
	}
	return nil
}

// chunk yields the values of [start, stop).
func (r *windowReader) chunk(ctx context.Context, turbines []int32, start, stop time.Time) error {
	r.held = r.held[:0]
	asked := targetdb.ReadWindowsParams{TurbineIds: turbines, SignalIds: r.signals, Start: start, Stop: stop}
	for v, err := range r.db.ReadWindows(ctx, asked) {
		if err != nil {
			return err
		}
		r.held = append(r.held, v)
	}
	slices.SortFunc(r.held, func(a, b value) int {
		return cmp.Or(cmp.Compare(a.TurbineID, b.TurbineID), cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.SignalID, b.SignalID))
	})
	for _, v := range r.held {
		if err := r.yield(v); err != nil {
			return err
		}
	}
	return nil
}
