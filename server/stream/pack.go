package stream

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/delfos/delfos/server/param"
)

// Matches says whether an If-None-Match header has the entity tag, by weak
// comparison (RFC 9110, 13.1.2), or is a star. What is no tag matches nothing.
func Matches(header, etag string) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	want := strings.TrimPrefix(etag, "W/")
	const between = ", \t" // tags; elements may be empty
	for rest := strings.TrimLeft(header, between); rest != ""; {
		// A tag may hold a comma: it ends at its quote.
		tag := strings.TrimPrefix(rest, "W/")
		if !strings.HasPrefix(tag, `"`) {
			return false
		}
		end := strings.IndexByte(tag[1:], '"') + 2
		if end < 2 {
			return false
		}
		if tag[:end] == want {
			return true
		}
		tail := strings.TrimLeft(tag[end:], " \t")
		if tail != "" && tail[0] != ',' {
			return false
		}
		rest = strings.TrimLeft(tail, between)
	}
	return false
}

// JoinIfNoneMatch makes one header of several, which a list may come in and the
// generated binding refuses.
func JoinIfNoneMatch(next http.Handler) http.Handler {
	const name = "If-None-Match"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lines := r.Header.Values(name); len(lines) > 1 {
			r.Header.Set(name, strings.Join(lines, ", "))
		}
		next.ServeHTTP(w, r)
	})
}

// NotModified answers 304: an entity tag that the client holds is still true.
func NotModified(w http.ResponseWriter, etag string) {
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusNotModified)
}

// The content codings on offer beside identity.
const (
	codingZstd = "zstd"
	codingGzip = "gzip"
)

type coder interface {
	io.WriteCloser
	Reset(io.Writer)
}

// Encoders are a quarter to one megabyte each and keep nothing of an answer:
// they are used anew.
//
//nolint:gochecknoglobals // As above; what is in a pool belongs to nobody.
var (
	zstdPool = sync.Pool{New: func() any { return newZstd() }}
	gzipPool = sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that there is
		return w
	}}
	pagePool = sync.Pool{New: func() any { return newZstd() }}
)

// newZstd makes an encoder that works on the caller's goroutine and keeps its
// memory small: the default ones take 8 MB and as many goroutines as there are
// cores.
func newZstd() *zstd.Encoder {
	w, _ := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(1<<18),
		zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderConcurrency(1),
		zstd.WithZeroFrames(true)) // options that there are
	return w
}

// takeCoder returns an encoder of the coding that writes to w, nil for
// identity, and what gives it back.
func takeCoder(coding string, w io.Writer) (coder, func()) {
	var pool *sync.Pool
	switch coding {
	case codingZstd:
		pool = &zstdPool
	case codingGzip:
		pool = &gzipPool
	default:
		return nil, func() {}
	}
	c, _ := pool.Get().(coder)
	c.Reset(w)
	return c, func() {
		c.Reset(nil)
		pool.Put(c)
	}
}

// packedSize is from how many bytes on JSON is compressed: a packet takes fewer as they are.
const packedSize = 1 << 10

// Packed is a hook of generated routes. It compresses the JSON of an answer that is at
// hand whole, and gives it a weak entity tag where the operation knows If-None-Match.
func Packed(o param.Operation, next http.Handler) http.Handler {
	if !slices.Equal(o.Produces, []string{"application/json"}) {
		return next
	}
	tagged := slices.ContainsFunc(o.Params, func(p param.Param) bool { return p.Name == "If-None-Match" })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&packer{ResponseWriter: w, r: r, tagged: tagged}, r)
	})
}

// packer holds the header back until it has the answer's bytes, which the generated code
// writes at once.
type packer struct {
	http.ResponseWriter

	r      *http.Request
	tagged bool
	held   bool // the header is
	ended  bool // no body is wanted: the answer is a 304
}

// Unwrap lets http.ResponseController reach the connection's own writer.
func (p *packer) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *packer) WriteHeader(status int) {
	if status == http.StatusOK && p.Header().Get("Accept-Ranges") == "" {
		p.held = true
		return
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *packer) Write(b []byte) (int, error) {
	if p.ended {
		return len(b), nil
	}
	if !p.held {
		return p.ResponseWriter.Write(b)
	}
	p.held = false
	h := p.Header()
	if p.tagged {
		sum := fnv.New64a()
		_, _ = sum.Write(b) // to memory
		tag := fmt.Sprintf(`W/"%016x"`, sum.Sum64())
		if header := p.r.Header.Get("If-None-Match"); header != "" && Matches(header, tag) {
			h.Del("Content-Type")
			p.ended = true
			NotModified(p.ResponseWriter, tag)
			return len(b), nil
		}
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("Vary", "Accept, Accept-Encoding")
	coding := NegotiateCoding(p.r.Header.Values("Accept-Encoding"), Format{})
	if coding == "" || len(b) < packedSize {
		p.ResponseWriter.WriteHeader(http.StatusOK)
		return p.ResponseWriter.Write(b)
	}
	out := takeBuffer()
	defer out.give()
	c, giveCoder := takeCoder(coding, out)
	defer giveCoder()
	if _, err := c.Write(b); err != nil {
		return 0, err
	}
	if err := c.Close(); err != nil {
		return 0, err
	}
	h.Set("Content-Encoding", coding)
	p.ResponseWriter.WriteHeader(http.StatusOK)
	_, err := p.ResponseWriter.Write(out.B)
	return len(b), err
}
