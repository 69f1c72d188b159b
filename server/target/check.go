package target

import (
	"context"
	"net/http"
	"time"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/server/httpserve"
)

// ListChecks implements targetserver.StrictServerInterface.
func (s *Server) ListChecks(ctx context.Context, request targetserver.ListChecksRequestObject) (targetserver.ListChecksResponseObject, error) {
	page, err := s.page(ctx, request.Params.From, request.Params.To)
	if err != nil {
		return nil, err
	}
	status := string(orElse(request.Params.Status, ""))
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
	asked, err := spanOf(p.Start, p.End, p.Turbines)
	if err != nil {
		return nil, err
	}
	return flags{s.sessions, httpserve.RequestOf(ctx), "flags", nil, func(yield func(any) error) error {
		session, err := s.sessions.Acquire(ctx)
		if err != nil {
			return err
		}
		defer session.Release()
		for row, err := range targetdb.New(session).ReadFlags(ctx, targetdb.ReadFlagsParams{Start: asked.start, Stop: asked.stop}) {
			if err == nil && asked.turbines.Contains(row.TurbineID) {
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

// span is what start, end and turbines say together: windows that start in
// [start, stop).
type span struct {
	start, stop time.Time
	turbines    selector.Set
}
