package source

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// firstTurbine is the one that is meant without a selector: the replaced
// system knew no other.
const firstTurbine = 1

// query is what /data was asked for.
type query struct {
	start, stop time.Time
	turbines    *selector.Set // nil when it was not said
	after       *key          // the answer goes on behind it; nil: from the start
	limit       int32         // rows at most; 0: all of them
}

// key is that of a sample.
type key struct {
	turbine int32
	micros  int64 // of Unix time
}

// reading is what the rows that answer a query come to, be they read out or
// hashed in the database.
type reading struct {
	rows int64
	hash uint64 // the xor of theirs
	last key    // of the last one, when more is true
	more bool   // others follow: the limit cut them off
}

// span is a range of data_pkey: turbines with the same bounds.
type span struct {
	ids   []int32
	start time.Time
}

// spans are the ranges of q among the turbines that there are, in the order of
// the answer: what is left of the cursor's own turbine, and those that follow.
func (q query) spans(ids []int32) []span {
	if q.after == nil {
		return []span{{ids, q.start}}
	}
	i, found := slices.BinarySearch(ids, q.after.turbine)
	if !found {
		return []span{{ids[i:], q.start}}
	}
	return []span{
		{ids[i : i+1], time.UnixMicro(q.after.micros + 1).UTC()},
		{ids[i+1:], q.start},
	}
}

// longest is how long a span may be that is not a long one: a day, in whatever
// zone.
const longest = 25 * time.Hour

// long reports whether q asks for the rows of more than a day; a page is short.
func (q query) long() bool { return q.limit == 0 && q.stop.Sub(q.start) > longest }

// each calls do for each range of q that can hold rows, all of one snapshot: one
// range of the turbine that needs no looking up is one statement, which is a
// snapshot by itself.
func (s *Server) each(ctx context.Context, q query, do func(sourcedb.DBTX, span) error) error {
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return err
	}
	defer session.Release()
	if q.turbines == nil {
		return eachIn(ctx, session, q, do)
	}
	return sessions.Snapshot(ctx, session, func(tx pgx.Tx) error { return eachIn(ctx, tx, q, do) })
}

func eachIn(ctx context.Context, db sourcedb.DBTX, q query, do func(sourcedb.DBTX, span) error) error {
	ids, err := resolve(ctx, db, q.turbines)
	if err != nil {
		return err
	}
	for _, span := range q.spans(ids) {
		if len(span.ids) == 0 || span.start.After(q.stop) {
			continue
		}
		if err := do(db, span); err != nil {
			return err
		}
	}
	return nil
}

// readSamples yields the rows of q as they come from the database, each with the
// columns at the places, and counts them in got.
func (s *Server) readSamples(ctx context.Context, q query, places []int, got *reading, yield func([]stream.Value) error) error {
	row := make([]stream.Value, len(places))
	limit := int64(q.limit)
	return s.each(ctx, q, func(tx sourcedb.DBTX, span span) error {
		if got.more {
			return nil
		}
		db := sourcedb.New(tx)
		samples := db.ReadSamples(ctx, sourcedb.ReadSamplesParams{TurbineIds: span.ids, Start: span.start, Stop: q.stop})
		if limit > 0 {
			samples = db.ReadSamplePage(ctx, sourcedb.ReadSamplePageParams{
				TurbineIds: span.ids, Start: span.start, Stop: q.stop, Lim: int32(limit-got.rows) + 1,
			})
		}
		for sample, err := range samples {
			if err != nil {
				return err
			}
			if limit > 0 {
				if got.rows == limit {
					got.more = true
					return nil
				}
				got.last = key{sample.TurbineID, int64(sample.Timestamp)}
			}
			got.rows++
			got.hash ^= sample.Hash()
			values := sample.Values()
			for i, place := range places {
				row[i] = values[place]
			}
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// tagSamples says what readSamples would count, by the database alone.
func (s *Server) tagSamples(ctx context.Context, q query) (got reading, err error) {
	if !q.long() {
		return s.tagRows(ctx, q)
	}
	err = s.sessions.Answer(ctx, sessions.Heavy, func(func() error) (err error) {
		got, err = s.tagRows(ctx, q)
		return err
	})
	return got, err
}

// tagRows runs the queries of tagSamples.
func (s *Server) tagRows(ctx context.Context, q query) (got reading, err error) {
	limit := int64(q.limit)
	err = s.each(ctx, q, func(tx sourcedb.DBTX, span span) error {
		db := sourcedb.New(tx)
		if got.more {
			return nil
		}
		if limit == 0 {
			tag, err := db.TagSamples(ctx, sourcedb.TagSamplesParams{TurbineIds: span.ids, Start: span.start, Stop: q.stop})
			got.rows += tag.Rows
			got.hash ^= uint64(tag.Hash)
			return err
		}
		left := limit - got.rows
		tag, err := db.TagSamplePage(ctx, sourcedb.TagSamplePageParams{
			Lim: int32(left), TurbineIds: span.ids, Start: span.start, Stop: q.stop,
		})
		got.more = tag.Rows > left
		got.rows += min(tag.Rows, left)
		got.hash ^= uint64(tag.Hash)
		if tag.LastTurbineID > 0 {
			got.last = key{tag.LastTurbineID, tag.Last.UnixMicro()}
		}
		return err
	})
	if err != nil {
		return reading{}, fmt.Errorf("tag samples: %w", err)
	}
	return got, nil
}

// resolve returns the ids of the turbines of the set that there are, sorted:
// a range is never spelled out beyond them.
func resolve(ctx context.Context, db sourcedb.DBTX, set *selector.Set) ([]int32, error) {
	if set == nil {
		return []int32{firstTurbine}, nil
	}
	turbines, err := listTurbines(ctx, db)
	if err != nil {
		return nil, err
	}
	ids := make([]int32, 0, len(turbines))
	for _, t := range turbines {
		if set.Contains(t.ID) {
			ids = append(ids, t.ID)
		}
	}
	return ids, nil
}
