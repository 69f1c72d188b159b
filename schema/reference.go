package schema

import (
	"context"
	"slices"

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/checkrule"
	"github.com/delfos/delfos/internal/signal"
)

// defaultTurbine is the turbine of rows and requests that name none.
const defaultTurbine = 1

func ensureSourceRows(ctx context.Context, conn querier) error {
	_, err := importdb.New(conn).EnsureTurbines(ctx, []int32{defaultTurbine})
	return err
}

func ensureTargetRows(ctx context.Context, conn querier) error {
	if err := ensureCheckRules(ctx, conn); err != nil {
		return err
	}
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

// ensureCheckRules writes the rules of data checks that are missing. Those that
// are there stay as somebody set them.
func ensureCheckRules(ctx context.Context, conn querier) error {
	var want targetdb.EnsureCheckRulesParams
	for _, r := range checkrule.Defaults() {
		want.CheckNames = append(want.CheckNames, r.Check)
		want.Variables = append(want.Variables, r.Variable)
		want.Severities = append(want.Severities, string(r.Severity))
		want.Lows = append(want.Lows, r.Low)
		want.Highs = append(want.Highs, r.High)
	}
	_, err := targetdb.New(conn).EnsureCheckRules(ctx, want)
	return err
}
