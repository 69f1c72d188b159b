package stream_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"github.com/delfos/delfos/internal/pgrow"
	"github.com/delfos/delfos/server/stream"
)

// Texts come back from each format as they were, whatever they are made of, over
// the bounds of batches, pages and row groups.
func TestText(t *testing.T) {
	t.Parallel()
	texts := []string{"power_mean", "", "a,b", `say "x"`, "two\nlines", "back\\slash", "m/s²", "\x00", "1"}
	columns := []stream.Column{
		{Name: "name", Kind: stream.Text, Text: func(number int32) string { return texts[number] }},
		{Name: "value", Kind: stream.Float64},
	}
	const many = stream.ParquetRowGroup + 20_000
	want := make([]string, many)
	rows := make([][]stream.Value, many)
	for i := range rows {
		rows[i] = []stream.Value{pgrow.OfText(int32(i % len(texts))), pgrow.OfFloat64(float64(i))}
		want[i] = texts[i%len(texts)]
	}
	for name, read := range map[string]func([]byte) ([]string, error){
		"json": func(b []byte) (got []string, err error) {
			var all []struct {
				Name string `json:"name"`
			}
			err = json.Unmarshal(b, &all)
			for _, one := range all {
				got = append(got, one.Name)
			}
			return got, err
		},
		"csv": func(b []byte) (got []string, err error) {
			all, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
			for _, one := range all {
				got = append(got, one[0])
			}
			return got[1:], err
		},
		"arrow":   readArrowTexts,
		"parquet": readParquetTexts,
	} {
		got, err := read(encode(t, format(t, name), columns, rows))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%.2000s", name, diff)
		}
	}
}

func readArrowTexts(b []byte) (got []string, err error) {
	r, err := ipc.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	for r.Next() {
		column, ok := r.RecordBatch().Column(0).(*array.String)
		if !ok {
			return nil, fmt.Errorf("a column of %s", r.Schema().Field(0).Type)
		}
		for i := range column.Len() {
			got = append(got, string([]byte(column.Value(i)))) // the memory is the reader's
		}
	}
	return got, r.Err()
}

func readParquetTexts(b []byte) (got []string, err error) {
	f, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 10_000}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	batches, err := r.GetRecordReader(context.Background(), []int{0}, nil)
	if err != nil {
		return nil, err
	}
	defer batches.Release()
	for batches.Next() {
		column, ok := batches.RecordBatch().Column(0).(*array.String)
		if !ok {
			return nil, fmt.Errorf("a column of %s", batches.Schema().Field(0).Type)
		}
		for i := range column.Len() {
			got = append(got, string([]byte(column.Value(i))))
		}
	}
	return got, nil
}
