package etl

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/delfos/delfos/etl/extract"
)

func TestSampled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string // "" while there are no samples
		away   bool
		fails  bool
	}{
		{name: "earliest", status: 200, want: "2024-12-31 to 2025-01-03", body: `[{"id":1,"name":"a","first":"2025-01-01T00:00:00Z","last":"2025-01-03T00:00:00Z"},` +
			`{"id":2,"name":"b"},{"id":3,"name":"c","first":"2024-12-31T23:59:00Z","last":"2025-01-01T12:00:00Z"}]`},
		{name: "no samples", status: 200, body: `[{"id":1,"name":"a"}]`},
		{name: "no turbines", status: 200, body: `[]`},
		{name: "broken", status: 200, body: `[{"id":1,`, fails: true},
		{name: "away", status: 503, fails: true, away: true},
		{name: "an API that knows no span", status: 422, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/turbines" || r.URL.Query().Encode() != "end=2025-01-10T23%3A59%3A59.999999Z&span=true&start=1980-01-01T00%3A00%3A00Z" {
					t.Errorf("the source is asked for %s", r.URL)
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(api.Close)
			first := time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)
			last := time.Date(2025, time.January, 10, 0, 0, 0, 0, time.UTC)
			span, known, err := (&Job{source: clientOf(t, api.URL)}).Sampled(t.Context(), first, last)
			if (err != nil) != c.fails || errors.Is(err, extract.ErrAway) != c.away {
				t.Fatalf("got error %v, want one %t, away %t", err, c.fails, c.away)
			}
			if known != (c.want != "") || known && format(span.First)+" to "+format(span.Last) != c.want {
				t.Errorf("got %v, %t, want %s", span, known, c.want)
			}
		})
	}
}
