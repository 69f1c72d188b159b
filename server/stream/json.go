package stream

import (
	"strconv"

	"github.com/delfos/delfos/internal/timestamp"
)

// jsonEncoder writes an array of objects, a row a line, without an allocation
// a row. An answer without rows is exactly [].
type jsonEncoder struct {
	object jsonObject
	rows   int64
}

// NewJSON returns the encoder of application/json.
func NewJSON(columns []Column) Encoder { return &jsonEncoder{object: newJSONObject(columns)} }

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
	b, err := e.object.append(b, row)
	if err != nil {
		return rowError("JSON", e.rows, err)
	}
	buf.B = b
	return nil
}

// End implements Encoder.
func (e *jsonEncoder) End(buf *Buffer) error {
	buf.B = append(buf.B, ']')
	return nil
}

// ndjsonEncoder writes an object a line, and nothing else.
type ndjsonEncoder struct {
	object jsonObject
	rows   int64
}

// NewNDJSON returns the encoder of application/x-ndjson.
func NewNDJSON(columns []Column) Encoder { return &ndjsonEncoder{object: newJSONObject(columns)} }

// Begin implements Encoder.
func (e *ndjsonEncoder) Begin(*Buffer) error { return nil }

// Row implements Encoder.
func (e *ndjsonEncoder) Row(buf *Buffer, row []Value) error {
	e.rows++
	b, err := e.object.append(buf.B, row)
	if err != nil {
		return rowError("NDJSON", e.rows, err)
	}
	b = append(b, '\n')
	buf.B = b
	return nil
}

// End implements Encoder.
func (e *ndjsonEncoder) End(*Buffer) error { return nil }

// jsonObject writes a row as an object.
type jsonObject []jsonMember

type jsonMember struct {
	Column

	key string // what stands before a value: `{"timestamp":` or `,"power":`
}

func newJSONObject(columns []Column) jsonObject {
	o := make(jsonObject, len(columns))
	for i, c := range columns {
		before := ","
		if i == 0 {
			before = "{"
		}
		// Names of columns are plain words, which Go and JSON quote alike.
		o[i] = jsonMember{c, before + strconv.Quote(c.Name) + ":"}
	}
	return o
}

func (o jsonObject) append(b []byte, row []Value) ([]byte, error) {
	for i := range o {
		m := &o[i]
		v := row[i]
		if err := check(&m.Column, v); err != nil {
			return nil, err
		}
		b = append(b, m.key...)
		switch {
		case v.Null():
			b = append(b, "null"...)
		case m.Kind == Timestamp:
			b = append(b, '"')
			b = timestamp.AppendMicros(b, v.Timestamp())
			b = append(b, '"')
		case m.Kind == Int32:
			b = strconv.AppendInt(b, int64(v.Int32()), 10)
		case m.Kind == Text:
			b = appendQuoted(b, m.Text(v.Int32()))
		default:
			b = appendFloat(b, v.Float64())
		}
	}
	return append(b, '}'), nil
}
