package target

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

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

func (s *server) ListChecks(ctx context.Context, request targetserver.ListChecksRequestObject) (targetserver.ListChecksResponseObject, error) {
	page, err := s.page(ctx, request.Params.From, request.Params.To, orchestrator.MaxDays)
	if err != nil {
		return nil, err
	}
	status := string(param.Or(request.Params.Status, ""))
	return targetserver.ListChecks200Response(list{s.sessions, httpserve.RequestOf(ctx), "checks", page.link, func(yield func(any) error) error {
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
	}}.write), nil
}

func (s *server) ListFlags(ctx context.Context, request targetserver.ListFlagsRequestObject) (targetserver.ListFlagsResponseObject, error) {
	p := request.Params
	asked, err := param.FleetSpanOf(p.Start, p.End, p.Before, p.Turbines)
	if err != nil {
		return nil, err
	}
	return targetserver.ListFlags200Response(list{s.sessions, httpserve.RequestOf(ctx), "flags", nil, func(yield func(any) error) error {
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
	}}.write), nil
}

// list is a 200 whose body is an object with one array, {"name":[…]}. Its items are sent
// as they come: a year of them is no more to hold than a day.
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

func (s *server) ListSignals(ctx context.Context, _ targetserver.ListSignalsRequestObject) (targetserver.ListSignalsResponseObject, error) {
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

func (s *server) ListTurbines(ctx context.Context, r targetserver.ListTurbinesRequestObject) (targetserver.ListTurbinesResponseObject, error) {
	spans := param.Or(r.Params.Span, false)
	within, err := param.TurbineSpanOf(spans, r.Params.Start, r.Params.End)
	if err != nil {
		return nil, err
	}
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	list := targetserver.ListTurbines200JSONResponse{}
	if !spans {
		turbines, err := targetdb.New(session).ListTurbines(ctx)
		if err != nil {
			return nil, fmt.Errorf("list turbines: %w", err)
		}
		for _, t := range turbines {
			list = append(list, turbineOf(t))
		}
		return list, nil
	}
	turbines, err := targetdb.New(session).ListTurbineSpans(ctx, targetdb.ListTurbineSpansParams{Start: within.Start, Stop: within.End})
	if err != nil {
		return nil, fmt.Errorf("list turbines with their spans: %w", err)
	}
	for _, t := range turbines {
		turbine := turbineOf(t.Turbine)
		if t.Loaded {
			turbine.First, turbine.Last = &t.First, &t.Last
		}
		list = append(list, turbine)
	}
	return list, nil
}

func turbineOf(t targetdb.Turbine) targetapi.Turbine {
	return targetapi.Turbine{
		Id: t.ID, Name: t.Name, SampleInterval: int32(t.SampleInterval / time.Second),
		RatedPower: t.RatedPower, CutIn: t.CutIn, CutOut: t.CutOut, RotorDiameter: t.RotorDiameter, HubHeight: t.HubHeight,
		Altitude: t.Altitude, Latitude: t.Latitude, Longitude: t.Longitude,
		Commissioned: param.Date(t.Commissioned), Decommissioned: param.Date(t.Decommissioned),
	}
}
