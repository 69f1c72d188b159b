package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/timestamp"
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
		args := []any{page.days.First, page.days.Last, status}
		return s.read(ctx, "read the results of checks", targetdb.ReadCheckResults, args, func(rows pgx.Rows) error {
			row, err := pgx.RowToStructByPos[targetdb.CheckResult](rows)
			if err != nil {
				return err
			}
			return yield(targetapi.CheckResult{
				Day: dateOf(row.Day), Check: row.CheckName, Variable: row.Variable, Version: row.Version,
				Status: targetapi.CheckStatus(row.Status), Faults: row.Faults, Detail: row.Detail, CheckedAt: row.CheckedAt,
			})
		})
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
		return s.read(ctx, "read flags", targetdb.ReadFlags, []any{asked.start, asked.stop}, func(rows pgx.Rows) error {
			row, err := pgx.RowToStructByPos[targetdb.Flag](rows)
			if err != nil || !asked.turbines.Contains(row.TurbineID) {
				return err
			}
			return yield(targetapi.Flag{
				TurbineId: row.TurbineID, Variable: row.Variable, Timestamp: timestamp.New(row.Timestamp),
				Check: row.CheckName, Version: row.Version, Detail: row.Detail,
			})
		})
	}}, nil
}

type flags list

// VisitListFlagsResponse implements targetserver.ListFlagsResponseObject.
func (f flags) VisitListFlagsResponse(w http.ResponseWriter) error { return list(f).write(w) }

// read runs a query and calls row with each row of its answer as it comes.
func (s *Server) read(ctx context.Context, what, sql string, args []any, row func(pgx.Rows) error) error {
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return err
	}
	defer session.Release()
	// Ended early, rows.Close would read all that is left of the answer; a
	// cancelled context cancels the query instead.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := session.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for rows.Next() {
		if err := row(rows); err != nil {
			cancel()
			rows.Close()
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// span is what start, end and turbines say together: windows that start in
// [start, stop).
type span struct {
	start, stop time.Time
	turbines    selector.Set
}
