package stream_test

import (
	"bytes"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/stream"
)

// readParquet reads a file with arrow-go, and the sizes of its row groups.
func readParquet(t *testing.T, body []byte) (rows [][]stream.Value, groups []int64) {
	t.Helper()
	f, err := file.NewParquetReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range f.NumRowGroups() {
		group := f.MetaData().RowGroup(i)
		groups = append(groups, group.NumRows())
		for j := range group.NumColumns() {
			chunk, err := group.ColumnChunk(j)
			if err != nil {
				t.Fatal(err)
			}
			if chunk.Compression() != compress.Codecs.Zstd {
				t.Errorf("column %d is compressed by %s", j, chunk.Compression())
			}
		}
	}
	if got := f.MetaData().Schema.Column(0).LogicalType().String(); got != "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds, is_from_converted_type=false, force_set_converted_type=false)" {
		t.Errorf("timestamp is a %s", got)
	}
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := r.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer table.Release()
	schema := table.Schema()
	for i, want := range wantSchema().Fields() {
		got := schema.Field(i)
		if u, _ := want.Metadata.GetValue("unit"); u != "" {
			if g, _ := got.Metadata.GetValue("unit"); g != u {
				t.Errorf("the unit of %s is %q, want %q", want.Name, g, u)
			}
		}
		if got.Name != want.Name || got.Type.String() != want.Type.String() || got.Nullable != want.Nullable {
			t.Errorf("field %d is %v, want %v", i, got, want)
		}
	}
	batches := array.NewTableReader(table, 0)
	defer batches.Release()
	for batches.Next() {
		rows = append(rows, rowsOf(t, batches.RecordBatch())...)
	}
	if batches.Err() != nil {
		t.Fatal(batches.Err())
	}
	return rows, groups
}

func TestParquet(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]int64{
		0:       nil,
		1:       {1},
		1440:    {1440},
		65_536:  {65_536},
		140_000: {65_536, 65_536, 8928},
	} {
		rows := manyRows(n)
		got, groups := readParquet(t, encode(t, format(t, "parquet"), columns(), rows))
		wantRows(t, rows, got)
		if diff := cmp.Diff(want, groups); diff != "" {
			t.Errorf("row groups of %d rows (-want +got):\n%s", n, diff)
		}
	}
	got, _ := readParquet(t, encode(t, format(t, "parquet"), columns(), sampleRows()))
	wantRows(t, sampleRows(), got)
}

// A row group leaves when it is full; the file does not gather up.
func TestParquetStreams(t *testing.T) {
	t.Parallel()
	var buf stream.Buffer
	e := format(t, "parquet").New(columns())
	if err := e.Begin(&buf); err != nil {
		t.Fatal(err)
	}
	for i, row := range manyRows(2 * stream.ParquetRowGroup) {
		before := len(buf.B)
		if err := e.Row(&buf, row); err != nil {
			t.Fatal(err)
		}
		if full := (i+1)%stream.ParquetRowGroup == 0; (len(buf.B) > before) != full {
			t.Fatalf("row %d wrote %d bytes", i+1, len(buf.B)-before)
		}
		buf.B = buf.B[:0]
	}
}
