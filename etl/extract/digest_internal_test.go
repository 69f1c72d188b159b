package extract

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/test/sourcetest"
)

// digestLine is a line of GET /data/digest.
func digestLine(day string, turbine int, digest string) string {
	return fmt.Sprintf(`{"day":%q,"turbine_id":%d,"samples":3,"first":"2025-01-02T00:00:00Z","last":"2025-01-02T00:02:00Z","digest":%q}`, day, turbine, digest)
}

func TestDigests(t *testing.T) {
	t.Parallel()
	lines := digestLine("2025-01-02", 1, "00000000000000f0") + "," + digestLine("2025-01-04", 2, "ffffffffffffffff")
	whole := sourcetest.JSON(2, "["+lines+"]\n")
	forged, unverified := whole, whole
	forged.Digest, unverified.Digest = "sha-256=:AAAA:", "-"
	tests := map[string]struct {
		answer sourcetest.Answer
		want   []Digest
		err    string
	}{
		"two days": {answer: whole, want: []Digest{
			{Day: testDay(), Turbine: 1, Samples: 3, Hash: 0xf0}, {Day: testDay().AddDate(0, 0, 2), Turbine: 2, Samples: 3, Hash: -1},
		}},
		"no lines":                {answer: sourcetest.JSON(0, "[]"), want: []Digest{}},
		"not ended":               {answer: sourcetest.JSON(2, "["+lines), err: ErrBroken.Error()},
		"more behind the end":     {answer: sourcetest.JSON(2, "["+lines+"]["), err: ErrBroken.Error()},
		"another digest":          {answer: forged, err: ErrBroken.Error()},
		"no trailers":             {answer: unverified, err: "without the trailers"},
		"another number of lines": {answer: sourcetest.JSON(4, "["+lines+"]"), err: ErrBroken.Error()},
		"a day before":            {answer: sourcetest.JSON(1, "["+digestLine("2025-01-01", 1, "00000000000000f0")+"]"), err: ErrBroken.Error()},
		"a day behind":            {answer: sourcetest.JSON(1, "["+digestLine("2025-01-05", 1, "00000000000000f0")+"]"), err: ErrBroken.Error()},
		"no hexadecimal":          {answer: sourcetest.JSON(1, "["+digestLine("2025-01-02", 1, "x")+"]"), err: ErrBroken.Error()},
		"no day":                  {answer: sourcetest.JSON(1, "["+digestLine("yesterday", 1, "00000000000000f0")+"]"), err: ErrBroken.Error()},
		"no array":                {answer: sourcetest.JSON(0, "{}"), err: ErrBroken.Error()},
		"an older API":            {answer: sourcetest.Problem(http.StatusNotFound, "there is nothing at /data/digest"), err: ErrNoDigests.Error()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := clientOf(t, sourcetest.Serve(t, tt.answer)).Digests(t.Context(), testDay(), testDay().AddDate(0, 0, 2))
			if diff := cmp.Diff(tt.want, got); tt.err == "" && (err != nil || diff != "") {
				t.Errorf("got error %v, digests (-want +got):\n%s", err, diff)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %s", err, tt.err)
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
		"a fleet":              {digestsAtOnce / 4, []string{"2025-01-02 2025-01-05", "2025-01-06 2025-01-09", "2025-01-10 2025-01-11"}},
		"more than one answer": {digestsAtOnce + 1, []string{"2025-01-02 2025-01-02", "2025-01-03 2025-01-03", "2025-01-04 2025-01-04", "2025-01-05 2025-01-05", "2025-01-06 2025-01-06", "2025-01-07 2025-01-07", "2025-01-08 2025-01-08", "2025-01-09 2025-01-09", "2025-01-10 2025-01-10", "2025-01-11 2025-01-11"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				first, last := r.URL.Query().Get("start")[:10], r.URL.Query().Get("end")[:10]
				asked = append(asked, first+" "+last)
				sourcetest.JSON(1, "["+digestLine(last, 1, "0000000000000001")+"]").ServeHTTP(w, r)
			}))
			t.Cleanup(front.Close)
			var last DayDigest
			for digests, err := range clientOf(t, front.URL).DigestsInParts(t.Context(), testDay(), testDay().AddDate(0, 0, 9), tt.turbines) {
				if err != nil {
					t.Fatal(err)
				}
				last = DayDigest{}
				for _, d := range digests {
					last.Add(d)
				}
			}
			if last != (DayDigest{1, 3}) {
				t.Errorf("the last day: got %v, want three samples", last)
			}
			if diff := cmp.Diff(tt.want, asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}
