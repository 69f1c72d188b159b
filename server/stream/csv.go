package stream

import (
	"strconv"

	"github.com/delfos/delfos/internal/timestamp"
)

// csvEncoder writes RFC 4180: a header, lines that end in CRLF, null as an
// empty field without quotes. Of what it writes, a text alone may need quotes.
type csvEncoder struct {
	columns []Column
	rows    int64
}

// NewCSV returns the encoder of text/csv.
func NewCSV(columns []Column) Encoder { return &csvEncoder{columns: columns} }

// Begin implements Encoder.
func (e *csvEncoder) Begin(buf *Buffer) error {
	for i, c := range e.columns {
		if i > 0 {
			buf.B = append(buf.B, ',')
		}
		buf.B = append(buf.B, c.Name...)
	}
	buf.B = append(buf.B, "\r\n"...)
	return nil
}

// Row implements Encoder.
func (e *csvEncoder) Row(buf *Buffer, row []Value) error {
	b := buf.B
	e.rows++
	for i := range e.columns {
		c := &e.columns[i]
		v := row[i]
		if err := check(c, v); err != nil {
			return rowError("CSV", e.rows, err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case v.Null():
		case c.Kind == Timestamp:
			b = timestamp.AppendMicros(b, v.Timestamp())
		case c.Kind == Int32:
			b = strconv.AppendInt(b, int64(v.Int32()), 10)
		case c.Kind == Text:
			b = appendField(b, c.Text(v.Int32()))
		default:
			b = appendFloat(b, v.Float64())
		}
	}
	b = append(b, "\r\n"...)
	buf.B = b
	return nil
}

// End implements Encoder.
func (e *csvEncoder) End(*Buffer) error { return nil }
