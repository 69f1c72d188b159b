package target

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/delfos/delfos/etl/orchestrator"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// ListChecks implements targetserver.StrictServerInterface.
func (s *Server) ListChecks(ctx context.Context, request targetserver.ListChecksRequestObject) (targetserver.ListChecksResponseObject, error) {
	page, err := s.page(ctx, request.Params.From, request.Params.To, orchestrator.MaxDays)
	if err != nil {
		return nil, err
	}
	status := string(param.Or(request.Params.Status, ""))
	return checks{s.sessions, httpserve.RequestOf(ctx), "checks", page.link, func(yield func(any) error) error {
		if page.days == nil {
			return nil
		}
		session, err := s.sessions.Acquire(ctx)
		if err != nil {
			return err
		}
		defer session.Release()
		asked := targetdb.ReadCheckResultsParams{FirstDay: page.days.First, LastDay: page.days.Last, Status: status}
		for row, err := range targetdb.New(session).ReadCheckResults(ctx, asked) {
			if err == nil {
				err = yield(targetapi.CheckResult{
					Day: dateOf(row.Day), Check: row.CheckName, Variable: row.Variable, Version: row.Version,
					Status: enum.CheckStatus(row.Status), Faults: row.Faults, Detail: row.Detail, CheckedAt: row.CheckedAt.Time(),
				})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

type checks list

// VisitListChecksResponse implements targetserver.ListChecksResponseObject.
func (c checks) VisitListChecksResponse(w http.ResponseWriter) error { return list(c).write(w) }

// ListFlags implements targetserver.StrictServerInterface.
func (s *Server) ListFlags(ctx context.Context, request targetserver.ListFlagsRequestObject) (targetserver.ListFlagsResponseObject, error) {
	p := request.Params
	asked, err := param.FleetSpanOf(p.Start, p.End, p.Before, p.Turbines)
	if err != nil {
		return nil, err
	}
	return flags{s.sessions, httpserve.RequestOf(ctx), "flags", nil, func(yield func(any) error) error {
		session, err := s.sessions.Acquire(ctx)
		if err != nil {
			return err
		}
		defer session.Release()
		for row, err := range targetdb.New(session).ReadFlags(ctx, targetdb.ReadFlagsParams{Start: asked.Start, Stop: stop(asked)}) {
			if err == nil && asked.Turbines.Contains(row.TurbineID) {
				err = yield(targetapi.Flag{
					TurbineId: row.TurbineID, Variable: row.Variable, Timestamp: row.Timestamp.Time(),
					Check: row.CheckName, Version: row.Version, Detail: row.Detail,
				})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

type flags list

// VisitListFlagsResponse implements targetserver.ListFlagsResponseObject.
func (f flags) VisitListFlagsResponse(w http.ResponseWriter) error { return list(f).write(w) }

// list is a 200 whose body is an object with one array, {"name":[…]}. Its items
// are sent as they come: a year of them is no more to hold than a day. It closes
// with the trailers of package stream.
type list struct {
	sessions *sessions.Sessions
	r        *http.Request
	name     string
	link     *string // the header Link, if any
	items    func(yield func(item any) error) error
}

func (l list) write(w http.ResponseWriter) error {
	if l.link != nil {
		w.Header().Set("Link", *l.link)
	}
	return l.sessions.Write(w, l.r, sessions.Long, stream.Items(fmt.Sprintf("{%q:[", l.name), "]}\n", func(yield func([]byte) error) error {
		return l.items(func(item any) error {
			text, err := json.Marshal(item)
			if err != nil {
				return fmt.Errorf("write one of %s: %w", l.name, err)
			}
			return yield(text)
		})
	}))
}

// ListSignals implements targetserver.StrictServerInterface.
func (s *Server) ListSignals(ctx context.Context, _ targetserver.ListSignalsRequestObject) (targetserver.ListSignalsResponseObject, error) {
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	rows, err := listSignals(ctx, targetdb.New(session))
	if err != nil {
		return nil, err
	}
	list := targetapi.SignalList{Signals: []targetapi.Signal{}}
	for _, row := range rows {
		variable, statistic, _ := signal.Split(row.Name)
		list.Signals = append(list.Signals, targetapi.Signal{
			Id: row.ID, Name: row.Name, Variable: variable,
			Statistic: statistic, Unit: signal.Unit(row.Name),
		})
	}
	return targetserver.ListSignals200JSONResponse(list), nil
}

// listSignals reads the signals that the contract knows, by id.
func listSignals(ctx context.Context, db *targetdb.Queries) ([]targetdb.Signal, error) {
	rows, err := db.ListSignals(ctx)
	if err != nil {
		return nil, fmt.Errorf("list signals: %w", err)
	}
	known := rows[:0]
	for _, row := range rows {
		if _, _, ok := signal.Split(row.Name); ok {
			known = append(known, row)
		}
	}
	return known, nil
}
