package stream

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// ArrowBatch is how many rows a record batch of an Arrow stream has, except the
// last.
const ArrowBatch = 4096

// UnitKey is the key of a column's unit in the metadata of its Arrow field.
const UnitKey = "unit"

// arrowEncoder writes an Arrow IPC stream. Values go straight into the layout of
// Arrow, in memory that every batch of the answer uses anew: a batch costs some
// tens of small allocations, a row none.
type arrowEncoder struct {
	schema  *arrow.Schema
	columns []arrowColumn
	writer  *ipc.Writer
	held    int   // rows in the batch that is being filled
	rows    int64 // rows before it
}

// arrowColumn is a column of the batch that is being filled. Its values are in
// the one of the three places that the kind asks for.
type arrowColumn struct {
	Column

	wide   []uint64
	narrow []uint32
	texts  texts
	valid  []byte // a bit a row; only complete if there are nulls
	nulls  int
}

// NewArrow returns the encoder of application/vnd.apache.arrow.stream. The
// schema leaves at once: also an answer without rows has it.
func NewArrow(columns []Column) Encoder {
	e := &arrowEncoder{schema: arrowSchema(columns), columns: make([]arrowColumn, len(columns))}
	for i, c := range columns {
		e.columns[i].Column = c
	}
	return e
}

// arrowSchema is that of the Arrow stream; a Parquet file carries it too.
func arrowSchema(columns []Column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: arrowType(c.Kind), Nullable: nullable(c.Kind)}
		if c.Unit != "" {
			fields[i].Metadata = arrow.NewMetadata([]string{UnitKey}, []string{c.Unit})
		}
	}
	return arrow.NewSchema(fields, nil)
}

func arrowType(kind Kind) arrow.DataType {
	switch kind {
	case Int32:
		return arrow.PrimitiveTypes.Int32
	case Int64:
		return arrow.PrimitiveTypes.Int64
	case Timestamp:
		return arrow.FixedWidthTypes.Timestamp_us // of zone UTC
	case Text:
		return arrow.BinaryTypes.String
	default:
		return arrow.PrimitiveTypes.Float64
	}
}

func (e *arrowEncoder) Begin(buf *Buffer) error {
	e.writer = ipc.NewWriter(buf, ipc.WithSchema(e.schema))
	return nil
}

func (e *arrowEncoder) Row(_ *Buffer, row []Value) error {
	for i := range e.columns {
		c := &e.columns[i]
		v := row[i]
		if err := check(&c.Column, v); err != nil {
			return rowError("Arrow", e.rows+int64(e.held)+1, err)
		}
		switch c.Kind {
		case Int32:
			c.narrow = append(c.narrow, uint32(v.Int32()))
		case Text:
			c.texts.append(c.Text(v.Int32()))
		default:
			c.wide = append(c.wide, v.Bits())
		}
		if v.Null() || c.nulls > 0 {
			c.mark(e.held, !v.Null())
		}
	}
	e.held++
	if e.held < ArrowBatch {
		return nil
	}
	return e.flush()
}

// mark notes whether the row of the batch has a value. The first null makes up
// for the rows before it.
func (c *arrowColumn) mark(row int, valid bool) {
	if c.nulls == 0 {
		c.valid = c.valid[:0]
		for range row / 8 {
			c.valid = append(c.valid, 0xff)
		}
		if row%8 > 0 {
			c.valid = append(c.valid, 1<<(row%8)-1)
		}
	}
	if row%8 == 0 {
		c.valid = append(c.valid, 0)
	}
	if valid {
		c.valid[row/8] |= 1 << (row % 8)
	} else {
		c.nulls++
	}
}

func (e *arrowEncoder) End(*Buffer) error {
	if e.held > 0 {
		if err := e.flush(); err != nil {
			return err
		}
	}
	if err := e.writer.Close(); err != nil {
		return fmt.Errorf("end an answer in Arrow: %w", err)
	}
	return nil
}

// flush writes the batch.
func (e *arrowEncoder) flush() error {
	arrays := make([]arrow.Array, len(e.columns))
	for i := range e.columns {
		arrays[i] = e.columns[i].array(e.held)
	}
	batch := array.NewRecordBatch(e.schema, arrays, int64(e.held))
	if err := e.writer.Write(batch); err != nil {
		return fmt.Errorf("write a batch of an answer in Arrow: %w", err)
	}
	e.rows += int64(e.held)
	e.held = 0
	for i := range e.columns {
		c := &e.columns[i]
		c.wide, c.narrow, c.nulls = c.wide[:0], c.narrow[:0], 0
		c.texts.reset()
	}
	return nil
}

// array shows the column's memory as an Arrow array.
func (c *arrowColumn) array(rows int) arrow.Array {
	if c.Kind == Text {
		return c.texts.array(rows)
	}
	var values, valid *memory.Buffer
	if c.Kind == Int32 {
		values = memory.NewBufferBytes(arrow.GetBytes(c.narrow))
	} else {
		values = memory.NewBufferBytes(arrow.GetBytes(c.wide))
	}
	if c.nulls > 0 {
		valid = memory.NewBufferBytes(c.valid)
	}
	return array.MakeFromData(array.NewData(arrowType(c.Kind), rows, []*memory.Buffer{valid, values}, nil, c.nulls, 0))
}

// texts are the values of a Text column in the layout of Arrow: one after
// another, with the place where each ends.
type texts struct {
	ends  []int32
	bytes []byte
}

func (t *texts) append(text string) {
	if len(t.ends) == 0 {
		t.ends = append(t.ends, 0)
	}
	t.bytes = append(t.bytes, text...)
	t.ends = append(t.ends, int32(len(t.bytes)))
}

func (t *texts) reset() { t.ends, t.bytes = t.ends[:0], t.bytes[:0] }

// array shows the memory as an Arrow array of at least one row.
func (t *texts) array(rows int) arrow.Array {
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.GetBytes(t.ends)), memory.NewBufferBytes(t.bytes)}
	return array.MakeFromData(array.NewData(arrow.BinaryTypes.String, rows, buffers, nil, 0, 0))
}
