package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
)

// reloaded is the reason of a day whose load ended during its comparison.
const reloaded = "it was loaded anew in the meantime"

// day compares one day, once more if it was loaded meanwhile.
func (v *verifier) day(ctx context.Context, day time.Time) (*comparison, error) {
	d, err := v.compare(ctx, day)
	if err == nil && d.Reason == reloaded {
		return v.compare(ctx, day)
	}
	return d, err
}

// compare compares one day. Whether there is an excuse for differences is looked
// at last, so that a change during the comparison is one.
func (v *verifier) compare(ctx context.Context, day time.Time) (*comparison, error) {
	conn, err := v.target.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	defer conn.Release()
	d := &comparison{Day: Day{Day: format(day), Verdict: Clean}, limit: v.limit, catalogue: v.catalogue}
	var loaded *targetdb.Partition
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, snapshot, func(tx pgx.Tx) error {
		p, err := targetdb.New(tx).ReadPartition(ctx, day)
		switch {
		case err == nil:
			loaded = &p
		case !errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("read the ledger: %w", err)
		}
		if err := v.turbinesOf(ctx, tx, day, d); err != nil {
			return err
		}
		return v.strays(ctx, tx, day, d)
	})
	if err != nil {
		return nil, err
	}
	if d.Total() > 0 {
		d.Verdict, d.Reason, err = v.judge(ctx, targetdb.New(conn), day, loaded)
	}
	return d, err
}

// turbineDay is what the target should hold of a turbine, or why that can't be
// told.
type turbineDay struct {
	id     int32
	values []value
	err    error
}

// turbinesOf compares turbine by turbine, the source's side of the next one
// beside the target's side of the last.
func (v *verifier) turbinesOf(ctx context.Context, tx pgx.Tx, day time.Time, d *comparison) error {
	work, ctx := errgroup.WithContext(ctx)
	turbines := make(chan turbineDay, 1)
	work.Go(func() error {
		defer close(turbines)
		for _, id := range v.wanted {
			t := turbineDay{id: id}
			windows, err := read(ctx, v.source, day, id)
			if err == nil {
				t.values, err = v.catalogue.expected(windows)
			}
			if err != nil && !ofTurbine(ctx, err) {
				return fmt.Errorf("read turbine %d: %w", id, err)
			}
			t.err = err
			select {
			case turbines <- t:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	work.Go(func() error {
		for t := range turbines {
			if t.err != nil {
				d.unreadable(t.id, t.err)
				continue
			}
			if err := d.turbine(ctx, tx, day, t.id, t.values); err != nil {
				return err
			}
		}
		return nil
	})
	return work.Wait()
}

// strays finds values of turbines that the source hasn't, one finding for each
// turbine, and of signals that there should not be.
func (v *verifier) strays(ctx context.Context, tx pgx.Tx, day time.Time, d *comparison) error {
	known := make(map[int32]bool, len(v.turbines))
	for _, id := range v.turbines {
		known[id] = true
	}
	var stranger Finding
	end := func() {
		if stranger.Values > 0 {
			d.UnknownTurbines++
			d.note(stranger)
		}
	}
	turbines := v.turbines
	if turbines == nil {
		turbines = []int32{} // a NULL would hide every value
	}
	asked := targetdb.ReadStraysParams{Start: day, Stop: day.AddDate(0, 0, 1), TurbineIds: turbines, SignalIds: v.catalogue.ids}
	for held, err := range targetdb.New(tx).ReadStrays(ctx, asked) {
		if err != nil {
			return fmt.Errorf("read what else the target holds: %w", err)
		}
		id := held.TurbineID
		switch {
		case !v.selected.Contains(id):
		case known[id]:
			d.extra(id, held.SignalID, int64(held.Timestamp), held.Value)
		default:
			if stranger.Turbine != id {
				end()
				stranger = Finding{Kind: UnknownTurbine, Place: Place{Day: d.Day.Day, Turbine: id}}
			}
			stranger.Values++
		}
	}
	end()
	return nil
}

// judge tells what to think of a day that differs; loaded is its row of the
// ledger as the comparison saw it, nil if it has none.
func (v *verifier) judge(ctx context.Context, q *targetdb.Queries, day time.Time, loaded *targetdb.Partition) (verdict Verdict, reason string, err error) {
	if loaded == nil {
		return Unloaded, "it was never loaded", nil
	}
	claim, err := q.ReadClaim(ctx, day)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("read the claim: %w", err)
	case claim.Claimed && claim.Alive && !claim.Expired:
		return Stale, "it is being loaded at this moment", nil
	case claim.Token != loaded.Token:
		return Stale, reloaded, nil
	case loaded.Outcome == nil:
		return Unloaded, "it was never loaded as a whole", nil
	case *loaded.Outcome != enum.OutcomeDone && *loaded.Outcome != enum.OutcomeEmpty:
		return Unloaded, "the last load of it is " + string(*loaded.Outcome), nil
	}
	digest, known, err := digest(ctx, v.source, day)
	switch {
	case err != nil:
		return "", "", err
	case known && (loaded.SourceDigest == nil || *loaded.SourceDigest != digest):
		return Stale, "the source has changed since it was loaded", nil
	}
	return Different, "", nil
}
