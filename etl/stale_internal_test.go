package etl

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// digestLine is a line of GET /data/digest.
func digestLine(day string, turbine int, digest string) string {
	return fmt.Sprintf(`{"day":%q,"turbine_id":%d,"samples":3,"first":"2025-01-02T00:00:00Z","last":"2025-01-02T00:02:00Z","digest":%q}`, day, turbine, digest)
}

// trailers of an answer; without them "" is sent.
type trailers struct{ rows, digest string }

func (tr trailers) send(w http.ResponseWriter, body string) {
	sum := sha256.Sum256([]byte(body))
	if tr.digest == "right" {
		tr.digest = "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Trailer", "Delfos-Rows, Content-Digest")
	_, _ = w.Write([]byte(body))
	w.Header().Set("Delfos-Rows", tr.rows)
	w.Header().Set("Content-Digest", tr.digest)
}

func TestDigestsAreBelievedWhenTheTrailersAgree(t *testing.T) {
	t.Parallel()
	lines := strings.Join([]string{
		digestLine("2025-01-02", 1, "00000000000000f0"), digestLine("2025-01-02", 2, "00000000000000ff"), digestLine("2025-01-04", 2, "ffffffffffffffff"),
	}, ",")
	tests := map[string]struct {
		body     string
		trailers trailers
		want     []dayDigest
	}{
		"days with and without lines": {"[" + lines + "]\n", trailers{"3", "right"}, []dayDigest{{0x0f, 6}, {}, {-1, 3}}},
		"no lines":                    {"[]", trailers{"0", "right"}, []dayDigest{{}, {}, {}}},
		"not ended":                   {"[" + lines, trailers{"3", "right"}, nil},
		"more behind the end":         {"[" + lines + "]", trailers{"3", "sha-256=:AAAA:"}, nil},
		"no trailers":                 {"[" + lines + "]", trailers{}, nil},
		"another number of lines":     {"[" + lines + "]", trailers{"4", "right"}, nil},
		"a day before":                {"[" + digestLine("2025-01-01", 1, "00000000000000f0") + "]", trailers{"1", "right"}, nil},
		"a day behind":                {"[" + digestLine("2025-01-05", 1, "00000000000000f0") + "]", trailers{"1", "right"}, nil},
		"no hexadecimal":              {"[" + digestLine("2025-01-02", 1, "x") + "]", trailers{"1", "right"}, nil},
		"no day":                      {"[" + digestLine("yesterday", 1, "00000000000000f0") + "]", trailers{"1", "right"}, nil},
		"no array":                    {"{}", trailers{"0", "right"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.trailers.send(w, tt.body) }))
			t.Cleanup(front.Close)
			got, err := newTestSource(t, front.URL, 1).digests(t.Context(), testDay(), testDay().AddDate(0, 0, 2), nil)
			told := errors.Is(err, errBroken)
			if tt.trailers == (trailers{}) {
				_, told = errors.AsType[*untoldError](err)
			}
			if (err == nil) != (tt.want != nil) || err != nil && !told {
				t.Errorf("got %v, want an error that it is broken: %t", err, tt.want == nil)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(dayDigest{})); diff != "" {
				t.Errorf("digests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDigestsOfAFleetComeInParts: one request does for a few turbines, and a
// fleet's are bounded by the samples that the source has to look at.
func TestDigestsOfAFleetComeInParts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		turbines int
		want     []string
	}{
		"none":                 {0, []string{"2025-01-02 2025-01-11"}},
		"one":                  {1, []string{"2025-01-02 2025-01-11"}},
		"a fleet":              {digestLines / 4, []string{"2025-01-02 2025-01-05", "2025-01-06 2025-01-09", "2025-01-10 2025-01-11"}},
		"more than one answer": {digestLines + 1, []string{"2025-01-02 2025-01-02", "2025-01-03 2025-01-03", "2025-01-04 2025-01-04", "2025-01-05 2025-01-05", "2025-01-06 2025-01-06", "2025-01-07 2025-01-07", "2025-01-08 2025-01-08", "2025-01-09 2025-01-09", "2025-01-10 2025-01-10", "2025-01-11 2025-01-11"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/turbines" {
					var ids []string
					for _, id := range turbinesTo(tt.turbines) {
						ids = append(ids, fmt.Sprintf(`{"id":%d,"name":"x"}`, id))
					}
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte("[" + strings.Join(ids, ",") + "]"))
					return
				}
				first, last := r.URL.Query().Get("start")[:10], r.URL.Query().Get("end")[:10]
				asked = append(asked, first+" "+last)
				trailers{"1", "right"}.send(w, "["+digestLine(last, 1, "0000000000000001")+"]")
			}))
			t.Cleanup(front.Close)
			got, turbines, err := newTestSource(t, front.URL, 1).allDigests(t.Context(), testDay(), testDay().AddDate(0, 0, 9), nil)
			if err != nil || len(got) != 10 || got[9] != (dayDigest{1, 3}) || turbines != tt.turbines {
				t.Errorf("got %v of %d turbines, %v, want ten days of %d, the last with a sample", got, turbines, err, tt.turbines)
			}
			if diff := cmp.Diff(tt.want, asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoDigestsToCompare(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /turbines", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("[]"))
	})
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	if _, _, err := newTestSource(t, front.URL, 1).allDigests(t.Context(), testDay(), testDay(), nil); !errors.Is(err, ErrNoDigests) {
		t.Errorf("got %v, want %v", err, ErrNoDigests)
	}
}
