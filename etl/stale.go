package etl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/dates"
)

// digestLines is how many turbines' days one request may have digested: 29
// million samples, some ten seconds of the source's database. Nothing of the
// answer arrives before that, so it has to stay well below the minute after which a
// stalled request is ended.
const digestLines = 20_000

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

// Stale returns the stale days of Look, to be a request's Days.
func (j *Job) Stale(ctx context.Context, r Request) ([]time.Time, error) {
	look, err := j.Look(ctx, r)
	return look.Stale, err
}

// Look asks the source what it has of the days from r.From to r.To, and holds it
// against the ledger. A day that was never loaded, or failed, is not stale.
//
// Unless it is a dry run, what the source holds now is recorded in the ledger, as
// source_digest_seen of each day. Memory grows with the days alone.
func (j *Job) Look(ctx context.Context, r Request) (Look, error) {
	if err := r.check(); err != nil {
		return Look{}, err
	}
	digests, turbines, err := j.allDigests(ctx, r.From, r.To, nil)
	if err != nil {
		return Look{}, fmt.Errorf("look for stale days: %w", err)
	}
	seen := targetdb.ListStaleParams{Days: daysFrom(r.From, r.To), Digests: make([]int64, len(digests))}
	for i, d := range digests {
		seen.Digests[i] = d.digest
	}
	q := targetdb.New(j.target)
	stale, err := q.ListStale(ctx, seen)
	if err != nil {
		return Look{}, fmt.Errorf("look for stale days: %w", explain(err))
	}
	loaded, err := q.ListLoaded(ctx, targetdb.ListLoadedParams{FirstDay: r.From, LastDay: r.To})
	if err != nil {
		return Look{}, fmt.Errorf("look for loaded days: %w", explain(err))
	}
	if !r.DryRun {
		if _, err := q.SeeSource(ctx, targetdb.SeeSourceParams(seen)); err != nil {
			return Look{}, fmt.Errorf("record the source's digests: %w", err)
		}
	}
	look := Look{Stale: append([]time.Time{}, stale...), Loaded: make([]SeenDay, len(loaded)), Turbines: turbines}
	for i, l := range loaded {
		_, isStale := slices.BinarySearchFunc(stale, l.Day, time.Time.Compare)
		now := digests[int(l.Day.Sub(r.From)/(24*time.Hour))].samples
		look.Loaded[i] = SeenDay{Day: l.Day, Loaded: l.Samples, Now: now, Stale: isStale}
	}
	return look, nil
}

// Samples counts those that the source has of a day, over all turbines. The source
// is asked once: somebody waits for the answer.
func (j *Job) Samples(ctx context.Context, day time.Time) (int64, error) {
	d, err := digest(ctx, j.source.Once(), day)
	return d.samples, err
}

// dayDigest is what the source says of a whole day over all turbines, without its
// rows: a day without samples is zero.
type dayDigest struct{ digest, samples int64 }

// digest asks for that of a day.
func digest(ctx context.Context, client *extract.Client, day time.Time) (sum dayDigest, err error) {
	turbines, err := client.Digests(ctx, day, day)
	for _, d := range turbines {
		sum.digest ^= d.Hash
		sum.samples += d.Samples
	}
	return sum, err
}

// allDigests adds up those of each day of any range: asked in one request, or for a
// fleet in parts, which each, if any, is called with. It counts the turbines too.
func (j *Job) allDigests(ctx context.Context, first, last time.Time, each func([]extract.Digest)) (days []dayDigest, turbines int, err error) {
	ids, err := j.source.TurbineIDs(ctx)
	if err != nil {
		return nil, 0, err
	}
	days = make([]dayDigest, dates.Count(first, last))
	most := max(digestLines/max(len(ids), 1), 1)
	for from := first; !from.After(last); from = from.AddDate(0, 0, most) {
		digests, err := j.source.Digests(ctx, from, dates.Earlier(from.AddDate(0, 0, most-1), last))
		if err != nil {
			return nil, 0, err
		}
		for _, d := range digests {
			day := &days[int(d.Day.Sub(first)/(24*time.Hour))]
			day.digest ^= d.Hash
			day.samples += d.Samples
		}
		if each != nil {
			each(digests)
		}
	}
	return days, len(ids), nil
}
