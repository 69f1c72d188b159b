package etl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
	"github.com/delfos/delfos/internal/timestamp"
)

// Span is the first and the last day of some, both inclusive, at UTC midnight.
type Span struct{ First, Last time.Time }

// Sampled asks the source for the first and the last of the days from first to
// last that have samples, over all turbines; false if none has.
func (j *Job) Sampled(ctx context.Context, first, last time.Time) (Span, bool, error) {
	asked, start, end := true, timestamp.New(first), timestamp.New(extract.EndOf(last))
	turbines, err := j.source.Turbines(ctx, &sourceapi.ListTurbinesParams{Span: &asked, Start: &start, End: &end})
	if err != nil {
		return Span{}, false, fmt.Errorf("first and last sample of the source: %w", err)
	}
	var span Span
	sampled := false
	for _, turbine := range turbines {
		if turbine.First == nil || turbine.Last == nil {
			continue
		}
		first, last := dates.Of(*turbine.First), dates.Of(*turbine.Last)
		if !sampled {
			span, sampled = Span{first, last}, true
		}
		span.First, span.Last = dates.Earlier(span.First, first), dates.Later(span.Last, last)
	}
	return span, sampled, nil
}

// Loaded is the first and the last of the days from first to last that the
// ledger says are loaded; false if none is.
func (j *Job) Loaded(ctx context.Context, first, last time.Time) (Span, bool, error) {
	days, err := targetdb.New(j.target).LoadedRange(ctx, targetdb.LoadedRangeParams{FirstDay: first, LastDay: last})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Span{}, false, nil
	case err != nil:
		return Span{}, false, fmt.Errorf("loaded days of the ledger: %w", explain(err))
	}
	return Span{days.FirstDay, days.LastDay}, true, nil
}

// Retention is for how many days the source keeps its samples; 0 is for ever.
type Retention int

// Since returns the first day of which the source is believed, if there is one: the
// first that lies as a whole within the last r times 24 hours before now. A part of an
// older day may be gone already.
func (r Retention) Since(now time.Time) (day time.Time, bounded bool) {
	if r == 0 {
		return time.Time{}, false
	}
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-int(r)), true
}

// Clip returns the later of from and the first day of which the source is believed.
func (r Retention) Clip(from, now time.Time) time.Time {
	if since, bounded := r.Since(now); bounded && from.Before(since) {
		return since
	}
	return from
}

// Look is what a look at the source found, of days that the ledger knows.
type Look struct {
	// Stale are the days that are loaded from samples which the source has changed,
	// added to or lost since, ascending; never nil.
	Stale []time.Time
	// Loaded are the days that the target has values of, ascending, with what the
	// source has of each; without those whose samples were pruned from the source.
	Loaded []SeenDay
	// Turbines is how many the source lists.
	Turbines int
}

// SeenDay is a loaded day and what the source has of it now.
type SeenDay struct {
	Day    time.Time
	Loaded int64 // samples that it was loaded from
	Now    int64 // samples that the source has
	Stale  bool
}

// Stale returns the stale days of Look, to be a request's Days.
func (j *Job) Stale(ctx context.Context, r Request) ([]time.Time, error) {
	look, err := j.Look(ctx, r)
	return look.Stale, err
}

// Look asks the source what it has of the days from r.From to r.To, and holds it against
// the ledger, which records it unless it is a dry run. A day that was never loaded, or
// failed, is not stale. Memory grows with the days alone.
func (j *Job) Look(ctx context.Context, r Request) (Look, error) {
	if err := r.check(); err != nil {
		return Look{}, err
	}
	return j.look(ctx, daysFrom(r.From, r.To), r.DryRun)
}

// LookAt is Look at days that ascend, and records what it sees.
func (j *Job) LookAt(ctx context.Context, days []time.Time) (Look, error) {
	return j.look(ctx, days, false)
}

// Changes asks the source which days have changed since it answered with a cursor; "" is
// none. It is asked once, as who can't know may look at all days.
func (j *Job) Changes(ctx context.Context, since string) (extract.Changes, error) {
	return j.source.Changes(ctx, since)
}

func (j *Job) look(ctx context.Context, days []time.Time, dryRun bool) (Look, error) {
	if len(days) == 0 {
		return Look{Stale: []time.Time{}}, nil
	}
	place := func(day time.Time) (int, bool) { return slices.BinarySearchFunc(days, day, time.Time.Compare) }
	now := make([]extract.DayDigest, len(days))
	turbines, err := j.eachDigest(ctx, days, func(d extract.Digest) {
		if i, ok := place(d.Day); ok {
			now[i].Add(d)
		}
	})
	if err != nil {
		return Look{}, fmt.Errorf("look for stale days: %w", err)
	}
	seen := targetdb.ListStaleParams{Days: days, Digests: make([]int64, len(now))}
	for i, d := range now {
		seen.Digests[i] = d.Hash
	}
	q := targetdb.New(j.target)
	stale, err := q.ListStale(ctx, seen)
	if err != nil {
		return Look{}, fmt.Errorf("look for stale days: %w", explain(err))
	}
	loaded, err := q.ListLoaded(ctx, targetdb.ListLoadedParams{FirstDay: days[0], LastDay: days[len(days)-1]})
	if err != nil {
		return Look{}, fmt.Errorf("look for loaded days: %w", explain(err))
	}
	if !dryRun {
		if err := q.SeeSource(ctx, targetdb.SeeSourceParams(seen)); err != nil {
			return Look{}, fmt.Errorf("record the source's digests: %w", err)
		}
	}
	look := Look{Stale: append([]time.Time{}, stale...), Loaded: make([]SeenDay, 0, len(loaded)), Turbines: turbines}
	for _, l := range loaded {
		i, asked := place(l.Day)
		if !asked || l.SourcePruned && now[i].Samples == 0 {
			continue
		}
		_, isStale := slices.BinarySearchFunc(stale, l.Day, time.Time.Compare)
		look.Loaded = append(look.Loaded, SeenDay{Day: l.Day, Loaded: l.Samples, Now: now[i].Samples, Stale: isStale})
	}
	return look, nil
}

// Samples counts those that the source has of a day, over all turbines. The source
// is asked once: somebody waits for the answer.
func (j *Job) Samples(ctx context.Context, day time.Time) (int64, error) {
	d, err := j.source.Once().Day(ctx, day)
	return d.Samples, err
}

// eachDigest passes on the source's digests of each turbine's days, which ascend, and
// counts the turbines that it lists.
func (j *Job) eachDigest(ctx context.Context, days []time.Time, pass func(extract.Digest)) (turbines int, err error) {
	ids, err := j.source.TurbineIDs(ctx)
	if err != nil {
		return 0, err
	}
	for len(days) > 0 {
		n := 1 // days in a row
		for n < len(days) && days[n].Equal(days[0].AddDate(0, 0, n)) {
			n++
		}
		for digests, err := range j.source.DigestsInParts(ctx, days[0], days[n-1], len(ids)) {
			if err != nil {
				return 0, err
			}
			for _, d := range digests {
				pass(d)
			}
		}
		days = days[n:]
	}
	return len(ids), nil
}

// manyGone is how many loaded days have to be gone from the source at once before the
// source is doubted, and not the days.
const manyGone = 2

const lookAtTheSource = "find out whether SOURCE_API_URL is right and its database whole; if the source keeps its samples for some days only, say so by SOURCE_RETENTION_DAYS"

// Suspect says why the source should not be believed, "" if it should. Days that failed
// because they are gone have been reported, and do not make it suspect again.
func (l Look) Suspect() string {
	var gone []time.Time
	unreported := false // days that are gone
	var first *SeenDay
	for i, d := range l.Loaded {
		switch {
		case d.Now == 0:
			gone = append(gone, d.Day)
			unreported = unreported || d.Stale
		case first == nil:
			first = &l.Loaded[i]
		}
	}
	switch {
	case l.Turbines == 0 && len(l.Loaded) > 0:
		return fmt.Sprintf("the source lists no turbines, and %d days are loaded from it; %s", len(l.Loaded), lookAtTheSource)
	case unreported && len(gone) >= manyGone:
		return fmt.Sprintf("the source has no samples of %d days that are loaded, %s to %s; %s",
			len(gone), format(gone[0]), format(gone[len(gone)-1]), lookAtTheSource)
	case first != nil && len(gone) > 0 && gone[0].Before(first.Day) && first.Stale && first.Now < first.Loaded:
		return fmt.Sprintf("the source has %d of the %d samples that %s was loaded from, and none of %s before it; %s",
			first.Now, first.Loaded, format(first.Day), format(gone[0]), lookAtTheSource)
	}
	return ""
}

// Removal is what the target holds of days, and of turbines on a day, of which the
// source has no samples: what a load that is allowed to would remove.
type Removal struct {
	Values int64
	Days   int64 // on which there are any
}

// add counts a day of which the source has nothing, unless that is on purpose.
func (r *Removal) add(day targetdb.ListLoadedRow) {
	if !day.SourcePruned {
		r.Values += day.Rows
		r.Days++
	}
}

// pairsAtOnce bounds how many turbines' days one statement counts.
const pairsAtOnce = 2_000

// Removal counts what the target holds of the days, which ascend, and the source has
// no longer: values that an attempt removes only when it is allowed to. Only the
// digests are asked for, so this does not show what else an attempt would find.
func (j *Job) Removal(ctx context.Context, days []time.Time) (Removal, error) {
	if len(days) == 0 {
		return Removal{}, nil
	}
	loaded, err := targetdb.New(j.target).ListLoaded(ctx, targetdb.ListLoadedParams{FirstDay: days[0], LastDay: days[len(days)-1]})
	if err != nil {
		return Removal{}, fmt.Errorf("look for loaded days: %w", explain(err))
	}
	loaded = slices.DeleteFunc(loaded, func(l targetdb.ListLoadedRow) bool {
		_, asked := slices.BinarySearchFunc(days, l.Day, time.Time.Compare)
		return !asked
	})
	if len(loaded) == 0 {
		return Removal{}, nil
	}
	sampled := map[int64]map[int32]bool{} // by a day's Unix time, the turbines that have samples
	if _, err := j.eachDigest(ctx, daysFrom(loaded[0].Day, loaded[len(loaded)-1].Day), func(d extract.Digest) {
		day := d.Day.Unix()
		if sampled[day] == nil {
			sampled[day] = map[int32]bool{}
		}
		sampled[day][d.Turbine] = true
	}); err != nil {
		return Removal{}, fmt.Errorf("look for what is gone: %w", err)
	}
	turbines, err := j.loadedTurbines(ctx)
	if err != nil {
		return Removal{}, err
	}
	var sum Removal
	var pairs targetdb.CountValuesOfTurbinesParams
	for _, l := range loaded {
		if sampled[l.Day.Unix()] == nil { // nothing of the whole day
			sum.add(l)
			continue
		}
		for _, id := range turbines {
			if !sampled[l.Day.Unix()][id] {
				pairs.TurbineIds, pairs.Starts = append(pairs.TurbineIds, id), append(pairs.Starts, l.Day)
			}
		}
		if len(pairs.TurbineIds) >= pairsAtOnce {
			if err := j.countPairs(ctx, &pairs, &sum); err != nil {
				return Removal{}, err
			}
		}
	}
	return sum, j.countPairs(ctx, &pairs, &sum)
}

func (j *Job) loadedTurbines(ctx context.Context) (ids []int32, err error) {
	q := targetdb.New(j.target)
	for last := int32(0); ; {
		next, err := q.NextWindowTurbine(ctx, last)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ids, nil
		case err != nil:
			return nil, fmt.Errorf("list the turbines that are loaded: %w", explain(err))
		}
		ids = append(ids, next)
		last = next
	}
}

// countPairs adds up what the target has of turbines' days, and empties them.
func (j *Job) countPairs(ctx context.Context, pairs *targetdb.CountValuesOfTurbinesParams, sum *Removal) error {
	if len(pairs.TurbineIds) == 0 {
		return nil
	}
	q := targetdb.New(j.target)
	signals, err := q.ListSignals(ctx)
	if err != nil {
		return fmt.Errorf("list signals: %w", err)
	}
	pairs.SignalIds = nil
	for _, s := range signals {
		pairs.SignalIds = append(pairs.SignalIds, s.ID)
	}
	counts, err := q.CountValuesOfTurbines(ctx, *pairs)
	if err != nil {
		return fmt.Errorf("count values of turbines that are gone: %w", err)
	}
	for _, c := range counts {
		sum.Values += c.Count
		sum.Days++
	}
	pairs.TurbineIds, pairs.Starts = pairs.TurbineIds[:0], pairs.Starts[:0]
	return nil
}
