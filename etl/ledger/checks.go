package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/gen/targetdb"
)

// flagsAtOnce bounds the memory of a statement.
const flagsAtOnce = 10_000

// Findings are what the data checks found of a day.
type Findings struct {
	check.Report

	Read []int32 // turbines
	Kept []int32 // turbines that keep their old values, and so their old flags
}

// RecordFindings writes what the checks found, in the load's transaction.
func (c *Claim) RecordFindings(ctx context.Context, f Findings) error {
	q := targetdb.New(c.tx)
	keeps := func(turbine int32) bool { return slices.Contains(f.Kept, turbine) }
	start, stop := c.day, c.day.AddDate(0, 0, 1)
	if c.order.Subset {
		loaded := slices.DeleteFunc(slices.Clone(f.Read), keeps)
		if _, err := q.DeleteFlags(ctx, targetdb.DeleteFlagsParams{Start: start, Stop: stop, TurbineIds: loaded}); err != nil {
			return fmt.Errorf("remove flags: %w", err)
		}
	} else {
		results := targetdb.ReplaceCheckResultsParams{Day: c.day, Token: c.Entry.Token, Start: start, Stop: stop, Kept: f.Kept}
		for _, r := range f.Results {
			results.CheckNames = append(results.CheckNames, string(r.Check))
			results.Variables = append(results.Variables, r.Variable)
			results.Versions = append(results.Versions, r.Check.Version())
			results.Statuses = append(results.Statuses, string(r.Status))
			results.Faults = append(results.Faults, r.Faults)
			results.Details = append(results.Details, r.Detail)
		}
		if err := q.ReplaceCheckResults(ctx, results); err != nil {
			return fmt.Errorf("record what the checks found: %w", err)
		}
	}
	flags := slices.DeleteFunc(f.Flags, func(f check.Flag) bool { return keeps(f.Turbine) })
	for part := range slices.Chunk(flags, flagsAtOnce) {
		var p targetdb.AddFlagsParams
		for _, f := range part {
			p.TurbineIds = append(p.TurbineIds, f.Turbine)
			p.Variables = append(p.Variables, f.Variable)
			p.Timestamps = append(p.Timestamps, time.UnixMicro(f.Start).UTC())
			p.CheckNames = append(p.CheckNames, string(f.Check))
			p.Versions = append(p.Versions, f.Check.Version())
			p.Details = append(p.Details, f.Detail)
		}
		if _, err := q.AddFlags(ctx, p); err != nil {
			return fmt.Errorf("flag windows: %w", err)
		}
	}
	return nil
}
