package stream_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/server/stream"
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

// Differences of any size, of numbers with either sign, come back to the bit.
func TestParquetAnyValue(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 127, 128, 129, 16_383, 16_384, 16_385, 66_000} {
		rows := make([][]stream.Value, n)
		for i := range rows {
			wide := random.IntN(65)
			rows[i] = []stream.Value{
				pgrow.OfTimestamp(int64(random.Uint64() >> (64 - wide))), pgrow.OfInt32(int32(random.Uint32() >> random.IntN(32))),
				pgrow.OfFloat64(random.NormFloat64()),
				{},
			}
			if random.IntN(3) == 0 {
				rows[i][2] = stream.Value{}
			}
		}
		got, _ := readParquet(t, encode(t, format(t, "parquet"), columns(), rows))
		wantRows(t, rows, got)
	}
}

// A reader may pass over row groups by what the footer says of their columns.
func TestParquetStatistics(t *testing.T) {
	t.Parallel()
	f, err := file.NewParquetReader(bytes.NewReader(encode(t, format(t, "parquet"), columns(), sampleRows())))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type about struct {
		Min, Max any
		Nulls    int64
	}
	var got []about
	for i := range columns() {
		chunk, err := f.MetaData().RowGroup(0).ColumnChunk(i)
		if err != nil {
			t.Fatal(err)
		}
		statistics, err := chunk.Statistics()
		if err != nil || !statistics.HasMinMax() {
			t.Fatalf("column %d: %v, %v", i, statistics, err)
		}
		a := about{Nulls: statistics.NullCount()}
		switch s := statistics.(type) {
		case *metadata.Int64Statistics:
			a.Min, a.Max = s.Min(), s.Max()
		case *metadata.Int32Statistics:
			a.Min, a.Max = s.Min(), s.Max()
		case *metadata.Float64Statistics:
			a.Min, a.Max = s.Min(), s.Max()
		}
		got = append(got, a)
	}
	want := []about{
		{micros("1969-12-31T23:59:59.999999Z"), micros("2025-12-31T23:59:00Z"), 0},
		{int32(1), int32(math.MaxInt32), 0},
		{0.0, 1e21, 1},
		{-12.5, math.MaxFloat64, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
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
