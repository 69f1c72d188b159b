package stream_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/stream"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func columns() []stream.Column {
	return []stream.Column{
		{Name: "timestamp", Kind: stream.Timestamp},
		{Name: "turbine_id", Kind: stream.Int32},
		{Name: "wind_speed", Kind: stream.Float64},
		{Name: "power", Kind: stream.Float64},
	}
}

func micros(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

func sampleRows() [][]stream.Value {
	row := func(at string, id int32, wind, power stream.Value) []stream.Value {
		return []stream.Value{stream.OfTimestamp(micros(at)), stream.OfInt32(id), wind, power}
	}
	f := stream.OfFloat64
	return [][]stream.Value{
		row("2025-01-01T00:00:00Z", 1, f(6.745), f(304.16)),
		row("2025-01-01T00:01:00Z", 1, stream.Value{}, f(-12.5)),
		row("2025-01-01T00:01:00.5Z", 1, f(0), stream.Value{}),
		row("2025-01-01T00:01:00.000001Z", math.MaxInt32, f(1e21), f(1e-7)),
		row("1969-12-31T23:59:59.999999Z", 2, f(5), f(1e20)),
		row("2025-12-31T23:59:00Z", 2, f(0.30000000000000004), f(math.MaxFloat64)),
	}
}

func encode(tb testing.TB, format stream.Format, columns []stream.Column, rows [][]stream.Value) []byte {
	tb.Helper()
	var buf stream.Buffer
	e := format.New(columns)
	if err := e.Begin(&buf); err != nil {
		tb.Fatal(err)
	}
	for _, row := range rows {
		if err := e.Row(&buf, row); err != nil {
			tb.Fatal(err)
		}
	}
	if err := e.End(&buf); err != nil {
		tb.Fatal(err)
	}
	return buf.B
}

func TestJSONGolden(t *testing.T) {
	t.Parallel()
	got := encode(t, stream.Formats()[0], columns(), sampleRows())
	golden := filepath.Join("testdata", "rows.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !json.Valid(got) {
		t.Error("is no JSON")
	}
}

func TestJSONWithoutRows(t *testing.T) {
	t.Parallel()
	if got := string(encode(t, stream.Formats()[0], columns(), nil)); got != "[]" {
		t.Errorf("got %s, want []", got)
	}
}

func TestJSONRefusesWhatItCannotWrite(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		var buf stream.Buffer
		err := stream.NewJSON(columns()[2:3]).Row(&buf, []stream.Value{stream.OfFloat64(f)})
		if err == nil {
			t.Errorf("%v was written as %s", f, buf.B)
		}
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
			got := encode(t, stream.Formats()[0], columns()[2:3], [][]stream.Value{{stream.OfFloat64(v)}})
			if want := `[{"wind_speed":` + string(want) + "}]"; string(got) != want {
				t.Fatalf("%b: got %s, want %s", v, got, want)
			}
		}
	})
}

func TestOfPostgres(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind stream.Kind
		raw  []byte
		want stream.Value
		ok   bool
	}{
		{stream.Int32, []byte{0, 0, 1, 0}, stream.OfInt32(256), true},
		{stream.Int32, []byte{255, 255, 255, 255}, stream.OfInt32(-1), true},
		{stream.Float64, []byte{0x40, 0x04, 0, 0, 0, 0, 0, 0}, stream.OfFloat64(2.5), true},
		{stream.Timestamp, []byte{0, 0, 0, 0, 0, 0, 0, 1}, stream.OfTimestamp(946_684_800_000_001), true},
		{stream.Float64, nil, stream.Value{}, true},
		{stream.Int32, []byte("1"), stream.Value{}, false},
		{stream.Timestamp, []byte("2025"), stream.Value{}, false},
	}
	for _, tt := range tests {
		got, err := stream.OfPostgres(tt.kind, tt.raw)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("OfPostgres(%d, %x) = %+v, %v; want %+v, ok %t", tt.kind, tt.raw, got, err, tt.want, tt.ok)
		}
	}
	if v := stream.OfInt32(-7); v.Int32() != -7 || v.Null() {
		t.Errorf("OfInt32(-7) is %d", v.Int32())
	}
}

// One iteration is a row of five columns, 0 allocations.
func BenchmarkJSON(b *testing.B) {
	cols := columns()
	cols = append(cols, stream.Column{Name: "ambient_temperature", Kind: stream.Float64})
	e := stream.NewJSON(cols)
	buf := stream.Buffer{B: make([]byte, 0, 2*stream.ChunkSize)}
	at := micros("2025-01-01T00:00:00Z")
	row := make([]stream.Value, len(cols))
	var size int64
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		row[0] = stream.OfTimestamp(at + int64(i)*60_000_000)
		row[1] = stream.OfInt32(1)
		row[2] = stream.OfFloat64(float64(i%25_000) / 1000)
		row[3] = stream.OfFloat64(float64(i%200_000) / 100)
		row[4] = stream.OfFloat64(float64(i%4000)/100 - 10)
		if err := e.Row(&buf, row); err != nil {
			b.Fatal(err)
		}
		if len(buf.B) >= stream.ChunkSize {
			size += int64(len(buf.B))
			buf.B = buf.B[:0]
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(size+int64(len(buf.B)))/float64(b.N), "B/row")
}

// The same with floats that need the search for the shortest form.
func BenchmarkJSONLongFloats(b *testing.B) {
	e := stream.NewJSON(columns()[2:])
	var buf stream.Buffer
	b.ReportAllocs()
	row := make([]stream.Value, 2)
	i := 0
	for b.Loop() {
		i++
		row[0], row[1] = stream.OfFloat64(float64(i)/7), stream.OfFloat64(float64(i)/3)
		if err := e.Row(&buf, row); err != nil {
			b.Fatal(err)
		}
		if len(buf.B) >= stream.ChunkSize {
			buf.B = buf.B[:0]
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
