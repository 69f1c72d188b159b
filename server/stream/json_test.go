package stream_test

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/internal/test/golden"
	"github.com/delfos/delfos/server/stream"
)

func TestJSONGolden(t *testing.T) {
	t.Parallel()
	got := encode(t, format(t, "json"), columns(), sampleRows())
	golden.Equal(t, "rows.json", got)
	if !json.Valid(got) {
		t.Error("is no JSON")
	}
}

// A float is written as encoding/json writes it, whichever way finds it, and a
// whole number with .0 behind it.
func FuzzJSONFloat(f *testing.F) {
	for _, v := range []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 0.0001, 0.00011, 0.3, 0.30000000000000004, 6.745, 304.16, 1e-6, 9.99e-7, 1e-7, 1e-10,
		1e-100, 1e20, 1e21, 1e22, 99_999_999_999.9999, 1e11, 123456789012.3456, 1e9 + 1e-3, 9007199254740993,
		math.MaxFloat64, math.SmallestNonzeroFloat64, 5e-324, 1.0000000000000002, 2.5, 100, 1e4,
	} {
		f.Add(v)
		f.Add(-v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		// Also what readings look like: few decimals.
		for _, v := range []float64{v, math.Round(v*1e3) / 1e3, math.Round(v*1e4) / 1e4} {
			if math.IsInf(v, 0) {
				continue
			}
			want, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.ContainsAny(want, ".e") {
				want = append(want, ".0"...)
			}
			got := encode(t, format(t, "json"), columns()[2:3], [][]stream.Value{{pgrow.OfFloat64(v)}})
			if want := `[{"wind_speed":` + string(want) + "}]"; string(got) != want {
				t.Fatalf("%b: got %s, want %s", v, got, want)
			}
		}
	})
}
