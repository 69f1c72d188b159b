package extract

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/etl/check"
	"github.com/delfos/delfos/etl/window"
	"github.com/delfos/delfos/internal/test/sourcetest"
)

// readerFrom reads testDay from an API that a handler plays.
func readerFrom(tb testing.TB, handler http.Handler) *dayReader {
	tb.Helper()
	return &dayReader{client: clientOf(tb, sourcetest.Serve(tb, handler)), day: testDay(), rules: check.NewRules(nil)}
}

func turbinesTo(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i + 1)
	}
	return ids
}

func TestGroupsFindTheBrokenTurbines(t *testing.T) {
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
		"all":                  {func(int) bool { return true }, nil, maxFailures, true},
		"all after the first":  {func(id int) bool { return id > 64 }, nil, 1 + maxFailures, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			x := readerFrom(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				var rows []sourcetest.Row
				for _, id := range sourcetest.Asked(t, r) {
					if tt.broken(int(id)) {
						w.WriteHeader(http.StatusInternalServerError)
						return
					}
					rows = append(rows, sourcetest.Row{Turbine: id, At: testDay(), Value: 1})
				}
				sourcetest.Rows(t, rows...).ServeHTTP(w, r)
			}))
			var read, named []int32
			var err error
			for g, failure := range x.client.Groups(t.Context(), testDay(), turbinesTo(100), 64, check.NewRules(nil)) {
				if failure != nil {
					err = failure
					break
				}
				for i, s := range g.Series {
					if s.Turbine != g.Read[i] {
						t.Errorf("series %d is of turbine %d, want %d", i, s.Turbine, g.Read[i])
					}
				}
				read = append(read, g.Read...)
				for _, b := range g.Broken {
					named = append(named, b.ID)
				}
			}
			if got := int(requests.Load()); tt.requests > 0 && got != tt.requests {
				t.Errorf("requests: got %d, want %d", got, tt.requests)
			}
			if tt.gaveUp {
				var status *StatusError
				if !errors.As(err, &status) || errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "32 requests in a row failed") {
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
	x := readerFrom(t, sourcetest.Rows(t, sourcetest.Day(testDay(), 1, 3, 4, 7)...))
	g, err := x.read(t.Context(), []int32{1, 2, 3, 4, 7})
	if err != nil || g.Samples != 4*SamplesPerDay || len(g.Read) != 5 || len(g.Series) != 4 {
		t.Fatalf("read: got %d samples, %d turbines, %d series, %v; want %d, 5, 4", g.Samples, len(g.Read), len(g.Series), err, 4*SamplesPerDay)
	}
	last := g.Series[3]
	counts := []int{last.Windows[143].Stats[0].Count, last.Windows[143].Stats[1].Count, last.Windows[143].Stats[2].Count}
	if diff := cmp.Diff([]int{10, 0, 10}, counts); last.Turbine != 7 || len(last.Windows) != 144 || last.Windows[0].Stats[0].Mean != 11.5 || diff != "" {
		t.Errorf("series of turbine %d: %d windows, mean %v, counts (-want +got):\n%s", last.Turbine, len(last.Windows), last.Windows[0].Stats[0].Mean, diff)
	}
	g, err = readerFrom(t, sourcetest.Rows(t)).read(t.Context(), []int32{1})
	if err != nil || g.Samples != 0 || len(g.Series) != 0 {
		t.Errorf("no rows: got %d samples, %d series, %v", g.Samples, len(g.Series), err)
	}
}

// A time that comes twice is not mended by another try.
func TestReadRefusesTimesOutOfOrder(t *testing.T) {
	t.Parallel()
	first := sourcetest.Row{Turbine: 1, At: testDay()}
	_, err := readerFrom(t, sourcetest.Rows(t, first, first)).read(t.Context(), []int32{1})
	if !errors.Is(err, window.ErrOrder) || errors.Is(err, ErrBroken) || !strings.HasPrefix(err.Error(), "row 2: turbine 1: ") {
		t.Errorf("got %v, want %v of row 2", err, window.ErrOrder)
	}
}

// One iteration is a day of 32 turbines, 46,080 rows, over HTTP: 0 allocations a row.
func BenchmarkRead(b *testing.B) {
	turbines := turbinesTo(DefaultGroup)
	answer := sourcetest.Rows(b, sourcetest.Day(testDay(), turbines...)...)
	answer.Digest = sourcetest.Digest(answer.Body) // once
	x := readerFrom(b, answer)
	b.ReportAllocs()
	for b.Loop() {
		readFree(b, x, turbines)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(len(turbines)*SamplesPerDay*b.N), "ns/row")
}

// readFree reads a group and gives its memory back, as a load does.
func readFree(tb testing.TB, x *dayReader, turbines []int32) {
	tb.Helper()
	g, err := x.read(tb.Context(), turbines)
	if err != nil || g.Samples != int64(len(turbines)*SamplesPerDay) {
		tb.Fatalf("read: got %d samples, %v", g.Samples, err)
	}
	g.Free()
}

// A row costs no memory on its way from an answer to the windows; what an
// answer and a batch of Arrow cost is spread over their rows. Allocations are
// counted for the whole process: nothing runs beside this test but the server.
func TestReadDoesNotAllocate(t *testing.T) {
	turbines := turbinesTo(DefaultGroup)
	x := readerFrom(t, sourcetest.Rows(t, sourcetest.Day(testDay(), turbines...)...))
	all := testing.AllocsPerRun(3, func() { readFree(t, x, turbines) })
	t.Logf("%g allocations an answer", all)
	if got := all / float64(len(turbines)*SamplesPerDay); got > 0.05 {
		t.Errorf("got %g allocations a row, want at most 0.05", got)
	}
}

// Memory that is given back is written over by the next group alone.
func TestGroupsShareNoMemory(t *testing.T) {
	t.Parallel()
	read := func(turbines ...int32) (*Group, error) {
		return readerFrom(t, sourcetest.Rows(t, sourcetest.Day(testDay(), turbines...)...)).read(t.Context(), turbines)
	}
	first, err := read(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	second, err := read(7, 8)
	if err != nil {
		t.Fatal(err)
	}
	second.Free()
	if second.Series != nil || second.memory != nil {
		t.Errorf("a group that was freed has %d series, %d memories", len(second.Series), len(second.memory))
	}
	second, err = read(5, 6)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []*Group{first, second} {
		for i, s := range g.Series {
			if got, want := s.Windows[143].Stats[0].Mean, float64(s.Turbine)+4.5; s.Turbine != g.Read[i] || got != want {
				t.Errorf("turbine %d: got a mean of %v in the last window, want %v", g.Read[i], got, want)
			}
		}
	}
}
