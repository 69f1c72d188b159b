package stream_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/delfos/delfos/server/stream"
)

func TestResponseTag(t *testing.T) {
	t.Parallel()
	rows := manyRows(140_000)
	eachAnswer(t, func(t *testing.T, f stream.Format, coding string) {
		t.Helper()
		want := `"0123456789abcdef-` + strings.TrimSuffix(f.Name+"-"+coding, "-") + `"`
		for n, whole := range map[int]bool{0: true, 1000: true, 140_000: false} {
			yielded := 0
			srv := serve(t, rows[:n], nil, func(r *stream.Response) {
				r.Format = f
				rows := r.Rows
				r.Rows = func(yield func([]stream.Value) error) error {
					return rows(func(row []stream.Value) error { yielded++; return yield(row) })
				}
				r.Tag = func() string {
					if yielded != n {
						t.Errorf("the tag is asked for after %d rows of %d", yielded, n)
					}
					return "0123456789abcdef"
				}
			})
			resp := request(t, http.MethodGet, srv.URL, coding)
			_, announced := resp.Trailer["Etag"]
			if got := resp.Header.Get("Etag"); announced == whole || whole && got != want || !whole && got != "" {
				t.Errorf("%d rows: the header has %q, a trailer is announced: %t", n, got, announced)
			}
			if got := resp.Header.Get("Cache-Control"); got != "no-cache" {
				t.Errorf("Cache-Control = %q", got)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || (len(body) <= stream.WholeSize) != whole {
				t.Errorf("%d rows are %d bytes, %v", n, len(body), err)
			}
			if got := resp.Trailer.Get("Etag"); !whole && got != want {
				t.Errorf("%d rows: the trailer has %q, want %q", n, got, want)
			}
		}
	})
}

func TestResponseWithoutTag(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 100_000} {
		srv := serve(t, manyRows(n), nil, func(r *stream.Response) { r.Tag = func() string { return "" } })
		resp := request(t, http.MethodGet, srv.URL, "")
		whole(t, resp, n)
		if resp.Header.Get("Etag") != "" || resp.Trailer.Get("Etag") != "" {
			t.Errorf("%d rows: an empty tag makes %q, %q", n, resp.Header.Get("Etag"), resp.Trailer.Get("Etag"))
		}
	}
}

// A buffered answer has its tag and link in front, however long it is, and a
// failure at its end is answered with a problem.
func TestResponseBuffered(t *testing.T) {
	t.Parallel()
	const link = `</data?cursor=x>; rel="next"`
	buffered := func(r *stream.Response) {
		r.Buffered = true
		r.Tag = func() string { return "0123456789abcdef" }
		r.LinkAfter = func() string { return link }
	}
	rows := manyRows(10_000)
	resp := request(t, http.MethodGet, serve(t, rows, nil, buffered).URL, "")
	if got := resp.Header.Get("Etag"); got != `"0123456789abcdef-json"` {
		t.Errorf("ETag = %s", got)
	}
	if got := resp.Header.Get("Link"); got != link {
		t.Errorf("Link = %s", got)
	}
	if body := whole(t, resp, len(rows)); len(body) <= stream.WholeSize {
		t.Errorf("%d bytes do not show anything", len(body))
	}
	resp = request(t, http.MethodGet, serve(t, rows, errBroken, buffered).URL, "gzip")
	if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Link") != "" || resp.Header.Get("Etag") != "" {
		t.Errorf("a broken one is answered with %s, %v", resp.Status, resp.Header)
	}
}
