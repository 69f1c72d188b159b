package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/internal/problem"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/stream"
)

// The namings and labels of windows.
const (
	namingDelfos = "delfos"
	namingOpenOA = "openoa"

	labelStart = "start"
	labelEnd   = "end"
)

// GetWindows implements targetapi.StrictServerInterface: it checks what the
// parameters say together, and hands on a response that streams.
func (s *Server) GetWindows(ctx context.Context, request targetapi.GetWindowsRequestObject) (targetapi.GetWindowsResponseObject, error) {
	p := request.Params
	asked, err := spanOf(p.Start, p.End, p.Turbines)
	if err != nil {
		return nil, err
	}
	openOA := orElse(p.Naming, namingDelfos) == namingOpenOA
	if openOA {
		if faults := besideOpenOA(p); len(faults) > 0 {
			return nil, problem.Parameters(faults...)
		}
	}
	r := httpserve.RequestOf(ctx)
	format, err := stream.Negotiate(r.Header.Values("Accept"), string(orElse(p.Format, "")), stream.Formats())
	if err != nil {
		return nil, err
	}
	signals, err := s.signalsOf(ctx, p.Signals)
	if err != nil {
		return nil, err
	}
	answer := windows{s: s, r: r, span: asked, format: format}
	switch {
	case openOA:
		answer.shape = openOAShape(signals)
	case orElse(p.Wide, false):
		answer.shape = wideShape(signals)
	default:
		answer.shape = longShape(signals)
	}
	if orElse(p.Label, labelStart) == labelEnd {
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
func spanOf(start, end targetapi.Timestamp, turbines *targetapi.Turbines) (span, error) {
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
func (s *Server) signalsOf(ctx context.Context, names *[]targetapi.SignalName) ([]targetdb.Signal, error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	signals, err := listSignals(ctx, conn)
	if err != nil || names == nil {
		return signals, err
	}
	return slices.DeleteFunc(signals, func(s targetdb.Signal) bool { return !slices.Contains(*names, s.Name) }), nil
}

// windows is the 200 of getWindows; the generated one would collect every row
// first.
type windows struct {
	s      *Server
	r      *http.Request
	span   span
	shape  shape
	shift  time.Duration // from a window's start to its label
	format stream.Format
}

// VisitGetWindowsResponse implements targetapi.GetWindowsResponseObject.
func (a windows) VisitGetWindowsResponse(w http.ResponseWriter) error {
	response := stream.Response{
		Format:   a.format,
		Columns:  a.shape.columns,
		Filename: a.span.filename("windows"),
		Rows: func(yield func([]stream.Value) error) error {
			rows := a.shape.begin(a.shift.Microseconds(), yield)
			if err := a.s.readWindows(a.r.Context(), a.span, a.shape.signals, rows.value); err != nil {
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
