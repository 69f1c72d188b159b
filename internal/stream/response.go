package stream

import (
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"strconv"

	"github.com/delfos/delfos/internal/httpserve"
)

// The trailers that close a complete stream.
const (
	RowsTrailer   = "Delfos-Rows"
	DigestTrailer = "Content-Digest"
)

// ChunkSize is how many bytes are gathered before they are sent.
const ChunkSize = 48 << 10

// Response is an answer of rows.
type Response struct {
	Format  Format
	Columns []Column
	// Rows calls yield with each row in turn, a value for each column, and
	// returns yield's error at once.
	Rows func(yield func([]Value) error) error
}

// Write answers r. An error that it returns came before the first byte left:
// the caller can still answer otherwise. After that it breaks the answer off
// (httpserve.Abort) and does not return. Each write to the client has the
// deadline that httpserve's middleware sets, so a client that stops reading
// holds a database connection no longer than that.
func (s Response) Write(w http.ResponseWriter, r *http.Request) error {
	out := &sink{w: w, r: r, format: s.Format, hash: sha256.New()}
	if r.Method == http.MethodHead {
		out.head()
		return nil
	}
	err := out.stream(s)
	if err == nil {
		out.trailers()
	}
	httpserve.NoteRows(r.Context(), out.rows)
	if err != nil && out.begun {
		httpserve.Abort(r, err)
	}
	return err
}

// sink is an answer on its way.
type sink struct {
	w      http.ResponseWriter
	r      *http.Request
	format Format
	buf    Buffer
	hash   hash.Hash
	rows   int64
	begun  bool
}

func (s *sink) stream(response Response) error {
	s.buf.B = make([]byte, 0, ChunkSize+4<<10)
	encoder := s.format.New(response.Columns)
	if err := encoder.Begin(&s.buf); err != nil {
		return err
	}
	err := response.Rows(func(row []Value) error {
		if err := encoder.Row(&s.buf, row); err != nil {
			return err
		}
		s.rows++
		if len(s.buf.B) < ChunkSize {
			return nil
		}
		return s.flush()
	})
	if err != nil {
		return err
	}
	if err := encoder.End(&s.buf); err != nil {
		return err
	}
	return s.flush()
}

// flush sends what is gathered and adds it to the digest.
func (s *sink) flush() error {
	if !s.begun {
		s.head()
		s.begun = true
	}
	s.hash.Write(s.buf.B)
	_, err := s.w.Write(s.buf.B)
	s.buf.B = s.buf.B[:0]
	return err
}

// head sends the header. Only HTTP/1.1 and later have trailers, and HEAD has
// none.
func (s *sink) head() {
	h := s.w.Header()
	h.Set("Content-Type", s.format.MediaType)
	h.Set("Vary", "Accept")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if s.r.ProtoAtLeast(1, 1) && s.r.Method != http.MethodHead {
		h.Set("Trailer", RowsTrailer+", "+DigestTrailer)
	}
	s.w.WriteHeader(http.StatusOK)
}

// trailers closes the stream; net/http sends none that head did not announce.
func (s *sink) trailers() {
	if !s.r.ProtoAtLeast(1, 1) {
		return
	}
	h := s.w.Header()
	h.Set(RowsTrailer, strconv.FormatInt(s.rows, 10))
	h.Set(DigestTrailer, "sha-256=:"+base64.StdEncoding.EncodeToString(s.hash.Sum(nil))+":")
}
