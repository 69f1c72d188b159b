package sampleimport_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/sampleimport"
)

// batch is two rows as pandas writes them, with times of a zone or of none and a nested
// column that nobody asks for.
func batch(t *testing.T, zone string) arrow.RecordBatch {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "time", Type: &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: zone}, Nullable: true},
		{Name: "power", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "wind", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil))
	offset := ""
	if zone != "" {
		offset = "Z"
	}
	for _, row := range []string{
		`{"list": [1], "time": "2025-01-02T01:00:00.000000999%s", "power": -12, "wind": 5.25, "name": "WT1"}`,
		`{"list": null, "time": "2025-01-02T01:10:00%s", "power": null, "wind": -999, "name": "WT1"}`,
	} {
		if err := b.UnmarshalJSON(fmt.Appendf(nil, row, offset)); err != nil {
			t.Fatal(err)
		}
	}
	return b.NewRecordBatch()
}

type writer interface {
	Write(rows arrow.RecordBatch) error
	Close() error
}

func TestParquetAndArrow(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	format := sampleimport.Format{
		Map: []string{"time=timestamp", "WIND=wind_speed", "#3=power", "name=turbine"}, Null: []string{"-999"}, TimeZone: "Europe/Berlin",
	}
	local := []string{"2 2025-01-02T00:00:00Z 5.25 -12 -", "2 2025-01-02T00:10:00Z - - -"}
	utc := []string{"2 2025-01-02T01:00:00Z 5.25 -12 -", "2 2025-01-02T01:10:00Z - - -"}
	for zone, want := range map[string][]string{"": local, "UTC": utc} {
		rows := batch(t, zone)
		for name, open := range map[string]func(*bytes.Buffer) (writer, error){
			"Parquet": func(b *bytes.Buffer) (writer, error) {
				return pqarrow.NewFileWriter(rows.Schema(), b, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
			},
			"Arrow file": func(b *bytes.Buffer) (writer, error) {
				return ipc.NewFileWriter(b, ipc.WithSchema(rows.Schema()))
			},
			"Arrow stream": func(b *bytes.Buffer) (writer, error) {
				return ipc.NewWriter(b, ipc.WithSchema(rows.Schema())), nil
			},
		} {
			var b bytes.Buffer
			w, err := open(&b)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(rows); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			for packed, text := range map[string]string{"": b.String(), " in gzip": gzipped(t, b.String()), " in zip": zipped(t, "a", b.String())} {
				samples, _, err := importing(t, pool, sampleimport.Options{Format: format, DryRun: true}, file("a", text))
				if err != nil {
					t.Errorf("%s%s in zone %q: %v", name, packed, zone, err)
				}
				if diff := cmp.Diff(want, samples); diff != "" {
					t.Errorf("%s%s in zone %q (-want +got):\n%s", name, packed, zone, diff)
				}
			}
		}
	}
}
