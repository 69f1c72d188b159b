package etl

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/internal/test/sourcetest"
)

// digestLine is a line of GET /data/digest.
func digestLine(day string, turbine int, digest string) string {
	return fmt.Sprintf(`{"day":%q,"turbine_id":%d,"samples":3,"first":"2025-01-02T00:00:00Z","last":"2025-01-02T00:02:00Z","digest":%q}`, day, turbine, digest)
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
				sourcetest.JSON(1, "["+digestLine(last, 1, "0000000000000001")+"]").ServeHTTP(w, r)
			}))
			t.Cleanup(front.Close)
			got, turbines, err := (&Job{source: clientOf(t, front.URL)}).allDigests(t.Context(), testDay(), testDay().AddDate(0, 0, 9), nil)
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
	if _, _, err := (&Job{source: clientOf(t, front.URL)}).allDigests(t.Context(), testDay(), testDay(), nil); !errors.Is(err, extract.ErrNoDigests) {
		t.Errorf("got %v, want %v", err, extract.ErrNoDigests)
	}
}
