package schema

import (
	"context"
	"slices"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/checkrule"
	"github.com/delfos/delfos/internal/signal"
)

// targetFill completes what a former version wrote.
func targetFill() map[string]func(context.Context, querier) error {
	return map[string]func(context.Context, querier) error{
		"run_partition.queued": func(ctx context.Context, conn querier) error {
			_, err := targetdb.New(conn).UnqueueCommands(ctx)
			return err
		},
	}
}

func ensureTargetRows(ctx context.Context, conn querier) error {
	if err := ensureCheckRules(ctx, conn); err != nil {
		return err
	}
	queries := targetdb.New(conn)
	// A load holds the signals locked while it writes: no need to wait when nothing is missing.
	have, err := queries.ListSignals(ctx)
	if err != nil {
		return err
	}
	var want targetdb.EnsureSignalsParams
	missing := false
	for _, s := range wantedSignals(have) {
		want.Ids, want.Names = append(want.Ids, s.ID), append(want.Names, s.Name)
		missing = missing || !slices.Contains(have, s)
	}
	if !missing {
		return nil
	}
	_, err = queries.EnsureSignals(ctx, want)
	return err
}

// wantedSignals are our signals with their ids; the database may have others of somebody's own.
func wantedSignals(have []targetdb.Signal) []targetdb.Signal {
	var wanted []targetdb.Signal
	place := int32(1)
	for names := range slices.Chunk(signal.Names(), len(signal.Statistics)) {
		first := firstID(place, names, slices.Concat(have, wanted))
		for i, name := range names {
			wanted = append(wanted, targetdb.Signal{ID: first + int32(i), Name: name})
		}
		place += int32(len(names))
	}
	return wanted
}

// firstID is the id of a variable's first signal, which its others follow: its place in the list,
// unless it is new and somebody has a signal of their own there. Then it follows the highest one.
func firstID(place int32, names []string, have []targetdb.Signal) int32 {
	free := true
	var elsewhere, last int32
	for _, s := range have {
		last = max(last, s.ID)
		i := int32(slices.Index(names, s.Name))
		switch {
		case i >= 0 && s.ID == place+i:
			return place
		case i >= 0:
			elsewhere = s.ID - i
		case s.ID >= place && s.ID < place+int32(len(names)):
			free = false
		}
	}
	switch {
	case elsewhere > 0:
		return elsewhere
	case free:
		return place
	default:
		return last + 1
	}
}

// ensureCheckRules writes the missing rules of data checks; others stay as somebody set them.
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
