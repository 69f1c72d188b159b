package stream

import (
	"math"
	"mime"
	"net/http"

	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
)

// The trailers that close a complete stream. To HTTP/1.0, which has none, a
// whole answer has them as headers.
const (
	RowsTrailer   = "Delfos-Rows"
	DigestTrailer = "Content-Digest"
)

const (
	// ChunkSize is how many bytes are gathered before they are sent.
	ChunkSize = 48 << 10

	// WholeSize is how long an answer may be, in bytes as sent, that is held
	// back until its end: nothing waits for its client while it is read, and its
	// entity tag is a header. A longer one has it as a trailer.
	WholeSize = 256 << 10

	// whole10 is how long an answer to HTTP/1.0 may be to have its digest as a
	// header: a day of a group of turbines, as the ETL reads it.
	whole10 = 4 << 20
)

// Response is an answer of rows.
type Response struct {
	Format  Format
	Columns []Column
	// Rows calls yield with each row in turn, a value for each column, and
	// returns yield's error at once.
	Rows func(yield func([]Value) error) error

	// Filename is the name, without an extension, that the answer is saved
	// under; "" if it has none.
	Filename string
	// Tag, if there is one, is called once after the last row and returns what
	// the entity tag is made of, "" for none. To HEAD it is called without rows.
	Tag func() string
	// LinkAfter, if there is one, is called after the last row and returns the
	// Link header, "" for none. It asks for Buffered.
	LinkAfter func() string
	// Buffered holds the whole answer back until its end: ETag and Link are
	// headers then, however long it is.
	Buffered bool
	// Outgrown, if there is one, is called before the first byte leaves of an
	// answer that is not at hand whole, which is sent at its client's pace from
	// then on. Its error ends the answer.
	Outgrown func() error
}

// ETag is the entity tag of an answer whose rows have the tag. Each format and
// coding has its own, as RFC 9110 wants: their bytes differ.
func ETag(tag string, f Format, coding string) string {
	if coding != "" {
		coding = "-" + coding
	}
	return `"` + tag + "-" + f.Name + coding + `"`
}

// Write answers r. An error that it returns came before the first byte left:
// the caller can still answer otherwise. After that it breaks the answer off
// (httpserve.Abort) and does not return. Each write to the client has the
// deadline that httpserve's middleware sets, so a client that stops reading
// holds a database connection no longer than that.
func (s Response) Write(w http.ResponseWriter, r *http.Request) error {
	accept := r.Header.Values("Accept-Encoding")
	coding, ok := negotiateCoding(accept, s.Format)
	if !ok {
		return problem.NotAcceptableCoding(accept, codingsOnOffer(s.Format))
	}
	out := &sink{Response: s, w: w, r: r, coding: coding}
	if r.Method == http.MethodHead {
		out.setTag()
		out.head(false)
		return nil
	}
	defer out.open()()
	err := out.stream()
	httpserve.NoteRows(r.Context(), out.rows)
	if err != nil && out.begun {
		httpserve.Abort(r, err)
	}
	return err
}

// hold is how many bytes are kept back before the header leaves.
func (s Response) hold(r *http.Request) int {
	switch {
	case s.Buffered:
		return math.MaxInt
	case !r.ProtoAtLeast(1, 1):
		return whole10
	default:
		return WholeSize
	}
}

// describe sets the headers that say what is sent.
func (s Response) describe(h http.Header, coding string) {
	h.Set("Content-Type", s.Format.MediaType)
	if coding != "" {
		h.Set("Content-Encoding", coding)
	}
	if s.Filename != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": s.Filename + s.Format.Extension}))
	}
	h.Set("Vary", "Accept, Accept-Encoding")
	// With a tag it may be kept, and is asked for anew each time.
	h.Set("Cache-Control", "no-store")
	if s.Tag != nil {
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("X-Content-Type-Options", "nosniff")
}
