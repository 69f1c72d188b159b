package schema

import (
	"context"
	"slices"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/signal"
)

// defaultTurbine is the turbine of rows and requests that name none.
const defaultTurbine = 1

func ensureSourceRows(ctx context.Context, conn querier) error {
	_, err := sourcedb.New(conn).EnsureTurbines(ctx, []int32{defaultTurbine})
	return err
}

func ensureTargetRows(ctx context.Context, conn querier) error {
	want := targetdb.EnsureSignalsParams{Names: signal.Names()}
	for i := range want.Names {
		want.Ids = append(want.Ids, int32(i+1))
	}
	queries := targetdb.New(conn)
	// A load holds the signals locked while it writes: as long as they are as
	// they should be, don't wait for it.
	have, err := queries.ListSignals(ctx)
	if err != nil {
		return err
	}
	missing := slices.ContainsFunc(want.Ids, func(id int32) bool {
		return !slices.Contains(have, targetdb.Signal{ID: id, Name: want.Names[id-1]})
	})
	if !missing {
		return nil
	}
	_, err = queries.EnsureSignals(ctx, want)
	return err
}
