package stream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/server/stream"
)

// benchColumns are those of an answer of /data with every variable and
// turbine_id.
func benchColumns() []stream.Column {
	return append(columns(), stream.Column{Name: "ambient_temperature", Kind: stream.Float64, Unit: "°C"})
}

// benchRow fills in the i-th row of readings with as many decimals as a
// turbine's controller gives.
func benchRow(row []stream.Value, at int64, i int) {
	row[0] = pgrow.OfTimestamp(at + int64(i)*60_000_000)
	row[1] = pgrow.OfInt32(1)
	row[2] = pgrow.OfFloat64(float64(i*7919%25_000) / 1000)
	row[3] = pgrow.OfFloat64(float64(i*104_729%200_000) / 100)
	row[4] = pgrow.OfFloat64(float64(i/10%4000)/100 - 10)
}

// One iteration is a row of five columns: 0 allocations, but for those of a
// Parquet row group.
func BenchmarkEncode(b *testing.B) {
	for _, f := range stream.Formats() {
		b.Run(f.Name, func(b *testing.B) {
			e := f.New(benchColumns())
			buf := stream.Buffer{B: make([]byte, 0, stream.WholeSize)}
			if err := e.Begin(&buf); err != nil {
				b.Fatal(err)
			}
			at := micros("2025-01-01T00:00:00Z")
			row := make([]stream.Value, len(benchColumns()))
			var size int64
			i := 0
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b.ReportAllocs()
			for b.Loop() {
				i++
				benchRow(row, at, i)
				if err := e.Row(&buf, row); err != nil {
					b.Fatal(err)
				}
				if len(buf.B) >= stream.ChunkSize {
					size += int64(len(buf.B))
					buf.B = buf.B[:0]
				}
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(size+int64(len(buf.B)))/float64(b.N), "B/row")
			// allocs/op is rounded down; this is not.
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(i), "mallocs/row")
		})
	}
}

// JSON with floats that need the search for the shortest form.
func BenchmarkJSONLongFloats(b *testing.B) {
	e := stream.NewJSON(columns()[2:])
	var buf stream.Buffer
	b.ReportAllocs()
	row := make([]stream.Value, 2)
	i := 0
	for b.Loop() {
		i++
		row[0], row[1] = pgrow.OfFloat64(float64(i)/7), pgrow.OfFloat64(float64(i)/3)
		if err := e.Row(&buf, row); err != nil {
			b.Fatal(err)
		}
		if len(buf.B) >= stream.ChunkSize {
			buf.B = buf.B[:0]
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// One iteration is a year of one turbine, 525,600 rows, in each format and
// coding, into a client that throws it away. heap-MiB is the highest that the
// heap was seen at.
func BenchmarkResponse(b *testing.B) {
	const year = 525_600
	for _, f := range stream.Formats() {
		for _, coding := range []string{"", "gzip", "zstd"} {
			if stream.NegotiateCoding([]string{coding}, f) != coding {
				continue
			}
			b.Run(f.Name+"/"+coding, func(b *testing.B) {
				at := micros("2025-01-01T00:00:00Z")
				row := make([]stream.Value, len(benchColumns()))
				var peak, size uint64
				var mem runtime.MemStats
				response := stream.Response{
					Format: f, Columns: benchColumns(),
					Rows: func(yield func([]stream.Value) error) error {
						for i := range year {
							benchRow(row, at, i)
							if err := yield(row); err != nil {
								return err
							}
							if i%50_000 == 0 {
								runtime.ReadMemStats(&mem)
								peak = max(peak, mem.HeapAlloc)
							}
						}
						return nil
					},
				}
				r := httptest.NewRequest(http.MethodGet, "/data", nil)
				r.Header.Set("Accept-Encoding", coding)
				runtime.GC()
				b.ReportAllocs()
				for b.Loop() {
					w := &discard{httptest.NewRecorder(), 0}
					if err := response.Write(w, r); err != nil {
						b.Fatal(err)
					}
					size = w.size
				}
				b.ReportMetric(year*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(float64(size)/year, "B/row")
				b.ReportMetric(float64(peak)/(1<<20), "heap-MiB")
			})
		}
	}
}

// discard is a client.
type discard struct {
	*httptest.ResponseRecorder

	size uint64
}

func (d *discard) Write(p []byte) (int, error) {
	d.size += uint64(len(p))
	return io.Discard.Write(p)
}
