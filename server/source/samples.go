package source

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// firstTurbine is the one that is meant without a selector: the replaced
// system knew no other.
const firstTurbine = 1

// query is what /data was asked for.
type query struct {
	param.Span

	after *key  // the answer goes on behind it; nil: from the start
	limit int32 // rows at most; 0: all of them
}

// kind is short for a page and for the rows of a day, otherwise as it is given.
func (q query) kind(otherwise sessions.Kind) sessions.Kind {
	if q.limit > 0 || !q.Long() {
		return sessions.Short
	}
	return otherwise
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
	last key    // of the last one, once more is true
	more bool   // others follow: the limit cut them off
}

// part is a range of data_pkey: turbines with the same bounds.
type part struct {
	ids   []int32
	start time.Time
}

// parts are the ranges of q among the turbines that there are, in the order of
// the answer: what is left of the cursor's own turbine, and those that follow.
func (q query) parts(ids []int32) []part {
	if q.after == nil {
		return []part{{ids, q.Start}}
	}
	i, found := slices.BinarySearch(ids, q.after.turbine)
	if !found {
		return []part{{ids[i:], q.Start}}
	}
	return []part{
		{ids[i : i+1], time.UnixMicro(q.after.micros + 1).UTC()},
		{ids[i+1:], q.Start},
	}
}

// each calls do for each range of q that can hold rows, all of one snapshot: one
// range of the turbine that needs no looking up is one statement, which is a
// snapshot by itself.
func (s *Server) each(ctx context.Context, q query, do func(sourcedb.DBTX, part) error) error {
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return err
	}
	defer session.Release()
	if q.Turbines == nil {
		return eachIn(ctx, session, q, do)
	}
	return sessions.Snapshot(ctx, session, func(tx pgx.Tx) error { return eachIn(ctx, tx, q, do) })
}

func eachIn(ctx context.Context, db sourcedb.DBTX, q query, do func(sourcedb.DBTX, part) error) error {
	ids, err := resolve(ctx, db, q.Turbines)
	if err != nil {
		return err
	}
	for _, part := range q.parts(ids) {
		if len(part.ids) == 0 || part.start.After(q.End) {
			continue
		}
		if err := do(db, part); err != nil {
			return err
		}
	}
	return nil
}

// readSamples yields the rows of q as they come from the database, each with the
// columns at the places, and counts them in got.
func (s *Server) readSamples(ctx context.Context, q query, places []int, got *reading, yield func([]stream.Value) error) error {
	row := make([]stream.Value, len(places))
	return s.each(ctx, q, func(tx sourcedb.DBTX, part part) error {
		for sample, err := range samples(ctx, tx, q, part, got) {
			if err != nil {
				return err
			}
			if !got.count(&sample, q.limit) {
				return nil
			}
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

// samples reads a part of q: of a page one more than is left of it, none when
// others are known to follow.
func samples(ctx context.Context, tx sourcedb.DBTX, q query, part part, got *reading) iter.Seq2[sourcedb.ReadSamplesRow, error] {
	db := sourcedb.New(tx)
	switch {
	case got.more:
		return func(func(sourcedb.ReadSamplesRow, error) bool) {}
	case q.limit > 0:
		return db.ReadSamplePage(ctx, sourcedb.ReadSamplePageParams{
			TurbineIds: part.ids, Start: part.start, Stop: q.End, Lim: q.limit - int32(got.rows) + 1,
		})
	}
	return db.ReadSamples(ctx, sourcedb.ReadSamplesParams{TurbineIds: part.ids, Start: part.start, Stop: q.End})
}

// count adds a row in, unless it is beyond the limit; 0 is none.
func (got *reading) count(sample *sourcedb.ReadSamplesRow, limit int32) bool {
	if limit > 0 && got.rows == int64(limit) {
		got.more = true
		return false
	}
	got.rows++
	got.hash ^= sample.Hash()
	got.last = key{sample.TurbineID, int64(sample.Timestamp)}
	return true
}

// tagSamples says what readSamples would count, by the database alone.
func (s *Server) tagSamples(ctx context.Context, q query) (got reading, err error) {
	err = s.sessions.Answer(ctx, q.kind(sessions.Heavy), func(func() error) (err error) {
		got, err = s.tagRows(ctx, q)
		return err
	})
	return got, err
}

// tagRows runs the queries of tagSamples.
func (s *Server) tagRows(ctx context.Context, q query) (got reading, err error) {
	limit := int64(q.limit)
	err = s.each(ctx, q, func(tx sourcedb.DBTX, part part) error {
		db := sourcedb.New(tx)
		if got.more {
			return nil
		}
		if limit == 0 {
			tag, err := db.TagSamples(ctx, sourcedb.TagSamplesParams{TurbineIds: part.ids, Start: part.start, Stop: q.End})
			got.rows += tag.Rows
			got.hash ^= uint64(tag.Hash)
			return err
		}
		left := limit - got.rows
		tag, err := db.TagSamplePage(ctx, sourcedb.TagSamplePageParams{
			Lim: int32(left), TurbineIds: part.ids, Start: part.start, Stop: q.End,
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
