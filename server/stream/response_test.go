package stream_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/delfos/delfos/server/httpserve"
	"github.com/delfos/delfos/server/problem"
	"github.com/delfos/delfos/server/stream"
)

var errBroken = errors.New("the source broke")

// serve answers with what change makes of a response of the rows, and after
// them with err.
func serve(t *testing.T, rows [][]stream.Value, err error, change func(*stream.Response)) *httptest.Server {
	t.Helper()
	chain := httpserve.Chain{Log: slog.New(slog.DiscardHandler), Fail: problem.Write}
	srv := httptest.NewServer(chain.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		response := stream.Response{
			Format:  stream.Formats()[0],
			Columns: columns(),
			Rows: func(yield func([]stream.Value) error) error {
				for _, row := range rows {
					if err := yield(row); err != nil {
						return err
					}
				}
				return err
			},
		}
		change(&response)
		if err := response.Write(w, r); err != nil {
			problem.Write(w, r, err)
		}
	})))
	t.Cleanup(srv.Close)
	return srv
}

func unchanged(*stream.Response) {}

// request asks as a client does that leaves decoding to its caller.
func request(t *testing.T, method, url, coding string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if coding != "" {
		req.Header.Set("Accept-Encoding", coding)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// whole reads an answer and checks its trailers.
func whole(t *testing.T, resp *http.Response, rows int) []byte {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read the body: %v", err)
	}
	if got := resp.Trailer.Get(stream.RowsTrailer); got != strconv.Itoa(rows) {
		t.Errorf("%s = %q, want %d", stream.RowsTrailer, got, rows)
	}
	if got := resp.Trailer.Get(stream.DigestTrailer); got != digestOf(body) {
		t.Errorf("%s = %q, want %q", stream.DigestTrailer, got, digestOf(body))
	}
	return body
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// decoder undoes a content coding.
func decoder(t *testing.T, coding string, body io.Reader) io.Reader {
	t.Helper()
	switch coding {
	case "gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	default:
		return body
	}
}

// eachAnswer runs a test for every format with every coding that it may have.
func eachAnswer(t *testing.T, test func(t *testing.T, f stream.Format, coding string)) {
	t.Helper()
	for _, f := range stream.Formats() {
		for _, coding := range []string{"", "gzip", "zstd"} {
			if stream.NegotiateCoding([]string{coding}, f) != coding {
				continue
			}
			t.Run(f.Name+" "+coding, func(t *testing.T) {
				t.Parallel()
				test(t, f, coding)
			})
		}
	}
}

func TestResponse(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 1440, 40_000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			rows := manyRows(n)
			eachAnswer(t, func(t *testing.T, f stream.Format, coding string) {
				t.Helper()
				srv := serve(t, rows, nil, func(r *stream.Response) { r.Format, r.Filename = f, "samples" })
				resp := request(t, http.MethodGet, srv.URL, coding)
				body := whole(t, resp, n)
				got, err := io.ReadAll(decoder(t, coding, bytes.NewReader(body)))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, encode(t, f, columns(), rows)) {
					t.Errorf("%d bytes came, decoded %d, and are not what the encoder wrote", len(body), len(got))
				}
				if coding != "" && n >= 1440 && len(body) > len(got)*3/4 {
					t.Errorf("%s made %d bytes of %d", coding, len(body), len(got))
				}
				for name, want := range map[string]string{
					"Content-Type":        f.MediaType,
					"Content-Encoding":    coding,
					"Content-Disposition": "inline; filename=samples" + f.Extension,
					"Vary":                "Accept, Accept-Encoding",
					"Cache-Control":       "no-store",
					"Etag":                "",
				} {
					if got := resp.Header.Get(name); got != want {
						t.Errorf("%s = %q, want %q", name, got, want)
					}
				}
			})
		})
	}
}

func TestResponseFailsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	eachAnswer(t, func(t *testing.T, f stream.Format, coding string) {
		t.Helper()
		srv := serve(t, manyRows(3), errBroken, func(r *stream.Response) { r.Format, r.Filename = f, "samples" })
		resp := request(t, http.MethodGet, srv.URL, coding)
		if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Content-Type") != problem.ContentType {
			t.Errorf("got %s, %s; want a problem of status 500", resp.Status, resp.Header.Get("Content-Type"))
		}
		for _, name := range []string{"Content-Encoding", "Content-Disposition", "Trailer"} {
			if got := resp.Header.Get(name); got != "" {
				t.Errorf("a problem has %s: %s", name, got)
			}
		}
		if body, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(body), `{"type"`) {
			t.Errorf("the body is %q, %v", body, err)
		}
	})
}

// A broken answer never ends as a whole one does: not its transfer, not its
// trailers, and where it has any not its coding.
func TestResponseFailsAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	rows := manyRows(140_000)
	eachAnswer(t, func(t *testing.T, f stream.Format, coding string) {
		t.Helper()
		srv := serve(t, rows, errBroken, func(r *stream.Response) {
			r.Format = f
			r.Tag = func() string { return "0123456789abcdef" }
		})
		resp := request(t, http.MethodGet, srv.URL, coding)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("got %s before the first byte", resp.Status)
		}
		body, err := io.ReadAll(resp.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 {
			t.Errorf("reading ended after %d bytes with %v, want %v", len(body), err, io.ErrUnexpectedEOF)
		}
		for name, values := range resp.Trailer {
			if len(values) > 0 {
				t.Errorf("a broken stream has the trailer %s: %v", name, values)
			}
		}
		if coding != "" {
			if n, err := io.Copy(io.Discard, decoder(t, coding, bytes.NewReader(body))); err == nil {
				t.Errorf("%s ends cleanly after %d bytes", coding, n)
			}
		}
		// The encoders that it used are as good as new.
		srv = serve(t, rows[:2000], nil, func(r *stream.Response) { r.Format = f })
		body = whole(t, request(t, http.MethodGet, srv.URL, coding), 2000)
		got, err := io.ReadAll(decoder(t, coding, bytes.NewReader(body)))
		if err != nil || !bytes.Equal(got, encode(t, f, columns(), rows[:2000])) {
			t.Errorf("the next answer is not what the encoder wrote: %v", err)
		}
	})
}

func TestResponseHead(t *testing.T) {
	t.Parallel()
	srv := serve(t, manyRows(3), errBroken, func(r *stream.Response) {
		r.Filename = "samples"
		r.Tag = func() string { return "0123456789abcdef" }
	})
	resp := request(t, http.MethodHead, srv.URL, "gzip")
	if resp.StatusCode != http.StatusOK || len(resp.Trailer) > 0 {
		t.Errorf("got %s, trailers %v", resp.Status, resp.Trailer)
	}
	for name, want := range map[string]string{
		"Content-Type":        "application/json",
		"Content-Encoding":    "gzip",
		"Content-Disposition": "inline; filename=samples.json",
		"Etag":                `"0123456789abcdef-json-gzip"`,
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestResponseRefusesCodings(t *testing.T) {
	t.Parallel()
	srv := serve(t, manyRows(3), nil, unchanged)
	for _, accept := range []string{"identity;q=0", "*;q=0", "br, identity;q=0"} {
		resp := request(t, http.MethodGet, srv.URL, accept)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusNotAcceptable || !strings.Contains(string(body), "zstd, gzip, identity") {
			t.Errorf("%s: got %s %s, want a 406 that lists the codings", accept, resp.Status, body)
		}
	}
}

// HTTP/1.0 has no trailers; what is held back whole has them in front.
func TestResponseHTTP10(t *testing.T) {
	t.Parallel()
	for n, inFront := range map[int]bool{1000: true, 10_000: true, 100_000: false} {
		srv := serve(t, manyRows(n), nil, func(r *stream.Response) { r.Tag = func() string { return "0123456789abcdef" } })
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if inFront {
			want = digestOf(body)
		}
		if got := resp.Header.Get(stream.DigestTrailer); got != want || resp.Header.Get("Trailer") != "" {
			t.Errorf("%d rows: the digest in front is %q, want %q; Trailer %q", n, got, want, resp.Header.Get("Trailer"))
		}
	}
}
