// Package load brings what the target holds of one day to the windows that were
// extracted, within a transaction of its caller: a day that holds nothing is loaded by
// COPY, of another one only the difference is written. What would lose too many values
// is left as it is and noted (see TooMuch).
package load

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

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/gen/variable"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/signal"
)

// ErrNoSignals is wrapped when the target lacks signals to write under.
var ErrNoSignals = errors.New("the target lacks signals; `delfos schema apply target` writes them")

// Written counts rows.
type Written struct{ Inserted, Updated, Deleted int64 }

// Add adds other counts.
func (w *Written) Add(o Written) {
	w.Inserted += o.Inserted
	w.Updated += o.Updated
	w.Deleted += o.Deleted
}

// Options say how a day is loaded.
type Options struct {
	// DryRun counts what would be written, and writes nothing.
	DryRun bool
	// AllowEmpty lets values be removed that the source no longer has samples for,
	// however many they are.
	AllowEmpty bool
	// Loaded says that the ledger has the day for loaded. Then Digest, which is asked before
	// Load, tells whether the target holds values of it, and nothing else looks.
	Loaded bool
}

type column struct {
	id                  int32
	variable, statistic int
}

// Loader writes the day [start, stop) within one transaction.
type Loader struct {
	Options

	tx          pgx.Tx
	q           *targetdb.Queries
	start, stop time.Time
	columns     []column
	holds       bool                      // the target holds values of the day
	copied      *targetdb.DigestValuesRow // what was copied into a day that held nothing
	kept        []Loss                    // turbines that keep what they have, as they would lose too much
}

// Open begins to load a day in a transaction that has just begun. The statement that
// locks the signals is asked through session, which is the transaction's own.
func Open(ctx context.Context, tx pgx.Tx, session *targetdb.Queries, day time.Time, o Options) (*Loader, error) {
	l := &Loader{Options: o, tx: tx, q: targetdb.New(tx), start: day, stop: day.AddDate(0, 0, 1), holds: true}
	ids := map[string]int32{}
	if o.DryRun {
		signals, err := l.q.ListSignals(ctx)
		if err != nil {
			return nil, fmt.Errorf("list signals: %w", err)
		}
		for _, s := range signals {
			ids[s.Name] = s.ID
		}
	} else {
		opened, err := session.OpenLoad(ctx, targetdb.OpenLoadParams{Start: l.start, Stop: l.stop, Look: !o.Loaded})
		if err != nil {
			return nil, fmt.Errorf("lock signals: %w", err)
		}
		l.holds = opened.Held || o.Loaded
		for i, name := range opened.Names {
			ids[name] = opened.Ids[i]
		}
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
		return nil, fmt.Errorf("%w: %q", ErrNoSignals, missing)
	}
	slices.SortFunc(l.columns, func(a, b column) int { return cmp.Compare(a.id, b.id) })
	return l, nil
}

// Load loads one group after another, as they come, and gives their memory back.
func (l *Loader) Load(ctx context.Context, groups <-chan *extract.Group) (sum Written, err error) {
	if !l.holds {
		return l.copy(ctx, groups)
	}
	for g := range groups {
		one, err := l.apply(ctx, g)
		if err != nil {
			return Written{}, err
		}
		g.Free()
		sum.Add(one)
	}
	return sum, nil
}

type value = targetdb.ReadValuesRow

// values yields the rows that windows make, in the order of data's key.
func (l *Loader) values(series []extract.Series) iter.Seq[value] {
	return func(yield func(value) bool) {
		for _, s := range series {
			for _, c := range l.columns {
				for _, w := range s.Windows {
					stats := w.Stats[c.variable]
					v := [len(signal.Statistics)]float64{stats.Mean, stats.Min, stats.Max, stats.Std, float64(stats.Count)}[c.statistic]
					if stats.Count == 0 || math.IsNaN(v) {
						continue
					}
					if !yield(value{TurbineID: s.Turbine, SignalID: c.id, Timestamp: pgrow.Micros(w.Start), Value: v}) {
						return
					}
				}
			}
		}
	}
}

func (l *Loader) copy(ctx context.Context, groups <-chan *extract.Group) (Written, error) {
	var digest int64
	rows, err := targetdb.CopyValues(ctx, l.tx.Conn(), func(w *pgrow.Copier[value]) error {
		for {
			var g *extract.Group
			var more bool
			select {
			case g, more = <-groups:
			case <-w.Done(): // whatever the source takes its time for
			}
			if !more {
				return nil
			}
			for v := range l.values(g.Series) {
				if err := w.Put(&v); err != nil {
					return err
				}
				digest ^= int64(v.Hash())
			}
			g.Free()
		}
	})
	if err != nil {
		return Written{}, fmt.Errorf("load: %w", err)
	}
	l.copied = &targetdb.DigestValuesRow{Rows: rows, Digest: digest}
	return Written{Inserted: rows}, nil
}

// Logged says which of the variables any of the turbines has a value of in the target,
// of whatever day.
func (l *Loader) Logged(ctx context.Context, turbines []int32, of [variable.Count]bool) (logged [variable.Count]bool, err error) {
	for _, c := range l.columns {
		if !of[c.variable] || signal.Statistics[c.statistic] != "count" {
			continue
		}
		logged[c.variable], err = l.q.IsLogged(ctx, targetdb.IsLoggedParams{SignalID: c.id, TurbineIds: turbines})
		if err != nil {
			return logged, fmt.Errorf("look for variables that are logged: %w", err)
		}
	}
	return logged, nil
}

// apply brings what the target holds of a group's turbines to what the group says,
// touching only what differs. A turbine that would lose too much is left as it is.
func (l *Loader) apply(ctx context.Context, g *extract.Group) (Written, error) {
	if len(g.Read) == 0 {
		return Written{}, nil
	}
	signals := make([]int32, len(l.columns))
	for i, c := range l.columns {
		signals[i] = c.id
	}
	var held []value
	for v, err := range l.q.ReadValues(ctx, targetdb.ReadValuesParams{TurbineIds: g.Read, SignalIds: signals, Start: l.start, Stop: l.stop}) {
		if err != nil {
			return Written{}, fmt.Errorf("read what the target holds: %w", err)
		}
		held = append(held, v)
	}
	d := l.compare(held, g)
	if l.DryRun {
		return d.Written, nil
	}
	if len(d.remove.TurbineIds) > 0 {
		if _, err := l.q.DeleteValues(ctx, d.remove); err != nil {
			return Written{}, fmt.Errorf("delete values: %w", err)
		}
	}
	if len(d.set.TurbineIds) > 0 {
		if _, err := l.q.UpsertValues(ctx, d.set); err != nil {
			return Written{}, fmt.Errorf("upsert values: %w", err)
		}
	}
	return d.Written, nil
}

// Sweep removes the day's values of turbines other than those that the source has, if
// that is allowed; else it notes that these others keep them. A day that held nothing
// has none.
func (l *Loader) Sweep(ctx context.Context, turbines []int32) (Written, error) {
	if l.copied != nil {
		return Written{}, nil
	}
	var removed int64
	others, err := l.q.CountValuesOfOthers(ctx, targetdb.CountValuesOfOthersParams{Start: l.start, Stop: l.stop, TurbineIds: turbines})
	switch {
	case err != nil, len(others) == 0:
	case !l.AllowEmpty:
		for _, other := range others {
			l.kept = append(l.kept, Loss{Turbine: other.TurbineID, Before: other.Count})
		}
	case l.DryRun:
		for _, other := range others {
			removed += other.Count
		}
	default:
		removed, err = l.q.DeleteValuesOfOthers(ctx, targetdb.DeleteValuesOfOthersParams{Start: l.start, Stop: l.stop, TurbineIds: turbines})
	}
	if err != nil {
		return Written{}, fmt.Errorf("values of turbines that are gone: %w", err)
	}
	return Written{Deleted: removed}, nil
}

// Kept lists the turbines that keep what they have, ascending.
func (l *Loader) Kept() []Loss {
	slices.SortFunc(l.kept, func(a, b Loss) int { return cmp.Compare(a.Turbine, b.Turbine) })
	return l.kept
}

// Digest counts and digests what the target holds of the day.
func (l *Loader) Digest(ctx context.Context) (targetdb.DigestValuesRow, error) {
	if l.copied != nil {
		return *l.copied, nil
	}
	d, err := l.q.DigestValues(ctx, targetdb.DigestValuesParams{Start: l.start, Stop: l.stop})
	if err != nil {
		return d, fmt.Errorf("digest what the target holds: %w", err)
	}
	l.holds = d.Rows > 0 || l.DryRun // which copies nothing
	return d, nil
}

// TurbineDigests lists the turbines of the running day that the last load noted.
func (l *Loader) TurbineDigests(ctx context.Context) ([]targetdb.TurbineDigest, error) {
	digests, err := l.q.ReadTurbineDigests(ctx, l.start)
	if err != nil {
		return nil, fmt.Errorf("read the digests of turbines: %w", err)
	}
	return digests, nil
}

// NoteTurbineDigests notes the turbines of the running day that need not be read again
// while they stay as they are.
func (l *Loader) NoteTurbineDigests(ctx context.Context, turbines targetdb.ReplaceTurbineDigestsParams) error {
	turbines.Day = l.start
	if err := l.q.ReplaceTurbineDigests(ctx, turbines); err != nil {
		return fmt.Errorf("note the digests of turbines: %w", err)
	}
	return nil
}

type difference struct {
	Written

	set    targetdb.UpsertValuesParams
	remove targetdb.DeleteValuesParams
}

// compare finds what makes held, the rows of a group's turbines in the order of data's
// key, equal to what the group says. Turbines that would lose too much are noted and left
// out.
func (l *Loader) compare(held []value, g *extract.Group) difference {
	var d difference
	series := g.Series
	for _, id := range g.Read {
		of := len(held)
		if n := slices.IndexFunc(held, func(h value) bool { return h.TurbineID != id }); n >= 0 {
			of = n
		}
		var own []extract.Series
		if len(series) > 0 && series[0].Turbine == id {
			own, series = series[:1], series[1:]
		}
		without := d
		d.merge(held[:of], l.values(own))
		before := int64(of)
		after := before + d.Inserted - without.Inserted - d.Deleted + without.Deleted
		if !l.AllowEmpty && TooMuch(before, after) {
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
		d.Deleted++
		d.remove.TurbineIds = append(d.remove.TurbineIds, h.TurbineID)
		d.remove.SignalIds = append(d.remove.SignalIds, h.SignalID)
		d.remove.Timestamps = append(d.remove.Timestamps, h.Timestamp.Time())
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
			d.Updated++
		} else {
			d.Inserted++
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

// What an attempt may remove by itself. A removal is net: a value that changes is
// not removed, nor is one whose place another takes.
const (
	// keptShare is the share of its values that a day, or a turbine's day, has to
	// keep: one half.
	keptShare = 2
	// fewValues may be removed whatever their share, unless nothing is left: ten
	// windows of fifteen values, so that a few readings can be deleted from a day
	// that has few.
	fewValues = 150
)

// TooMuch reports whether to go from before values to after is more than an attempt
// may do by itself. Before is the most that there ever were.
func TooMuch(before, after int64) bool {
	return before > 0 && (after == 0 || before-after > fewValues && after*keptShare < before)
}

// Loss is what a turbine's day would lose.
type Loss struct {
	Turbine       int32
	Before, After int64 // values
}
