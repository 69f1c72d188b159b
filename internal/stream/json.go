package stream

import (
	"fmt"
	"math"
	"strconv"

	"github.com/delfos/delfos/internal/timestamp"
)

// jsonEncoder writes an array of objects, a row a line, without an allocation
// a row. An answer without rows is exactly [].
type jsonEncoder struct {
	columns []jsonColumn
	rows    int64
}

type jsonColumn struct {
	kind Kind
	key  string // what stands before a value: `{"timestamp":` or `,"power":`
	name string
}

// NewJSON returns the encoder of application/json.
func NewJSON(columns []Column) Encoder {
	// Names of columns are plain words, which Go and JSON quote alike.
	e := &jsonEncoder{columns: make([]jsonColumn, len(columns))}
	for i, c := range columns {
		before := ","
		if i == 0 {
			before = "{"
		}
		e.columns[i] = jsonColumn{kind: c.Kind, key: before + strconv.Quote(c.Name) + ":", name: c.Name}
	}
	return e
}

// Begin implements Encoder.
func (e *jsonEncoder) Begin(buf *Buffer) error {
	buf.B = append(buf.B, '[')
	return nil
}

// Row implements Encoder.
func (e *jsonEncoder) Row(buf *Buffer, row []Value) error {
	b := buf.B
	if e.rows > 0 {
		b = append(b, ",\n"...)
	}
	e.rows++
	for i := range e.columns {
		c := &e.columns[i]
		b = append(b, c.key...)
		v := row[i]
		switch {
		case v.Null():
			b = append(b, "null"...)
		case c.kind == Timestamp:
			b = append(b, '"')
			b = timestamp.AppendMicros(b, v.Timestamp())
			b = append(b, '"')
		case c.kind == Int32:
			b = strconv.AppendInt(b, int64(v.Int32()), 10)
		default:
			f := v.Float64()
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("write %s of row %d as JSON: %v has no form there", c.name, e.rows, f)
			}
			b = appendFloat(b, f)
		}
	}
	b = append(b, '}')
	buf.B = b
	return nil
}

// End implements Encoder.
func (e *jsonEncoder) End(buf *Buffer) error {
	buf.B = append(buf.B, ']')
	return nil
}
