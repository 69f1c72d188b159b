package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/delfos/delfos/server/stream"
)

// tagVersion grows when the same rows come out as other bytes than before, so
// that what a client keeps of an older server is out of date.
const tagVersion = 1

// tag is the part of an entity tag that says what is answered: the rows, their
// columns, and whether others follow. The format and its coding are added by
// stream.ETag.
func (got reading) tag(columns []stream.Column) string {
	b := fmt.Appendf(nil, "%d %d %016x %t", tagVersion, got.rows, got.hash, got.more)
	for _, c := range columns {
		b = append(append(b, ' '), c.Name...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// matches says whether an If-None-Match header has the entity tag, by weak
// comparison (RFC 9110, 13.1.2), or is a star. What is no tag matches nothing.
func matches(header, etag string) bool {
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

// joinIfNoneMatch makes one header of several, which a list may come in and the
// generated binding refuses.
func joinIfNoneMatch(next http.Handler) http.Handler {
	const name = "If-None-Match"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lines := r.Header.Values(name); len(lines) > 1 {
			r.Header.Set(name, strings.Join(lines, ", "))
		}
		next.ServeHTTP(w, r)
	})
}

// notModified is the 304 of getData; the generated one has no headers but ETag.
type notModified struct{ etag, link string }

// VisitGetDataResponse implements sourceserver.GetDataResponseObject.
func (n notModified) VisitGetDataResponse(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("ETag", n.etag)
	setNonEmpty(h, "Link", n.link)
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusNotModified)
	return nil
}
