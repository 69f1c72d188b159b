package target

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetdb"
	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// statistics is an answer of /stats. They are few rows of many windows: all of them
// are read before the first byte leaves.
type statistics struct {
	s           *server
	r           *http.Request
	name        string // of the statistic, which the answer is saved under
	span        param.Span
	asked       string // what else tells one answer from another
	format      stream.Format
	ifNoneMatch string
	flags       bool // the answer depends on flags
	read        func(ctx context.Context, db *targetdb.Queries, turbines fleet) (table, error)
}

// statistics of a span; read is the caller's to set.
func (s *server) statistics(ctx context.Context, name string, span param.Span, format *targetapi.Format, ifNoneMatch *string, asked ...any) (statistics, error) {
	r := httpserve.RequestOf(ctx)
	f, err := stream.Negotiate(r.Header.Values("Accept"), param.Or(format, ""), stream.Formats())
	return statistics{
		s: s, r: r, name: name, span: span, asked: fmt.Sprint(asked...),
		format: f, ifNoneMatch: param.Or(ifNoneMatch, ""),
	}, err
}

// ofSpan is statistics of what the parameters of a span say together.
func (s *server) ofSpan(
	ctx context.Context, name string, start timestamp.Time, end, before *timestamp.Time, turbines *targetapi.Turbines, format *targetapi.Format, ifNoneMatch *string, asked ...any,
) (statistics, error) {
	span, err := param.FleetSpanOf(start, end, before, turbines)
	if err != nil {
		return statistics{}, err
	}
	return s.statistics(ctx, name, span, format, ifNoneMatch, asked...)
}

// A table is what is answered, as a document and as rows.
type table struct {
	document any
	columns  []stream.Column
	rows     [][]stream.Value
}

type column[R any] struct {
	stream.Column

	of func(row *R) stream.Value
}

// tableOf makes a table of rows, which the document has too.
func tableOf[R any](document any, rows []R, columns ...column[R]) table {
	t := table{document: document, rows: make([][]stream.Value, len(rows))}
	for _, c := range columns {
		t.columns = append(t.columns, c.Column)
	}
	for i := range rows {
		t.rows[i] = make([]stream.Value, len(columns))
		for j, c := range columns {
			t.rows[i][j] = c.of(&rows[i])
		}
	}
	return t
}

// idColumn is a column of ids and other small numbers.
func idColumn[R any](name string, of func(*R) int32) column[R] {
	return column[R]{stream.Column{Name: name, Kind: stream.Int32}, func(r *R) stream.Value { return pgrow.OfInt32(of(r)) }}
}

// countColumn is a column of counts.
func countColumn[R any](name string, of func(*R) int64) column[R] {
	return column[R]{stream.Column{Name: name, Kind: stream.Int64, Unit: "1"}, func(r *R) stream.Value { return pgrow.OfInt64(of(r)) }}
}

// numberColumn is a column of numbers, nil where there is none.
func numberColumn[R any](name, unit string, of func(*R) *float64) column[R] {
	return column[R]{stream.Column{Name: name, Kind: stream.Float64, Unit: unit}, func(r *R) stream.Value {
		if v := of(r); v != nil {
			return pgrow.OfFloat64(*v)
		}
		return stream.Value{}
	}}
}

func (a statistics) write(w http.ResponseWriter) error {
	kind := sessions.Short
	if a.span.Long() {
		kind = sessions.Heavy
	}
	return a.s.sessions.Answer(a.r.Context(), kind, func(outgrown func() error) error {
		response, etag, err := a.response(w.Header())
		switch {
		case err != nil:
			return err
		case stream.Matches(a.ifNoneMatch, etag):
			stream.NotModified(w, etag)
			return nil
		}
		response.Outgrown = outgrown
		return response.Write(w, a.r)
	})
}

// response reads the answer, but its table only if the client wants it.
func (a statistics) response(header http.Header) (response stream.Response, etag string, err error) {
	ctx := a.r.Context()
	snapshot, err := a.s.sessions.Begin(ctx)
	if err != nil {
		return response, "", fmt.Errorf("read statistics: %w", err)
	}
	defer snapshot.Close()
	db := targetdb.New(snapshot)
	loaded, err := db.ReadLoaded(ctx, targetdb.ReadLoadedParams{FirstDay: a.span.Start, LastDay: a.span.End})
	if err != nil {
		return response, "", fmt.Errorf("read what is loaded: %w", err)
	}
	header.Set("Delfos-Loaded-Until", timestamp.New(loaded.Until).String())
	turbines, err := a.fleet(ctx, db)
	if err != nil {
		return response, "", err
	}
	tag, err := a.tag(ctx, db, turbines, loaded.Digest)
	if err != nil {
		return response, "", err
	}
	response = stream.Response{Format: a.format, Filename: a.span.Filename(a.name), Tag: func() string { return tag }, Tagged: true}
	etag = stream.ETag(tag, a.format, stream.NegotiateCoding(a.r.Header.Values("Accept-Encoding"), a.format))
	if a.r.Method == http.MethodHead || stream.Matches(a.ifNoneMatch, etag) {
		return response, etag, nil
	}
	if err := db.SetNestedLoops(ctx, false); err != nil {
		return response, "", fmt.Errorf("read the %s: %w", a.name, err)
	}
	t, err := a.read(ctx, db, turbines)
	if err != nil {
		if hasState(err, pgerrcode.NumericValueOutOfRange) {
			err = a.beyond()
		}
		return response, "", fmt.Errorf("read the %s: %w", a.name, err)
	}
	if a.format.Name == "json" {
		text, err := json.Marshal(t.document)
		if _, infinite := errors.AsType[*json.UnsupportedValueError](err); infinite {
			err = a.beyond()
		}
		if err != nil {
			return response, "", fmt.Errorf("write the %s: %w", a.name, err)
		}
		response.Format = stream.Document(append(text, '\n'))
	}
	response.Columns = t.columns
	response.Rows = func(yield func([]stream.Value) error) error {
		for _, row := range t.rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	}
	return response, etag, nil
}

// beyond is the answer where a double can't hold what values amount to.
func (a statistics) beyond() error {
	return problem.Conflict(fmt.Sprintf("the %s is beyond a number: some values of these turbines from %s to %s are as large as no turbine reads; "+
		"find them with /windows, and choose turbines or a range without them", a.name, a.span.Start.Format(time.RFC3339), a.span.End.Format(time.RFC3339)))
}

// hasState reports whether the database refused something with a SQLSTATE.
func hasState(err error, state string) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.Code == state
}

// statisticsTagVersion grows when the same values come out as another answer.
const statisticsTagVersion = 1

// tag is the part of an entity tag that says what is answered, by digests.
func (a statistics) tag(ctx context.Context, db *targetdb.Queries, turbines fleet, loaded int64) (string, error) {
	known, err := json.Marshal(turbines)
	if err != nil {
		return "", fmt.Errorf("write turbines: %w", err)
	}
	var flags int64
	if a.flags {
		if flags, err = db.DigestFlags(ctx, targetdb.DigestFlagsParams{Start: a.span.Start, Stop: stop(a.span)}); err != nil {
			return "", fmt.Errorf("digest the flags: %w", err)
		}
	}
	sum := sha256.Sum256(fmt.Append(known, statisticsTagVersion, loaded, flags, a.name, a.span.Start.UnixMicro(), a.span.End.UnixMicro(), a.asked))
	return hex.EncodeToString(sum[:8]), nil
}

// A fleet is the turbines that an answer is about, by id: those that are known and
// those that have values.
type fleet []member

type member struct {
	targetdb.Turbine

	// Expected is how many windows the span has up to now, on days from the turbine's
	// first to its last.
	Expected int64
}

func (f fleet) ids() []int32 {
	all := make([]int32, len(f))
	for i, m := range f {
		all[i] = m.ID
	}
	return all
}

// whole is all members together; its id, which is nobody's, is 0.
func (f fleet) whole() (all member) {
	for _, m := range f {
		all.Expected += m.Expected
	}
	return all
}

func (a statistics) fleet(ctx context.Context, db *targetdb.Queries) (fleet, error) {
	known, err := db.ListTurbines(ctx)
	if err != nil {
		return nil, fmt.Errorf("list turbines: %w", err)
	}
	reader := &windowReader{db: db, span: a.span}
	err = reader.turbines(ctx, 0, func(id int32) error {
		if !slices.ContainsFunc(known, func(t targetdb.Turbine) bool { return t.ID == id }) {
			known = append(known, targetdb.Turbine{ID: id, SampleInterval: intervals{}.of(id)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(known, func(a, b targetdb.Turbine) int { return cmp.Compare(a.ID, b.ID) })
	now := a.s.Now()
	var f fleet
	for _, t := range known {
		if a.span.Turbines.Contains(t.ID) {
			f = append(f, member{t, expectedWindows(t, a.span, now)})
		}
	}
	return f, nil
}

// expectedWindows is how many windows of the span a turbine can have at now.
func expectedWindows(t targetdb.Turbine, span param.Span, now time.Time) int64 {
	first, end := span.Start, stop(span)
	if now.Before(end) {
		end = now
	}
	if t.Commissioned != nil && t.Commissioned.After(first) {
		first = *t.Commissioned
	}
	if t.Decommissioned != nil {
		if over := t.Decommissioned.AddDate(0, 0, 1); over.Before(end) {
			end = over
		}
	}
	// A window begins at each multiple of its width.
	begun := func(at time.Time) int64 { return window.Start(at.UnixMicro()-1) / window.Width.Microseconds() }
	return max(0, begun(end)-begun(first))
}
