package etl

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestFirstSample(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string // "" while there are no samples
		away   bool
		fails  bool
	}{
		{name: "earliest", status: 200, want: "2024-12-31T23:59:00Z", body: `[{"id":1,"name":"a","first":"2025-01-01T00:00:00Z","last":"2025-01-03T00:00:00Z"},` +
			`{"id":2,"name":"b"},{"id":3,"name":"c","first":"2024-12-31T23:59:00Z","last":"2025-01-03T00:00:00Z"}]`},
		{name: "no samples", status: 200, body: `[{"id":1,"name":"a"}]`},
		{name: "no turbines", status: 200, body: `[]`},
		{name: "broken", status: 200, body: `[{"id":1,`, fails: true},
		{name: "away", status: 503, fails: true, away: true},
		{name: "an API that knows no span", status: 422, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/turbines" || r.URL.RawQuery != "span=true" {
					t.Errorf("the source is asked for %s", r.URL)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(api.Close)
			at, known, err := (&Job{source: newTestSource(t, api.URL, 1)}).FirstSample(t.Context())
			if (err != nil) != c.fails || errors.Is(err, ErrSourceAway) != c.away {
				t.Fatalf("got error %v, want one %t, away %t", err, c.fails, c.away)
			}
			if known != (c.want != "") || known && at.Format(time.RFC3339) != c.want {
				t.Errorf("got %s, %t, want %s", at, known, c.want)
			}
		})
	}
}
