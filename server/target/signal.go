package target

import (
	"context"
	"fmt"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/targetserver"
	"github.com/delfos/delfos/internal/signal"
)

// ListSignals implements targetserver.StrictServerInterface.
func (s *Server) ListSignals(ctx context.Context, _ targetserver.ListSignalsRequestObject) (targetserver.ListSignalsResponseObject, error) {
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Release()
	rows, err := listSignals(ctx, session)
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
func listSignals(ctx context.Context, db targetdb.DBTX) ([]targetdb.Signal, error) {
	rows, err := targetdb.New(db).ListSignals(ctx)
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
