package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// GetWindows implements targetserver.StrictServerInterface: it checks what the
// parameters say together, and hands on a response that streams.
func (s *Server) GetWindows(ctx context.Context, request targetserver.GetWindowsRequestObject) (targetserver.GetWindowsResponseObject, error) {
	p := request.Params
	asked, err := param.FleetSpanOf(p.Start, p.End, p.Before, p.Turbines)
	if err != nil {
		return nil, err
	}
	openOA := param.Or(p.Naming, targetapi.Delfos) == targetapi.Openoa
	if openOA {
		if faults := besideOpenOA(p); len(faults) > 0 {
			return nil, problem.Parameters(faults...)
		}
	}
	r := httpserve.RequestOf(ctx)
	format, err := stream.Negotiate(r.Header.Values("Accept"), param.Or(p.Format, ""), stream.Formats())
	if err != nil {
		return nil, err
	}
	answer := windows{s: s, r: r, span: asked, signals: p.Signals, format: format}
	switch {
	case openOA:
		answer.shape = openOAShape
	case param.Or(p.Wide, false):
		answer.shape = wideShape
	default:
		answer.shape = longShape
	}
	if param.Or(p.Label, targetapi.WindowLabelStart) == targetapi.WindowLabelEnd {
		answer.shift = window.Width
	}
	return answer, nil
}

// besideOpenOA are the faults of parameters that contradict OpenOA's naming,
// which says which columns there are.
func besideOpenOA(p targetapi.GetWindowsParams) (faults []problem.Fault) {
	if p.Signals != nil {
		faults = append(faults, problem.Invalid("signals", strings.Join(*p.Signals, ","), "can't be chosen with naming=openoa, which has columns of its own"))
	}
	if !param.Or(p.Wide, true) {
		faults = append(faults, problem.Invalid("wide", "false", "can't be with naming=openoa, which is a wide table"))
	}
	return faults
}

// stop is the first instant beyond a span.
func stop(span param.Span) time.Time { return span.End.Add(time.Microsecond) }

// windows is the 200 of getWindows; the generated one would collect every row
// first.
type windows struct {
	s       *Server
	r       *http.Request
	span    param.Span
	signals *[]targetapi.SignalName // nil: all of them
	shape   func(signals []targetdb.Signal, wanted *[]targetapi.SignalName) shape
	shift   time.Duration // from a window's start to its label
	format  stream.Format
}

// VisitGetWindowsResponse implements targetserver.GetWindowsResponseObject.
func (a windows) VisitGetWindowsResponse(w http.ResponseWriter) error {
	kind := sessions.Short
	if a.span.Long() {
		kind = sessions.Long
	}
	return a.s.sessions.Answer(a.r.Context(), kind, func(outgrown func() error) error {
		return a.write(w, outgrown)
	})
}

// write sends signals and values of one snapshot.
func (a windows) write(w http.ResponseWriter, outgrown func() error) error {
	ctx := a.r.Context()
	snapshot, err := a.s.sessions.Begin(ctx)
	if err != nil {
		return fmt.Errorf("read windows: %w", err)
	}
	defer snapshot.Close()
	signals, err := listSignals(ctx, snapshot)
	if err != nil {
		return err
	}
	shape := a.shape(signals, a.signals)
	response := stream.Response{
		Format:   a.format,
		Columns:  shape.columns,
		Filename: a.span.Filename("windows"),
		Outgrown: outgrown,
		Rows: func(yield func([]stream.Value) error) error {
			// What follows the last row may wait for the client.
			defer snapshot.Close()
			rows := shape.begin(a.shift.Microseconds(), yield)
			if err := readWindows(ctx, snapshot, a.span, shape.signals, rows.value); err != nil {
				return err
			}
			return rows.end()
		},
	}
	return response.Write(w, a.r)
}

// chunkValues is how many values are sorted at once, about: the database keeps
// them by turbine, signal and time, and they are wanted window by window. So many
// take 720 KB; the database would take three times as long to sort them.
const chunkValues = 30_000

// readWindows yields the values of a span, by turbine, time and signal. They are
// of one snapshot: a day that is loaded meanwhile is there whole or not at all.
func readWindows(ctx context.Context, snapshot pgx.Tx, asked param.Span, signals []int32, yield func(value) error) error {
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
	span    param.Span
	signals []int32
	yield   func(value) error
	held    []value // those of a chunk, in memory that each uses anew
}

func (r *windowReader) read(ctx context.Context) error {
	// As time.Duration, which saturates, even the longest span is a long one.
	each := int(r.span.End.Sub(r.span.Start)/window.Width+1) * len(r.signals)
	if each > chunkValues {
		return r.turbines(ctx, func(turbine int32) error { return r.long(ctx, turbine) })
	}
	var few []int32
	err := r.turbines(ctx, func(turbine int32) error {
		few = append(few, turbine)
		if len(few)*each < chunkValues {
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
		if r.span.Turbines.Contains(turbine) {
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
	end := stop(r.span)
	for start := r.span.Start; start.Before(end); {
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
