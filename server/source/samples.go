package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

type query struct {
	param.Span

	after *param.Key // the answer goes on behind it; nil: from the start
	limit int32      // rows at most; 0: all of them
}

// kind is short for a page and for the rows of a day, otherwise as it is given.
func (q query) kind(otherwise sessions.Kind) sessions.Kind {
	if q.limit > 0 || !q.Long() {
		return sessions.Short
	}
	return otherwise
}

type view struct {
	query

	db    sourcedb.DBTX
	Close func()  // gives the session back; it may be called again
	ids   []int32 // of the turbines asked for that there are, sorted
	// wide says that some timestamp of them, on whatever page, has a fraction of a
	// second: then all of the answer are written with one.
	wide bool
}

// view opens one; the caller closes it. It is a snapshot, but for the rows of the
// first turbine: those are one statement, which is a snapshot by itself.
func (s *server) view(ctx context.Context, q query) (*view, error) {
	if q.Turbines == nil {
		return s.first(ctx, q)
	}
	snapshot, err := s.sessions.Begin(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{query: q, db: snapshot, Close: snapshot.Close}
	if v.ids, err = resolve(ctx, snapshot, q.Turbines); err == nil {
		v.wide, err = sourcedb.New(snapshot).HasFractions(ctx, sourcedb.HasFractionsParams{TurbineIds: v.ids, Start: q.Start, Stop: q.End})
	}
	if err != nil {
		snapshot.Close()
		return nil, fmt.Errorf("look for the samples of turbines: %w", err)
	}
	return v, nil
}

// first is the view of the first turbine: the replaced system knew no other.
func (s *server) first(ctx context.Context, q query) (*view, error) {
	session, err := s.sessions.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{query: q, db: session, Close: session.Release}
	asked := sourcedb.FirstTurbineParams{Start: q.Start, Stop: q.End}
	if q.after != nil {
		asked.Paged = &q.after.Turbine
	}
	turbine, err := sourcedb.New(session).FirstTurbine(ctx, asked)
	switch {
	case err == nil:
		v.ids, v.wide = []int32{turbine.ID}, turbine.Fractions
	case !errors.Is(err, pgx.ErrNoRows):
		session.Release()
		return nil, fmt.Errorf("look for the first turbine: %w", err)
	}
	return v, nil
}

// reading is what the rows that answer a query come to, be they read out or
// hashed in the database.
type reading struct {
	rows int64
	hash uint64    // the xor of theirs
	last param.Key // of the last one, once more is true
	more bool      // others follow: the limit cut them off
	wide bool      // their timestamps are written with a fraction of a second
}

// part is a range of data_pkey: turbines with the same bounds.
type part struct {
	ids   []int32
	start time.Time
}

// parts are the ranges of the query, in the order of the answer: what is left of
// the cursor's own turbine, and those that follow.
func (v *view) parts() []part {
	if v.after == nil {
		return []part{{v.ids, v.Start}}
	}
	i, found := slices.BinarySearch(v.ids, v.after.Turbine)
	if !found {
		return []part{{v.ids[i:], v.Start}}
	}
	return []part{
		{v.ids[i : i+1], time.UnixMicro(v.after.Micros + 1).UTC()},
		{v.ids[i+1:], v.Start},
	}
}

// each calls do for each range of the query that can hold rows.
func (v *view) each(do func(part) error) error {
	for _, part := range v.parts() {
		if len(part.ids) == 0 || part.start.After(v.End) {
			continue
		}
		if err := do(part); err != nil {
			return err
		}
	}
	return nil
}

const second = 1_000_000

// errNewFraction ends an answer of the first turbine, whose form is known by a
// statement before that of the rows.
var errNewFraction = errors.New("a sample with a fraction of a second was written after the look for one")

// read yields the rows as they come from the database, each with the columns at the
// places, and counts them in got.
func (v *view) read(ctx context.Context, places []int, got *reading, yield func([]stream.Value) error) error {
	row := make([]stream.Value, len(places))
	return v.each(func(part part) error {
		for sample, err := range v.samples(ctx, part, got) {
			if err != nil {
				return err
			}
			if !got.count(&sample, v.limit) {
				return nil
			}
			if !v.wide && sample.Timestamp%second != 0 {
				return problem.Busy("the samples changed while they were read; try again", 0, errNewFraction)
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

// samples reads a part: of a page one more than is left of it, none when others are
// known to follow.
func (v *view) samples(ctx context.Context, part part, got *reading) iter.Seq2[sourcedb.ReadSamplesRow, error] {
	db := sourcedb.New(v.db)
	switch {
	case got.more:
		return func(func(sourcedb.ReadSamplesRow, error) bool) {}
	case v.limit > 0:
		return db.ReadSamplePage(ctx, sourcedb.ReadSamplePageParams{
			TurbineIds: part.ids, Start: part.start, Stop: v.End, Lim: v.limit - int32(got.rows) + 1,
		})
	}
	return db.ReadSamples(ctx, sourcedb.ReadSamplesParams{TurbineIds: part.ids, Start: part.start, Stop: v.End})
}

// count adds a row in, unless it is beyond the limit; 0 is none.
func (got *reading) count(sample *sourcedb.ReadSamplesRow, limit int32) bool {
	if limit > 0 && got.rows == int64(limit) {
		got.more = true
		return false
	}
	got.rows++
	got.hash ^= sample.Hash()
	got.last = param.Key{Turbine: sample.TurbineID, Micros: int64(sample.Timestamp)}
	return true
}

// tagSamples says what read would count, by the database alone.
func (s *server) tagSamples(ctx context.Context, q query) (got reading, err error) {
	err = s.sessions.Answer(ctx, q.kind(sessions.Heavy), func(func() error) error {
		v, err := s.view(ctx, q)
		if err != nil {
			return err
		}
		defer v.Close()
		got = reading{wide: v.wide} // it may be a second try
		if err := v.each(func(part part) error { return v.tag(ctx, part, &got) }); err != nil {
			return fmt.Errorf("tag samples: %w", err)
		}
		return nil
	})
	return got, err
}

func (v *view) tag(ctx context.Context, part part, got *reading) error {
	db := sourcedb.New(v.db)
	if got.more {
		return nil
	}
	if v.limit == 0 {
		tag, err := db.TagSamples(ctx, sourcedb.TagSamplesParams{TurbineIds: part.ids, Start: part.start, Stop: v.End})
		got.rows += tag.Rows
		got.hash ^= uint64(tag.Hash)
		return err
	}
	left := int64(v.limit) - got.rows
	tag, err := db.TagSamplePage(ctx, sourcedb.TagSamplePageParams{
		Lim: int32(left), TurbineIds: part.ids, Start: part.start, Stop: v.End,
	})
	got.more = tag.Rows > left
	got.rows += min(tag.Rows, left)
	got.hash ^= uint64(tag.Hash)
	if tag.LastTurbineID > 0 {
		got.last = param.Key{Turbine: tag.LastTurbineID, Micros: tag.Last.UnixMicro()}
	}
	return err
}

// resolve returns the ids of the turbines of the set that there are, sorted:
// a range is never spelled out beyond them. Who asks for each of ten thousand turbines
// alone would wait for the list of all each time: only those between the bounds are read.
func resolve(ctx context.Context, db sourcedb.DBTX, set *selector.Set) ([]int32, error) {
	low, high := set.Bounds()
	ids, err := sourcedb.New(db).ListTurbineIDs(ctx, sourcedb.ListTurbineIDsParams{Low: low, High: high})
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	return slices.DeleteFunc(ids, func(id int32) bool { return !set.Contains(id) }), nil
}
