package etl

import (
	"bytes"
	"testing"
	"time"

	"github.com/delfos/delfos/etl/check"
)

// decodeFree decodes a group's answer and gives its memory back, as a load does.
func decodeFree(tb testing.TB, body []byte, mediaType string, turbines []int32) {
	tb.Helper()
	g, err := decode(bytes.NewReader(body), mediaType, turbines, testDay(), testDay().AddDate(0, 0, 1).Add(-time.Microsecond), check.NewRules(nil))
	if err != nil || g.samples != int64(len(turbines)*samplesPerDay) {
		tb.Fatalf("decode: got %d samples, %v", g.samples, err)
	}
	g.free()
}

// A row costs no memory on its way from an answer to the windows; what an
// answer and a batch of Arrow cost is spread over their rows. Allocations are
// counted for the whole process: nothing runs beside this test.
func TestDecodeDoesNotAllocate(t *testing.T) {
	turbines := turbinesTo(DefaultGroup)
	tests := map[string]struct {
		body []byte
		most float64 // allocations a row
	}{
		"application/json": {dayOf(turbines), 0.005},
		arrowStream:        {arrowOf(t, sampleColumns(), rowsOf(turbines...)), 0.05},
	}
	for mediaType, tt := range tests {
		all := testing.AllocsPerRun(3, func() { decodeFree(t, tt.body, mediaType, turbines) })
		got := all / float64(len(turbines)*samplesPerDay)
		t.Logf("%s: %g allocations an answer", mediaType, all)
		if got > tt.most {
			t.Errorf("%s: got %g allocations a row, want at most %g", mediaType, got, tt.most)
		}
	}
}

// Memory that is given back is written over by the next group alone.
func TestGroupsShareNoMemory(t *testing.T) {
	t.Parallel()
	first, err := decodeArrow(arrowOf(t, sampleColumns(), rowsOf(1, 2)), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	second, err := decodeArrow(arrowOf(t, sampleColumns(), rowsOf(7, 8)), 7, 8)
	if err != nil {
		t.Fatal(err)
	}
	second.free()
	if second.series != nil || second.memory != nil {
		t.Errorf("a group that was freed has %d series, %d memories", len(second.series), len(second.memory))
	}
	second, err = decodeArrow(arrowOf(t, sampleColumns(), rowsOf(5, 6)), 5, 6)
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
