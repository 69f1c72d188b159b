package source

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// GetData implements sourceserver.StrictServerInterface: it checks what the
// parameters say together, answers at once what needs no rows (HEAD, and a tag
// that is still true), and hands on a response that streams otherwise.
func (s *Server) GetData(ctx context.Context, request sourceserver.GetDataRequestObject) (sourceserver.GetDataResponseObject, error) {
	p := request.Params
	q, err := queryOf(p.Start, p.End, p.Turbines)
	if err != nil {
		return nil, err
	}
	if p.Limit != nil {
		q.limit = *p.Limit
	}
	if p.Cursor != nil {
		after, ok := q.parseCursor(*p.Cursor)
		if !ok {
			return nil, problem.Parameters(problem.Invalid("cursor", *p.Cursor, wantCursor))
		}
		q.after = &after
	}
	r := httpserve.RequestOf(ctx)
	var format string
	if p.Format != nil {
		format = *p.Format
	}
	chosen, err := stream.Negotiate(r.Header.Values("Accept"), format, stream.Formats())
	if err != nil {
		return nil, err
	}
	columns, places := layout(p.Variables, q.turbines != nil)
	answer := answer{s: s, r: r, q: q, format: chosen, columns: columns, places: places}
	if p.IfNoneMatch == nil && r.Method != http.MethodHead {
		return answer, nil
	}
	got, err := s.tagSamples(ctx, q)
	if err != nil {
		return nil, err
	}
	etag := stream.ETag(got.tag(columns), chosen, stream.NegotiateCoding(r.Header.Values("Accept-Encoding"), chosen))
	if p.IfNoneMatch != nil && matches(*p.IfNoneMatch, etag) {
		return notModified{etag: etag, link: answer.link(got)}, nil
	}
	if r.Method == http.MethodHead {
		answer.got = got
	}
	return answer, nil
}

// queryOf is what start, end and turbines say together.
func queryOf(start, end timestamp.Time, turbines *sourceapi.TurbineSelection) (query, error) {
	q := query{start: start.Time(), stop: end.Time()}
	if !q.start.Before(q.stop) {
		return query{}, problem.BadRequest("start must be earlier than end")
	}
	if turbines != nil {
		set, err := selector.Parse(strings.Join(*turbines, ","))
		if err != nil {
			return query{}, err // each item was checked: a fault of ours
		}
		q.turbines = &set
	}
	return q, nil
}

// layout returns the columns of the answer, in the contract's order whatever
// the order asked for, and the place of each in a row of ReadSamples.
func layout(variables *[]string, turbines bool) (columns []stream.Column, places []int) {
	add := func(wanted func(stream.Column) bool) {
		for place, c := range sourcedb.ReadSamplesColumns {
			if wanted(c) {
				columns, places = append(columns, c), append(places, place)
			}
		}
	}
	add(func(c stream.Column) bool { return c.Kind == stream.Timestamp })
	add(func(c stream.Column) bool { return turbines && c.Kind == stream.Int32 })
	add(func(c stream.Column) bool {
		return c.Unit != "" && (variables == nil || slices.Contains(*variables, c.Name))
	})
	return columns, places
}

// answer is the 200 of getData; the generated one would collect every row
// first.
type answer struct {
	s       *Server
	r       *http.Request
	q       query
	format  stream.Format
	columns []stream.Column
	places  []int
	got     reading // known before to HEAD, which reads no rows
}

// VisitGetDataResponse implements sourceserver.GetDataResponseObject.
func (a answer) VisitGetDataResponse(w http.ResponseWriter) error {
	kind := sessions.Short
	if a.q.long() {
		kind = sessions.Long
	}
	return a.s.sessions.Answer(a.r.Context(), kind, func(outgrown func() error) error {
		return a.write(w, outgrown)
	})
}

func (a answer) write(w http.ResponseWriter, outgrown func() error) error {
	got := a.got
	setNonEmpty(w.Header(), "Link", a.link(got))
	response := stream.Response{
		Format:   a.format,
		Columns:  a.columns,
		Filename: a.q.filename("data"),
		Buffered: a.q.limit > 0,
		Outgrown: outgrown,
		Rows: func(yield func([]stream.Value) error) error {
			return a.s.readSamples(a.r.Context(), a.q, a.places, &got, yield)
		},
		Tag:       func() string { return got.tag(a.columns) },
		LinkAfter: func() string { return a.link(got) },
	}
	return response.Write(w, a.r)
}

// setNonEmpty sets a header that has a value.
func setNonEmpty(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// filename is what an answer is saved as: what it holds, from when to when.
func (q query) filename(of string) string {
	const layout = "20060102T150405Z"
	return of + "_" + q.start.Format(layout) + "_" + q.stop.Truncate(time.Second).Format(layout)
}
