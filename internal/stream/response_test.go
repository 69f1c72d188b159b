package stream_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/delfos/delfos/internal/httpserve"
	"github.com/delfos/delfos/internal/problem"
	"github.com/delfos/delfos/internal/stream"
)

var errBroken = errors.New("the source broke")

// serve answers with n rows, and then with err.
func serve(t *testing.T, n int, err error) *httptest.Server {
	t.Helper()
	chain := httpserve.Chain{Log: slog.New(slog.DiscardHandler), Fail: problem.Write}
	srv := httptest.NewServer(chain.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		response := stream.Response{
			Format:  stream.Formats()[0],
			Columns: columns(),
			Rows: func(yield func([]stream.Value) error) error {
				row := sampleRows()[0]
				for range n {
					if err := yield(row); err != nil {
						return err
					}
				}
				return err
			},
		}
		if err := response.Write(w, r); err != nil {
			problem.Write(w, r, err)
		}
	})))
	t.Cleanup(srv.Close)
	return srv
}

func TestResponseTrailers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 1: "1", 100_000: "100000"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			resp, err := http.Get(serve(t, n, nil).URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Trailer.Get(stream.RowsTrailer); got != want {
				t.Errorf("%s = %q, want %q", stream.RowsTrailer, got, want)
			}
			sum := sha256.Sum256(body)
			digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
			if got := resp.Trailer.Get(stream.DigestTrailer); got != digest {
				t.Errorf("%s = %q, want %q", stream.DigestTrailer, got, digest)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q", got)
			}
		})
	}
}

func TestResponseFailsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	resp, err := http.Get(serve(t, 3, errBroken).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Content-Type") != problem.ContentType {
		t.Errorf("got %s, %s; want a problem of status 500", resp.Status, resp.Header.Get("Content-Type"))
	}
	if len(resp.Trailer) > 0 {
		t.Errorf("a problem has trailers: %v", resp.Trailer)
	}
}

func TestResponseFailsAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	resp, err := http.Get(serve(t, 100_000, errBroken).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading ended with %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if got := resp.Trailer.Get(stream.DigestTrailer); got != "" {
		t.Errorf("a broken stream has a digest: %s", got)
	}
}

func TestResponseHead(t *testing.T) {
	t.Parallel()
	resp, err := http.Head(serve(t, 3, errBroken).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" || len(resp.Trailer) > 0 {
		t.Errorf("got %s, %v, trailers %v", resp.Status, resp.Header, resp.Trailer)
	}
}
