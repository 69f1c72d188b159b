package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/enum"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/variable"
)

// reloaded is the reason of a day whose load ended during its comparison.
const reloaded = "it was loaded anew in the meantime"

// day compares one day, and once more if it was loaded meanwhile.
func (v *verifier) day(ctx context.Context, day time.Time) (*comparison, error) {
	d, err := v.compare(ctx, day)
	if err == nil && d.Reason == reloaded {
		return v.compare(ctx, day)
	}
	return d, err
}

// partSize is how many turbines are compared by one session: some 200,000 values.
const partSize = 100

// compare compares one day, in parts that are at work beside each other. The reason of
// differences is looked for last: parts may see the day before and after a load.
func (v *verifier) compare(ctx context.Context, day time.Time) (*comparison, error) {
	d := v.comparison(day)
	var loaded *targetdb.Partition
	p, err := targetdb.New(v.target).ReadPartition(ctx, day)
	switch {
	case err == nil && (p.SourcePrunedAt != nil || p.Outcome != nil && *p.Outcome == enum.OutcomePruned):
		d.Verdict = Pruned
		return d, nil
	case err == nil:
		loaded = &p
	case !errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	if err := v.compareParts(ctx, day, d); err != nil {
		return nil, err
	}
	if d.Total() == 0 {
		return d, nil
	}
	d.Verdict, d.Reason, err = v.verdict(ctx, targetdb.New(v.target), day, loaded)
	return d, err
}

func (v *verifier) comparison(day time.Time) *comparison {
	return &comparison{Day: Day{Day: format(day), Verdict: Clean}, limit: v.limit, catalogue: v.catalogue}
}

// compareParts compares the turbines of a day, and looks for what else the target has of
// it. Findings are in the order of turbines, whichever part is ready first.
func (v *verifier) compareParts(ctx context.Context, day time.Time, d *comparison) error {
	work, ctx := errgroup.WithContext(ctx)
	var parts []*comparison
	begin := func(compare func(context.Context, pgx.Tx, *comparison) error) {
		part := v.comparison(day)
		parts = append(parts, part)
		work.Go(func() error {
			select {
			case v.slots <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			defer func() { <-v.slots }()
			return pgx.BeginTxFunc(ctx, v.target, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
				return compare(ctx, tx, part)
			})
		})
	}
	for turbines := range slices.Chunk(v.wanted, partSize) {
		begin(func(ctx context.Context, tx pgx.Tx, part *comparison) error {
			return v.compareTurbines(ctx, tx, day, turbines, part)
		})
	}
	begin(func(ctx context.Context, tx pgx.Tx, part *comparison) error { return v.findStrays(ctx, tx, day, part) })
	err := work.Wait()
	for _, part := range parts {
		d.add(part)
	}
	return err
}

type turbineDay struct {
	id     int32
	values []value
	err    error
}

// compareTurbines compares turbine by turbine. It reads the next one from the
// source while it reads one from the target.
func (v *verifier) compareTurbines(ctx context.Context, tx pgx.Tx, day time.Time, ids []int32, d *comparison) error {
	work, ctx := errgroup.WithContext(ctx)
	turbines := make(chan turbineDay, 1)
	work.Go(func() error {
		defer close(turbines)
		for _, id := range ids {
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

// findStrays finds values of turbines that the source does not have, one finding
// for each turbine, and of signals that are not ours.
func (v *verifier) findStrays(ctx context.Context, tx pgx.Tx, day time.Time, d *comparison) error {
	var unknown Finding
	end := func() {
		if unknown.Values > 0 {
			d.UnknownTurbines++
			d.note(unknown)
		}
	}
	asked := targetdb.ReadStraysParams{Start: day, Stop: day.AddDate(0, 0, 1), TurbineIds: v.turbines, SignalIds: v.catalogue.ids}
	for held, err := range targetdb.New(tx).ReadStrays(ctx, asked) {
		if err != nil {
			return fmt.Errorf("read what else the target holds: %w", err)
		}
		id := held.TurbineID
		if !v.selected.Contains(id) {
			continue
		}
		if _, known := slices.BinarySearch(v.turbines, id); known {
			d.extra(id, held.SignalID, int64(held.Timestamp), held.Value)
			continue
		}
		if unknown.Turbine != id {
			end()
			unknown = Finding{Kind: UnknownTurbine, Place: Place{Day: d.Day.Day, Turbine: id}}
		}
		unknown.Values++
	}
	end()
	return nil
}

// verdict says why a day differs. loaded is its row of the ledger as the comparison
// saw it, nil if it has none.
func (v *verifier) verdict(ctx context.Context, q *targetdb.Queries, day time.Time, loaded *targetdb.Partition) (verdict Verdict, reason string, err error) {
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
	now, err := v.source.Day(ctx, day)
	switch {
	case errors.Is(err, extract.ErrNoDigests):
		return Different, "", nil
	case err != nil:
		return "", "", err
	case loaded.SourceDigest == nil || *loaded.SourceDigest != now.Hash:
		return Stale, "the source has changed since it was loaded", nil
	}
	return Different, "", nil
}

// width is the length of a window, which starts at a multiple of it.
const width = 10 * time.Minute

type readings struct {
	start  time.Time
	values [variable.Count][]float64
}

// read returns the readings of a turbine's day by window, in order of time.
func read(ctx context.Context, client *extract.Client, day time.Time, turbine int32) ([]readings, error) {
	return extract.Try(ctx, client, func() (windows []readings, err error) {
		rows, last := 0, time.Time{}
		for sample, err := range client.Samples(ctx, day, []int32{turbine}) {
			if err != nil {
				return nil, err
			}
			rows++
			at := time.UnixMicro(sample.At).UTC()
			if rows > 1 && !at.After(last) {
				return nil, fmt.Errorf("row %d: timestamp is %s: want one after the row before", rows, at.Format(time.RFC3339Nano))
			}
			last = at
			if start := at.Truncate(width); len(windows) == 0 || !windows[len(windows)-1].start.Equal(start) {
				windows = append(windows, readings{start: start})
			}
			w := &windows[len(windows)-1]
			for i, x := range sample.Readings {
				switch {
				case math.IsInf(x, 0):
					return nil, fmt.Errorf("row %d: %s is %v: want a finite number", rows, variable.Names[i], x)
				case !math.IsNaN(x):
					w.values[i] = append(w.values[i], x)
				}
			}
		}
		return windows, nil
	})
}

// ofTurbine reports whether an error comes from the answer for one turbine, not from
// the API as a whole.
func ofTurbine(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !extract.OfAllTurbines(err)
}
