package etl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/signal"
)

// ErrNoSignals is wrapped when the target lacks signals to write under.
var ErrNoSignals = errors.New("the target lacks signals; `delfos schema apply target` writes them")

// column is a signal of the target: which statistic of which variable it holds.
type column struct {
	id                  int32
	variable, statistic int
}

// value is a row of the target's data.
type value = targetdb.ReadValuesRow

// written counts rows.
type written struct{ inserted, updated, deleted int64 }

func (w *written) add(o written) {
	w.inserted += o.inserted
	w.updated += o.updated
	w.deleted += o.deleted
}

// loader writes the day [start, stop) within one transaction.
type loader struct {
	tx          pgx.Tx
	q           *targetdb.Queries
	start, stop time.Time
	columns     []column
	copied      *targetdb.DigestValuesRow // what copy loaded, which is all there is
	dry         bool                      // nothing is written, only counted
	erase       bool                      // whatever the source no longer has may be removed
	kept        []Loss                    // turbines that keep what they have, as they would lose too much
}

// newLoader returns the loader of a day for r.
func newLoader(tx pgx.Tx, day time.Time, r Request) *loader {
	return &loader{tx: tx, q: targetdb.New(tx), start: day, stop: day.AddDate(0, 0, 1), dry: r.DryRun, erase: r.AllowEmpty}
}

// resolve finds the ids of all signals among those that the target has; what
// lists them may also lock them.
func (l *loader) resolve(held []int32, names []string) error {
	ids := make(map[string]int32, len(names))
	for i, name := range names {
		ids[name] = held[i]
	}
	var missing []string
	for i, name := range signal.Names() {
		id, ok := ids[name]
		if !ok {
			missing = append(missing, name)
		}
		l.columns = append(l.columns, column{id, i / len(signal.Statistics), i % len(signal.Statistics)})
	}
	if missing != nil {
		return fmt.Errorf("%w: %q", ErrNoSignals, missing)
	}
	slices.SortFunc(l.columns, func(a, b column) int { return cmp.Compare(a.id, b.id) })
	return nil
}

// values yields the rows that windows make, in the order of data's key.
func (l *loader) values(g group) iter.Seq[value] {
	return func(yield func(value) bool) {
		for _, s := range g.series {
			for _, c := range l.columns {
				for _, w := range s.windows {
					stats := w.Stats[c.variable]
					v := [len(signal.Statistics)]float64{stats.Mean, stats.Min, stats.Max, stats.Std, float64(stats.Count)}[c.statistic]
					if stats.Count == 0 || math.IsNaN(v) {
						continue
					}
					if !yield(value{TurbineID: s.turbine, SignalID: c.id, Timestamp: pgrow.Micros(w.Start), Value: v}) {
						return
					}
				}
			}
		}
	}
}

// copy loads groups into a day that holds nothing.
func (l *loader) copy(ctx context.Context, groups <-chan group) (written, error) {
	var digest int64
	rows, err := targetdb.CopyValues(ctx, l.tx.Conn(), func(w *pgrow.Copier[value]) error {
		for {
			var g group
			var more bool
			select {
			case g, more = <-groups:
			case <-w.Done(): // whatever the source takes its time for
			}
			if !more {
				return nil
			}
			for v := range l.values(g) {
				if err := w.Put(&v); err != nil {
					return err
				}
				digest ^= int64(v.Hash())
			}
			g.free()
		}
	})
	if err != nil {
		return written{}, fmt.Errorf("load: %w", err)
	}
	l.copied = &targetdb.DigestValuesRow{Rows: rows, Digest: digest}
	return written{inserted: rows}, nil
}

// apply brings what the target holds of a group's turbines to what the group
// says, touching only what differs. A turbine that would lose too much is left as
// it is.
func (l *loader) apply(ctx context.Context, g group) (written, error) {
	if len(g.read) == 0 {
		return written{}, nil
	}
	signals := make([]int32, len(l.columns))
	for i, c := range l.columns {
		signals[i] = c.id
	}
	var held []value
	for v, err := range l.q.ReadValues(ctx, targetdb.ReadValuesParams{TurbineIds: g.read, SignalIds: signals, Start: l.start, Stop: l.stop}) {
		if err != nil {
			return written{}, fmt.Errorf("read what the target holds: %w", err)
		}
		held = append(held, v)
	}
	d := l.compare(held, g)
	if l.dry {
		return d.written, nil
	}
	if len(d.gone.TurbineIds) > 0 {
		if _, err := l.q.DeleteValues(ctx, d.gone); err != nil {
			return written{}, fmt.Errorf("delete values: %w", err)
		}
	}
	if len(d.set.TurbineIds) > 0 {
		if _, err := l.q.UpsertValues(ctx, d.set); err != nil {
			return written{}, fmt.Errorf("upsert values: %w", err)
		}
	}
	return d.written, nil
}

// applyAll applies one group after another.
func (l *loader) applyAll(ctx context.Context, groups <-chan group) (written, error) {
	var sum written
	for g := range groups {
		one, err := l.apply(ctx, g)
		if err != nil {
			return written{}, err
		}
		g.free()
		sum.add(one)
	}
	return sum, nil
}

// sweep removes the day's values of turbines that the source no longer has, if
// that is allowed; else it notes that they keep them.
func (l *loader) sweep(ctx context.Context, turbines []int32) (written, error) {
	var gone int64
	others, err := l.q.CountValuesOfOthers(ctx, targetdb.CountValuesOfOthersParams{Start: l.start, Stop: l.stop, TurbineIds: turbines})
	switch {
	case err != nil, len(others) == 0:
	case !l.erase:
		for _, other := range others {
			l.kept = append(l.kept, Loss{Turbine: other.TurbineID, Before: other.Count})
		}
	case l.dry:
		for _, other := range others {
			gone += other.Count
		}
	default:
		gone, err = l.q.DeleteValuesOfOthers(ctx, targetdb.DeleteValuesOfOthersParams{Start: l.start, Stop: l.stop, TurbineIds: turbines})
	}
	if err != nil {
		return written{}, fmt.Errorf("values of turbines that are gone: %w", err)
	}
	return written{deleted: gone}, nil
}

// losses are of the turbines that keep what they have, ascending.
func (l *loader) losses() []Loss {
	slices.SortFunc(l.kept, func(a, b Loss) int { return cmp.Compare(a.Turbine, b.Turbine) })
	return l.kept
}

// digest counts and digests what the target holds of the day. After a copy it
// need not look.
func (l *loader) digest(ctx context.Context) (targetdb.DigestValuesRow, error) {
	if l.copied != nil {
		return *l.copied, nil
	}
	d, err := l.q.DigestValues(ctx, targetdb.DigestValuesParams{Start: l.start, Stop: l.stop})
	if err != nil {
		return d, fmt.Errorf("digest what the target holds: %w", err)
	}
	return d, nil
}

// difference is what makes held rows equal to wanted ones.
type difference struct {
	written

	set  targetdb.UpsertValuesParams
	gone targetdb.DeleteValuesParams
}

// compare finds what makes held, the rows of a group's turbines in the order of
// data's key, equal to what the group says. Turbines that would lose too much are
// noted and left out.
func (l *loader) compare(held []value, g group) difference {
	var d difference
	series := g.series
	for _, id := range g.read {
		of := len(held)
		if n := slices.IndexFunc(held, func(h value) bool { return h.TurbineID != id }); n >= 0 {
			of = n
		}
		var one group
		if len(series) > 0 && series[0].turbine == id {
			one.series, series = series[:1], series[1:]
		}
		without := d
		d.merge(held[:of], l.values(one))
		before := int64(of)
		after := before + d.inserted - without.inserted - d.deleted + without.deleted
		if !l.erase && tooMuch(before, after) {
			d = without
			l.kept = append(l.kept, Loss{Turbine: id, Before: before, After: after})
		}
		held = held[of:]
	}
	return d
}

// merge adds what makes held rows equal to wanted ones, both in the order of
// data's key.
func (d *difference) merge(held []value, wanted iter.Seq[value]) {
	drop := func(h value) {
		d.deleted++
		d.gone.TurbineIds = append(d.gone.TurbineIds, h.TurbineID)
		d.gone.SignalIds = append(d.gone.SignalIds, h.SignalID)
		d.gone.Timestamps = append(d.gone.Timestamps, h.Timestamp.Time())
	}
	for w := range wanted {
		order := 1
		for len(held) > 0 {
			if order = orderOf(held[0], w); order >= 0 {
				break
			}
			drop(held[0])
			held = held[1:]
		}
		if len(held) > 0 && order == 0 {
			same := held[0].Value == w.Value
			held = held[1:]
			if same {
				continue
			}
			d.updated++
		} else {
			d.inserted++
		}
		d.set.TurbineIds = append(d.set.TurbineIds, w.TurbineID)
		d.set.SignalIds = append(d.set.SignalIds, w.SignalID)
		d.set.Timestamps = append(d.set.Timestamps, w.Timestamp.Time())
		d.set.Vals = append(d.set.Vals, w.Value)
	}
	for _, h := range held {
		drop(h)
	}
}

func orderOf(h, w value) int {
	return cmp.Or(
		cmp.Compare(h.TurbineID, w.TurbineID),
		cmp.Compare(h.SignalID, w.SignalID),
		cmp.Compare(h.Timestamp, w.Timestamp),
	)
}
