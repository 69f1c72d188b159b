package load

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/pgrow"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	held := func(turbine, signal int32, minute int, v float64) value {
		at := time.Date(2025, 1, 1, 0, minute, 0, 0, time.UTC)
		return value{TurbineID: turbine, SignalID: signal, Timestamp: pgrow.Micros(at.UnixMicro()), Value: v}
	}
	want := held
	tests := map[string]struct {
		held    []value
		wanted  []value
		written Written
		set     []float64
		gone    []int32 // signals
	}{
		"both empty": {},
		"equal":      {held: []value{held(1, 1, 0, 5)}, wanted: []value{want(1, 1, 0, 5)}},
		"new":        {wanted: []value{want(1, 1, 0, 5)}, written: Written{Inserted: 1}, set: []float64{5}},
		"changed":    {held: []value{held(1, 1, 0, 5)}, wanted: []value{want(1, 1, 0, 6)}, written: Written{Updated: 1}, set: []float64{6}},
		"gone":       {held: []value{held(1, 7, 0, 5)}, written: Written{Deleted: 1}, gone: []int32{7}},
		"gone before, between and after": {
			held:    []value{held(1, 1, 0, 1), held(1, 2, 0, 1), held(1, 2, 10, 1), held(1, 3, 0, 1), held(2, 4, 0, 1)},
			wanted:  []value{want(1, 2, 0, 1), want(1, 3, 0, 2)},
			written: Written{Updated: 1, Deleted: 3}, set: []float64{2}, gone: []int32{1, 2, 4},
		},
		"new before, between and after": {
			held:    []value{held(2, 2, 0, 1)},
			wanted:  []value{want(1, 9, 0, 3), want(2, 1, 0, 4), want(2, 2, 0, 1), want(2, 2, 10, 5), want(3, 1, 0, 6)},
			written: Written{Inserted: 4}, set: []float64{3, 4, 5, 6},
		},
		"ids far apart": {
			held:    []value{held(math.MinInt32, 1, 0, 1), held(math.MaxInt32, 1, 0, 1)},
			wanted:  []value{want(math.MinInt32, 1, 0, 1), want(math.MaxInt32, 1, 0, 2)},
			written: Written{Updated: 1}, set: []float64{2},
		},
		"a zero's sign does not count": {held: []value{held(1, 1, 0, 0)}, wanted: []value{want(1, 1, 0, math.Copysign(0, -1))}},
		"before 1970": {
			held:   []value{{TurbineID: 1, SignalID: 1, Timestamp: -600_000_000, Value: 1}},
			wanted: []value{{TurbineID: 1, SignalID: 1, Timestamp: -600_000_000, Value: 1}},
		},
		"all replaced": {
			held:    []value{held(1, 1, 0, 1)},
			wanted:  []value{want(1, 1, 10, 1)},
			written: Written{Inserted: 1, Deleted: 1}, set: []float64{1}, gone: []int32{1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got difference
			got.merge(tt.held, slices.Values(tt.wanted))
			if got.Written != tt.written {
				t.Errorf("written: got %+v, want %+v", got.Written, tt.written)
			}
			if diff := cmp.Diff(tt.set, got.set.Vals); diff != "" {
				t.Errorf("values to set (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.gone, got.remove.SignalIds); diff != "" {
				t.Errorf("signals of values to delete (-want +got):\n%s", diff)
			}
		})
	}
}
