package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/param"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// What needs no rows is answered at once: HEAD, and a tag that is still true.
func (s *server) GetData(ctx context.Context, request sourceserver.GetDataRequestObject) (sourceserver.GetDataResponseObject, error) {
	p := request.Params
	span, err := param.SpanOf(p.Start, p.End, p.Before, p.Turbines)
	if err != nil {
		return nil, err
	}
	q := query{Span: span, limit: param.Or(p.Limit, 0)}
	if q.after, err = param.ParseCursor(p.Cursor, span, ""); err != nil {
		return nil, err
	}
	r := httpserve.RequestOf(ctx)
	format, err := stream.Negotiate(r.Header.Values("Accept"), param.Or(p.Format, ""), stream.Formats())
	if err != nil {
		return nil, err
	}
	columns, places := layout(p.Variables, q.Turbines != nil)
	answer := answer{s: s, r: r, q: q, format: format, columns: columns, places: places}
	if p.IfNoneMatch == nil && r.Method != http.MethodHead {
		return sourceserver.GetData200Response(answer.write), nil
	}
	got, err := s.tagSamples(ctx, q)
	if err != nil {
		return nil, err
	}
	etag := stream.ETag(got.tag(columns), format, stream.NegotiateCoding(r.Header.Values("Accept-Encoding"), format))
	if p.IfNoneMatch != nil && stream.Matches(*p.IfNoneMatch, etag) {
		return notModified{etag: etag, link: answer.link(got)}, nil
	}
	if r.Method == http.MethodHead {
		answer.got = got
	}
	return sourceserver.GetData200Response(answer.write), nil
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

// answer is the 200 of getData or getDataDigest.
type answer struct {
	s       *server
	r       *http.Request
	q       query
	format  stream.Format
	columns []stream.Column
	places  []int
	got     reading // known before to HEAD, which reads no rows
}

func (a answer) write(w http.ResponseWriter) error {
	got := a.got
	response := stream.Response{
		Format:    a.format,
		Columns:   a.columns,
		Filename:  a.q.Filename("data"),
		Buffered:  a.q.limit > 0,
		Tag:       func() string { return got.tag(a.columns) },
		LinkAfter: func() string { return a.link(got) },
	}
	if a.r.Method == http.MethodHead {
		setNonEmpty(w.Header(), "Link", a.link(got))
		return response.Write(w, a.r)
	}
	ctx := a.r.Context()
	return a.s.sessions.Answer(ctx, a.q.kind(sessions.Long), func(outgrown func() error) error {
		v, err := a.s.view(ctx, a.q)
		if err != nil {
			return err
		}
		defer v.Close()
		got = reading{wide: v.wide} // it may be a second try
		a.columns[0].Wide = v.wide
		response.Outgrown = outgrown
		response.Rows = func(yield func([]stream.Value) error) error {
			defer v.Close() // what follows the last row may wait for the client
			return v.read(ctx, a.places, &got, yield)
		}
		return response.Write(w, a.r)
	})
}

func setNonEmpty(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

func (s *server) GetDataDigest(ctx context.Context, request sourceserver.GetDataDigestRequestObject) (sourceserver.GetDataDigestResponseObject, error) {
	p := request.Params
	span, err := param.FleetSpanOf(p.Start, p.End, p.Before, p.Turbines)
	return sourceserver.GetDataDigest200Response(answer{s: s, r: httpserve.RequestOf(ctx), q: query{Span: span}}.digests), err
}

// digests streams its lines, as a year of a fleet has some hundred thousand.
func (a answer) digests(w http.ResponseWriter) error {
	response := stream.Items("[", "]", func(yield func([]byte) error) error {
		ctx := a.r.Context()
		v, err := a.s.view(ctx, a.q)
		if err != nil {
			return err
		}
		defer v.Close()
		var line []byte
		return v.each(func(part part) error {
			asked := sourcedb.DigestSamplesParams{TurbineIds: part.ids, Start: part.start, Stop: a.q.End}
			for row, err := range sourcedb.New(v.db).DigestSamples(ctx, asked) {
				if err == nil {
					line = appendDigest(line[:0], row)
					err = yield(line)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	response.Filename = a.q.Filename("digest")
	return a.s.sessions.Write(w, a.r, a.q.kind(sessions.Heavy), response)
}

func appendDigest(b []byte, row sourcedb.DigestSamplesRow) []byte {
	b = fmt.Appendf(b, `{"day":"%s","turbine_id":%d,"samples":%d,"first":"`, row.Midnight.Time().Format(time.DateOnly), row.TurbineID, row.Samples)
	b = append(timestamp.AppendMicros(b, int64(row.First)), `","last":"`...)
	b = append(timestamp.AppendMicros(b, int64(row.Last)), `","digest":"`...)
	return fmt.Appendf(b, `%016x"}`, uint64(row.Digest))
}

// tagVersion grows when the same rows come out as other bytes than before, so
// that what a client keeps of an older server is out of date.
const tagVersion = 2

// tag is the part of an entity tag that says what is answered: the rows, their
// columns, and whether others follow. The format and its coding are added by
// stream.ETag.
func (got *reading) tag(columns []stream.Column) string {
	b := fmt.Appendf(nil, "%d %d %016x %t %t", tagVersion, got.rows, got.hash, got.more, got.wide)
	for _, c := range columns {
		b = append(append(b, ' '), c.Name...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// notModified is the 304 of getData; the generated one has no headers but ETag.
type notModified struct{ etag, link string }

func (n notModified) VisitGetDataResponse(w http.ResponseWriter) error {
	setNonEmpty(w.Header(), "Link", n.link)
	stream.NotModified(w, n.etag)
	return nil
}

// link is the value of Link for a page that others follow: the request's own
// address with another cursor. It is "" for the last page.
func (a answer) link(got reading) string {
	if !got.more {
		return ""
	}
	values := a.r.URL.Query()
	values.Set("cursor", got.last.Cursor(a.q.Span, ""))
	return httpserve.Link(a.r, values, "next")
}
