package stream

import (
	"net/http"
	"strings"
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
