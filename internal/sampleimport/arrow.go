package sampleimport

import (
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// An arrowTable reads the rows of record batches: of an Arrow file or stream.
type arrowTable struct {
	schema *arrow.Schema
	// open returns the batches, and where in them each column is.
	open    func(columns []int) (array.RecordReader, map[int]int, error)
	reader  array.RecordReader
	at      map[int]int
	batch   arrow.RecordBatch
	i       int // the row in the batch
	started int64
}

// openArrow reads the Arrow streaming format.
func openArrow(r io.Reader) (table, error) {
	reader, err := ipc.NewReader(r, ipc.WithAllocator(bounded{memory.DefaultAllocator}))
	if err != nil {
		return nil, err
	}
	return &arrowTable{schema: reader.Schema(), open: func(columns []int) (array.RecordReader, map[int]int, error) {
		at := map[int]int{}
		for _, c := range columns {
			at[c] = c
		}
		return reader, at, nil
	}}, nil
}

// bounded refuses what no column of a batch needs, but a damaged length may ask for: Go
// ends the program that asks for more memory than there is.
type bounded struct{ memory.Allocator }

const maxBuffer = 1 << 30

func (b bounded) Allocate(size int) []byte {
	checkSize(size)
	return b.Allocator.Allocate(size)
}

func (b bounded) Reallocate(size int, buffer []byte) []byte {
	checkSize(size)
	return b.Allocator.Reallocate(size, buffer)
}

func checkSize(size int) {
	if size < 0 || size > maxBuffer {
		panic(fmt.Sprintf("a part of it claims to have %d bytes; at most %d are read at once", size, maxBuffer))
	}
}

func (t *arrowTable) columns() []string {
	names := make([]string, t.schema.NumFields())
	for i, f := range t.schema.Fields() {
		names[i] = f.Name
	}
	return names
}

func (t *arrowTable) use(columns []int) (err error) {
	t.reader, t.at, err = t.open(columns)
	return err
}

func (t *arrowTable) unit() string { return "row" }

func (t *arrowTable) place() int64 { return t.started + int64(t.i) + 1 }

func (t *arrowTable) next() error {
	if t.batch != nil && int64(t.i)+1 < t.batch.NumRows() {
		t.i++
		return nil
	}
	for {
		if t.batch != nil {
			t.started += t.batch.NumRows()
		}
		if t.batch, t.i = nil, 0; !t.reader.Next() {
			if err := t.reader.Err(); err != nil && !isEnd(err) {
				return err
			}
			return io.EOF
		}
		if t.batch = t.reader.RecordBatch(); t.batch.NumRows() > 0 {
			return nil
		}
	}
}

func (t *arrowTable) value(column int) value {
	return valueOf(t.batch.Column(t.at[column]), t.i)
}

func valueOf(column arrow.Array, i int) value {
	if column.IsNull(i) {
		return value{}
	}
	number := func(v float64) value { return value{kind: kindNumber, number: v} }
	local := func(t time.Time) value { return value{kind: kindTime, at: wall{t: t}} }
	switch c := column.(type) {
	case *array.Float64:
		return number(c.Value(i))
	case *array.Float32:
		return number(float64(c.Value(i)))
	case *array.Int64:
		return number(float64(c.Value(i)))
	case *array.Int32:
		return number(float64(c.Value(i)))
	case *array.Int16:
		return number(float64(c.Value(i)))
	case *array.Int8:
		return number(float64(c.Value(i)))
	case *array.Uint64:
		return number(float64(c.Value(i)))
	case *array.Uint32:
		return number(float64(c.Value(i)))
	case *array.Uint16:
		return number(float64(c.Value(i)))
	case *array.Uint8:
		return number(float64(c.Value(i)))
	case *array.Date32:
		return local(c.Value(i).ToTime())
	case *array.Date64:
		return local(c.Value(i).ToTime())
	case *array.Timestamp:
		of, _ := c.DataType().(*arrow.TimestampType)
		return value{kind: kindTime, at: wall{t: c.Value(i).ToTime(of.Unit), zoned: of.TimeZone != ""}}
	case *array.Dictionary:
		return valueOf(c.Dictionary(), c.GetValueIndex(i))
	default: // text, and decimals as they are written
		return value{kind: kindText, text: column.ValueStr(i)}
	}
}
