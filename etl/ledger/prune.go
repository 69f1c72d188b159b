package ledger

import (
	"context"
	"fmt"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// Prune removes the values of the claimed day, its flags and what the checks found, in
// one transaction that also has the ledger call it pruned. It returns how many values
// these were. ErrClaimLost: the claim is somebody else's, all is rolled back.
func (c *Claim) Prune(ctx context.Context) (deleted int64, err error) {
	tx, q, err := c.Begin(ctx)
	if err != nil {
		return 0, err
	}
	stop := c.day.AddDate(0, 0, 1)
	if deleted, err = q.PruneValues(ctx, targetdb.PruneValuesParams{Start: c.day, Stop: stop}); err != nil {
		return 0, fmt.Errorf("remove values: %w", err)
	}
	if err := q.PruneFlags(ctx, targetdb.PruneFlagsParams{Start: c.day, Stop: stop}); err != nil {
		return 0, fmt.Errorf("remove flags: %w", err)
	}
	if err := q.PruneCheckResults(ctx, c.day); err != nil {
		return 0, fmt.Errorf("remove the results of checks: %w", err)
	}
	if _, err := c.settle(ctx, tx, enum.OutcomePruned, nil); err != nil {
		return 0, err
	}
	c.endRenewals()
	none, gone := int64(0), deleted
	if _, err := q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
		Day: c.day, Token: c.Entry.Token, Outcome: enum.OutcomePruned,
		Inserted: &none, Updated: &none, Deleted: &gone, SourceDigest: c.Entry.SourceDigest, TargetDigest: &none,
	}); err != nil {
		return 0, fmt.Errorf("record the attempt: %w", err)
	}
	mine, err := q.PrunePartition(ctx, targetdb.PrunePartitionParams{
		Day: c.day, Token: c.Entry.Token, StartedAt: c.Entry.StartedAt, Deleted: deleted,
	})
	return deleted, c.end(ctx, mine, err)
}

// NoteSourcePruned has the ledger know that the samples of the claimed day are removed from
// the source on purpose, and ends the claim; the values stay. outcome is what the day has.
// ErrClaimLost: the claim is somebody else's.
func (c *Claim) NoteSourcePruned(ctx context.Context, outcome enum.Outcome) error {
	tx, q, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := c.settle(ctx, tx, enum.OutcomePruned, nil); err != nil {
		return err
	}
	c.endRenewals()
	none := int64(0)
	if _, err := q.FinishAttempt(ctx, targetdb.FinishAttemptParams{
		Day: c.day, Token: c.Entry.Token, Outcome: outcome,
		Inserted: &none, Updated: &none, Deleted: &none, SourceDigest: c.Entry.SourceDigest, TargetDigest: c.Entry.TargetDigest,
	}); err != nil {
		return fmt.Errorf("record the attempt: %w", err)
	}
	mine, err := q.NoteSourcePruned(ctx, targetdb.NoteSourcePrunedParams{Day: c.day, Token: c.Entry.Token})
	return c.end(ctx, mine, err)
}
