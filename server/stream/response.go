package stream

import (
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync"

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
	// Tagged says that Tag needs no rows: ETag is a header however long the answer is.
	Tagged bool
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

// Write answers r. An error that it returns came before the first byte left: the caller
// can still answer otherwise. After that it breaks the answer off (httpserve.Abort). A
// client that stops reading holds a database connection no longer than the write
// deadline.
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

func (s Response) describe(h http.Header, coding string) {
	h.Set("Content-Type", s.Format.MediaType)
	if coding != "" {
		h.Set("Content-Encoding", coding)
	}
	if s.Filename != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": s.Filename + s.Format.Extension}))
	}
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("Accept-Ranges", "none")
	// With a tag it may be kept, and is asked for anew each time.
	h.Set("Cache-Control", "no-store")
	if s.Tag != nil {
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("X-Content-Type-Options", "nosniff")
}

// sink is an answer on its way: rows → encoder → raw → coder → coded → client,
// where without a coding raw goes to the client itself.
type sink struct {
	Response

	w      http.ResponseWriter
	r      *http.Request
	coding string
	coder  coder // nil for identity
	raw    *Buffer
	coded  *Buffer // nil for identity
	hash   hash.Hash
	rows   int64
	begun  bool // bytes have left
	whole  bool // the header left with all of the answer at hand
}

//nolint:gochecknoglobals // An answer needs up to 300 KiB, and a busy server hundreds of answers a second.
var bufferPool = sync.Pool{New: func() any { return new(Buffer) }}

func (s *sink) open() func() {
	s.hash = sha256.New()
	s.raw = takeBuffer()
	if s.coding == "" {
		return func() { s.raw.give() }
	}
	s.coded = takeBuffer()
	c, giveCoder := takeCoder(s.coding, s.coded)
	s.coder = c
	return func() {
		giveCoder()
		s.coded.give()
		s.raw.give()
	}
}

func takeBuffer() *Buffer {
	b, ok := bufferPool.Get().(*Buffer)
	if !ok {
		b = new(Buffer)
	}
	b.B = b.B[:0]
	return b
}

// give puts the buffer back, unless it grew beyond what answers commonly need.
func (b *Buffer) give() {
	if cap(b.B) <= 2*WholeSize {
		bufferPool.Put(b)
	}
}

func (s *sink) stream() error {
	encoder := s.Format.New(s.Columns)
	if err := encoder.Begin(s.raw); err != nil {
		return err
	}
	err := s.Rows(func(row []Value) error {
		if err := encoder.Row(s.raw, row); err != nil {
			return err
		}
		s.rows++
		if len(s.raw.B) < ChunkSize {
			return nil
		}
		return s.pass(false)
	})
	if err != nil {
		return err
	}
	if err := encoder.End(s.raw); err != nil {
		return err
	}
	if err := s.pass(true); err != nil {
		return err
	}
	s.trailers()
	return nil
}

// pass hands on what the encoder has written, and sends it unless it is held
// back.
func (s *sink) pass(last bool) error {
	out := s.raw
	if s.coder != nil {
		out = s.coded
		_, err := s.coder.Write(s.raw.B)
		s.raw.B = s.raw.B[:0]
		if err != nil {
			return err
		}
		if last {
			if err := s.coder.Close(); err != nil {
				return err
			}
		}
	}
	if !last && !s.begun && len(out.B) <= s.hold(s.r) || len(out.B) == 0 && !last {
		return nil
	}
	return s.send(out, last)
}

func (s *sink) send(out *Buffer, last bool) error {
	s.hash.Write(out.B)
	if !s.begun {
		s.whole = last && len(out.B) <= s.hold(s.r)
		if !last && s.Outgrown != nil {
			if err := s.Outgrown(); err != nil {
				return err
			}
		}
		if s.whole || s.Tagged {
			s.setTag()
		}
		if s.whole && s.LinkAfter != nil {
			if link := s.LinkAfter(); link != "" {
				s.w.Header().Set("Link", link)
			}
		}
		s.head(true)
		s.begun = true
	}
	defer func() { out.B = out.B[:0] }()
	// In parts, as a client has its time for each write.
	for part := range slices.Chunk(out.B, WholeSize) {
		if _, err := s.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// head sends the header. Only HTTP/1.1 and later have trailers, and HEAD has
// none.
func (s *sink) head(trailers bool) {
	h := s.w.Header()
	s.describe(h, s.coding)
	switch {
	case !trailers:
	case s.r.ProtoAtLeast(1, 1):
		announced := RowsTrailer + ", " + DigestTrailer
		if s.Tag != nil && !s.whole && !s.Tagged {
			announced += ", ETag"
		}
		h.Set("Trailer", announced)
	case s.whole:
		s.setSum(h)
	}
	s.w.WriteHeader(http.StatusOK)
}

// trailers closes the stream; net/http sends none that head did not announce.
func (s *sink) trailers() {
	if !s.r.ProtoAtLeast(1, 1) {
		return
	}
	s.setSum(s.w.Header())
	if !s.whole && !s.Tagged {
		s.setTag()
	}
}

func (s *sink) setSum(h http.Header) {
	h.Set(RowsTrailer, strconv.FormatInt(s.rows, 10))
	h.Set(DigestTrailer, "sha-256=:"+base64.StdEncoding.EncodeToString(s.hash.Sum(nil))+":")
}

func (s *sink) setTag() {
	if s.Tag == nil {
		return
	}
	if tag := s.Tag(); tag != "" {
		s.w.Header().Set("ETag", ETag(tag, s.Format, s.coding))
	}
}
