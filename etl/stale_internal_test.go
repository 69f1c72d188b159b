package etl

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/gen/sourceapi"
	"github.com/delfos/delfos/internal/apiclient"
	"github.com/delfos/delfos/internal/test/sourcetest"
)

// clientOf asks an API at a URL, twice at most.
func clientOf(tb testing.TB, url string) *extract.Client {
	tb.Helper()
	retry := extract.Retry{Attempts: 2, First: time.Millisecond, Longest: time.Millisecond}
	client, err := extract.New(url, apiclient.Token{}, retry, slog.New(slog.NewTextHandler(tb.Output(), nil)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}

func TestNoDigestsToCompare(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /turbines", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("[]"))
	})
	day := time.Date(2025, time.January, 2, 0, 0, 0, 0, time.UTC)
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	job := &Job{source: clientOf(t, front.URL)}
	if _, err := job.eachDigest(t.Context(), []time.Time{day}, func(extract.Digest) {}); !errors.Is(err, extract.ErrNoDigests) {
		t.Errorf("got %v, want %v", err, extract.ErrNoDigests)
	}
}

func TestSampled(t *testing.T) {
	t.Parallel()
	first, last := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 1, 3, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string // "" while there are no samples
		away   bool
		fails  bool
	}{
		{name: "earliest", status: 200, want: "2024-12-31 to 2025-01-03", body: sourcetest.Turbines(t,
			sourceapi.Turbine{Id: 1, First: new(first), Last: new(last)},
			sourceapi.Turbine{Id: 2},
			sourceapi.Turbine{Id: 3, First: new(first.Add(-time.Minute)), Last: new(first.Add(12 * time.Hour))})},
		{name: "no samples", status: 200, body: sourcetest.Turbines(t, sourceapi.Turbine{Id: 1})},
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

func TestSuspect(t *testing.T) {
	t.Parallel()
	// day is of 2025-01: the samples it was loaded from and those that there are now.
	day := func(n int, loaded, now int64) SeenDay {
		return SeenDay{Day: time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC), Loaded: loaded, Now: now, Stale: loaded != now}
	}
	// told is a day that is gone and has failed.
	told := func(n int) SeenDay {
		d := day(n, 1440, 0)
		d.Stale = false
		return d
	}
	for name, tt := range map[string]struct {
		look Look
		want string // a part of it
	}{
		"nothing loaded, nothing there": {Look{}, ""},
		"as it was":                     {Look{Loaded: []SeenDay{day(1, 1440, 1440), day(2, 1440, 1440)}, Turbines: 1}, ""},
		"no turbines":                   {Look{Loaded: []SeenDay{day(1, 1440, 1440)}}, "lists no turbines, and 1 days are loaded"},
		"late readings":                 {Look{Loaded: []SeenDay{day(1, 1000, 1440), day(2, 1440, 1000)}, Turbines: 1}, ""},
		"one day gone":                  {Look{Loaded: []SeenDay{day(1, 1440, 1440), day(2, 1440, 0), day(3, 1440, 1440)}, Turbines: 1}, ""},
		"two days gone":                 {Look{Loaded: []SeenDay{day(1, 1440, 0), day(2, 1440, 1440), day(3, 1440, 0)}, Turbines: 1}, "no samples of 2 days that are loaded, 2025-01-01 to 2025-01-03;"},
		"another day gone":              {Look{Loaded: []SeenDay{told(1), day(2, 1440, 0), day(3, 1440, 1440)}, Turbines: 1}, "no samples of 2 days"},
		"gone, and told":                {Look{Loaded: []SeenDay{told(1), told(2), day(3, 1440, 1440)}, Turbines: 1}, ""},
		"a purge under way":             {Look{Loaded: []SeenDay{told(1), day(2, 1440, 1430), day(3, 1440, 1440)}, Turbines: 1}, "has 1430 of the 1440 samples that 2025-01-02 was loaded from, and none of 2025-01-01 before it;"},
		"nine readings of the first":    {Look{Loaded: []SeenDay{day(2, 1440, 1431), day(3, 1440, 1440)}, Turbines: 1}, ""},
		"more readings of the first":    {Look{Loaded: []SeenDay{told(1), day(2, 1440, 1441)}, Turbines: 1}, ""},
		"readings of a later day":       {Look{Loaded: []SeenDay{told(1), day(2, 1440, 1440), day(3, 1440, 1431)}, Turbines: 1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.look.Suspect(); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		parsed, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, tt := range []struct {
		retention       Retention
		now, from, want string
	}{
		{0, "2025-06-30 12:00", "2025-01-01 00:00", "2025-01-01 00:00"},
		{14, "2025-06-30 12:00", "2025-01-01 00:00", "2025-06-17 00:00"}, // of 06-16 half is gone
		{14, "2025-06-30 00:00", "2025-01-01 00:00", "2025-06-17 00:00"},
		{14, "2025-06-30 12:00", "2025-06-18 00:00", "2025-06-18 00:00"},
		{1, "2025-06-30 12:00", "2025-01-01 00:00", "2025-06-30 00:00"},
	} {
		if got := tt.retention.Clip(at(tt.from), at(tt.now)); !got.Equal(at(tt.want)) {
			t.Errorf("%d days at %s: from %s on, want %s", tt.retention, tt.now, got, tt.want)
		}
	}
}
