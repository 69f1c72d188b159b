package etl

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/internal/test/sourcetest"
)

// clientOf asks an API at a URL, twice at most.
func clientOf(tb testing.TB, url string) *extract.Client {
	tb.Helper()
	retry := extract.Retry{Attempts: 2, First: time.Millisecond, Longest: time.Millisecond}
	client, err := extract.New(url, retry, slog.New(slog.NewTextHandler(tb.Output(), nil)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}

// extractionFrom is that of testDay from an API that a handler plays.
func extractionFrom(tb testing.TB, handler http.Handler) *extraction {
	tb.Helper()
	return &extraction{source: clientOf(tb, sourcetest.Serve(tb, handler)), day: testDay(), rules: check.NewRules(nil)}
}

func turbinesTo(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i + 1)
	}
	return ids
}

func TestExtractFindsTheBrokenTurbines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		broken   func(int) bool
		named    []int32
		requests int
		gaveUp   bool
	}{
		"none":                 {func(int) bool { return false }, nil, 2, false},
		"one":                  {func(id int) bool { return id == 3 }, []int32{3}, 14, false},
		"every eighth":         {func(id int) bool { return id%8 == 5 }, []int32{5, 13, 21, 29, 37, 45, 53, 61, 69, 77, 85, 93}, 0, false},
		"all of the first ten": {func(id int) bool { return id <= 10 }, []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0, false},
		"all":                  {func(int) bool { return true }, nil, hopeless, true},
		"all after the first":  {func(id int) bool { return id > 64 }, nil, 1 + hopeless, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			x := extractionFrom(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				var rows []sourcetest.Row
				for _, id := range sourcetest.Turbines(t, r) {
					if tt.broken(int(id)) {
						w.WriteHeader(http.StatusInternalServerError)
						return
					}
					rows = append(rows, sourcetest.Row{Turbine: id, At: testDay(), Value: 1})
				}
				sourcetest.Rows(t, rows...).ServeHTTP(w, r)
			}))
			var read, named []int32
			err := x.extract(t.Context(), turbinesTo(100), 64, func(g group) error {
				for i, s := range g.series {
					if s.turbine != g.read[i] {
						t.Errorf("series %d is of turbine %d, want %d", i, s.turbine, g.read[i])
					}
				}
				read = append(read, g.read...)
				for _, b := range g.broken {
					named = append(named, b.ID)
				}
				return nil
			})
			if got := int(requests.Load()); tt.requests > 0 && got != tt.requests {
				t.Errorf("requests: got %d, want %d", got, tt.requests)
			}
			if tt.gaveUp {
				var status *extract.StatusError
				if !errors.As(err, &status) || errors.Is(err, extract.ErrAway) || !strings.Contains(err.Error(), "32 requests in a row failed") {
					t.Errorf("extract: got %v, want it to give up on the day alone", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []int32
			for _, id := range turbinesTo(100) {
				if !tt.broken(int(id)) {
					want = append(want, id)
				}
			}
			if diff := cmp.Diff(want, read); diff != "" {
				t.Errorf("turbines read (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.named, named); diff != "" {
				t.Errorf("broken turbines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	x := extractionFrom(t, sourcetest.Rows(t, sourcetest.Day(testDay(), 1, 3, 4, 7)...))
	g, err := x.read(t.Context(), []int32{1, 2, 3, 4, 7})
	if err != nil || g.samples != 4*extract.SamplesPerDay || len(g.read) != 5 || len(g.series) != 4 {
		t.Fatalf("read: got %d samples, %d turbines, %d series, %v; want %d, 5, 4", g.samples, len(g.read), len(g.series), err, 4*extract.SamplesPerDay)
	}
	last := g.series[3]
	counts := []int{last.windows[143].Stats[0].Count, last.windows[143].Stats[1].Count, last.windows[143].Stats[2].Count}
	if diff := cmp.Diff([]int{10, 0, 10}, counts); last.turbine != 7 || len(last.windows) != 144 || last.windows[0].Stats[0].Mean != 11.5 || diff != "" {
		t.Errorf("series of turbine %d: %d windows, mean %v, counts (-want +got):\n%s", last.turbine, len(last.windows), last.windows[0].Stats[0].Mean, diff)
	}
	g, err = extractionFrom(t, sourcetest.Rows(t)).read(t.Context(), []int32{1})
	if err != nil || g.samples != 0 || len(g.series) != 0 {
		t.Errorf("no rows: got %d samples, %d series, %v", g.samples, len(g.series), err)
	}
}

// A time that comes twice is not mended by another try.
func TestReadRefusesTimesOutOfOrder(t *testing.T) {
	t.Parallel()
	first := sourcetest.Row{Turbine: 1, At: testDay()}
	_, err := extractionFrom(t, sourcetest.Rows(t, first, first)).read(t.Context(), []int32{1})
	if !errors.Is(err, window.ErrOrder) || errors.Is(err, extract.ErrBroken) || !strings.HasPrefix(err.Error(), "row 2: turbine 1: ") {
		t.Errorf("got %v, want %v of row 2", err, window.ErrOrder)
	}
}

// One iteration is a day of 32 turbines, 46,080 rows, over HTTP: 0 allocations a row.
func BenchmarkRead(b *testing.B) {
	turbines := turbinesTo(DefaultGroup)
	answer := sourcetest.Rows(b, sourcetest.Day(testDay(), turbines...)...)
	answer.Digest = sourcetest.Digest(answer.Body) // once
	x := extractionFrom(b, answer)
	b.ReportAllocs()
	for b.Loop() {
		readFree(b, x, turbines)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(len(turbines)*extract.SamplesPerDay*b.N), "ns/row")
}
