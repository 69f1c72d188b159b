package stream

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"

	"github.com/delfos/delfos/server/param"
)

// packedSize is from how many bytes on JSON is compressed: a packet takes fewer as they are.
const packedSize = 1 << 10

// Packed is a hook of generated routes. It compresses the JSON of an answer that is at
// hand whole, as the client takes it, and gives it a weak entity tag where the operation
// knows If-None-Match. A Response does both by itself, and is left alone.
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

// WriteHeader implements http.ResponseWriter.
func (p *packer) WriteHeader(status int) {
	if status == http.StatusOK && p.Header().Get("Accept-Ranges") == "" {
		p.held = true
		return
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
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
