package stream_test

import (
	"testing"

	"github.com/delfos/delfos/server/stream"
)

// A row costs no memory of its own; what a batch of Arrow and a row group of
// Parquet cost is spread over their rows. Allocations are counted for the whole
// process: nothing runs beside this test.
func TestRowsDoNotAllocate(t *testing.T) {
	const runs = 200_000
	rows := manyRows(10_000)
	for name, most := range map[string]float64{"json": 0, "ndjson": 0, "csv": 0, "arrow": 0.05, "parquet": 0.1} {
		e := format(t, name).New(columns())
		buf := stream.Buffer{B: make([]byte, 0, stream.WholeSize)}
		if err := e.Begin(&buf); err != nil {
			t.Fatal(err)
		}
		i := 0
		all := testing.AllocsPerRun(1, func() {
			for range runs {
				if err := e.Row(&buf, rows[i%len(rows)]); err != nil {
					t.Fatal(err)
				}
				i++
				if len(buf.B) >= stream.ChunkSize {
					buf.B = buf.B[:0]
				}
			}
		})
		if got := all / runs; got > most {
			t.Errorf("%s allocates %g times a row, want at most %g", name, got, most)
		}
	}
}
