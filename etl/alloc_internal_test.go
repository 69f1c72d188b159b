package etl

import (
	"testing"

	"github.com/delfos/delfos/etl/extract"
	"github.com/delfos/delfos/internal/test/sourcetest"
)

// readFree reads a group and gives its memory back, as a load does.
func readFree(tb testing.TB, x *extraction, turbines []int32) {
	tb.Helper()
	g, err := x.read(tb.Context(), turbines)
	if err != nil || g.samples != int64(len(turbines)*extract.SamplesPerDay) {
		tb.Fatalf("read: got %d samples, %v", g.samples, err)
	}
	g.free()
}

// A row costs no memory on its way from an answer to the windows; what an
// answer and a batch of Arrow cost is spread over their rows. Allocations are
// counted for the whole process: nothing runs beside this test but the server.
func TestReadDoesNotAllocate(t *testing.T) {
	turbines := turbinesTo(DefaultGroup)
	x := extractionFrom(t, sourcetest.Rows(t, sourcetest.Day(testDay(), turbines...)...))
	all := testing.AllocsPerRun(3, func() { readFree(t, x, turbines) })
	t.Logf("%g allocations an answer", all)
	if got := all / float64(len(turbines)*extract.SamplesPerDay); got > 0.05 {
		t.Errorf("got %g allocations a row, want at most 0.05", got)
	}
}

// Memory that is given back is written over by the next group alone.
func TestGroupsShareNoMemory(t *testing.T) {
	t.Parallel()
	read := func(turbines ...int32) (group, error) {
		return extractionFrom(t, sourcetest.Rows(t, sourcetest.Day(testDay(), turbines...)...)).read(t.Context(), turbines)
	}
	first, err := read(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	second, err := read(7, 8)
	if err != nil {
		t.Fatal(err)
	}
	second.free()
	if second.series != nil || second.memory != nil {
		t.Errorf("a group that was freed has %d series, %d memories", len(second.series), len(second.memory))
	}
	second, err = read(5, 6)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []group{first, second} {
		for i, s := range g.series {
			if got, want := s.windows[143].Stats[0].Mean, float64(s.turbine)+4.5; s.turbine != g.read[i] || got != want {
				t.Errorf("turbine %d: got a mean of %v in the last window, want %v", g.read[i], got, want)
			}
		}
	}
}
