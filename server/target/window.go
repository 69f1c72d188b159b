package target

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// GetWindows implements targetserver.StrictServerInterface: it checks what the
// parameters say together, and hands on a response that streams.
func (s *Server) GetWindows(ctx context.Context, request targetserver.GetWindowsRequestObject) (targetserver.GetWindowsResponseObject, error) {
	p := request.Params
	asked, err := spanOf(p.Start, p.End, p.Turbines)
	if err != nil {
		return nil, err
	}
	openOA := orElse(p.Naming, targetapi.Delfos) == targetapi.Openoa
	if openOA {
		if faults := besideOpenOA(p); len(faults) > 0 {
			return nil, problem.Parameters(faults...)
		}
	}
	r := httpserve.RequestOf(ctx)
	format, err := stream.Negotiate(r.Header.Values("Accept"), orElse(p.Format, ""), stream.Formats())
	if err != nil {
		return nil, err
	}
	answer := windows{s: s, r: r, span: asked, signals: p.Signals, format: format}
	switch {
	case openOA:
		answer.shape = openOAShape
	case orElse(p.Wide, false):
		answer.shape = wideShape
	default:
		answer.shape = longShape
	}
	if orElse(p.Label, targetapi.WindowLabelStart) == targetapi.WindowLabelEnd {
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
	if !orElse(p.Wide, true) {
		faults = append(faults, problem.Invalid("wide", "false", "can't be with naming=openoa, which is a wide table"))
	}
	return faults
}

// spanOf is what start, end and turbines say together.
func spanOf(start, end timestamp.Time, turbines *targetapi.Turbines) (span, error) {
	// Instants are whole microseconds: the first one beyond end.
	s := span{start: start.Time(), stop: end.Time().Add(time.Microsecond), turbines: selector.All()}
	if !s.start.Before(end.Time()) {
		return span{}, problem.BadRequest("start must be earlier than end")
	}
	if turbines != nil {
		set, err := selector.Parse(strings.Join(*turbines, ","))
		if err != nil {
			return span{}, err // each item was checked: a fault of ours
		}
		s.turbines = set
	}
	return s, nil
}

// signalsOf are the signals of the names, or all of them, by id.
func signalsOf(ctx context.Context, db targetdb.DBTX, names *[]targetapi.SignalName) ([]targetdb.Signal, error) {
	signals, err := listSignals(ctx, db)
	if err != nil || names == nil {
		return signals, err
	}
	return slices.DeleteFunc(signals, func(s targetdb.Signal) bool { return !slices.Contains(*names, s.Name) }), nil
}

// windows is the 200 of getWindows; the generated one would collect every row
// first.
type windows struct {
	s       *Server
	r       *http.Request
	span    span
	signals *[]targetapi.SignalName // nil: all of them
	shape   func([]targetdb.Signal) shape
	shift   time.Duration // from a window's start to its label
	format  stream.Format
}

// longest is how long a span may be that is not a long one: a day, in whatever
// zone.
const longest = 25 * time.Hour

// VisitGetWindowsResponse implements targetserver.GetWindowsResponseObject.
func (a windows) VisitGetWindowsResponse(w http.ResponseWriter) error {
	kind := sessions.Short
	if a.span.stop.Sub(a.span.start) > longest {
		kind = sessions.Long
	}
	return a.s.sessions.Answer(a.r.Context(), kind, func(outgrown func() error) error {
		return a.write(w, outgrown)
	})
}

// write sends signals and values of one snapshot.
func (a windows) write(w http.ResponseWriter, outgrown func() error) error {
	ctx := a.r.Context()
	session, err := a.s.sessions.Acquire(ctx)
	if err != nil {
		return err
	}
	defer session.Release()
	tx, err := sessions.Begin(ctx, session)
	if err != nil {
		return fmt.Errorf("read windows: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // unless it is over
	signals, err := signalsOf(ctx, tx, a.signals)
	if err != nil {
		return err
	}
	shape := a.shape(signals)
	response := stream.Response{
		Format:   a.format,
		Columns:  shape.columns,
		Filename: a.span.filename("windows"),
		Outgrown: outgrown,
		Rows: func(yield func([]stream.Value) error) error {
			// What follows the last row may wait for the client.
			defer session.Release()
			defer func() { _ = tx.Rollback(ctx) }()
			rows := shape.begin(a.shift.Microseconds(), yield)
			if err := readWindows(ctx, tx, a.span, shape.signals, rows.value); err != nil {
				return err
			}
			return rows.end()
		},
	}
	return response.Write(w, a.r)
}

// filename is what an answer is saved as: what it holds, from when to when.
func (s span) filename(of string) string {
	const layout = "20060102T150405Z"
	return of + "_" + s.start.Format(layout) + "_" + s.stop.Add(-time.Microsecond).Format(layout)
}
