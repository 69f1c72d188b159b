package source

import (
	"context"
	"net/http"
	"strconv"

	"github.com/delfos/delfos/gen/sourcedb"
	"github.com/delfos/delfos/gen/sourceserver"
	"github.com/delfos/delfos/internal/selector"
	"github.com/delfos/delfos/internal/timestamp"
	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/sessions"
	"github.com/delfos/delfos/server/stream"
)

// GetDataDigest implements sourceserver.StrictServerInterface: the lines stream,
// as a year of a fleet has some hundred thousand.
func (s *Server) GetDataDigest(ctx context.Context, request sourceserver.GetDataDigestRequestObject) (sourceserver.GetDataDigestResponseObject, error) {
	p := request.Params
	q, err := queryOf(p.Start, p.End, p.Turbines)
	if err != nil {
		return nil, err
	}
	if q.turbines == nil {
		all := selector.All()
		q.turbines = &all
	}
	return digestAnswer{s, httpserve.RequestOf(ctx), q}, nil
}

// digestAnswer is the streamed 200 of getDataDigest.
type digestAnswer struct {
	s *Server
	r *http.Request
	q query
}

// VisitGetDataDigestResponse implements sourceserver.GetDataDigestResponseObject.
func (d digestAnswer) VisitGetDataDigestResponse(w http.ResponseWriter) error {
	kind := sessions.Short
	if d.q.long() {
		kind = sessions.Heavy
	}
	return d.s.sessions.Answer(d.r.Context(), kind, func(outgrown func() error) error {
		return d.write(w, outgrown)
	})
}

func (d digestAnswer) write(w http.ResponseWriter, outgrown func() error) error {
	encoder := &digestEncoder{}
	format := stream.Formats()[0]
	format.New = func([]stream.Column) stream.Encoder { return encoder }
	response := stream.Response{
		Format:   format,
		Filename: d.q.filename("digest"),
		Outgrown: outgrown,
		Rows: func(yield func([]stream.Value) error) error {
			return d.s.digestSamples(d.r.Context(), d.q, func(line sourcedb.DigestSamplesRow) error {
				encoder.line = line
				return yield(nil)
			})
		},
	}
	return response.Write(w, d.r)
}

// digestSamples yields the lines of q as they come from the database.
func (s *Server) digestSamples(ctx context.Context, q query, yield func(sourcedb.DigestSamplesRow) error) error {
	return s.each(ctx, q, func(tx sourcedb.DBTX, span span) error {
		asked := sourcedb.DigestSamplesParams{TurbineIds: span.ids, Start: span.start, Stop: q.stop}
		for line, err := range sourcedb.New(tx).DigestSamples(ctx, asked) {
			if err != nil {
				return err
			}
			if err := yield(line); err != nil {
				return err
			}
		}
		return nil
	})
}

// digestEncoder writes an array of lines, each taken from line when its turn
// comes: what a line holds is no row of readings.
type digestEncoder struct {
	line  sourcedb.DigestSamplesRow
	lines int64
}

// Begin implements stream.Encoder.
func (e *digestEncoder) Begin(buf *stream.Buffer) error {
	buf.B = append(buf.B, '[')
	return nil
}

// Row implements stream.Encoder.
func (e *digestEncoder) Row(buf *stream.Buffer, _ []stream.Value) error {
	b := buf.B
	if e.lines > 0 {
		b = append(b, ",\n"...)
	}
	e.lines++
	b = append(b, `{"day":"`...)
	b = timestamp.AppendMicros(b, int64(e.line.Midnight))
	b = b[:len(b)-len("T00:00:00Z")]
	b = append(b, `","turbine_id":`...)
	b = strconv.AppendInt(b, int64(e.line.TurbineID), 10)
	b = append(b, `,"samples":`...)
	b = strconv.AppendInt(b, e.line.Samples, 10)
	b = append(b, `,"first":"`...)
	b = timestamp.AppendMicros(b, int64(e.line.First))
	b = append(b, `","last":"`...)
	b = timestamp.AppendMicros(b, int64(e.line.Last))
	b = append(b, `","digest":"`...)
	b = appendHex(b, uint64(e.line.Digest))
	b = append(b, `"}`...)
	buf.B = b
	return nil
}

// End implements stream.Encoder.
func (e *digestEncoder) End(buf *stream.Buffer) error {
	buf.B = append(buf.B, ']')
	return nil
}

// appendHex appends all 16 digits.
func appendHex(b []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[v>>shift&15])
	}
	return b
}
