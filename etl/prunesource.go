package etl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/delfos/delfos/etl/ledger"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// Samples are those of the source's database.
type Samples interface {
	// Days lists the days before one that have samples, ascending.
	Days(ctx context.Context, before time.Time) ([]time.Time, error)
	// Digest counts a day's samples and hashes them, as GET /data/digest does.
	Digest(ctx context.Context, day time.Time) (samples, hash int64, err error)
	// Remove removes a day's samples in a transaction that it commits if allow, told
	// how many it has removed and their hash, returns nil.
	Remove(ctx context.Context, day time.Time, allow func(samples, hash int64) error) error
}

// UnloadedError says of which days samples can't be removed, because the target does not
// have what they make.
type UnloadedError struct {
	Days []string // each with its state, ascending
	Runs string   // the days, as `delfos etl` has them
}

func (e *UnloadedError) Error() string {
	return fmt.Sprintf("the target does not hold what the source has of %d days (%s), so no samples are removed: load them by `delfos etl %s`, then prune again",
		len(e.Days), few(e.Days), e.Runs)
}

func few(list []string) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
}

// Source removes the samples of the days of r from the source, each under the claim on its
// day, so that no load reads it meanwhile, and with a mark in the ledger by which their
// absence is no loss. Before any is removed the ledger has to call all of these days
// done, empty or pruned, with the digest that the source has now: else the error is an
// *UnloadedError. A day that changes later is refused when it is its turn.
func (w *Pruner) Source(ctx context.Context, r PruneRequest, samples Samples) (Pruning, error) {
	remove := func(ctx context.Context, run int64, day time.Time) (int64, error) {
		return w.removeSamples(ctx, run, day, samples)
	}
	return w.prune(ctx, r, enum.RunTriggerPruneSource, remove, func() ([]PrunedDay, error) { return w.prunableSamples(ctx, r.Before, samples) })
}

// prunableSamples lists the days before one that the source has samples of, with how many.
func (w *Pruner) prunableSamples(ctx context.Context, before time.Time, samples Samples) ([]PrunedDay, error) {
	sampled, err := samples.Days(ctx, before)
	if err != nil || len(sampled) == 0 {
		return nil, err
	}
	first, last := sampled[0], sampled[len(sampled)-1]
	grid, err := targetdb.New(w.target).ReadGrid(ctx, targetdb.ReadGridParams{FirstDay: first, LastDay: last})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", explain(err))
	}
	days := make([]PrunedDay, 0, len(sampled))
	refused := &UnloadedError{}
	var unloaded []time.Time
	for _, day := range sampled {
		count, hash, err := samples.Digest(ctx, day)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", format(day), err)
		}
		days = append(days, PrunedDay{Day: day, Date: format(day), Values: count})
		i, _ := slices.BinarySearchFunc(grid, day, func(g targetdb.ReadGridRow, day time.Time) int { return g.Day.Compare(day) })
		state := grid[i].State
		switch {
		case state == enum.PartitionStatePruned:
			continue
		case state != enum.PartitionStateDone && state != enum.PartitionStateEmpty:
		case !same(grid[i].SourceDigest, hash):
			state = enum.PartitionStateStale
		default:
			continue
		}
		refused.Days, unloaded = append(refused.Days, format(day)+" "+string(state)), append(unloaded, day)
	}
	if len(unloaded) == 0 {
		return days, nil
	}
	refused.Runs = format(unloaded[0])
	if last := unloaded[len(unloaded)-1]; !last.Equal(unloaded[0]) {
		refused.Runs += " --to " + format(last)
	}
	return nil, refused
}

// same reports whether a day was loaded from the samples that the source has.
func same(loaded *int64, hash int64) bool { return loaded != nil && *loaded == hash }

// removeSamples claims a day and removes its samples. The ledger is committed first: with
// its mark a day that still has its samples is followed like any other.
func (w *Pruner) removeSamples(ctx context.Context, run int64, day time.Time, samples Samples) (count int64, err error) {
	err = w.claimed(ctx, run, day, func(ctx context.Context, c *ledger.Claim) error {
		return samples.Remove(ctx, day, func(gone, hash int64) error {
			count = gone
			switch outcome := c.Entry.Outcome; {
			case outcome == nil:
				return errors.New("the ledger does not know it any more")
			case *outcome == enum.OutcomePruned:
			case *outcome != enum.OutcomeDone && *outcome != enum.OutcomeEmpty, !same(c.Entry.SourceDigest, hash):
				return &UnloadedError{Days: []string{format(day) + " " + string(enum.PartitionStateStale)}, Runs: format(day)}
			}
			return c.NoteSourcePruned(ctx, *c.Entry.Outcome)
		})
	})
	if err == nil {
		w.log.DebugContext(ctx, "samples pruned", "day", format(day), "samples", count)
	}
	return count, err
}
