package stream_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/server/stream"
)

// wantSchema is what columns() are in Arrow.
func wantSchema() *arrow.Schema {
	unit := func(u string) arrow.Metadata { return arrow.NewMetadata([]string{"unit"}, []string{u}) }
	return arrow.NewSchema([]arrow.Field{
		{Name: "timestamp", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
		{Name: "turbine_id", Type: arrow.PrimitiveTypes.Int32},
		{Name: "wind_speed", Type: arrow.PrimitiveTypes.Float64, Nullable: true, Metadata: unit("m/s")},
		{Name: "power", Type: arrow.PrimitiveTypes.Float64, Nullable: true, Metadata: unit("kW")},
	}, nil)
}

// wantFields compares schemas, the metadata of fields included, that of the
// whole not.
func wantFields(t *testing.T, got *arrow.Schema) {
	t.Helper()
	if diff := cmp.Diff(fmt.Sprint(wantSchema().Fields()), fmt.Sprint(got.Fields())); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

// rowsOf reads the rows of a batch.
func rowsOf(t *testing.T, batch arrow.RecordBatch) [][]stream.Value {
	t.Helper()
	rows := make([][]stream.Value, batch.NumRows())
	for i := range rows {
		rows[i] = make([]stream.Value, batch.NumCols())
		for j, column := range batch.Columns() {
			if column.IsNull(i) {
				continue
			}
			switch c := column.(type) {
			case *array.Timestamp:
				rows[i][j] = pgrow.OfTimestamp(int64(c.Value(i)))
			case *array.Int32:
				rows[i][j] = pgrow.OfInt32(c.Value(i))
			case *array.Float64:
				rows[i][j] = pgrow.OfFloat64(c.Value(i))
			default:
				t.Fatalf("column %d is a %T", j, column)
			}
		}
	}
	return rows
}

// readArrow reads a stream with arrow-go, and the sizes of its batches.
func readArrow(t *testing.T, body []byte) (rows [][]stream.Value, batches []int64) {
	t.Helper()
	r, err := ipc.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	wantFields(t, r.Schema())
	for r.Next() {
		batches = append(batches, r.RecordBatch().NumRows())
		rows = append(rows, rowsOf(t, r.RecordBatch())...)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return rows, batches
}

// wantRows compares values to the bit.
func wantRows(t *testing.T, want, got [][]stream.Value) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("got %d rows, want %d", len(got), len(want))
	}
	for i := range want {
		for j := range want[i] {
			if want[i][j] != got[i][j] {
				t.Fatalf("row %d, column %d: got %+v, want %+v", i, j, got[i][j], want[i][j])
			}
		}
	}
}

func TestArrow(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]int64{
		0:      nil,
		1:      {1},
		4095:   {4095},
		4096:   {4096},
		4097:   {4096, 1},
		20_000: {4096, 4096, 4096, 4096, 3616},
	} {
		rows := manyRows(n)
		got, batches := readArrow(t, encode(t, format(t, "arrow"), columns(), rows))
		wantRows(t, rows, got)
		if diff := cmp.Diff(want, batches); diff != "" {
			t.Errorf("batches of %d rows (-want +got):\n%s", n, diff)
		}
	}
	got, _ := readArrow(t, encode(t, format(t, "arrow"), columns(), sampleRows()))
	wantRows(t, sampleRows(), got)
}

// Wherever the first null stands, the rows before it keep their values.
func TestArrowFirstNull(t *testing.T) {
	t.Parallel()
	for first := range 40 {
		rows := manyRows(40)
		for i := first; i < len(rows); i += 3 {
			rows[i][2] = stream.Value{}
		}
		got, _ := readArrow(t, encode(t, format(t, "arrow"), columns(), rows))
		wantRows(t, rows, got)
	}
}

// Cut off anywhere after the schema, a stream may look whole to a lenient
// reader: what it must not do is to end as a whole one does.
func TestArrowEndsWithItsMark(t *testing.T) {
	t.Parallel()
	body := encode(t, format(t, "arrow"), columns(), manyRows(10))
	if mark := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}; !bytes.HasSuffix(body, mark) || bytes.Count(body, mark) != 1 {
		t.Errorf("the stream ends in %x", body[len(body)-16:])
	}
}
